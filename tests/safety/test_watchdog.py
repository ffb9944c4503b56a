"""Who hangs is ended, and nobody else; who is down lowers the ceiling; our lateness is a fault."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.messages import Ceiling
from safety.rehearsal import FED_LOOKS, STARVED_LOOKS, Outcome, Rehearsal
from safety.state import State
from safety.watchdog import (
    LATE_HOLD_NS,
    LATE_NS,
    LOOK_NS,
    SAY_NS,
    TTL_NS,
    Appeared,
    Counted,
    Died,
    Examined,
    Fault,
    Fence,
    Look,
    Say,
    Watchdog,
)
from safety.watched import CONFIRM, FLOW_NS, GROWTH_BYTES, MS, RELAXED, Flow, Watched
from transport.telemetry.pulse import Phase
from transport.wire.codec import Registry

RELAY, ROBOT, WEB = range(3)
WATCHED = (
    Watched(name="relayd", fifo=55, hang_ms=20, floor="hold"),
    Watched(name="robotd", fifo=60, hang_ms=50),
    Watched(name="webd", hang_ms=5000),
)
FORWARD = Flow(
    topic="forward", rate_hz=1000, source="relayd", sink="robotd", sent="sent", arrived="came"
)
STATE = Flow(topic="state", rate_hz=250, source="robotd", sink="relayd", sent="", arrived="came")
FLOWS = (FORWARD, STATE)
OF_FLOW = len(WATCHED)
START_NS = 7_000_000 * MS
PERIOD_NS = 4 * MS
_SAID = Registry((Ceiling,))


class Process:
    """A process that beats, until it is stopped."""

    def __init__(self, pid, fifo):
        self.pid, self.start, self.fifo = pid, 100 + pid, fifo
        self.phase, self.beats = Phase.WORKING, 0
        self.beats_every_ns = PERIOD_NS
        self.next_ns = 0

    def live(self, now_ns):
        while self.beats_every_ns and self.next_ns <= now_ns:
            self.beats += 1
            self.next_ns += self.beats_every_ns

    def stop(self):
        self.beats_every_ns = 0


class Room:
    """A node in virtual time: processes that beat, and their watchdog."""

    def __init__(self, watched=WATCHED, flows=FLOWS, fifo=True, *, empty=False):
        self.now_ns = START_NS
        self.dog = Watchdog("warden", ("psm",), watched, flows, START_NS, realtime=fifo)
        self.living = [None] * len(watched)
        self.noticed, self.fenced, self.said, self.fenced_ns = [], [], [], []
        self._pids = iter(range(4000, 9000))
        if not empty:
            for row, rule in enumerate(watched):
                self.appear(row, rule.fifo)
            self.run(1)

    def appear(self, row, fifo=1):
        process = Process(next(self._pids), fifo)
        process.next_ns = self.now_ns + row * MS // 3
        self.living[row] = process
        self.tell(Appeared(row, process.pid, process.start, fifo))
        return process

    def die(self, row):
        process, self.living[row] = self.living[row], None
        self.tell(Died(row, process.pid, process.phase))

    def tell(self, message):
        self.dog.receive(message, self.now_ns)
        self.drain()

    def drain(self):
        if self.now_ns >= self.dog.next_deadline_ns():
            self.dog.handle_deadline(self.now_ns)
        while (event := self.dog.next_event()) is not None:
            self.noticed.append(event)
        for order in self.dog.to_send(self.now_ns):
            if isinstance(order, Say):
                assert order.robot == "psm"
                self.said.append((self.now_ns, _SAID.decode(order.data)))
            else:
                assert isinstance(order, Fence)
                self.fenced.append(order)
                self.fenced_ns.append(self.now_ns)

    def look(self):
        for process in self.living:
            if process is not None:
                process.live(self.now_ns)
        self.tell(Look([(p.phase, p.beats) if p else (0, 0) for p in self.living]))

    def run(self, ms):
        until_ns = self.now_ns + round(ms * MS)
        while self.now_ns < until_ns:
            self.now_ns += LOOK_NS
            self.look()

    def stall(self, ms):
        """Nobody runs, neither we nor they: the machine stands still."""
        self.now_ns += ms * MS
        for process in self.living:
            if process is not None:
                process.next_ns = max(process.next_ns, self.now_ns + MS)

    def flow(self, row, rate_hz, came_hz, ms):
        """Let a flow be counted for so long, ten times in each of its cycles."""
        sent = came = 0
        for _ in range(ms // 50):
            self.run(50)
            sent, came = sent + rate_hz // 20, came + came_hz // 20
            self.tell(Counted(row, sent, came))

    @property
    def ceiling(self):
        return tuple(self.dog.ceiling)

    def faults(self, *but):
        return [(e.row, e.fault) for e in self.noticed if e.fault not in (Fault.WORKS, *but)]


# Hanging -----------------------------------------------------------------------------------------


def test_who_beats_is_left_alone():
    room = Room()
    room.run(3000)
    assert not room.fenced
    assert not room.faults()
    assert room.ceiling == (State.ENGAGED, "")
    assert room.dog.works("webd")


@pytest.mark.parametrize("phase_ms", [0.1, 1.0, 2.3, 3.9])
def test_who_hangs_is_ended_within_its_bound_and_two_looks(phase_ms):
    room = Room()
    room.run(100 + phase_ms)
    relay = room.living[RELAY]
    relay.stop()
    stopped_ns = room.now_ns
    room.run(40)
    assert room.fenced == [Fence(RELAY, relay.pid, relay.start)]
    assert 20 * MS - PERIOD_NS < room.fenced_ns[0] - stopped_ns <= 20 * MS + CONFIRM[1] * LOOK_NS
    (fault,) = [event for event in room.noticed if event.fault is Fault.HUNG]
    assert (fault.row, fault.pid, fault.start) == (RELAY, relay.pid, relay.start)
    assert 20 * MS < fault.age_ns <= 21 * MS


@pytest.mark.parametrize("phase_us", range(0, 500, 50))
def test_from_the_last_beat_to_its_end_it_is_the_bound_and_at_most_two_looks(phase_us):
    room = Room()
    room.run(100)
    relay = room.living[RELAY]
    relay.next_ns += phase_us * 1000  # where between two looks its beats fall
    room.run(50)
    relay.stop()
    beat_ns = relay.next_ns - PERIOD_NS
    room.run(40)
    assert 20 * MS < room.fenced_ns[0] - beat_ns <= 20 * MS + 2 * LOOK_NS


def test_the_end_is_ordered_once_and_the_death_that_follows_is_no_news():
    room = Room()
    room.living[RELAY].stop()
    room.run(500)
    room.die(RELAY)
    assert len(room.fenced) == 1
    assert room.faults() == [(RELAY, Fault.HUNG)]


def test_a_beat_in_the_last_moment_saves():
    room = Room()
    room.run(50)
    relay = room.living[RELAY]
    relay.stop()
    while room.dog._lives[RELAY].age_ns <= 20 * MS:
        room.now_ns += LOOK_NS
        room.look()
    assert not room.fenced, "one look that finds it old is none"
    relay.next_ns, relay.beats_every_ns = room.now_ns, PERIOD_NS
    room.run(200)
    assert not room.fenced
    relay.stop()
    room.run(30)
    assert len(room.fenced) == 1


def test_each_row_has_its_own_pace():
    room = Room()
    for process in room.living:
        process.stop()
    stopped_ns = room.now_ns
    room.run(5100)
    after_ms = [(t_ns - stopped_ns) / MS for t_ns in room.fenced_ns]
    assert [fence.row for fence in room.fenced] == [RELAY, ROBOT, WEB]
    assert after_ms == pytest.approx([20, 50, 5000], abs=5)


def test_who_lacks_the_rights_of_its_row_may_wait_ten_times_as_long():
    room = Room(empty=True)
    relay = room.appear(RELAY, fifo=0)
    room.run(50)
    relay.stop()
    room.run(20 * RELAXED - 5)
    assert not room.fenced
    room.run(10)
    assert len(room.fenced) == 1


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.LEAVING])
def test_who_does_not_work_is_not_judged(phase):
    room = Room()
    room.living[RELAY].stop()
    room.living[RELAY].phase = phase
    room.run(10_000)
    assert not room.fenced


def test_who_starts_for_seconds_is_judged_from_its_first_round_on():
    room = Room(empty=True)
    relay = room.appear(RELAY)
    relay.phase = Phase.STARTING
    relay.stop()
    room.run(3000)
    relay.phase = Phase.WORKING
    room.run(15)
    assert not room.fenced
    room.run(10)
    assert len(room.fenced) == 1


def test_a_successor_is_another_process():
    room = Room()
    old = room.living[RELAY]
    old.stop()
    room.run(30)
    room.die(RELAY)
    new = room.appear(RELAY)
    room.tell(Died(RELAY, old.pid, old.phase))  # told twice, or late
    room.run(100)
    assert room.dog.works("relayd")
    assert room.fenced == [Fence(RELAY, old.pid, old.start)]
    assert new.pid != old.pid


# Order, pace, memory -----------------------------------------------------------------------------


def examine(room, row, stages, resident=1 << 20, times=1, every_ms=10):
    for _ in range(times):
        room.run(every_ms)
        room.tell(Examined(row, stages, resident))


def test_a_stage_that_is_left_out_ends_the_process():
    room = Room()
    examine(room, RELAY, (700, 700, 699), times=50)
    assert not room.fenced
    examine(room, RELAY, (702, 700, 700), times=10)
    assert room.faults() == [(RELAY, Fault.DISORDER)]
    assert len(room.fenced) == 1


def test_counts_that_were_read_while_a_pass_went_on_end_nobody():
    room = Room()
    for torn in range(60):
        stages = (700, 701, 701) if torn % 3 == 0 else (700, 700, 700)
        examine(room, RELAY, stages)
    assert not room.fenced


def test_who_beats_too_slowly_for_seconds_limps_and_is_told_once():
    room = Room()
    room.living[ROBOT].beats_every_ns = 12 * MS
    for _ in range(80):
        for row in (RELAY, ROBOT, WEB):
            room.tell(Examined(row, (), 1))
        room.run(100)
    assert not room.fenced, "it is slow, and never hung"
    assert room.faults() == [(ROBOT, Fault.LIMPS)]


def test_two_slow_seconds_are_borne():
    room = Room()
    for _ in range(4):
        for beats_every_ns in (12 * MS, PERIOD_NS):
            room.living[ROBOT].beats_every_ns = beats_every_ns
            for _ in range(20):
                room.tell(Examined(ROBOT, (), 1))
                room.run(100)
    assert not room.faults()


def test_memory_that_was_not_looked_at_says_nothing():
    room = Room()
    for resident in (0, 100 << 20, 0, 163 << 20, 0):
        examine(room, RELAY, (700, 700, 700), resident)
    assert not room.faults(), "nor is nothing what it grew from"
    examine(room, RELAY, (700, 700, 700), 164 << 20)
    assert room.faults() == [(RELAY, Fault.GROWS)]


def test_growth_is_told_at_each_step():
    room = Room()
    for step in range(9):
        examine(room, WEB, (), resident=(50 << 20) + step * GROWTH_BYTES // 4)
    assert room.faults() == [(WEB, Fault.GROWS)] * 2
    first = next(e for e in room.noticed if e.fault is Fault.GROWS)
    assert first.age_ns == (50 << 20) + GROWTH_BYTES


def test_who_is_not_there_is_not_examined():
    room = Room(empty=True)
    examine(room, RELAY, (9, 1))
    room.appear(RELAY).phase = Phase.STARTING
    examine(room, RELAY, (9, 1), times=20)
    assert not room.fenced


# Deaths and ceilings -----------------------------------------------------------------------------


def test_a_death_is_told_and_holds_the_robot_at_once_until_the_successor_works():
    room = Room()
    room.run(50)
    room.said.clear()
    died_ns = room.now_ns
    room.die(RELAY)
    t_ns, said = room.said[0]
    assert t_ns == died_ns
    assert (said.source, said.robot, said.max_state) == ("warden", "psm", State.HOLD)
    assert said.cause == "relayd is down"
    assert room.faults() == [(RELAY, Fault.DIED)]
    room.appear(RELAY).phase = Phase.STARTING
    room.run(700)
    assert room.ceiling[0] is State.HOLD
    room.living[RELAY].phase = Phase.WORKING
    room.run(1)
    assert room.ceiling == (State.ENGAGED, "")


def test_who_leaves_in_order_has_not_died():
    room = Room()
    room.living[WEB].phase = Phase.LEAVING
    room.run(5)
    room.die(WEB)
    assert not room.faults()


def test_what_no_robot_depends_on_lowers_nothing():
    room = Room()
    room.die(WEB)
    room.die(ROBOT)
    room.run(100)
    assert room.ceiling == (State.ENGAGED, "")


def test_of_two_relays_one_is_enough():
    pair = (
        Watched(name="relayd1", fifo=55, hang_ms=20, group="relays", floor="hold"),
        Watched(name="relayd2", fifo=55, hang_ms=20, group="relays", floor="hold"),
    )
    room = Room(pair, ())
    room.living[0].stop()
    room.run(30)
    assert [fence.row for fence in room.fenced] == [0]
    assert room.ceiling == (State.ENGAGED, "")
    room.living[1].stop()
    room.run(30)
    assert room.ceiling == (State.HOLD, "relays is down")


def test_the_ceiling_is_said_again_before_it_lapses():
    room = Room()
    room.said.clear()
    room.run(1000)
    times = [t_ns for t_ns, _ in room.said]
    gaps = [b - a for a, b in pairwise(times)]
    assert max(gaps) <= SAY_NS + LOOK_NS
    assert all(said.ttl_ms * MS >= 3 * max(gaps) for _, said in room.said)
    assert {said.max_state for _, said in room.said} == {State.ENGAGED}


def test_without_rights_a_ceiling_lives_longer():
    room = Room(fifo=False)
    assert {said.ttl_ms for _, said in room.said} == {RELAXED * TTL_NS // MS}


# Flows -------------------------------------------------------------------------------------------


def test_a_flow_of_which_enough_arrives_lowers_nothing():
    room = Room()
    room.flow(0, 1000, 900, 4000)
    assert not room.faults()


def test_a_flow_that_is_cut_degrades_within_two_cycles_and_lifts_by_itself():
    room = Room()
    room.flow(0, 1000, 1000, 2000)
    cut_ns = room.now_ns
    room.flow(0, 1000, 100, 2000)
    assert room.faults() == [(OF_FLOW, Fault.STARVED)]
    starved = room.noticed[-1]
    assert starved.t_ns - cut_ns <= 3 * FLOW_NS
    assert room.ceiling == (State.DEGRADED, "forward: too little arrives")
    room.flow(0, 1000, 1000, 4000)
    assert room.ceiling == (State.ENGAGED, "")
    assert room.noticed[-1][1:5] == (OF_FLOW, 0, 0, Fault.WORKS)


def test_a_flow_that_always_flows_is_measured_by_its_topics_rate():
    room = Room()
    room.flow(1, 0, 250, 4000)
    assert not room.faults()
    room.flow(1, 0, 100, 2000)
    assert room.faults() == [(OF_FLOW + 1, Fault.STARVED)]


def test_a_trickle_is_no_flow_to_be_judged():
    room = Room()
    room.flow(0, 40, 0, 4000)
    assert not room.faults()


def test_a_flow_is_not_judged_while_an_end_of_it_is_down():
    room = Room()
    room.flow(0, 1000, 1000, 1000)
    room.living[ROBOT].phase = Phase.STARTING
    room.flow(0, 1000, 0, 4000)
    room.living[ROBOT].phase = Phase.WORKING
    room.flow(0, 1000, 1000, 1000)
    assert not room.faults()


# Our own lateness --------------------------------------------------------------------------------


@pytest.mark.parametrize("ms", [21, 500, 60_000])
def test_our_own_lateness_is_a_hold_and_blames_nobody(ms):
    room = Room()
    room.run(100)
    room.stall(ms)
    room.look()
    assert room.faults() == [(-1, Fault.LATE)]
    assert room.ceiling == (State.HOLD, f"the watchdog itself was late by {ms} ms")
    room.run(LATE_HOLD_NS / MS - 1)
    assert room.ceiling[0] is State.HOLD
    room.run(2)
    assert room.ceiling == (State.ENGAGED, "")
    room.run(500)
    assert not room.fenced


def test_a_look_that_is_merely_late_is_none():
    room = Room()
    for _ in range(20):
        room.stall(LATE_NS // MS)
        room.look()
    assert not room.faults()
    assert not room.fenced


def test_without_rights_we_are_late_by_nature():
    room = Room(fifo=False)
    room.stall(LATE_NS * RELAXED // MS)
    room.look()
    assert not room.faults()
    room.stall(LATE_NS * RELAXED // MS + 1)
    room.look()
    assert room.faults() == [(-1, Fault.LATE)]


def test_time_before_the_beginning_is_nobodys_lateness():
    room = Room(empty=True)
    room.now_ns += 900 * MS
    room.dog.begin(room.now_ns)
    room.run(1)
    assert not room.noticed


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 15), st.integers(0, 19)), min_size=5, max_size=60),
    st.integers(0, 10**6),
)
def test_no_stall_of_the_machine_ends_anybody_who_beats_when_it_runs(pieces, offset_ns):
    """Row 58: the machine stands still again and again, for as long as it likes."""
    room = Room(flows=())
    room.now_ns += offset_ns
    for runs_ms, stalls_ms in pieces:
        room.run(runs_ms)
        room.stall(stalls_ms)
    room.run(5)
    assert not room.fenced
    assert not room.faults()


# The rehearsal -----------------------------------------------------------------------------------


class Stage:
    """A rehearsal and its pulse, at whatever pace the looks come."""

    def __init__(self, pace_ns=LOOK_NS):
        self.rehearsal = Rehearsal(1, 1, START_NS)
        self.now_ns, self.pace_ns, self.beats, self.looks = START_NS, pace_ns, 0, 0

    def play(self, beats_on=False, beats_at_all=True):
        while self.rehearsal.outcome is Outcome.RUNNING:
            self.now_ns += self.pace_ns
            self.looks += 1
            self.beats += (self.rehearsal.feeds and beats_at_all) or beats_on
            self.rehearsal.look((Phase.WORKING, self.beats), self.now_ns)
        return self.rehearsal.outcome


def test_a_pulse_that_is_starved_on_purpose_is_found_out_in_time():
    stage = Stage()
    assert stage.play() is Outcome.PASSED
    assert FED_LOOKS < stage.looks <= FED_LOOKS + STARVED_LOOKS


def test_on_a_machine_that_looks_late_the_rehearsal_still_counts_looks():
    assert Stage(pace_ns=9 * MS).play() is Outcome.PASSED


def test_a_watchdog_that_does_not_notice_does_not_pass():
    assert Stage().play(beats_on=True) is Outcome.FAILED


def test_a_watchdog_that_suspects_who_is_fed_does_not_pass(monkeypatch):
    monkeypatch.setattr("safety.rehearsal.HANG_MS", 5)
    assert Stage().play(beats_at_all=False) is Outcome.FAILED
