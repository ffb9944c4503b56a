"""The audit on disk: nothing of it is lost, and whatever goes missing is found."""

import errno
import os
import shutil
import threading
import time
from multiprocessing import get_context

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.audit import Entry, Outcome
from safety.store import audit
from safety.store.audit import AuditError, AuditFull, AuditLog, read, verify
from safety.store.scribe import BACKLOG, Scribe

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KNOWN = {"node": (KEY.public_key(),)}


def signers_of(name):
    return KNOWN.get(name, ())


HOUR = 3600 * 1_000_000_000


class Place:
    """A folder of records, and the second place of their head."""

    def __init__(self, path):
        self.folder, self.second = path / "audit", path / "elsewhere"

    def log(self):
        return AuditLog(self.folder, self.second, "node", KEY)

    def fault(self):
        return verify(self.folder, self.second, signers_of).fault

    def file(self, number=1):
        return self.folder / f"audit-{number:06}.jsonl"

    def acts(self):
        return [record.act for record in read(self.folder)]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def entry(n=0, act="grant"):
    return Entry(n, "console", act, "robot", Outcome.DONE, f"epoch {n}")


def test_what_was_appended_is_there_for_the_next_who_opens_it(place):
    assert place.log().append([entry(1), entry(2)]) == 2
    assert place.log().append([entry(3)]) == 3
    verdict = verify(place.folder, place.second, signers_of)
    assert (verdict.records, verdict.signed, verdict.fault) == (3, 3, None)
    assert [record.detail for record in read(place.folder)] == ["epoch 1", "epoch 2", "epoch 3"]


def test_nobody_else_can_read_it(place):
    place.log().append([entry()])
    files = [place.file(), place.second / "audit.head", place.folder / "audit.lock"]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * 3
    assert place.folder.stat().st_mode & 0o777 == 0o700


def test_two_writers_make_one_chain(place):
    first, second = place.log(), place.log()
    for n in range(6):
        (first, second)[n % 2].append([entry(n)])
    assert place.fault() is None
    assert len(place.acts()) == 6


def _write_many(folder, second, many):
    log = AuditLog(folder, second, "node", KEY)
    for n in range(many):
        log.append([entry(n)])


