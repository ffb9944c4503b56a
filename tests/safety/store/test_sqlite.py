"""The store of a node on one machine: each way in which a file fails has a name, and mends."""

import os
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest

from safety.store import sqlite
from safety.store.authority import (
    StoreConflict,
    StoreCorrupt,
    StoreForeign,
    StoreFull,
    StoreLocked,
    StoreLost,
    StoreReadOnly,
)
from safety.store.registrar import Registrar
from safety.store.sqlite import SqliteStore
from tests.safety.store.conformance import HOUR_S, NOW, Conformance, asks, free, holds

NOBODY = 65534


@pytest.fixture
def path(tmp_path):
    return tmp_path / "authority" / "session.db"


@pytest.fixture
def store(path):
    store = SqliteStore(path)
    store.read()
    yield store
    store.close()


def raw(path):
    return sqlite3.connect(path, isolation_level=None)


class TestSqlite(Conformance):
    @pytest.fixture
    def opened(self, path):
        stores = []

        def open_one():
            stores.append(SqliteStore(path))
            return stores[-1]

        yield open_one
        for store in stores:
            store.close()


def test_only_its_owner_may_read_it(store, path):
    store.write(holds(1), NOW, HOUR_S)
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_store_that_another_holds_for_long_is_locked_and_later_is_not(store, path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    other = raw(path)
    other.execute("BEGIN IMMEDIATE")
    store.close()
    with pytest.raises(StoreLocked, match=r"session\.db: another process has locked it"):
        store.write(holds(1), NOW, HOUR_S)
    assert store.read().epoch == 0, "reading goes on"
    other.execute("COMMIT")
    other.close()
    store.write(holds(1), NOW, HOUR_S)


def test_a_full_disk_refuses_what_is_new_and_keeps_what_was(store):
    store.write(holds(1), NOW, HOUR_S)
    store._db.execute("PRAGMA max_page_count = 1")
    long = asks(2, robot="psm2")._replace(waiting=("console",) * 4096)
    with pytest.raises(StoreFull, match="the disk is full"):
        store.write(long, NOW, HOUR_S)
    kept = store.read()
    assert (kept.epoch, [listed.row for listed in kept.robots]) == (1, [holds(1)])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs somebody who may not write")
def test_a_store_that_may_only_be_read_says_so():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.db"
        first = SqliteStore(path)
        first.write(holds(1), NOW, HOUR_S)
        Path(folder).chmod(0o755)
        for file in Path(folder).iterdir():
            file.chmod(0o644)
        os.seteuid(NOBODY)
        try:
            store = SqliteStore(path)
            store.read()
            with pytest.raises(StoreReadOnly, match="may only be read"):
                store.write(holds(2), NOW, HOUR_S)
            assert store.read().epoch == 1
            store.close()
        finally:
            os.seteuid(0)
        first.close()


@pytest.mark.parametrize("at", [0, 20, 100, 4096, 4200, 8192])
def test_a_damaged_file_is_told_to_be_damaged_or_reads_as_it_was(store, path, at):
    for n in range(1, 9):
        store.write(holds(n, robot=f"psm{n}"), NOW, HOUR_S)
    store.close()
    data = bytearray(path.read_bytes())
    data[at : at + 16] = b"\xff" * len(data[at : at + 16])
    path.write_bytes(data)
    try:
        said = f"{path}: epoch {SqliteStore(path).read().epoch}"
    except (StoreCorrupt, StoreForeign, StoreLost) as error:
        said = f"{error}: epoch 8"
    assert said.startswith(str(path))
    assert said.endswith("epoch 8")


def test_a_row_that_reads_oddly_is_damage_and_no_guess(store, path):
    store.write(holds(1), NOW, HOUR_S)
    for change in ("phase = 99", "waiting = 'x'", "role = 77", "observers = '[1]'"):
        with raw(path) as db:
            db.execute(f"UPDATE robot SET {change}")
        db.close()
        with pytest.raises(StoreCorrupt, match=r"session\.db"):
            store.read()
        with raw(path) as db:
            db.execute("UPDATE robot SET phase = 2, waiting = '[]', role = 1, observers = '[]'")
        db.close()
    assert store.read().robots[0].row == holds(1)


def test_a_file_that_is_no_database_is_told(path):
    path.parent.mkdir()
    path.write_bytes(b"{}" * 4096)
    with pytest.raises(StoreCorrupt):
        SqliteStore(path).read()


def test_another_programs_database_is_left_alone(path):
    path.parent.mkdir()
    with raw(path) as db:
        db.execute("CREATE TABLE patients (name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreForeign, match="not a store"):
        SqliteStore(path).write(holds(1), NOW, HOUR_S)
    assert path.read_bytes() == before


def test_a_newer_schema_is_not_guessed_at(store, path):
    with raw(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    store.close()
    with pytest.raises(StoreForeign, match="schema 2, this Trocar knows 1"):
        store.read()


def test_a_path_that_is_a_folder_is_no_store(path):
    path.mkdir(parents=True)
    with pytest.raises(StoreLost, match=r"session\.db"):
        SqliteStore(path).read()


def test_a_path_under_a_file_is_no_store(path):
    path.parent.write_bytes(b"")
    with pytest.raises(StoreLost):
        SqliteStore(path).read()


def test_no_program_lowers_or_forgets_the_epoch(store, path):
    store.write(holds(9), NOW, HOUR_S)
    with raw(path) as db:
        for act in ("UPDATE authority SET epoch = 8", "DELETE FROM authority"):
            with pytest.raises(sqlite3.IntegrityError, match="epoch would"):
                db.execute(act)
    db.close()
    assert store.read().epoch == 9


def test_whoever_only_reads_makes_nothing_and_changes_nothing(store, path, tmp_path):
    store.write(holds(3), NOW, HOUR_S)
    reader = SqliteStore(path, reads=True)
    assert reader.read().epoch == 3, "beside the service"
    with pytest.raises(StoreReadOnly):
        reader.write(holds(4), NOW, HOUR_S)
    reader.close()
    store.close()
    reader = SqliteStore(path, reads=True)
    assert reader.read().epoch == 3, "and without it"
    reader.close()
    with pytest.raises(StoreLost, match="there is none"):
        SqliteStore(tmp_path / "other.db", reads=True).read()
    assert not (tmp_path / "other.db").exists()


def test_an_empty_file_is_no_store_to_who_only_reads(path):
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StoreForeign):
        SqliteStore(path, reads=True).read()


# The writer --------------------------------------------------------------------------------------


class Desk:
    """Whoever puts rows, and hears what became of them."""

    def __init__(self, store):
        self.heard = []
        self._news = threading.Semaphore(0)
        self.registrar = Registrar(store, HOUR_S, self._hear, lambda: NOW)

    def _hear(self, number, failed):
        self.heard.append((number, failed))
        self._news.release()

    def put(self, number, *rows):
        self.registrar.put(number, rows)
        assert self._news.acquire(timeout=10)
        return self.heard[-1]


def test_rows_are_written_in_their_order_and_told(store, path):
    desk = Desk(SqliteStore(path))
    assert desk.put(1, asks(1), asks(2, robot="psm2")) == (1, [])
    assert desk.put(2, holds(1)) == (2, [])
    desk.registrar.close()
    assert [listed.row.phase for listed in store.read().robots] == [2, 1]


def test_what_cannot_be_written_is_told_and_what_follows_is_tried(store, path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    desk = Desk(SqliteStore(path))
    other = raw(path)
    other.execute("BEGIN IMMEDIATE")
    number, (failed,) = desk.put(1, asks(1))
    assert (number, failed.row, failed.epoch) == (1, asks(1), 0)
    assert "locked" in failed.why
    other.execute("COMMIT")
    other.close()
    assert desk.put(2, asks(2)) == (2, [])
    desk.registrar.close()


def test_after_a_conflict_the_writer_knows_what_stands_there(store, path):
    desk = Desk(SqliteStore(path))
    store.write(holds(6), NOW, HOUR_S)
    _, (failed,) = desk.put(1, asks(3))
    assert (failed.epoch, "ask again" in failed.why) == (6, True)
    assert desk.put(2, asks(7)) == (2, [])
    desk.registrar.close()


def test_a_store_that_conflicts_and_is_then_gone_is_told_once(path):
    class Gone(SqliteStore):
        def write(self, row, now_utc_ns, duration_s):
            raise StoreConflict("meanwhile")

        def read(self):
            raise StoreLost("gone")

    desk = Desk(Gone(path))
    _, (failed,) = desk.put(1, free(1))
    assert (failed.why, failed.epoch) == ("meanwhile", 0)
    desk.registrar.close()
