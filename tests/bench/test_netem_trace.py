"""A trace says what a network did, survives its file, and counts what the robot made of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.netem.channel import Fate
from bench.netem.ladder import Step, shares, tally
from bench.netem.trace import (
    DOWN,
    UP,
    Crossing,
    Figures,
    Head,
    Trace,
    TraceFault,
    figures,
    ordered,
    read,
    write,
)
from safety.profile import MS
from safety.state import Cause, State

HEAD = Head(
    profile="ge5",
    seed=3,
    link="udp",
    shell="proxy",
    ladder=1,
    scale=0.5,
    script="figure8",
    start_ns=0,
    end_ns=100 * MS,
    resets_ns=(5, 6),
    steps=(Step(7, State.ENGAGED, State.DEGRADED, Cause.GAP),),
)


def crossed(ms: int, *, late_ms: int = 0, up: int = UP, packet: int | None = None) -> Crossing:
    """A packet that entered at `ms` and came through so much later."""
    number = ms + 1 if packet is None else packet
    out_ns = (ms + late_ms) * MS
    return Crossing(ms * MS, number, up, Fate.CARRIED, out_ns, out_ns + 1000, 300)


def lost(ms: int, fate: Fate = Fate.LOST) -> Crossing:
    return Crossing(ms * MS, ms + 1, UP, fate, 0, 0, 300)


# Figures -----------------------------------------------------------------------------------------


def test_bursts_are_counted_by_packets_and_by_the_silence_that_they_make() -> None:
    line = [crossed(0), lost(1), lost(2), crossed(3), lost(4, Fate.OUTAGE), crossed(5)]
    found = figures(line, UP, 0, 100 * MS)
    assert (found.packets, found.lost, found.bursts) == (6, 3, 2)
    assert found.burst_packets == 1.5
    assert (found.burst_ms_mean, found.burst_ms_max) == (1.5, 2.0)
    assert found.lost_share == 0.5


def test_a_copy_is_one_packet_and_one_that_was_overtaken_is_counted() -> None:
    line = [crossed(0), crossed(1, late_ms=5), crossed(1, late_ms=6, packet=2), crossed(2)]
    found = figures(ordered(line), UP, 0, 100 * MS)
    assert (found.packets, found.copied, found.overtaken, found.lost) == (3, 1, 1, 0)
    assert found.delay_max_ms == pytest.approx(6.001)
    assert found.shell_late_p99_us == 1.0


def test_only_the_window_and_the_direction_count() -> None:
    line = [crossed(0), crossed(1, up=DOWN), crossed(50)]
    assert figures(line, UP, 0, 50 * MS).packets == 1
    assert figures(line, DOWN, 0, 50 * MS).packets == 1
    assert figures(line, DOWN, 2 * MS, 50 * MS) == Figures()


def test_a_ping_is_no_message() -> None:
    ping = crossed(2)._replace(bytes=60)
    trace = Trace(HEAD, [crossed(1), ping, crossed(3, up=DOWN)])
    assert trace.messages(UP) == [crossed(1)]


# The file ----------------------------------------------------------------------------------------


def test_a_trace_survives_its_file_ordered_by_entry(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "trace.jsonl"
    line = [crossed(3), lost(1), crossed(0, late_ms=9)]
    write(path, Trace(HEAD, line))
    assert read(path) == Trace(HEAD, [crossed(0, late_ms=9), lost(1), crossed(3)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "behind 0 crossings"),
        ('{"version": 1}\n', "missing required field"),
        ("[1,2,3,4,5,6,7]\n", "Expected `object`"),
    ],
)
def test_what_is_no_trace_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text)
    with pytest.raises(TraceFault, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_line_cut_off_and_a_version_of_tomorrow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, Trace(HEAD, [crossed(0), crossed(1)]))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(TraceFault, match="truncated"):
        read(path)
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9').splitlines()[0])
    with pytest.raises(TraceFault, match="version 9, not 1"):
        read(path)
    with pytest.raises(TraceFault, match="No such file"):
        read(tmp_path / "none")


# What the robot made of it -----------------------------------------------------------------------

FELL = Step(10, State.ENGAGED, State.DEGRADED, Cause.GAP)
HELD = Step(20, State.DEGRADED, State.HOLD, Cause.SILENCE)
RESUMED = Step(30, State.HOLD, State.DEGRADED, Cause.RESUMED)
REARMED = Step(30, State.HOLD, State.ARMED, Cause.ALIGNED)
STOPPED = Step(30, State.HOLD, State.PROTECTIVE_STOP, Cause.LONG_SILENCE)


@pytest.mark.parametrize(
    ("end", "latched", "stops"),
    [([], 0, 0), ([RESUMED], 0, 0), ([REARMED], 1, 0), ([STOPPED], 1, 1)],
)
def test_a_hold_is_latched_when_a_person_has_to_end_it(
    end: list[Step], latched: int, stops: int
) -> None:
    counts = tally([FELL, HELD, *end], 0, 100)
    expected = {"degraded": 1, "holds": 1, "latched": latched, "stops": stops, "others": 0}
    assert counts == expected


def test_a_hold_counts_where_it_begins() -> None:
    steps = [FELL, HELD, REARMED]
    assert tally(steps, 0, 20)["holds"] == 0
    counts = tally(steps, 20, 21)
    assert (counts["degraded"], counts["holds"], counts["latched"]) == (0, 1, 1)


def test_a_hold_that_found_nothing_moving_is_none() -> None:
    armed = Step(20, State.ARMED, State.HOLD, Cause.SILENCE)
    assert tally([armed, REARMED], 0, 100)["holds"] == 0


def test_what_the_machine_did_is_not_the_links() -> None:
    stalled = Step(20, State.DEGRADED, State.HOLD, Cause.DRIVER_SILENT)
    braked = Step(30, State.HOLD, State.IDLE, Cause.DRIVER_BRAKED)
    released = Step(40, State.ENGAGED, State.ARMED, Cause.RELEASED)
    counts = tally([stalled, braked, released], 0, 100)
    assert counts == {"degraded": 0, "holds": 0, "latched": 0, "stops": 0, "others": 1}
    assert tally([HELD, braked], 0, 100)["latched"] == 0


def test_time_is_shared_out_among_the_states() -> None:
    found = shares([FELL, HELD, RESUMED], 0, 50)
    assert found == pytest.approx({"ENGAGED": 0.2, "DEGRADED": 0.6, "HOLD": 0.2})
    assert shares([FELL], 20, 30) == {"DEGRADED": 1.0}
    assert shares([], 20, 30) == {"BOOT": 1.0}


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(State)), max_size=20))
def test_shares_add_up_whatever_happened(visits: list[tuple[int, State]]) -> None:
    steps, state = [], State.BOOT
    for t_ns, new in sorted(visits, key=lambda visit: visit[0]):
        steps.append(Step(t_ns, state, new, Cause.NONE))
        state = new
    assert sum(shares(steps, 10, 90).values()) == pytest.approx(1.0)