def test_two_processes_at_once_make_one_chain(place):
    context = get_context("spawn")
    both = [
        context.Process(target=_write_many, args=(place.folder, place.second, 40)) for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(50)
    assert place.fault() is None
    assert len(place.acts()) == 80


def test_once_an_hour_a_signed_head_stands_in_the_chain(place):
    log = place.log()
    for minutes in (0, 30, 59, 61, 90, 122):
        log.append([entry(minutes * HOUR // 60)])
    assert place.acts().count("head") == 2
    (place.second / "audit.head").unlink()
    verdict = verify(place.folder, place.second, signers_of)
    assert verdict.signed == 6, "all before the second head in the chain"
    assert "no head is kept" in verdict.fault.what


def test_a_file_that_is_large_is_followed_by_another(place, monkeypatch):
    monkeypatch.setattr(audit, "FILE_BYTES_MAX", 1_000)
    log = place.log()
    for n in range(12):
        log.append([entry(n)])
    assert len(list(place.folder.glob("audit-*.jsonl"))) > 2
    place.log().append([entry(12)])
    assert place.fault() is None
    place.file(2).unlink()
    assert "missing" in place.fault().what


@pytest.mark.parametrize("cut", [1, 30, 10_000])
def test_an_end_that_was_cut_off_is_found(place, cut):
    place.log().append([entry(n) for n in range(5)])
    size = place.file().stat().st_size
    os.truncate(place.file(), max(0, size - cut))
    assert place.fault() is not None


def test_a_cut_that_somebody_wrote_over_is_still_found(place):
    log = place.log()
    log.append([entry(n) for n in range(5)])
    lines = place.file().read_bytes().splitlines(keepends=True)
    place.file().write_bytes(b"".join(lines[:3]))
    log.append([entry(9) for _ in range(4)])
    fault = place.fault()
    assert (fault.n, "made anew" in fault.what) == (5, True)
    assert place.acts()[3] == "lost"
    assert (place.second / "audit.head-5").exists()


def test_another_end_of_the_same_length_is_found_by_the_next_writer(place, tmp_path):
    place.log().append([entry(1), entry(2)])
    other = Place(tmp_path / "other")
    other.log().append([entry(1), entry(3)])
    shutil.copy(other.file(), place.file())
    place.log().append([entry(4)])
    assert place.fault() is not None
    assert "lost" in place.acts()


def test_half_a_record_of_a_power_cut_is_cut_off_and_that_is_recorded(place):
    place.log().append([entry(1)])
    with place.file().open("ab") as file:
        file.write(b'{"n":2,"t":')
    place.log().append([entry(2)])
    assert place.acts() == ["grant", "lost", "grant"]
    assert place.fault() is None


def test_a_last_line_that_is_no_record_stops_writing_by_name(place):
    place.log().append([entry(1)])
    with place.file().open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(AuditError, match=r"audit-000001.jsonl.*no record"):
        place.log().append([entry(2)])


def test_a_head_that_cannot_be_read_stops_writing_by_name(place):
    place.log().append([entry(1)])
    (place.second / "audit.head").write_bytes(b"\xff")
    with pytest.raises(AuditError, match=r"audit.head"):
        place.log().append([entry(2)])


def test_on_a_full_disk_nothing_is_half_written(place, monkeypatch):
    log = place.log()
    log.append([entry(1)])
    size = place.file().stat().st_size
    write = os.write

    def half(descriptor, data):
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("jsonl"):
            return write(descriptor, data[:20])
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(AuditFull, match="full"):
        log.append([entry(2)])
    assert place.file().stat().st_size == size
    monkeypatch.setattr(os, "write", write)
    log.append([entry(3)])
    assert place.fault() is None
    assert [record.detail for record in read(place.folder)] == ["epoch 1", "epoch 3"]


def test_some_room_is_left_for_what_must_be_recorded(place):
    log = place.log()
    with pytest.raises(AuditFull, match="full"):
        log.append([entry(1)], reserve=1 << 60)
    assert log.append([entry(2)], reserve=0) == 1


def test_a_write_that_fails_says_where(place, monkeypatch):
    def fails(_):
        raise OSError(errno.EIO, "Input/output error")

    log = place.log()
    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(AuditError, match=f"{place.folder}: Input/output error"):
        log.append([entry(1)])
    monkeypatch.undo()
    assert log.append([entry(2)]) == 1


def test_a_second_place_that_is_gone_is_told_and_loses_no_record(place):
    log = place.log()
    shutil.rmtree(place.second)
    assert log.append([entry(1)]) == 1
    assert not log.head_is_kept
    place.second.mkdir()
    log.append([entry(2)])
    assert log.head_is_kept
    assert place.fault() is None


def test_no_audit_is_said_with_what_to_do(place):
    place.folder.mkdir()
    with pytest.raises(AuditError, match="commissioned"):
        list(read(place.folder))
    with pytest.raises(AuditError, match="commissioned"):
        verify(place.folder, place.second, signers_of)


def test_a_file_that_cannot_be_read_is_named(place):
    place.log().append([entry(1)])
    place.file(2).mkdir()
    with pytest.raises(AuditError, match=r"audit-000002.jsonl: Is a directory"):
        list(read(place.folder))
    with pytest.raises(AuditError, match=r"audit-000002.jsonl: Is a directory"):
        place.fault()


def test_lines_that_are_no_records_are_not_read_over(place):
    place.folder.mkdir()
    place.file().write_bytes(b"{}\n")
    with pytest.raises(AuditError, match="verify"):
        list(read(place.folder))


def test_reading_tells_how_far_it_is(place, monkeypatch):
    place.log().append([entry(n) for n in range(6000)])
    told = []
    verify(place.folder, place.second, signers_of, told.append)
    assert sum(told) == place.file().stat().st_size
    assert len(told) > 1


# Who acts does not wait


class Sick:
    """A log that fails until it is well."""

    head_is_kept = True

    def __init__(self):
        self.well = threading.Event()
        self.entries = []

    def append(self, entries):
        if not self.well.is_set():
            raise AuditError("the disk is full")
        self.entries += entries


def until(condition):
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_what_is_put_is_recorded_in_its_order(place):
    scribe = Scribe(place.log(), "session", lambda: 5)
    for act in ("request", "grant", "release"):
        scribe.put(act, "console", "robot")
    scribe.close()
    assert place.acts() == ["request", "grant", "release"]
    assert scribe.trouble == ""


def test_a_scribe_tells_whether_the_second_place_took_the_head(place):
    scribe = Scribe(place.log(), "session", lambda: 5)
    assert scribe.head_is_kept
    shutil.rmtree(place.second)
    scribe.put("grant", "console", "robot")
    until(lambda: not scribe.head_is_kept)
    scribe.close()
    assert place.acts() == ["grant"], "the record itself is there"


def test_a_full_disk_is_a_trouble_until_there_is_room_and_nothing_is_lost():
    sick = Sick()
    scribe = Scribe(sick, "session", lambda: 5, retry_s=0.01)
    for act in ("request", "grant"):
        scribe.put(act, "console", "robot")
    until(lambda: scribe.trouble)
    assert "full" in scribe.trouble
    scribe.put("release", "console", "robot")
    sick.well.set()
    until(lambda: len(sick.entries) == 3)
    until(lambda: not scribe.trouble)
    scribe.close()
    assert [one.act for one in sick.entries] == ["request", "grant", "release"]


def test_what_finds_no_room_to_wait_is_counted_and_the_count_recorded():
    sick = Sick()
    scribe = Scribe(sick, "session", lambda: 5, retry_s=0.01)
    scribe.put("request", "console", "robot")
    until(lambda: scribe.trouble)
    for _ in range(BACKLOG + 10):
        scribe.put("request", "console", "robot")
    assert scribe.lost >= 10
    sick.well.set()
    until(lambda: any(one.act == "lost" for one in sick.entries))
    scribe.close()
    (lost,) = [one for one in sick.entries if one.act == "lost"]
    assert lost.detail.startswith(str(scribe.lost))


def test_a_disk_that_does_not_answer_is_a_trouble(monkeypatch):
    monkeypatch.setattr("safety.store.scribe.STALLED_S", 0.02)
    going, gate = threading.Event(), threading.Event()

    class Stuck:
        def append(self, entries):
            going.set()
            gate.wait(10)

    scribe = Scribe(Stuck(), "session", lambda: 5)
    assert scribe.trouble == ""
    scribe.put("request", "console", "robot")
    going.wait(10)
    until(lambda: "does not answer" in scribe.trouble)
    gate.set()
    until(lambda: not scribe.trouble)
    scribe.close()


def test_a_scribe_that_ends_on_a_full_disk_ends():
    scribe = Scribe(Sick(), "session", lambda: 5, retry_s=0.01)
    scribe.put("request", "console", "robot")
    until(lambda: scribe.trouble)
    scribe.close(patience_s=10)
    assert not scribe._thread.is_alive()
