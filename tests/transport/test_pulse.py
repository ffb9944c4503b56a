"""A pulse: what its process says without a lock, and what a reader makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.telemetry.header import Corrupt, TelemetryError, Truncated, WrongKind, write
from transport.telemetry.pulse import MAGIC, Layout, Phase, Pulse, PulseReader, in_order

LAYOUT = Layout(4711, 1668459, 55, ("fed", "judged", "sent"))


def made(layout=LAYOUT):
    buffer = memoryview(bytearray(Pulse.size(layout)))
    return Pulse(buffer, layout), PulseReader(buffer), buffer


def test_a_pulse_begins_as_a_start_and_names_its_process():
    _, reader, _ = made()
    assert reader.layout == LAYOUT
    assert reader.look() == (Phase.STARTING, 0)
    assert reader.stages == (0, 0, 0)


def test_beats_are_counted_and_a_pass_begins_with_one():
    pulse, reader, _ = made()
    pulse.enter(Phase.WORKING)
    pulse.beat()
    for stage in range(3):
        pulse.reach(stage)
    pulse.reach(0)
    assert reader.look() == (Phase.WORKING, 3)
    assert reader.stages == (2, 1, 1)


def test_what_it_said_last_outlives_it():
    pulse, _, buffer = made()
    pulse.enter(Phase.LEAVING)
    del pulse
    assert PulseReader(buffer).look()[0] == Phase.LEAVING


def test_a_process_without_stages_only_beats():
    pulse, reader, _ = made(Layout(1, 0))
    pulse.beat()
    assert (reader.look(), reader.stages) == ((Phase.STARTING, 1), ())


def test_who_has_rights_beats_more_often():
    assert Layout(1, 1, 55).beat_ns < Layout(1, 1, 0).beat_ns


@pytest.mark.parametrize(
    "layout",
    [
        Layout(0, 1),
        Layout(1, -1),
        Layout(1, 1, 100),
        Layout(1, 1, -1),
        Layout(1, 1, 0, ("a", "a")),
        Layout(1, 1, 0, tuple("abcdefghijklmnopq")),
    ],
)
def test_what_is_no_process_is_refused_by_writer_and_reader(layout):
    with pytest.raises(ValueError, match=r"process|stages"):
        made(layout)
    buffer = memoryview(bytearray(Pulse.size(layout)))
    write(buffer, MAGIC, layout, layout.data_bytes)
    with pytest.raises(Corrupt):
        PulseReader(buffer)


def test_a_cut_an_unfinished_and_another_file_are_told_apart():
    _, _, buffer = made()
    with pytest.raises(Truncated):
        PulseReader(buffer[:-8])
    with pytest.raises(WrongKind):
        PulseReader(memoryview(bytes(512)))
    short = memoryview(bytearray(4096))
    write(short, MAGIC, LAYOUT, LAYOUT.data_bytes - 8)
    with pytest.raises(Corrupt):
        PulseReader(short)


@given(st.integers(0, 255), st.integers(0, 4095))
def test_no_damage_is_believed_silently(value, at):
    _, _, buffer = made()
    at %= len(buffer) - LAYOUT.data_bytes
    changed = buffer[at] != value
    buffer[at] = value
    try:
        reader = PulseReader(buffer)
    except TelemetryError:
        assert changed
    else:
        assert reader.layout == LAYOUT


@given(st.lists(st.integers(0, 2), max_size=50))
def test_passes_are_in_order_wherever_they_are_looked_at_and_a_gap_shows_for_good(skips):
    """`skips` leave out a stage: 1 the second, 2 the third, 0 none."""
    pulse, reader, _ = made()
    for skip in skips:
        for stage in range(3):
            if stage == 0 or stage != skip:
                pulse.reach(stage)
            if not any(skips):
                assert in_order(reader.stages)
    left_out = max(skips.count(1), skips.count(2))
    if left_out > 1 or skips.count(2) < skips.count(1):
        assert not in_order(reader.stages)


def test_of_no_stages_none_is_left_out():
    assert in_order(())
    assert in_order((7,))
    assert not in_order((5, 6))
    assert not in_order((7, 5))
