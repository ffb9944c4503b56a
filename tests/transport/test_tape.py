"""A tape gives back what it was given, or says that it is gone; whatever is done to its memory."""

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.io.mapping import Mapping
from transport.telemetry.header import Corrupt, Truncated, WrongKind
from transport.telemetry.tape import CAPACITY_MIN, Entry, Tape, TapeReader

RECORDS = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=1200)
    ),
    max_size=60,
)


def made(capacity=CAPACITY_MIN, identity="one"):
    memory = memoryview(bytearray(Tape.size(identity, capacity)))
    return Tape(memory, identity, capacity), memory


def given_of(entries):
    return [(entry.kind, entry.t_ns, entry.data) for entry in entries]


@given(RECORDS)
@settings(max_examples=60, deadline=None)
def test_a_reader_gets_the_newest_records_whole_and_the_rest_is_counted(records):
    tape, memory = made()
    for kind, t_ns, data in records:
        tape.append(kind, t_ns, data)
    kept = [r for r in records if len(r[2]) <= tape.layout.record_max]
    batch = TapeReader(memory).read()
    assert given_of(batch.entries) == kept[len(kept) - len(batch.entries) :]
    left_out_last = bool(records) and records[-1] not in kept
    assert batch.newest == len(records) - left_out_last
    assert batch.lost == batch.newest - len(batch.entries)
    assert all(entry.is_whole for entry in batch.entries)


@given(RECORDS, st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_a_reader_that_keeps_up_gets_everything_in_whatever_pieces(records, at_most):
    tape, memory = made(1 << 17)
    reader, found, after = TapeReader(memory), [], 0
    for kind, t_ns, data in records:
        tape.append(kind, t_ns, data)
        batch = reader.read(after, at_most)
        found, after = found + batch.entries, batch.newest
        assert batch.lost == 0
    while after < reader.newest:
        batch = reader.read(after, at_most)
        found, after = found + batch.entries, batch.newest
    assert given_of(found) == records
    assert [entry.number for entry in found] == list(range(1, len(records) + 1))


@given(RECORDS.filter(len), st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_byte_costs_its_record_and_no_other(records, data):
    tape, memory = made(1 << 17)
    for kind, t_ns, body in records:
        tape.append(kind, t_ns, body)
    whole = TapeReader(memory).read().entries
    at = data.draw(st.integers(len(memory) - (1 << 17), len(memory) - 1))
    memory[at] ^= data.draw(st.integers(1, 255))
    found = TapeReader(memory).read().entries
    assert len(whole) - len(found) <= 1
    assert set(found) <= set(whole)


def test_a_record_that_is_too_long_is_missed_by_its_number():
    tape, memory = made()
    tape.append(1, 1, b"short")
    tape.append(1, 2, bytes(tape.layout.record_max + 1))
    tape.append(1, 3, bytes(tape.layout.record_max))
    batch = TapeReader(memory).read()
    assert [entry.number for entry in batch.entries] == [1, 3]
    assert batch.lost == 1


def test_a_number_of_an_earlier_life_reads_everything():
    tape, memory = made()
    tape.append(5, 6, b"new life")
    assert given_of(TapeReader(memory).read(after=77).entries) == [(5, 6, b"new life")]


def test_an_entry_that_was_changed_is_not_whole():
    tape, memory = made()
    tape.append(3, 4, b"hand")
    (entry,) = TapeReader(memory).read().entries
    for change in ({"number": 2}, {"t_ns": 5}, {"kind": 4}, {"data": b"hane"}):
        assert not entry._replace(**change).is_whole
    assert isinstance(entry, Entry)


def test_what_is_no_tape_is_named():
    _, memory = made()
    with pytest.raises(WrongKind):
        TapeReader(memoryview(bytes(200)))
    with pytest.raises(Truncated):
        TapeReader(memory[:-8])
    with pytest.raises(ValueError, match="multiple of 8"):
        made(CAPACITY_MIN + 4)
    other = bytes(memory).replace(b'"slots":16', b'"slots":17')
    with pytest.raises(Corrupt):
        TapeReader(memoryview(other))


WRITER = """
import sys
from transport.io.mapping import Mapping
from transport.telemetry.tape import Tape
size, tape = 1 << 16, []
Mapping.create(
    sys.argv[1], Tape.size("w", size), lambda view: tape.append(Tape(view, "w", size))
)
number = 0
while True:
    number += 1
    tape[0].append(7, number, number.to_bytes(8, "little") * (number % 50))
    if number == 2000:
        print("up", flush=True)
"""


def test_a_writer_that_is_killed_in_the_midst_leaves_its_tape_to_read(tmp_path):
    path = str(tmp_path / "w.tape")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
    try:
        assert writer.stdout.readline() == b"up\n"
        reader = TapeReader(Mapping.open(path).view)
        os.kill(writer.pid, signal.SIGKILL)
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    batch = reader.read()
    numbers = [entry.number for entry in batch.entries]
    assert len(numbers) > 100
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert batch.newest - numbers[-1] <= 1
    for entry in batch.entries:
        assert entry.data == entry.number.to_bytes(8, "little") * (entry.number % 50)
