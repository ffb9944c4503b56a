"""When silence lowers permission: the age of the newest good command against a ladder.

Rules
-----
1. Age grows from the last `heard`; every rung of the profile's ladder is reached exactly at its
   nanosecond, asked by `rung(now_ns)`. One that was reached stays due until it is acted on
   (`climb`), whatever else a loop that comes late hears first.
2. A gap of more than two periods restarts the clean time that leaving DEGRADED needs.
3. The hand has its own deadline: a console that repeats the last pose of a frozen page is silent
   although its frames arrive.
"""

from __future__ import annotations

from enum import IntEnum

from safety.profile import MS, Ladder


class Rung(IntEnum):
    """How far silence has climbed; higher is worse."""

    CLEAN = 0
    DEGRADED = 1
    HOLD = 2
    LATCHED = 3
    STOP = 4


class Silence:
    """The age of the newest admitted command of a session."""

    def __init__(self, ladder: Ladder, period_ns: int, now_ns: int) -> None:
        self._ladder = ladder.at_period(period_ns)
        self._ages = (
            self._ladder.degraded_ns,
            self._ladder.hold_ns,
            self._ladder.latched_ns,
            self._ladder.stop_ns,
        )
        self._gap_ns = 2 * period_ns
        self.heard_ns = now_ns
        self._clean_since_ns = now_ns
        self._acted_on = Rung.CLEAN
        self.longest_gap_ns = 0

    def heard(self, now_ns: int) -> None:
        """Note a good command."""
        gap = now_ns - self.heard_ns
        if gap > self._gap_ns:
            self._clean_since_ns = now_ns
            self.longest_gap_ns = max(self.longest_gap_ns, gap)
        self.heard_ns = now_ns
        self._acted_on = Rung.CLEAN

    def rung(self, now_ns: int) -> Rung:
        """Name the rung that silence has reached."""
        age = now_ns - self.heard_ns
        if age < self._ages[0]:
            return Rung.CLEAN
        return Rung(sum(age >= limit for limit in self._ages))

    def climb(self, now_ns: int) -> Rung:
        """Name the rung that silence has reached, to act on it."""
        self._acted_on = rung = self.rung(now_ns)
        return rung

    def is_steady(self, now_ns: int) -> bool:
        """Tell whether no gap exceeded two periods for the recovery time."""
        return now_ns - self._clean_since_ns >= self._ladder.recovery_ns

    def next_deadline_ns(self) -> int | None:
        """When the first rung that was not acted on is, or was, reached; None above the last."""
        if self._acted_on is Rung.STOP:
            return None
        return self.heard_ns + self._ages[self._acted_on]


#: HOLD when the hand's device was not read for three of its periods, within these bounds.
HAND_NS_MIN = 40 * MS
HAND_NS_MAX = 100 * MS


class HandSilence:
    """The age of the newest reading of the hand's device, across all arms of a console."""

    def __init__(self, now_ns: int) -> None:
        self._input_seq = -1
        self._read_ns = now_ns
        self._limit_ns = HAND_NS_MIN

    def heard(self, input_seq: int, input_age_ns: int, now_ns: int) -> None:
        """Note an admitted command's reading of the device."""
        advance = input_seq - self._input_seq
        if advance <= 0:
            return
        read_ns = now_ns - input_age_ns
        if self._input_seq >= 0:
            period = (read_ns - self._read_ns) // advance
            self._limit_ns = min(HAND_NS_MAX, max(HAND_NS_MIN, 3 * period))
        self._input_seq, self._read_ns = input_seq, read_ns

    def next_deadline_ns(self) -> int:
        """When the hand counts as silent."""
        return self._read_ns + self._limit_ns
