"""Recordings keep within their bounds, whatever the disk does, and are read whatever befell."""

import os

import msgspec
import pytest
from mcap.reader import make_reader

from teleop.record import archive
from teleop.record.archive import RETRY_NS, Archive, Bounds, Channel, files_of
from teleop.record.recording import Reel, Rows, read, reels
from transport.telemetry.tape import Entry, check_sum

START_NS = 1_800_000_000_000_000_000
MS = 1_000_000
TAPE = Channel("/tape/robotd", "msgpack")
RING = Channel("/ring/robotd.event", "msgpack", notes=(("fields", "t_ns old new"),))
SMALL = Bounds(file_bytes=40_000, file_ns=10**12, total_bytes=150_000)


def entry(number):
    t_ns, kind, data = number * MS, 4, os.urandom(300)
    return Entry(number, t_ns, kind, data, check_sum(number, t_ns, kind, data))


def reel(entries, identity="one"):
    return msgspec.msgpack.encode((identity, START_NS, 0, entries))


def filled(folder, count, bounds=SMALL, each=10):
    """An archive that was given so many records, a flush after each ten."""
    given, kept = [], Archive(folder, bounds)
    for n in range(count // each):
        entries = [entry(n * each + i + 1) for i in range(each)]
        kept.add(TAPE, START_NS + n * MS, reel(entries))
        kept.flush(START_NS + n * MS, sync=n % 5 == 0)
        given += entries
    return kept, given


def found(folder, damages=None):
    pieces = reels(files_of(folder), ("robotd",), [] if damages is None else damages)
    return [one for piece in pieces for one in piece.entries]


def test_what_is_given_is_found_in_files_that_follow_one_another(tmp_path):
    kept, given = filled(tmp_path, 300)
    kept.add(RING, START_NS, msgspec.msgpack.encode((START_NS, 2, [(1, 7, 4), (2, 4, 7)])))
    kept.close()
    damages = []
    assert found(tmp_path, damages) == given
    assert damages == []
    assert kept.written == len(files_of(tmp_path)) == 3
    pieces = [piece for path in files_of(tmp_path) for piece in read(path, damages)]
    (rows,) = (piece for piece in pieces if isinstance(piece, Rows))
    assert rows == Rows("robotd.event", ("t_ns", "old", "new"), START_NS, 2, [(1, 7, 4), (2, 4, 7)])


def test_the_oldest_go_and_the_whole_stays_within_its_bound(tmp_path):
    kept, given = filled(tmp_path, 1500)
    kept.close()
    assert kept.removed > 0
    assert sum(path.stat().st_size for path in files_of(tmp_path)) <= SMALL.total_bytes
    tail = found(tmp_path)
    assert tail == given[-len(tail) :]
    assert len(tail) >= 200


def test_a_file_is_closed_when_it_is_old(tmp_path):
    kept = Archive(tmp_path, Bounds(file_ns=50 * MS))
    for n in range(10):
        kept.add(TAPE, START_NS + 20 * n * MS, reel([entry(n + 1)]))
        kept.flush(START_NS + 20 * n * MS)
    kept.close()
    assert kept.written == 3


def test_a_file_that_is_finished_is_one_for_every_reader(tmp_path):
    kept, _ = filled(tmp_path, 50, Bounds())
    kept.close()
    (path,) = files_of(tmp_path)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert [channel.topic for channel in summary.channels.values()] == ["/tape/robotd"]
    assert summary.statistics.message_count == 5


def test_what_was_flushed_is_there_without_a_close(tmp_path):
    kept, given = filled(tmp_path, 100, Bounds())
    kept.add(TAPE, START_NS, reel([entry(101)]))  # and this was not
    damages = []
    assert found(tmp_path, damages) == given
    assert len(damages) == 1
    assert "ends here" in damages[0].what


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.77, 0.999])
def test_a_file_that_was_cut_is_read_up_to_the_cut(tmp_path, share):
    kept, given = filled(tmp_path, 200, Bounds())
    kept.close()
    (path,) = files_of(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    damages = []
    entries = found(tmp_path, damages)
    assert entries == given[: len(entries)]
    assert len(entries) >= int(200 * share) - 15
    assert len(damages) == 1
    assert damages[0].at_byte <= len(whole) * share


def test_any_damaged_byte_costs_its_chunk_at_most_or_is_seen_and_named(tmp_path):
    kept, given = filled(tmp_path, 100, Bounds())
    kept.close()
    (path,) = files_of(tmp_path)
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 150):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 0x41,)) + whole[at + 1 :])
        damages = []
        entries = found(tmp_path, damages)
        assert all(one in given for one in entries)
        assert entries == given or damages


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "x.mcap").write_bytes(b"anything else" * 100)
    damages = []
    assert found(tmp_path, damages) == []
    assert "InvalidMagic" in damages[0].what
    (tmp_path / "x.mcap").write_bytes(b"")
    damages.clear()
    assert found(tmp_path, damages) == []
    assert damages[0].at_byte == 0


def test_overlapping_files_give_each_record_once_and_tapes_are_kept_apart(tmp_path):
    kept = Archive(tmp_path, Bounds())
    first = [entry(number) for number in range(1, 11)]
    kept.add(TAPE, START_NS, reel(first))
    kept.add(TAPE, START_NS, reel([*first[5:], entry(11)]))
    kept.add(TAPE, START_NS, reel([entry(1)], "two"))
    kept.close()
    pieces = list(reels(files_of(tmp_path), ("robotd",), []))
    numbers = [(piece.identity, one.number) for piece in pieces for one in piece.entries]
    assert numbers == [("one", n) for n in range(1, 12)] + [("two", 1)]
    assert all(isinstance(piece, Reel) for piece in pieces)


class Full:
    """A disk that takes so many bytes, and then half of the next write."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(archive.os, "write", self.write)

    def write(self, fd, data):
        data = bytes(data)[: max(self.room, 0)]
        if not data:
            raise OSError(28, "No space left on device")
        self.room -= len(data)
        return self._write(fd, data)


def test_a_full_disk_is_counted_and_afterwards_it_goes_on(tmp_path, monkeypatch):
    disk = Full(monkeypatch, 10_000)
    kept = Archive(tmp_path, Bounds())
    for n in range(20):
        kept.add(TAPE, START_NS + n, reel([entry(10 * n + i + 1) for i in range(10)]))
        kept.flush(START_NS + n)
    assert kept.is_failing
    assert kept.failed >= 14
    before = len(found(tmp_path))
    assert before >= 20
    disk.room = 10**9
    kept.add(TAPE, START_NS + RETRY_NS // 2, reel([entry(500)]))
    assert kept.is_failing, "not tried again so soon"
    kept.add(TAPE, START_NS + 2 * RETRY_NS, reel([entry(501)]))
    kept.flush(START_NS + 2 * RETRY_NS)
    assert not kept.is_failing
    assert [one.number for one in found(tmp_path)][before:] == [501]
    kept.close()


def test_a_folder_that_cannot_be_made_is_counted(tmp_path):
    (tmp_path / "file").write_text("")
    kept = Archive(tmp_path / "file" / "records", Bounds())
    kept.add(TAPE, START_NS, reel([entry(1)]))
    kept.flush(START_NS)
    kept.close()
    assert (kept.failed, kept.is_failing) == (1, True)
