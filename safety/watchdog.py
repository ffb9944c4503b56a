"""Decides which process does its work no longer, who is ended, and what the robot may do meanwhile.

    pulses --Look-->    age, order, pace --> Fence: end this very process
    pidfds --Died-->    lives            --> Say: a ceiling for the robot, over its guard
    boards --Counted--> flows            --> Noticed: for the flight ring, and for people

Rules
-----
1. A process that does not beat for as long as its row allows is hung, and fenced. Beats are
   counters, aged here; one look that finds it old is none, `CONFIRM` of them are.
2. Nobody is blamed for our own lateness. Time that passed between two of our looks counts as one
   look at most; and a look that comes too late is a fault of its own: a HOLD, for we saw nothing.
3. Only who works is judged. Who compiles, starts or ends in order is not, and who ends without
   having said so has died.
4. While every process of a group is down, the robot is held at the group's ceiling. A flow of
   which too little arrives lowers it as well. Both lift by themselves; the robot's own rules
   decide what may follow.
5. A process's pace is that of the rights it really has: without SCHED_FIFO a busy machine lets it
   wait, and that is no fault.
6. Nothing here starts anything, and nothing here raises permission.

Supervisions are those of safety.supervision, in the words of AUTOSAR's Watchdog Manager.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Final, Literal, NamedTuple, assert_never

import msgspec

from safety.ceiling import SILENCE_POLICY
from safety.messages import Ceiling
from safety.state import State
from safety.supervision import Alive, Between, Pace, Share, Status
from transport.telemetry.pulse import BEAT_NS, BEAT_REALTIME_NS, Phase, in_order
from transport.wire.codec import encode

MS: Final = 1_000_000
#: How often pulses are looked at. Detection takes the row's bound and at most two looks more.
LOOK_NS: Final = MS // 2
#: k of n looks that must find a process old before it is fenced (row 58 of the fault matrix).
CONFIRM: Final = (2, 3)
#: Stages, pace and flows are looked at so often, in looks; memory in turn, one process a time.
SLOW_LOOKS: Final = 20
#: k of n of those that must find stages out of order.
DISORDER: Final = (6, 8)
#: A look that comes later than this is a fault of our own.
LATE_NS: Final = 20 * MS
#: A process that lacks the rights its row wants may take so many times as long; so may we.
RELAXED: Final = 10
#: For so long the robot is held after our own lateness: enough to be heard, too short to latch.
LATE_HOLD_NS: Final = 20 * MS
#: The ceiling is said anew so often, and lives so long: three may be lost (row 57: 50 ms).
SAY_NS, TTL_NS = 12 * MS, 48 * MS
#: The cycle of the alive supervision. It wants half of the beats of an idle loop; so many bad
#: cycles in a row are borne.
PACE_NS: Final = 1000 * MS
PACE_FAILURES: Final = 2
#: A process leaks that has grown by so much since it was looked at first; each such step is told.
GROWTH_BYTES: Final = 64 << 20
#: A flow is judged so often, by k of n; it flows when half of what is due has arrived.
FLOW_NS: Final = 500 * MS
FLOW: Final = (2, 4)
#: Fewer than this in `FLOW_NS` are no flow to be judged.
FLOW_LEAST: Final = 50
EVENTS_MAX: Final = 1024
_COUNTS_MAX: Final = 1 << 40
_NEVER: Final = (1 << 63) - 1
_WORKING: Final = int(Phase.WORKING)


class Fault(IntEnum):
    """What was noticed. Numbers are in recordings: append, never renumber."""

    NONE = 0
    HUNG = 1  #: no beat for too long: fenced
    DISORDER = 2  #: a stage of its pass is left out: fenced
    DIED = 3  #: it has ended, and had not said that it would
    LIMPS = 4  #: too few beats in a second, again and again
    GROWS = 5  #: its memory grows and grows
    LATE = 6  #: our own look came too late
    STARVED = 7  #: too little of a flow arrives
    WORKS = 8  #: no fault: it works, or flows, again


#: The same for people, with the age in ms (or what else was measured).
WORDS: Final[dict[Fault, str]] = {
    Fault.NONE: "",
    Fault.HUNG: "hung for {:.0f} ms",
    Fault.DISORDER: "left out a part of its work",
    Fault.DIED: "died",
    Fault.LIMPS: "limps",
    Fault.GROWS: "grows without end",
    Fault.LATE: "the watchdog itself was late by {:.0f} ms",
    Fault.STARVED: "too little arrives",
    Fault.WORKS: "works",
}
#: Who does this is ended.
FENCED: Final = frozenset({Fault.HUNG, Fault.DISORDER})

Ms = Annotated[int, msgspec.Meta(ge=1, le=60_000)]
Floor = Literal["none", "degraded", "hold"]


class Watched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A process that is watched.

    Parameters
    ----------
    name : its name in the node
    fifo : SCHED_FIFO priority that its row wants
    hang_ms : without a beat for so long it is hung
    group : those of one group stand in for each other
    floor : the robot's ceiling while all of the group are down
    """

    name: str
    fifo: int = 0
    hang_ms: Ms = 2000
    group: str = ""
    floor: Floor = "none"


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flow that is watched: of what is due, so much arrives.

    Parameters
    ----------
    topic, rate_hz : its row in the catalogue (transport.wire.topic)
    source, sink : processes; it is judged while both work
    sent : family of counters on the source's board; "" = it always flows, at its rate
    arrived : family of counters on the sink's board
    floor : the robot's ceiling while too little arrives
    """

    topic: str
    rate_hz: int
    source: str
    sink: str
    sent: str
    arrived: str
    floor: Floor = "degraded"


# What comes in


class Appeared(NamedTuple):
    """The process in row `row` has a new life: these are its number, its start, its rights."""

    row: int
    pid: int
    start: int
    fifo: int


class Died(NamedTuple):
    """The process in row `row` has ended; `phase` is what it said last."""

    row: int
    pid: int
    phase: int


class Look(NamedTuple):
    """What all pulses show now: (phase, beats) of each row, zeros where there is none."""

    pulses: Sequence[tuple[int, int]]


class Examined(NamedTuple):
    """What costs more to look at: of row `row` the counts of its stages, and its memory.

    `resident_bytes` is 0 when it was not looked at this time.
    """

    row: int
    stages: Sequence[int]
    resident_bytes: int


class Counted(NamedTuple):
    """How much of flow `row` was sent and has arrived, ever."""

    row: int
    sent: int
    arrived: int


Message = Look | Appeared | Died | Examined | Counted


# What goes out


class Fence(NamedTuple):
    """End this very process."""

    row: int
    pid: int
    start: int


class Say(NamedTuple):
    """Send this ceiling to a robot's guard."""

    robot: str
    data: bytes


