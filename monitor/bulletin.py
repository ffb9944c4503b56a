"""Decides which numbers are published now: what changed, and what nobody has heard for long.

Rules
-----
- A number that came, went, or is missing for another reason is said at once.
- One that changed by what its screen shows is said once a second at most; its quality, by a tenth.
- All others are repeated every `REPEAT_NS`, so that who listens only now knows everything soon, and
  who hears nothing for longer knows that nobody speaks.
- At most `SAID_MAX` a tick; the rest waits its turn, and patients take turns in being first.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.engine import Numbers
from monitor.messages import Metric
from monitor.rows import MS

CHANGE_NS: Final = 1_000 * MS
REPEAT_NS: Final = 5_000 * MS
SAID_MAX: Final = 256
QUALITY_STEP: Final = 0.1
#: What a screen shows of a number, in its unit: a smaller change is none.
STEP: Final[dict[Metric, float]] = {
    Metric.PI: 0.1,
    Metric.TEMP: 0.1,
}


class Bulletin:
    """What was said of some patients, and when."""

    def __init__(self, patients: int) -> None:
        shape = patients, len(Metric)
        self._step = np.array([STEP.get(metric, 1.0) for metric in Metric])
        self._value = np.full(shape, np.nan)
        self._quality = np.zeros(shape)
        self._reason = np.full(shape, 255, np.uint8)
        self._at_ns = np.zeros(shape, np.int64)
        self._first = 0

    def due(self, numbers: Numbers, now_ns: int) -> list[tuple[int, int]]:
        """Choose (patient, metric) pairs to be said now; they count as said."""
        age_ns = now_ns - self._at_ns
        is_other = numbers.reason != self._reason
        has_moved = np.abs(numbers.values - self._value) >= self._step
        has_moved |= np.abs(numbers.quality - self._quality) >= QUALITY_STEP
        is_due = is_other | (has_moved & (age_ns >= CHANGE_NS)) | (age_ns >= REPEAT_NS)
        found = np.argwhere(is_due)
        if len(found) > SAID_MAX:
            turn = int(np.searchsorted(found[:, 0], self._first))
            found = np.roll(found, -turn, axis=0)[:SAID_MAX]
            self._first = int(found[-1, 0]) + 1
            self._first %= len(self._value)
        self._note(numbers, found, now_ns)
        return [(patient, metric) for patient, metric in found.tolist()]

    def _note(self, numbers: Numbers, found: NDArray[np.int64], now_ns: int) -> None:
        at = found[:, 0], found[:, 1]
        self._value[at] = numbers.values[at]
        self._quality[at] = numbers.quality[at]
        self._reason[at] = numbers.reason[at]
        self._at_ns[at] = now_ns
