"""A process's monotonic clock: days off from every other, and drifting as a poor quartz does."""

from __future__ import annotations

import random

#: Eleven and a half days.
OFFSET_NS_MAX = 10**15
#: 200 ppm.
DRIFT_PPB_MAX = 200_000


class Clock:
    """A clock over true time, which no process can read."""

    def __init__(self, rng: random.Random) -> None:
        self.offset_ns = rng.randrange(OFFSET_NS_MAX)
        self.drift_ppb = rng.randrange(-DRIFT_PPB_MAX, DRIFT_PPB_MAX + 1)

    def at(self, true_ns: int) -> int:
        """What it shows at a true time."""
        return self.offset_ns + true_ns + true_ns * self.drift_ppb // 10**9

    def when(self, local_ns: int) -> int:
        """The first true time at which it shows at least this."""
        true_ns = (local_ns - self.offset_ns) * 10**9 // (10**9 + self.drift_ppb)
        while self.at(true_ns) < local_ns:
            true_ns += 1
        while self.at(true_ns - 1) >= local_ns:
            true_ns -= 1
        return true_ns
