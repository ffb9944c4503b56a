"""What time it is in this process: int nanoseconds of CLOCK_MONOTONIC, skewed on request.

Rules
-----
- This is the one clock. Pure code never reads it; it is handed ``now_ns``.
- Wall clocks decide nothing. They are not here.
- Demo, tests and bench give every process its own skew, because two real machines never share
  a clock, and code that leans on one would only be found out in a hospital.
- Only test and bench oracles may undo a skew.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

OFFSET_NS_MAX = 1_000_000_000_000_000  # 11 days: no two boot times agree
DRIFT_PPB_MAX = 200_000  # 200 ppm, a poor quartz
_BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Skew:
    """How a process's clock differs from the machine's.

    Parameters
    ----------
    offset_ns : int
        Added to the machine's time. Never negative when drawn, so that time stays above zero;
        the difference of two drawn skews has either sign.
    drift_ppb : int
        Parts per billion by which this clock runs fast.
    """

    offset_ns: int
    drift_ppb: int

    NONE: ClassVar[Skew]

    @staticmethod
    def draw(seed: int) -> Skew:
        """Draw the skew that belongs to `seed`; the same seed gives the same skew anywhere."""
        dice = random.Random(seed)
        return Skew(dice.randrange(OFFSET_NS_MAX), dice.randint(-DRIFT_PPB_MAX, DRIFT_PPB_MAX))

    def apply(self, raw_ns: int) -> int:
        """Convert the machine's monotonic time to this process's time."""
        return self.offset_ns + raw_ns + raw_ns * self.drift_ppb // _BILLION

    def undo(self, t_ns: int) -> int:
        """Convert this process's time back to the machine's, exact to a nanosecond."""
        return (t_ns - self.offset_ns) * _BILLION // (_BILLION + self.drift_ppb)


Skew.NONE = Skew(0, 0)


class Clock:
    """The process's clock. Without a skew ``now_ns`` is ``time.monotonic_ns`` itself: no cost."""

    __slots__ = ("now_ns", "skew")

    def __init__(self, skew: Skew = Skew.NONE) -> None:
        self.skew = skew
        self.now_ns = time.monotonic_ns if skew == Skew.NONE else _skewed(skew)

    def raw_ns(self, t_ns: int) -> int:
        """Convert a time of this clock to CLOCK_MONOTONIC, as kernel timers want it."""
        return self.skew.undo(t_ns)


def _skewed(skew: Skew) -> Callable[[], int]:
    """Make a clock that runs as `skew` says, in one call: the hot path reads it many times."""
    monotonic_ns, offset_ns, drift_ppb = time.monotonic_ns, skew.offset_ns, skew.drift_ppb

    def now_ns() -> int:
        raw_ns = monotonic_ns()
        return offset_ns + raw_ns + raw_ns * drift_ppb // _BILLION

    return now_ns
