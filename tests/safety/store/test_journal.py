"""The journal: what is written is there after a kill, a torn write, a full disk, a bad block."""

import os
import threading
import time
from pathlib import Path

import pytest

from safety.store import journal
from safety.store.journal import Journal, Keeper


def reread(path: Path) -> Journal:
    found = Journal(path)
    found.read()
    return found


def test_of_a_key_the_newest_counts(tmp_path):
    path = tmp_path / "deep" / "alarms.journal"
    writer = Journal(path)
    writer.read()
    writer.write({"icu/1": b"1", "icu/2": b"2"})
    writer.write({"icu/1": b"3"})
    assert reread(path).records == {"icu/1": b"3", "icu/2": b"2"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_and_a_changed_one_are_passed_over_counted_and_kept_aside(tmp_path):
    path = tmp_path / "alarms.journal"
    writer = Journal(path)
    writer.write({"icu/1": b"1", "icu/2": b"2"})
    writer.write({"icu/2": b"9", "icu/3": b"3"})
    whole = path.read_bytes()
    bad = whole.replace(b"icu/2 9", b"icu/2 8")[:-3]
    path.write_bytes(bad)
    found = reread(path)
    assert found.records == {"icu/1": b"1", "icu/2": b"2"}
    assert found.damaged == 2
    found.write({"icu/4": b"4"})
    found.write({"icu/4": b"5"})
    assert (tmp_path / "alarms.journal.damaged").read_bytes() == bad
    assert reread(path).records == {"icu/1": b"1", "icu/2": b"2", "icu/4": b"5"}


def test_random_bytes_are_no_records(tmp_path):
    path = tmp_path / "alarms.journal"
    path.write_bytes(os.urandom(10_000))
    assert reread(path).records == {}


def test_it_does_not_grow_for_ever(tmp_path):
    path = tmp_path / "alarms.journal"
    writer = Journal(path, bytes_max=1000)
    for k in range(300):
        writer.write({f"icu/{k % 3}": b"%d" % k})
    assert path.stat().st_size < 1200
    assert reread(path).records == {"icu/0": b"297", "icu/1": b"298", "icu/2": b"299"}


def test_a_full_disk_leaves_what_was_there_and_takes_the_rest_when_there_is_room(
    tmp_path, monkeypatch
):
    path = tmp_path / "alarms.journal"
    writer = Journal(path)
    writer.write({"icu/1": b"1"})
    before = path.read_bytes()
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        real(descriptor, data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        writer.write({"icu/2": b"2"})
    assert path.read_bytes() == before
    monkeypatch.undo()
    writer.write({"icu/3": b"3"})
    assert reread(path).records == {"icu/1": b"1", "icu/2": b"2", "icu/3": b"3"}


def test_whoever_writes_beside_us_loses_nothing_of_ours(tmp_path):
    path = tmp_path / "alarms.journal"
    writer = Journal(path)
    writer.write({"icu/1": b"1"})
    path.write_bytes(b"")
    with pytest.raises(OSError, match="somebody else"):
        writer.write({"icu/2": b"2"})
    writer.write({})
    assert reread(path).records == {"icu/1": b"1", "icu/2": b"2"}


def test_who_puts_never_waits_and_what_fails_is_tried_again(tmp_path):
    may = threading.Event()

    class Disk(Journal):
        def write(self, records):
            if not may.is_set():
                raise OSError(28, "No space left on device")
            super().write(records)

    path = tmp_path / "alarms.journal"
    keeper = Keeper(Disk(path), retry_s=0.01)
    keeper.put("icu/1", b"1")
    until(lambda: keeper.trouble == "No space left on device")
    keeper.put("icu/1", b"2")
    keeper.put("icu/2", b"3")
    may.set()
    until(lambda: keeper.trouble == "")
    keeper.close(30.0)
    assert keeper.failures > 0
    assert reread(path).records == {"icu/1": b"2", "icu/2": b"3"}


def test_a_disk_that_stays_full_keeps_nobody_from_ending(tmp_path):
    class Disk(Journal):
        def write(self, records):
            raise OSError(28, "No space left on device")

    keeper = Keeper(Disk(tmp_path / "alarms.journal"), retry_s=0.01)
    keeper.put("icu/1", b"1")
    until(lambda: keeper.trouble)
    keeper.close(30.0)
    assert not keeper._thread.is_alive()


def until(condition, patience_s: float = 30.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
