"""The real cores behind a recorded network, in virtual time: they climb the ladder as it says."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
import pytest

from bench.netem import replay
from bench.netem.channel import Channel
from bench.netem.ladder import Step, shares, tally
from bench.netem.profile import find
from bench.netem.replay import Inbox, Passing, Replay, Timeline, nearest
from bench.netem.trace import DOWN, UP, Crossing, Head, Trace, TraceFault, ordered, write
from safety.profile import LADDERS, MS, Profile
from safety.state import Cause, State

S = 1000 * MS
START_NS = 40 * S  # of a machine that has run a while
NATIVE = LADDERS[Profile.NATIVE]


def recorded(name: str, seconds: float, *, seed: int = 1) -> Trace:
    """What a shell would record of commands at 1 kHz and states at 250 Hz, were it perfect."""
    network, packet = find(name), 0
    crossings: list[Crossing] = []
    end_ns = START_NS + round(seconds * S)
    for up, impairment, period_ns in ((UP, network.up, MS), (DOWN, network.down, 4 * MS)):
        channel: Channel[None] = Channel(impairment, f"{seed}/{up}", START_NS)
        for t_ns in range(START_NS, end_ns, period_ns):
            packet += 1
            arrivals = [at_ns for at_ns, _ in channel.send(t_ns, None)]
            fate = int(channel.fate)
            crossings += [Crossing(t_ns, packet, up, fate, t, t, 300) for t in arrivals or [0]]
    return Trace(
        Head(
            profile=name,
            seed=seed,
            link="udp",
            shell="proxy",
            ladder=network.ladder,
            scale=0.5,
            script="figure8",
            start_ns=START_NS + S // 2,
            end_ns=end_ns,
        ),
        ordered(crossings),
    )


def steps_behind(trace: Trace) -> list[Step]:
    return Replay(trace).run(trace.head.end_ns)


def counts(trace: Trace) -> tuple[int, ...]:
    """Falls to DEGRADED, to HOLD, latched, stops; none for another cause than the link."""
    found = tally(steps_behind(trace), trace.head.start_ns, trace.head.end_ns)
    assert found.pop("others") == 0
    return tuple(found.values())


def without(trace: Trace, start_ns: int, end_ns: int, up: int = UP) -> Trace:
    """The same, with one direction cut for a time."""

    def cut(c: Crossing) -> Crossing:
        gone = c.up == up and start_ns <= c.t_in_ns < end_ns
        return c._replace(fate=1, t_due_ns=0, t_out_ns=0) if gone else c

    return trace._replace(crossings=[cut(c) for c in trace.crossings])


def test_behind_a_clean_network_the_hand_engages_and_nothing_falls() -> None:
    trace = recorded("clean", 2.0)
    steps = steps_behind(trace)
    assert [(State(s.new), Cause(s.cause)) for s in steps] == [
        (State.IDLE, Cause.BOOTED),
        (State.ARMED, Cause.ALIGNED),
        (State.ENGAGED, Cause.PRESSED),
    ]
    assert shares(steps, trace.head.start_ns, trace.head.end_ns) == {"ENGAGED": 1.0}


@pytest.mark.parametrize(
    ("gap_ms", "expected"),
    [
        (3, (0, 0, 0, 0)),
        (10, (1, 0, 0, 0)),
        (30, (1, 1, 0, 0)),
        (150, (1, 1, 1, 0)),
        (2100, (1, 1, 1, 1)),
    ],
)
def test_each_silence_has_its_rung(gap_ms: int, expected: tuple[int, ...]) -> None:
    begins_ns = START_NS + S
    trace = without(recorded("clean", 1.3 + gap_ms / 1000), begins_ns, begins_ns + gap_ms * MS)
    assert counts(trace) == expected


def test_a_rung_is_reached_at_its_nanosecond() -> None:
    begins_ns = START_NS + S
    steps = steps_behind(without(recorded("clean", 2.0), begins_ns, begins_ns + 50 * MS))
    way_ns = (
        replay.LAN_NS + 2 * replay.WAKE_NS + replay.FRAME_NS
    )  # relay wakes and reads, robot wakes
    heard_ns = begins_ns - MS + way_ns
    falls = {State(s.new): s.t_ns for s in steps if s.t_ns >= begins_ns and s.new < s.old}
    assert falls == {
        State.DEGRADED: heard_ns + NATIVE.degraded_ns,
        State.HOLD: heard_ns + NATIVE.hold_ns,
    }


def test_a_stop_stays_until_the_bedside_resets_it() -> None:
    begins_ns = START_NS + S
    trace = without(recorded("clean", 4.5), begins_ns, begins_ns + 2200 * MS)
    last = steps_behind(trace)[-1]
    assert State(last.new) is State.PROTECTIVE_STOP
    reset_ns = begins_ns + 2500 * MS
    head = msgspec.structs.replace(trace.head, resets_ns=(reset_ns,))
    steps = steps_behind(trace._replace(head=head))
    assert (reset_ns, State.IDLE) in [(s.t_ns, State(s.new)) for s in steps]
    assert State(steps[-1].new) is State.ENGAGED  # the console asked for its robot again


def test_a_cut_of_the_way_back_holds_as_one_of_the_way_up() -> None:
    begins_ns = START_NS + S
    cuts = [without(recorded("clean", 2.5), begins_ns, begins_ns + S // 2, up) for up in (UP, DOWN)]
    assert [counts(cut) for cut in cuts] == [(1, 1, 1, 0)] * 2


def test_ge5_degrades_often_holds_seldom_and_never_latches() -> None:
    degraded, holds, latched, stops = counts(recorded("ge5", 6.0))
    assert degraded >= 3
    assert 1 <= holds <= 8
    assert latched == stops == 0


def test_a_trace_gives_the_same_steps_wherever_its_clock_began() -> None:
    trace = recorded("ge5", 3.0)
    again = steps_behind(trace)
    assert steps_behind(trace) == again
    moved = [
        c._replace(
            t_in_ns=c.t_in_ns - START_NS,
            t_due_ns=c.t_due_ns and c.t_due_ns - START_NS,
            t_out_ns=c.t_out_ns and c.t_out_ns - START_NS,
        )
        for c in trace.crossings
    ]
    early = Replay(trace._replace(crossings=moved)).run(trace.head.end_ns - START_NS)
    assert early == [s._replace(t_ns=s.t_ns - START_NS) for s in again]


def test_a_trace_without_a_command_predicts_nothing() -> None:
    with pytest.raises(TraceFault, match="no command"):
        Replay(recorded("clean", 0.0))


def test_time_goes_forward_and_keeps_the_order_of_one_instant() -> None:
    time, seen = Timeline(10), []
    time.at(5, lambda: seen.append(("late", time.now_ns)))
    time.at(20, lambda: time.after(0, lambda: seen.append(("third", time.now_ns))))
    time.at(20, lambda: seen.append(("second", time.now_ns)))
    time.at(30, lambda: seen.append(("never", time.now_ns)))
    time.run(30)
    assert seen == [("late", 10), ("second", 20), ("third", 20)]


@pytest.mark.parametrize(
    ("t_ns", "found"), [(-9, 0), (0, 0), (5, 0), (6, 10), (10, 10), (14, 10), (16, 20), (99, 20)]
)
def test_a_state_has_the_fate_of_the_one_that_left_nearest(t_ns: int, found: int) -> None:
    states = [Passing(at, (at,)) for at in (0, 10, 20)]
    assert nearest(states, t_ns) == Passing(found, (found,))
    assert nearest([], t_ns).delays_ns == ()


def test_of_a_clump_only_the_newest_is_acted_upon() -> None:
    time, seen, acts = Timeline(0), [], []
    inbox = Inbox(time, lambda peer, part: seen.append(part), lambda: acts.append(list(seen)))
    for number in range(5):  # faster than they are read
        time.at(number * replay.FRAME_NS // 2, partial(inbox.post, "peer", b"%d" % number))
    time.at(10 * MS, partial(inbox.post, "peer", b"later"))
    time.run(S)
    clump = [b"0", b"1", b"2", b"3", b"4"]
    assert acts == [clump, [*clump, b"later"]]


def test_a_hand_that_went_on_in_a_queue_is_not_resumed_from_its_oldest_command() -> None:
    begins_ns, ends_ns = START_NS + S, START_NS + S + 90 * MS

    def queued(c: Crossing) -> Crossing:
        """A tenth of a second under way, and what should come in the 90 ms comes after them."""
        out_ns = c.t_in_ns + 100 * MS
        out_ns = ends_ns if begins_ns <= out_ns < ends_ns else out_ns
        return c._replace(t_due_ns=out_ns, t_out_ns=out_ns) if c.up == UP else c

    clean = recorded("clean", 1.2)
    head = msgspec.structs.replace(clean.head, ladder=Profile.WAN, scale=1.0)
    steps = steps_behind(Trace(head, [queued(c) for c in clean.crossings]))
    # The oldest that is not too old lies 1 mm from where the arm is held, the newest 3.
    last = steps[-1]
    assert (State(last.new), Cause(last.cause)) == (State.HOLD, Cause.SILENCE)


def test_the_file_can_be_replayed_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, without(recorded("clean", 2.0), START_NS + S, START_NS + S + 30 * MS))
    assert replay.main([str(path)]) == 0
    assert "holds        1" in capsys.readouterr().out
    assert replay.main([str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert replay.main([]) == 2
    assert "python -m bench.netem.replay FILE" in capsys.readouterr().err
