"""Tells whether a watched process hangs, limps or grows, and whether a watched flow starves.

A process is judged by what its pulse shows, life by life; a flow by the counts at its two ends.
What follows from it `safety.watchdog` decides.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from safety.supervision import Alive, Between, Pace, Share, Status
from transport.telemetry.pulse import BEAT_NS, BEAT_REALTIME_NS

MS: Final = 1_000_000
#: k of n looks that must find a process old before it is fenced (row 58 of the fault matrix).
CONFIRM: Final = (2, 3)
#: k of n of those that must find stages out of order.
DISORDER: Final = (6, 8)
#: A process that lacks the rights its row wants may take so many times as long; so may we.
RELAXED: Final = 10
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
_COUNTS_MAX: Final = 1 << 40

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


class Life:
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
        """Note what a look found; tell whether the process is hung.

        A beat that is new to this look was somewhere between it and the look before: it is half
        that old already.
        """
        if beats == self.beats:
            self.age_ns += since_ns
            if self.age_ns <= self.hang.most_ns:
                return False
        else:
            self.beats, self.age_ns = beats, since_ns // 2
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


class Stream:
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
