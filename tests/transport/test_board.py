"""A board shows numbers by name, to any reader, with nothing but its memory."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.telemetry import header
from transport.telemetry.board import Board, Layout, parse_name
from transport.telemetry.header import TelemetryError, UnknownName

COUNTERS = ("frames_total", 'refused_total{cause="tag"}', 'refused_total{cause="age"}')
GAUGES = ("ready", "offset_ns")
HISTOGRAMS = ("dwell_ns", 'rtt_ns{peer="robot",path="1"}')
TABLE = {"counters": COUNTERS, "gauges": GAUGES, "histograms": HISTOGRAMS}


def new():
    memory = memoryview(bytearray(Board.size(**TABLE)))
    return memory, Board.create(memory, **TABLE)


def test_a_reader_needs_nothing_but_the_memory():
    memory, board = new()
    board.counter('refused_total{cause="tag"}').add()
    board.counter("frames_total").add(7)
    board.gauge("offset_ns").set(-5)
    board.histogram("dwell_ns").record(40_000)
    reader = Board.attach(memory.toreadonly())
    assert dict(reader.counters()) == dict(zip(COUNTERS, (7, 1, 0), strict=True))
    assert dict(reader.gauges()) == {"ready": 0, "offset_ns": -5}
    assert {name: h.count for name, h in reader.histograms()} == dict(
        zip(HISTOGRAMS, (1, 0), strict=True)
    )


def test_an_attached_reader_sees_what_comes_later():
    memory, board = new()
    frames = Board.attach(memory).counter("frames_total")
    counter = board.counter("frames_total")
    for _ in range(10):
        counter.add()
    assert frames.value == counter.value == 10


def test_values_outlive_their_writer_and_a_new_one_starts_at_zero():
    memory, board = new()
    board.counter("frames_total").add(3)
    del board
    assert Board.attach(memory).counter("frames_total").value == 3
    assert Board.create(memory, **TABLE).counter("frames_total").value == 0


@given(
    st.lists(st.integers(0, 1 << 40), max_size=20),
    st.lists(st.integers(-(1 << 70), 1 << 70), max_size=20),
)
def test_no_value_touches_its_neighbours_or_raises(counts, levels):
    memory, board = new()
    for count in counts:
        board.counter(COUNTERS[1]).add(count)
    for level in levels:
        board.gauge("ready").set(level)
    reader = Board.attach(memory)
    assert [value for _, value in reader.counters()] == [0, sum(counts), 0]
    last = min(max(levels[-1], -(1 << 63)), (1 << 63) - 1) if levels else 0
    assert [value for _, value in reader.gauges()] == [last, 0]


def test_a_counter_stays_at_the_end_of_its_range():
    _, board = new()
    counter = board.counter("frames_total")
    counter.add(1 << 63)
    counter.add(1 << 63)
    assert counter.value == (1 << 64) - 1
    counter.add()
    assert counter.value == (1 << 64) - 1


def test_a_reader_cannot_write():
    memory, _ = new()
    reader = Board.attach(memory.toreadonly())
    with pytest.raises(TypeError):
        reader.counter("frames_total").add()


def test_an_unknown_name_is_named():
    _, board = new()
    for find in (board.counter, board.gauge, board.histogram):
        with pytest.raises(UnknownName, match=r"the board has no .* 'nope'"):
            find("nope")
    with pytest.raises(KeyError):
        board.counter("ready")


@pytest.mark.parametrize(
    "name",
    ["", "Frames", "9lives", "a b", "a.b", "a{}", "a{b}", "a{b=c}", 'a{b="c"', 'a{b="c",}',
     'a{b="\\"}', 'a{b="\n"}', 'a{b="1",b="2"}', "a\n", "a" * 201],
)  # fmt: skip
def test_what_is_no_name_is_refused_when_the_board_is_made(name):
    with pytest.raises(ValueError, match=r"name|twice"):
        Board.size(counters=(name,))


def test_names_come_apart():
    assert parse_name("ready") == ("ready", ())
    assert parse_name('rtt_ns{peer="robot, left",path="1"}') == (
        "rtt_ns",
        (("peer", "robot, left"), ("path", "1")),
    )


def test_a_name_is_there_once_and_not_too_many_are():
    with pytest.raises(ValueError, match="'a' is twice there"):
        Board.size(counters=("a",), gauges=("a",))
    with pytest.raises(ValueError, match="at most 4096"):
        Board.size(counters=[f"a{i}" for i in range(4097)])


def test_an_empty_board_is_a_board():
    memory = memoryview(bytearray(Board.size()))
    Board.create(memory)
    assert list(Board.attach(memory).counters()) == []


def test_cut_off_or_too_small_is_told():
    memory, _ = new()
    for size in range(0, len(memory), 997):
        with pytest.raises(TelemetryError):
            Board.attach(memory[:size])
        with pytest.raises(ValueError, match="writable bytes"):
            Board.create(memory[:size], **TABLE)


@pytest.mark.parametrize(
    ("layout", "data_bytes"),
    [
        (Layout(counters=("a",)), 16),
        (Layout(counters=("a", "a")), 16),
        (Layout(counters=("no name",)), 8),
        (Layout(histogram="another"), 0),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(layout, data_bytes):
    memory = memoryview(bytearray(4096))
    header.write(memory, b"trocarBD", layout, data_bytes)
    with pytest.raises(TelemetryError):
        Board.attach(memory)


def test_a_flight_ring_is_no_board():
    memory = memoryview(bytearray(4096))
    header.write(memory, b"trocarFR", msgspec.convert({}, Layout), 0)
    with pytest.raises(header.WrongKind):
        Board.attach(memory)
