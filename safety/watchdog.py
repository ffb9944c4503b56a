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

What one process or one flow shows `safety.watched` judges, by the supervisions of
safety.supervision, in the words of AUTOSAR's Watchdog Manager.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple, assert_never

from safety.ceiling import SILENCE_POLICY
from safety.messages import Ceiling
from safety.state import State
from safety.watched import MS, RELAXED, Flow, Life, Stream, Watched
from transport.telemetry.pulse import Phase, in_order
from transport.wire.codec import encode

#: How often pulses are looked at. Detection takes the row's bound and at most two looks more.
LOOK_NS: Final = MS // 2
#: Stages, pace and flows are looked at so often, in looks; memory in turn, one process a time.
SLOW_LOOKS: Final = 20
#: A look that comes later than this is a fault of our own.
LATE_NS: Final = 20 * MS
#: For so long the robot is held after our own lateness: enough to be heard, too short to latch.
LATE_HOLD_NS: Final = 20 * MS
#: The ceiling is said anew so often, and lives so long: three may be lost (row 57: 50 ms).
SAY_NS, TTL_NS = 12 * MS, 48 * MS
EVENTS_MAX: Final = 1024
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
        self._lives: list[Life | None] = [None] * len(self._processes)
        self._streams = [Stream(flow) for flow in flows]
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
                self._lives[row] = Life(self._processes[row], pid, start, fifo)
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

    def _turn(self, row: int, life: Life, beats: int, now_ns: int) -> None:
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

    def _fence(self, row: int, life: Life, fault: Fault, age_ns: int, now_ns: int) -> None:
        life.fenced, life.works = True, False
        self._changed = True
        self._fences.append(Fence(row, life.pid, life.start))
        self._notice(row, life, fault, age_ns, now_ns)

    def _notice(self, row: int, life: Life | None, fault: Fault, age_ns: int, now_ns: int) -> None:
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
