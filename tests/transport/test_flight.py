"""A flight ring returns whole records or none, however far its writer has run ahead."""

import mmap
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.telemetry import header
from transport.telemetry.flight import Flight, FlightReader, Layout
from transport.telemetry.header import TelemetryError

FIELDS = ("t_ns", "arm", "seq")
I64 = st.integers(-(1 << 63), (1 << 63) - 1)


def new(capacity=8, fields=FIELDS):
    memory = memoryview(bytearray(Flight.size(fields, capacity)))
    return memory, Flight(memory, fields, capacity)


def test_a_reader_needs_nothing_but_the_memory():
    memory, flight = new()
    flight.append(10**15, 0, 1)
    flight.append(10**15 + 1, 1, -1)
    reader = FlightReader(memory.toreadonly())
    assert reader.fields == FIELDS
    assert reader.capacity == 8
    assert reader.records() == [(10**15, 0, 1), (10**15 + 1, 1, -1)]


def test_an_empty_ring_has_no_records():
    memory, _ = new()
    assert FlightReader(memory).read() == ([], 0, 0)


@given(st.integers(1, 20), st.lists(st.tuples(I64, I64, I64), max_size=60))
def test_full_means_the_oldest_goes(capacity, records):
    memory, flight = new(capacity)
    for record in records:
        flight.append(*record)
    batch = FlightReader(memory).read()
    assert batch.records == records[-capacity:]
    assert batch.newest == len(records)
    assert batch.lost == max(0, len(records) - capacity)


@given(st.integers(1, 10), st.lists(st.integers(0, 25), max_size=12))
def test_reading_in_pieces_gives_what_reading_at_once_gives(capacity, pieces):
    memory, flight = new(capacity, ("seq",))
    reader = FlightReader(memory)
    written, got, lost, after = 0, [], 0, 0
    for piece in pieces:
        for _ in range(piece):
            written += 1
            flight.append(written)
        batch = reader.read(after)
        got += [seq for (seq,) in batch.records]
        lost += batch.lost
        after = batch.newest
        assert batch.lost == max(0, piece - capacity)
    assert got == sorted(set(got))
    assert len(got) + lost == written


@given(st.integers(1, 6), st.integers(0, 20), st.data())
def test_a_half_written_record_is_never_returned(capacity, before, data):
    """Mix the memory before and after a store word by word, in every order a machine might."""
    memory, flight = new(capacity)
    records = [(i, i * 1000, -i) for i in range(1, before + 2)]
    for record in records[:-1]:
        flight.append(*record)
    old = bytes(memory)
    flight.append(*records[-1])
    changed = [at for at in range(0, len(old), 8) if old[at : at + 8] != memory[at : at + 8]]
    for at in changed:
        if data.draw(st.booleans()):
            memory[at : at + 8] = old[at : at + 8]
    batch = FlightReader(memory).read()
    assert (
        batch.records
        in (
            records[:-1][-capacity:],
            records[:-1][-capacity:][1:],  # the slot of the oldest is the one being written
            records[-capacity:],
            records[-capacity:][:-1],
        )
    )


def test_a_number_seen_before_its_record_is_read_the_next_time():
    memory, flight = new()
    flight.append(1, 1, 1)
    old = bytes(memory)
    flight.append(2, 2, 2)
    now = bytes(memory)
    reader = FlightReader(memory)
    memory[-8 * 40 :] = old[-8 * 40 :]  # every slot as it was; the newest number stays
    assert reader.read(1) == ([], 1, 0)
    memory[:] = now
    assert reader.read(1) == ([(2, 2, 2)], 2, 0)


def test_a_slot_that_still_holds_an_older_record_is_not_read_as_the_new_one():
    memory, flight = new()
    for i in range(8):
        flight.append(i, i, i)
    head = header.data_offset(Layout(FIELDS, 8))
    memory[head] = 16  # eight more are announced, none of them is there
    assert FlightReader(memory).read(8) == ([], 15, 7)


def test_a_damaged_record_is_left_out_and_counted():
    memory, flight = new()
    for i in range(1, 6):
        flight.append(i, i, i)
    slot = len(memory) - (8 - 3) * 40  # record 3 of 8 slots
    memory[slot + 20] ^= 4
    batch = FlightReader(memory).read()
    assert [t for t, _, _ in batch.records] == [1, 2, 4, 5]
    assert batch.lost == 1


def test_a_restarted_writer_is_read_from_its_beginning():
    memory, flight = new()
    for i in range(5):
        flight.append(i, 0, 0)
    reader = FlightReader(memory)
    after = reader.read().newest
    flight = Flight(memory, FIELDS, 8)
    flight.append(99, 0, 0)
    assert reader.read(after).records == [(99, 0, 0)]


@given(st.lists(st.integers(), min_size=3, max_size=3))
def test_no_value_stops_the_recorder(values):
    memory, flight = new()
    flight.append(*values)
    expected = tuple(min(max(value, -(1 << 63)), (1 << 63) - 1) for value in values)
    assert FlightReader(memory).records() == [expected]


@pytest.mark.parametrize("values", [(1, 2), (1, 2, 3, 4)])
def test_a_record_has_a_value_for_each_field(values):
    memory, flight = new()
    with pytest.raises(AssertionError, match="values for 3 fields"):
        flight.append(*values)
    assert FlightReader(memory).records() == []


@pytest.mark.parametrize(
    ("fields", "capacity"),
    [((), 8), (("a", "a"), 8), (("A",), 8), (("a b",), 8), (("a",), 0), (("a",), 1 << 25),
     (tuple(f"a{i}" for i in range(33)), 8)],
)  # fmt: skip
def test_a_ring_that_makes_no_sense_is_not_made(fields, capacity):
    with pytest.raises(ValueError, match=r"field|records"):
        Flight.size(fields, capacity)
    memory = memoryview(bytearray(8192))
    header.write(memory, b"trocarFR", Layout(fields, capacity), 64)
    with pytest.raises(TelemetryError):
        FlightReader(memory)


def test_a_ring_of_another_size_than_it_says_is_refused():
    memory = memoryview(bytearray(8192))
    header.write(memory, b"trocarFR", Layout(FIELDS, 8), 64)
    with pytest.raises(header.Corrupt, match="expected 384"):
        FlightReader(memory)


WRITER = """
import mmap, sys
from transport.telemetry.flight import Flight
with open(sys.argv[1], "r+b") as file:
    flight = Flight(memoryview(mmap.mmap(file.fileno(), 0)), ("n", "square", "minus"), 16)
for n in range(1, 60_001):
    flight.append(n, n * n, -n)
"""


def test_a_reader_beside_a_writer_at_full_speed_gets_only_whole_records(tmp_path):
    path = tmp_path / "test.ring"
    path.write_bytes(bytes(Flight.size(("n", "square", "minus"), 16)))
    with path.open("rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    try:
        reader, after, got, lost = None, 0, 0, 0
        while after < 60_000:
            finished = writer.poll()
            assert finished in (None, 0)
            try:
                reader = reader or FlightReader(memory)
            except header.WrongKind:
                continue
            batch = reader.read(after)
            for n, square, minus in batch.records:
                assert n > after
                assert (square, minus) == (n * n, -n)
            after, got, lost = batch.newest, got + len(batch.records), lost + batch.lost
        assert got + lost == 60_000
        assert got > 0
    finally:
        writer.wait(timeout=20)
