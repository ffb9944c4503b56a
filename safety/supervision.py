"""Whether something does what it should as often, as soon and in the order it should.

The three supervisions of AUTOSAR's Watchdog Manager, each a table and a few numbers, and what the
gate and the watchdog count with besides. Whatever is watched says numbers (a counter, a
checkpoint); the watcher ages them on its own clock, so a frozen one cannot lie about the time.

alive      so many counts in each cycle, no fewer and no more       Alive     used by the watchdog
deadline   from one checkpoint to the next neither too soon nor late Between  used by the watchdog
logical    checkpoints only in an order that the table allows        Order    used by the watchdog
status     OK -> FAILED (so many bad cycles are borne) -> EXPIRED    Status   used by the watchdog
k of n     a share of the last n that is too high, with hysteresis   Share    lost commands
burst      so many within a time                                     Burst    leaps, forgeries
frozen     the same value for too long while it is told to change    Frozen   a driver's measurement

Source: AUTOSAR SWS Watchdog Manager, R23-11, chapter 7.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from safety.rotation import rotation_angle
from transport.wire.vector import Setpoint

MS = 1_000_000


class Status(IntEnum):
    """What a supervision says; higher is worse."""

    OK = 0
    FAILED = 1  #: bad, and borne for now
    EXPIRED = 2  #: bad for longer than is borne: for good, until it is started anew


class Pace(NamedTuple):
    """One row of an alive supervision: what counts as alive.

    Parameters
    ----------
    cycle_ns : how often the counter is looked at
    counts_min, counts_max : how far it shall have come in a cycle
    failures_max : so many bad cycles in a row are borne
    """

    cycle_ns: int
    counts_min: int
    counts_max: int
    failures_max: int = 0


class Alive:
    """The supervision of one counter."""

    def __init__(self, pace: Pace, count: int, now_ns: int) -> None:
        self._pace = pace
        self._count = count
        self._begun_ns = now_ns
        self._failures = 0
        self.status = Status.OK

    def look(self, count: int, now_ns: int) -> Status:
        """Look at the counter: it is judged once in a cycle, and for cycles that passed unseen.

        A look that comes after several cycles expects as many times the counts: a watcher that was
        late itself does not blame the watched.
        """
        cycles = (now_ns - self._begun_ns) // self._pace.cycle_ns
        if cycles < 1 or self.status is Status.EXPIRED:
            return self.status
        came = count - self._count
        good = cycles * self._pace.counts_min <= came <= cycles * self._pace.counts_max
        self._begun_ns += cycles * self._pace.cycle_ns
        self._count = count
        self._failures = 0 if good else self._failures + cycles
        self.status = _status(self._failures, self._pace.failures_max)
        return self.status


class Between(NamedTuple):
    """One row of a deadline supervision: the time from one checkpoint to another, ns."""

    least_ns: int
    most_ns: int

    def status(self, since_ns: int, *, arrived: bool) -> Status:
        """Judge the time since the first checkpoint; the second has arrived, or not yet."""
        early = arrived and since_ns < self.least_ns
        return Status.EXPIRED if early or since_ns > self.most_ns else Status.OK


class Order:
    """The supervision of an order: a graph of checkpoints, and where its traveller is.

    Parameters
    ----------
    edges : checkpoint -> those that may follow it
    start : where it begins
    """

    def __init__(self, edges: Mapping[int, frozenset[int]], start: int) -> None:
        self._edges = edges
        self.at = start
        self.status = Status.OK

    def reach(self, checkpoint: int) -> Status:
        """Note that a checkpoint was reached: one way off the graph is one too many."""
        if checkpoint not in self._edges.get(self.at, frozenset()):
            self.status = Status.EXPIRED
        self.at = checkpoint
        return self.status


class Share:
    """Whether too many of the last n were bad; it clears at a lower share, so it does not flicker.

    Parameters
    ----------
    n : how many are remembered
    enter : from so many on it is too many
    leave : from so few on it is no longer
    """

    def __init__(self, n: int, enter: int, leave: int) -> None:
        assert 0 <= leave < enter <= n
        self._mask = (1 << n) - 1
        self._enter = enter
        self._leave = leave
        self._bits = 0
        self.is_bad = False

    def add(self, *, bad: bool) -> bool:
        """Note one more, and tell whether it is too many now."""
        self._bits = (self._bits << 1 | bad) & self._mask
        limit = self._leave + 1 if self.is_bad else self._enter
        self.is_bad = self._bits.bit_count() >= limit
        return self.is_bad


class Burst:
    """Whether something happened so many times within so long; telling it begins a new count."""

    def __init__(self, count: int, within_ns: int) -> None:
        self._count = count
        self._within_ns = within_ns
        self._times: deque[int] = deque(maxlen=count)

    def add(self, now_ns: int) -> bool:
        """Note that it happened once more, and tell whether that makes it a burst."""
        times = self._times
        times.append(now_ns)
        if len(times) < self._count or now_ns - times[0] > self._within_ns:
            return False
        times.clear()
        return True


#: A value that is the same for so long, while it is told to go so far, is no measurement.
FROZEN_NS = 40 * MS
FROZEN_M, FROZEN_RAD = 0.001, math.radians(1.0)


class _Seen(NamedTuple):
    value: Setpoint
    told: Setpoint
    t_ns: int


class Frozen:
    """Whether a sensor repeats one value although its arm is told to move.

    A motion of 25 mm/s or more is missed for 40 ms; of a slower one, until it is a millimetre.
    """

    def __init__(self) -> None:
        self._first: _Seen | None = None

    def reset(self) -> None:
        """Forget: the arm is told nothing until further notice."""
        self._first = None

    def measured(self, value: Setpoint, told: Setpoint, now_ns: int) -> bool:
        """Take a measurement beside where the arm is told to be; tell whether it is frozen."""
        first = self._first
        if first is None or value != first.value:
            self._first = _Seen(value, told, now_ns)
            return False
        if now_ns - first.t_ns < FROZEN_NS:
            return False
        far = math.dist(told[:3], first.told[:3]) >= FROZEN_M
        return far or rotation_angle(told, first.told) >= FROZEN_RAD


def _status(failures: int, borne: int) -> Status:
    if failures == 0:
        return Status.OK
    return Status.FAILED if failures <= borne else Status.EXPIRED
