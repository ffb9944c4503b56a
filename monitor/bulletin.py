"""Decides which numbers are published now, what changed or was not heard for long, and says them.

Rules
-----
- A number that came, went, or is missing for another reason is said at once.
- One that changed by what its screen shows is said once a second at most; its quality, by a tenth.
- All others are repeated every `REPEAT_NS`, so that who listens only now knows everything soon, and
  who hears nothing for longer knows that nobody speaks.
- At most `SAID_MAX` a tick; the rest waits its turn, and patients take turns in being first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.engine import Engine, Found, Numbers
from monitor.messages import Beat, Metric, Numeric, Signal
from monitor.rows import MS

CHANGE_NS: Final = 1_000 * MS
REPEAT_NS: Final = 5_000 * MS
SAID_MAX: Final = 256
_US: Final = 1000
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


def numeric(engine: Engine, patient: int, metric: int, seq: int) -> Numeric:
    """Say a number of a patient."""
    numbers = engine.numerics
    value = float(numbers.values[patient, metric])
    return Numeric(
        66,
        engine.beds[patient],
        seq,
        metric,
        None if value != value else value,
        round(100 * float(numbers.quality[patient, metric])),
        int(numbers.reason[patient, metric]),
        max(0, int(numbers.age_ns[patient, metric])) // _US,
    )


def beats(engine: Engine, found: Found, seq: int, most: int) -> Iterator[tuple[int, Beat]]:
    """Say what one sensor found in this tick, with whose it is; numbers follow `seq`."""
    n = min(len(found.events), most)
    delays_ns = engine.ingest.rows["delay_ns"].reshape(-1, len(Signal))
    signals = list(found.sensor.SIGNALS)
    for number, row in enumerate(found.events.rows[:n], seq + 1):
        patient = int(row["patient"])
        value = float(row["value"][0])
        behind_us = (found.at - int(row["at"])) * 1e6 / found.sensor.RATE_HZ
        beat = Beat(
            67,
            engine.beds[patient],
            number,
            int(row["kind"]),
            int(row["label"]),
            round(100 * float(row["quality"])),
            value if np.isfinite(value) and abs(value) < 1e6 else None,
            max(0, int(behind_us) + int(delays_ns[patient, signals].max()) // _US),
        )
        yield patient, beat
