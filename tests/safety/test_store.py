"""What a robot must remember: written whole or not at all, and doubted when it reads oddly."""

import json
import os
import threading

import pytest

from safety.state import State
from safety.store import file as store_file
from safety.store.file import Record, RobotStore, StoreError
from safety.store.writer import Writer


@pytest.fixture
def path(tmp_path):
    return tmp_path / "robots" / "psm1.json"


@pytest.fixture
def store(path):
    store = RobotStore(path)
    store.create()
    return store


def test_a_new_store_knows_no_epoch_and_no_stop(store):
    assert store.read() == Record(0, State.BOOT)


def test_what_was_written_is_read_by_the_next_boot(store, path):
    store.write(Record(17, State.ESTOP))
    assert RobotStore(path).read() == Record(17, State.ESTOP)


def test_creating_again_forgets_nothing(store):
    store.write(Record(17, State.PROTECTIVE_STOP))
    store.create()
    assert store.read() == Record(17, State.PROTECTIVE_STOP)


def test_a_store_that_nobody_initialised_says_what_to_do(path):
    with pytest.raises(StoreError, match="never initialised") as refusal:
        RobotStore(path).read()
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[17, 2]",
        b'{"epoch": 17}',
        b'{"epoch": 17, "state": 2, "more": 1}',
        b'{"epoch": "17", "state": 2}',
        b'{"epoch": 17.5, "state": 2}',
        b'{"epoch": -1, "state": 2}',
        b'{"epoch": 17, "state": -1}',
        b'{"epoch": 17, "state": 3}',
        b'{"epoch": 17, "state": 99}',
        b'{"epoch": 9223372036854775808, "state": 2}',
        b'{"epoch": 17, "state": 2}x',
        b"\xff\xfe\x00",
        b"[" * 5000,
    ],
)
def test_a_store_that_reads_oddly_is_an_error_and_no_guess(store, path, content):
    path.write_bytes(content)
    with pytest.raises(StoreError, match="psm1"):
        store.read()


def test_a_store_that_cannot_be_opened_is_an_error(store, path):
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="psm1"):
        store.read()


def test_only_its_owner_may_read_it(store, path):
    store.write(Record(1, State.BOOT))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_power_cut_while_writing_leaves_the_old_record(store, path, monkeypatch):
    store.write(Record(5, State.ESTOP))

    def cut(descriptor):
        raise OSError("power cut")

    monkeypatch.setattr(store_file.os, "fsync", cut)
    with pytest.raises(OSError, match="power cut"):
        store.write(Record(6, State.BOOT))
    monkeypatch.undo()
    assert store.read() == Record(5, State.ESTOP)
    store.write(Record(7, State.BOOT))
    assert store.read() == Record(7, State.BOOT)


def test_record_and_folder_are_synced_before_write_returns(store, path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        store_file.os,
        "fsync",
        lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)),
    )
    store.write(Record(9, State.BOOT))
    assert synced == [f"{path}.new", str(path.parent)]
    assert json.loads(path.read_bytes()) == {"epoch": 9, "state": 2}
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


class FullDisk(RobotStore):
    """A store whose disk has no room for so many tries."""

    def __init__(self, path, fails):
        super().__init__(path)
        self.fails = fails

    def write(self, record):
        if self.fails:
            self.fails -= 1
            raise OSError(28, "No space left on device")
        super().write(record)


def test_a_full_disk_delays_what_is_written_and_loses_nothing(tmp_path):
    store = FullDisk(tmp_path / "robot.store", fails=3)
    done, failed, written = threading.Event(), [], []

    def on_written(epoch):
        written.append((epoch, store.read().epoch, len(failed)))
        if epoch == 8:
            done.set()

    writer = Writer(
        store, lambda epoch: Record(epoch, State.BOOT), on_written, lambda: failed.append(1), 0.001
    )
    for epoch in (7, 8):
        writer.put(epoch)
    assert done.wait(10.0)
    assert written == [(7, 7, 3), (8, 8, 3)], "in order, each once it can be read again"


@pytest.mark.parametrize("at", range(len(b'{"epoch":12,"state":2}')))
def test_whatever_byte_of_it_is_damaged_it_is_read_as_it_is_or_told_unreadable(at, tmp_path):
    path = tmp_path / "robot.store.json"
    whole = b'{"epoch":12,"state":2}'
    for byte in range(256):
        path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
        try:
            record = RobotStore(path).read()
        except StoreError as error:
            said = str(error)
        else:
            said = f"{path}" if record.state <= State.BOOT else "a state that is no stop"
        assert str(path) in said
