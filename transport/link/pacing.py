"""Decides when the next of a row of evenly spaced acts is due.

Rules
-----
- Deadlines are start + k * period, for ever: lateness never accumulates, and drift has no way in.
- The row does not wait for whoever acts (open loop). A slot that passed while the process slept
  is missed and counted, and its intended time is not moved.
- After a stall at most `burst_max` missed slots are made up for. For commands that is none:
  half a second of old motion, delivered at once, is the hazard that newest-wins exists for.
"""

from __future__ import annotations


class Pacer:
    """Absolute deadlines without drift.

    Parameters
    ----------
    period_ns : int
        The spacing.
    start_ns : int
        The first deadline.
    burst_max : int
        How many past slots may still be served after a stall.

    Attributes
    ----------
    next_ns : int
        The next deadline, which is the intended time of the act that it starts.
    missed : int
        All slots missed so far.
    """

    __slots__ = ("_burst_max", "_period_ns", "missed", "next_ns")

    def __init__(self, period_ns: int, start_ns: int, burst_max: int = 0) -> None:
        assert period_ns > 0 and burst_max >= 0
        self.next_ns = start_ns
        self.missed = 0
        self._period_ns = period_ns
        self._burst_max = burst_max

    def due(self, now_ns: int) -> bool:
        """Return whether the slot at `next_ns` has come."""
        return now_ns >= self.next_ns

    def advance(self, now_ns: int) -> int:
        """Close the slot at `next_ns`, served at `now_ns`; return how many after it are missed."""
        self.next_ns += self._period_ns
        late_ns = now_ns - self.next_ns
        if late_ns < 0:
            return 0
        missed = max(0, late_ns // self._period_ns + 1 - self._burst_max)
        self.next_ns += missed * self._period_ns
        self.missed += missed
        return missed
