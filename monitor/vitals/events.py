"""What sensors found since it was last asked: beats, breaths, pauses, in one bounded table.

Rules
-----
1. Kernels append rows in place and allocate nothing; whoever ticks the sensors drains the table.
2. A full table keeps the oldest rows and counts those that found no room: never silent.
3. Times are sample indices of the sensor that wrote the row, at its `RATE_HZ`, since its start.
   Within a patient rows are in the order of their decision, which may not be that of `at`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit


class Kind(IntEnum):
    """What was found, and what `value` then holds."""

    QRS = 1  # R-R interval s (NaN: none), width s, amplitude of the lead that sees it best mV
    PACE = 2  # height of the spike mV, lead, -
    LEAD_OFF = 3  # lead, seconds without signal, -
    LEAD_ON = 4  # lead, seconds it was off, -
    PULSE = 5  # interval s (NaN: none), amplitude, perfusion index %
    ONSET = 6  # of an arterial pulse: systolic, diastolic, mean mmHg
    BREATH = 7  # interval s (NaN: none), depth, -
    APNOEA = 8  # seconds without a breath, -, -
    FLUSH = 9  # of an arterial line, or one that was opened: seconds, -, -


class Label(IntEnum):
    """Class of a beat."""

    UNKNOWN = 0
    NORMAL = 1
    SUPRAVENTRICULAR = 2
    VENTRICULAR = 3
    PACED = 4


#: One row. `at`: sample of the fiducial (R peak, onset); `emitted`: sample at which it was decided;
#: `quality` 0 to 1. Packed: no byte of a row is without meaning, so rows compare as bytes.
EVENT: Final = np.dtype(
    [
        ("at", np.int64),
        ("emitted", np.int64),
        ("patient", np.int32),
        ("value", np.float32, (3,)),
        ("quality", np.float32),
        ("kind", np.uint8),
        ("label", np.uint8),
    ]
)


class Events:
    """A table of at most `capacity` rows.

    Attributes
    ----------
    rows : (capacity,) EVENT; the first `len(events)` are filled
    tally : (2,) int64, rows filled, rows that found no room since the start
    """

    def __init__(self, capacity: int = 8192) -> None:
        assert capacity > 0
        self.rows: NDArray[Any] = np.zeros(capacity, EVENT)
        self.tally = np.zeros(2, np.int64)

    def __len__(self) -> int:
        return int(self.tally[0])

    @property
    def overflow(self) -> int:
        """Rows that found no room since the start."""
        return int(self.tally[1])

    def drain(self) -> NDArray[Any]:
        """Hand over a copy of the rows, (n,) EVENT, and empty the table."""
        found = self.rows[: self.tally[0]].copy()
        self.tally[0] = 0
        return found


@jit
def append(
    rows: NDArray[Any],
    tally: NDArray[np.int64],
    patient: int,
    kind: int,
    at: int,
    emitted: int,
    first: float,
    second: float,
    third: float,
    quality: float,
    label: int,
) -> None:
    """Add a row to `Events.rows` and `Events.tally`, from within a kernel; see `Kind`."""
    n = tally[0]
    if n >= rows.shape[0]:
        tally[1] += 1
        return
    row = rows[n]
    row["at"] = at
    row["emitted"] = emitted
    row["patient"] = patient
    row["value"][0] = first
    row["value"][1] = second
    row["value"][2] = third
    row["quality"] = quality
    row["kind"] = kind
    row["label"] = label
    tally[0] = n + 1
