"""Decides how old a command is, without comparing two machines' clocks.

The robot numbers its states: ticks. The console puts the newest tick that it has seen into each
command. So when a command comes back, the robot knows when it sent that tick, on its own clock:

    loop = now - (when the echoed tick was sent)

is the age of the picture of the robot on which the command was formed. It grows when either
direction slows, queues or dies. The smallest loop of the last ten seconds, the floor, is what
the path and the console cost at best; what is above it is delay that should not be there.

Rules
-----
- A command is late when its loop exceeds the floor by more than the hold time, or exceeds
  `loop_ns_max` altogether. The second bound holds the first: a path that slows gently takes its
  floor along, but no further than that.
- A tick that was never sent has no age: such a command is refused, not judged.
- The floor learns only from frames whose tag is valid, else a forger could lower it and make
  the rightful operator late. That is the caller's duty.

A relay applies the same rules from the moment at which that tick reached it.
"""

from __future__ import annotations

from array import array

#: At 1 kHz four seconds of ticks, eight times the longest `loop_ns_max` of any profile.
TICKS = 4096
#: How long the best loop is remembered.
FLOOR_WINDOW_NS = 10_000_000_000
_BUCKETS = 32
_NEVER = (1 << 63) - 1


class EchoAge:
    """Remember when each of the newest ticks went out.

    Parameters
    ----------
    capacity : int
        How many ticks are remembered. A tick is forgotten when the one `capacity` later is sent.

    Notes
    -----
    Ticks begin at 1; a relay may miss some, and may see them out of order. After a restart of
    the robot ticks begin again: its boot key changes, and a new `EchoAge` belongs to it.
    """

    __slots__ = ("_capacity", "_sent_ns", "_ticks")

    def __init__(self, capacity: int = TICKS) -> None:
        assert capacity > 0
        self._capacity = capacity
        self._ticks = array("Q", bytes(8 * capacity))  # 0: never used, no tick is 0
        self._sent_ns = array("q", bytes(8 * capacity))

    def sent(self, tick: int, now_ns: int) -> None:
        """Note that `tick` goes out now. A copy of a known tick does not make it younger."""
        slot = tick % self._capacity
        if tick > self._ticks[slot]:
            self._ticks[slot] = tick
            self._sent_ns[slot] = now_ns

    def loop_ns(self, tick_echo: int, now_ns: int) -> int | None:
        """Return the age of `tick_echo`; None if it was never sent or is forgotten."""
        slot = tick_echo % self._capacity
        if self._ticks[slot] != tick_echo or tick_echo == 0:
            return None
        return now_ns - self._sent_ns[slot]


class Floor:
    """The smallest value of a sliding window, in fixed memory.

    The window is cut into 32 buckets that keep one minimum each, so a value is remembered for
    at least `window_ns` and at most 1/32 longer. Longer is the strict side: a floor that stays
    low makes frames late rather than letting late ones through.

    Parameters
    ----------
    window_ns : int
        How long a value counts at least.
    """

    __slots__ = ("_bucket", "_bucket_ns", "_floor", "_low", "_lows", "_until_ns")

    def __init__(self, window_ns: int = FLOOR_WINDOW_NS) -> None:
        assert window_ns >= _BUCKETS
        self._bucket_ns = -(-window_ns // _BUCKETS)  # rounded up: never shorter than asked
        self._lows = [_NEVER] * (_BUCKETS + 1)  # the current bucket and a whole window before it
        self._bucket = 0
        self._floor = _NEVER
        self._low = _NEVER  # of the current bucket, which ends at
        self._until_ns = self._bucket_ns

    def add(self, value_ns: int, now_ns: int) -> int:
        """Count `value_ns` in and return the floor, which is never above it."""
        if value_ns >= self._low and now_ns < self._until_ns:
            return self._floor  # nearly always: there is nothing to learn
        self._roll(now_ns)
        if value_ns < self._floor:
            self._floor = value_ns
        slot = self._bucket % len(self._lows)
        if value_ns < self._lows[slot]:
            self._lows[slot] = value_ns
        self._low = self._lows[slot]
        return self._floor

    def value_ns(self, now_ns: int) -> int | None:
        """Return the floor; None when the window is empty."""
        self._roll(now_ns)
        return None if self._floor == _NEVER else self._floor

    def _roll(self, now_ns: int) -> None:
        bucket = now_ns // self._bucket_ns
        steps = bucket - self._bucket
        if steps <= 0:  # the same bucket; a clock that steps back is taken to stand still
            return
        lows = self._lows
        for step in range(min(steps, len(lows))):
            lows[(bucket - step) % len(lows)] = _NEVER
        self._bucket = bucket
        self._floor = min(lows)
        self._low = _NEVER
        self._until_ns = (bucket + 1) * self._bucket_ns


def judge(loop_ns: int, floor_ns: int, hold_ns: int, loop_ns_max: int) -> bool:
    """Return whether a command is late.

    Parameters
    ----------
    loop_ns : int
        The command's age by echo.
    floor_ns : int
        The best loop of the window, this command's included (`Floor.add`).
    hold_ns : int
        The profile's HOLD value: so much delay above the floor holds the robot.
    loop_ns_max : int
        The grant's bound on the loop, whatever the floor.
    """
    return loop_ns - floor_ns > hold_ns or loop_ns > loop_ns_max