class Held(NamedTuple):
    """The ceiling that is in force, and why."""

    state: State
    words: str


class Noticed(NamedTuple):
    """An event.

    Parameters
    ----------
    row : of the process; -1 of ourselves; len(processes) + row of the flow
    age_ns : HUNG, LATE: for how long; GROWS: bytes; else 0
    """

    t_ns: int
    row: int
    pid: int
    start: int
    fault: Fault
    age_ns: int


class _Life:
    """One life of a watched process, from its first pulse to its end."""

    __slots__ = (
        "age_ns",
        "alive",
        "beats",
        "disorder",
        "fenced",
        "fifo",
        "grown_bytes",
        "hang",
        "old",
        "pid",
        "start",
        "suspected",
        "watched",
        "works",
    )

    def __init__(self, watched: Watched, pid: int, start: int, fifo: int) -> None:
        self.watched = watched
        self.pid = pid
        self.start = start
        self.fifo = fifo
        relaxed = RELAXED if watched.fifo and not fifo else 1
        self.hang = Between(0, watched.hang_ms * relaxed * MS)
        self.old = Share(CONFIRM[1], CONFIRM[0], 0)
        self.disorder = Share(DISORDER[1], DISORDER[0], 0)
        self.alive: Alive | None = None
        self.beats = 0
        self.age_ns = 0
        self.suspected = False
        self.grown_bytes = 0
        self.works = False
        self.fenced = False

    def age(self, beats: int, since_ns: int) -> bool:
        """Note what a look found; tell whether the process is hung."""
        if beats == self.beats:
            self.age_ns += since_ns
            if self.age_ns <= self.hang.most_ns:
                return False
        else:
            self.beats, self.age_ns = beats, 0
            if not self.suspected:
                return False
        is_old = self.hang.status(self.age_ns, arrived=False) is not Status.OK
        self.suspected = is_old
        return self.old.add(bad=is_old)

    def limps(self, now_ns: int) -> bool:
        """Tell, once, whether it beats too slowly for good."""
        if self.alive is None:
            least = PACE_NS // (2 * (BEAT_REALTIME_NS if self.fifo else BEAT_NS))
            pace = Pace(PACE_NS, least, _COUNTS_MAX, PACE_FAILURES)
            self.alive = Alive(pace, self.beats, now_ns)
        before = self.alive.status
        return self.alive.look(self.beats, now_ns) is Status.EXPIRED is not before

    def grows(self, resident_bytes: int) -> bool:
        """Tell, at each further step, whether it holds more memory than at first."""
        if not self.grown_bytes:
            self.grown_bytes = resident_bytes + GROWTH_BYTES
        if resident_bytes < self.grown_bytes:
            return False
        self.grown_bytes = resident_bytes + GROWTH_BYTES
        return True


class _Stream:
    """One flow: what was counted when, and whether too little arrives."""

    __slots__ = ("arrived", "flow", "judged_ns", "sent", "starved")

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.starved = Share(FLOW[1], FLOW[0], 0)
        self.forget()

    def forget(self) -> None:
        """Begin anew: an end of it has just come."""
        self.judged_ns, self.sent, self.arrived = 0, 0, 0

    def judge(self, sent: int, arrived: int, now_ns: int) -> None:
        """Take the counts; judge once in `FLOW_NS`."""
        if self.judged_ns and now_ns - self.judged_ns < FLOW_NS:
            return
        if self.judged_ns:
            came, due = arrived - self.arrived, sent - self.sent
            if not self.flow.sent:
                due = self.flow.rate_hz * (now_ns - self.judged_ns) // 1_000_000_000
            self.starved.add(bad=due >= FLOW_LEAST and 2 * came < due)
        self.judged_ns, self.sent, self.arrived = now_ns, sent, arrived


class Watchdog:
    """One node's watchdog.

    Parameters
    ----------
    source : its device, and the source of its ceilings
    robots : whose ceilings it lowers
    processes, flows : what it watches
    realtime : whether it has its own SCHED_FIFO rights

    Attributes
    ----------
    ceiling : what was said last, and why
    """

    def __init__(
        self,
        source: str,
        robots: Sequence[str],
        processes: Sequence[Watched],
        flows: Sequence[Flow],
        now_ns: int,
        *,
        realtime: bool = True,
    ) -> None:
        self._source = source
        self._robots = tuple(robots)
        self._processes = tuple(processes)
        self._row_of = {watched.name: row for row, watched in enumerate(self._processes)}
        self._lives: list[_Life | None] = [None] * len(self._processes)
        self._streams = [_Stream(flow) for flow in flows]
        relaxed = 1 if realtime else RELAXED
        self._late_ns, self._ttl_ns = LATE_NS * relaxed, TTL_NS * relaxed
        self._looked_ns = now_ns
        self._late_until_ns = 0
        self._late_words = ""
        self.ceiling = Held(State.ENGAGED, "")
        self._said_ns = self._due_ns = now_ns - SAY_NS
        self._changed = True  # something may have moved the ceiling, or wants to be done
        self._fences: list[Fence] = []
        self._events: deque[Noticed] = deque(maxlen=EVENTS_MAX)

    def begin(self, now_ns: int) -> None:
        """Begin to look: time until now was the start, and is nobody's lateness."""
        self._looked_ns = now_ns

    # The five verbs

    def receive(self, message: Message, now_ns: int) -> None:
        """Take what was looked at, or what has happened."""
        match message:
            case Look(pulses):
                self._look(pulses, now_ns)
            case Appeared(row, pid, start, fifo):
                self._lives[row] = _Life(self._processes[row], pid, start, fifo)
            case Died(row, pid, phase):
                self._died(row, pid, phase, now_ns)
            case Examined(row, stages, resident_bytes):
                self._examine(row, stages, resident_bytes, now_ns)
            case Counted(row, sent, arrived):
                self._count(row, sent, arrived, now_ns)
            case _:
                assert_never(message)

    def next_event(self) -> Noticed | None:
        """Take the oldest event."""
        return self._events.popleft() if self._events else None

    def to_send(self, now_ns: int) -> list[Fence | Say]:
        """Give what is to be done: whom to end first, then what to say."""
        if not self._changed and now_ns < self._due_ns:
            return []
        ceiling = self._lowest(now_ns)
        out: list[Fence | Say] = [*self._fences]
        self._fences.clear()
        self._changed = False
        if ceiling != self.ceiling or now_ns - self._said_ns >= SAY_NS:
            self.ceiling, self._said_ns = ceiling, now_ns
            ttl_ms = self._ttl_ns // MS
            out += [
                Say(robot, encode(Ceiling(19, self._source, robot, *ceiling, ttl_ms)))
                for robot in self._robots
            ]
        self._due_ns = min(self._said_ns + SAY_NS, self._late_until_ns or _NEVER)
        return out

    def next_deadline_ns(self) -> int:
        """When `to_send` has something to say, if nothing happens before."""
        return self._due_ns

    def handle_deadline(self, now_ns: int) -> None:
        """Let our own lateness be forgotten in time."""
        if self._late_until_ns and now_ns >= self._late_until_ns:
            self._late_until_ns, self._changed = 0, True

    # What a shell may ask

    def works(self, name: str) -> bool:
        """Tell whether a process works, as far as we have seen."""
        life = self._lives[self._row_of[name]]
        return life is not None and life.works

    # Inside

    def _look(self, pulses: Sequence[tuple[int, int]], now_ns: int) -> None:
        since_ns, self._looked_ns = now_ns - self._looked_ns, now_ns
        if since_ns > self._late_ns:
            self._late_until_ns = now_ns + LATE_HOLD_NS
            self._late_words = WORDS[Fault.LATE].format(since_ns / MS)
            self._changed = True
            self._notice(-1, None, Fault.LATE, since_ns, now_ns)
        since_ns = min(since_ns, 2 * LOOK_NS)
        for row, (phase, beats) in enumerate(pulses):
            life = self._lives[row]
            if life is None or life.fenced:
                continue
            if life.works is not (phase == _WORKING):
                self._turn(row, life, beats, now_ns)
            if life.works and life.age(beats, since_ns):
                self._fence(row, life, Fault.HUNG, life.age_ns, now_ns)

    def _turn(self, row: int, life: _Life, beats: int, now_ns: int) -> None:
        """Begin to judge a process, or cease to."""
        life.works = not life.works
        self._changed = True
        if life.works:
            life.beats, life.age_ns = beats, 0
            self._notice(row, life, Fault.WORKS, 0, now_ns)

    def _examine(self, row: int, stages: Sequence[int], resident_bytes: int, now_ns: int) -> None:
        life = self._lives[row]
        if life is None or not life.works:
            return
        if life.disorder.add(bad=not in_order(stages)):
            self._fence(row, life, Fault.DISORDER, 0, now_ns)
            return
        if life.limps(now_ns):
            self._notice(row, life, Fault.LIMPS, 0, now_ns)
        if resident_bytes and life.grows(resident_bytes):
            self._notice(row, life, Fault.GROWS, resident_bytes, now_ns)

    def _died(self, row: int, pid: int, phase: int, now_ns: int) -> None:
        life = self._lives[row]
        if life is None or life.pid != pid:
            return
        if phase != Phase.LEAVING and not life.fenced:
            self._notice(row, life, Fault.DIED, 0, now_ns)
        self._lives[row] = None
        self._changed = True

    def _count(self, row: int, sent: int, arrived: int, now_ns: int) -> None:
        stream = self._streams[row]
        if not (self.works(stream.flow.source) and self.works(stream.flow.sink)):
            stream.forget()
            return
        before = stream.starved.is_bad
        stream.judge(sent, arrived, now_ns)
        if stream.starved.is_bad is not before:
            self._changed = True
            fault = Fault.WORKS if before else Fault.STARVED
            self._notice(len(self._processes) + row, None, fault, 0, now_ns)

    def _fence(self, row: int, life: _Life, fault: Fault, age_ns: int, now_ns: int) -> None:
        life.fenced, life.works = True, False
        self._changed = True
        self._fences.append(Fence(row, life.pid, life.start))
        self._notice(row, life, fault, age_ns, now_ns)

    def _notice(self, row: int, life: _Life | None, fault: Fault, age_ns: int, now_ns: int) -> None:
        pid, start = (life.pid, life.start) if life else (0, 0)
        self._events.append(Noticed(now_ns, row, pid, start, fault, age_ns))

    def _lowest(self, now_ns: int) -> Held:
        """Find the lowest ceiling that anything asks for, and its words."""
        found = [Held(State.ENGAGED, "")]
        if self._late_until_ns:
            found.append(Held(State.HOLD, self._late_words))
        working = {
            watched.group or watched.name
            for watched, life in zip(self._processes, self._lives, strict=True)
            if life is not None and life.works
        }
        for watched in self._processes:
            group = watched.group or watched.name
            if watched.floor != "none" and group not in working:
                found.append(Held(SILENCE_POLICY[watched.floor], f"{group} is down"))
        for stream in self._streams:
            if stream.starved.is_bad:
                words = f"{stream.flow.topic}: {WORDS[Fault.STARVED]}"
                found.append(Held(SILENCE_POLICY[stream.flow.floor], words))
        return min(found, key=lambda held: held.state)
