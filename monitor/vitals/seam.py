"""What a sensor is: one file, found by its module path, that turns signals into events and numbers.

The module has `connect(patients, options)`, which makes a `Sensor`, and `warm()`, which compiles
its kernels.

Rules
-----
- One call advances all patients by n samples, in one kernel. State has the patient as first axis:
  who else is there, and how the samples were cut, changes no bit.
- NaN is "no sample". It never reaches what is remembered; two seconds of it, and a sensor learns
  anew.
- A number that is not there is NaN, and `reason` says why (`monitor.messages.Reason`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.messages import Metric, Reason, Signal
from monitor.vitals.events import Events
from transport.kernel.jit import jit

# Plain integers for kernels.
PRESENT: Final = int(Reason.PRESENT)
NEVER: Final = int(Reason.NEVER)
LEAD_OFF: Final = int(Reason.LEAD_OFF)
ARTEFACT: Final = int(Reason.ARTEFACT)
LEARNING: Final = int(Reason.LEARNING)
NO_PULSE: Final = int(Reason.NO_PULSE)


class Options(NamedTuple):
    """What a ward may choose; a sensor takes what concerns it.

    Parameters
    ----------
    leads : ECG leads of a patient, 1 to 3
    spo2_curve : name of a row of `monitor.vitals.spo2.CURVES`
    """

    leads: int = 3
    spo2_curve: str = "linear"


class Sensor(Protocol):
    """A sensor of some patients.

    Attributes
    ----------
    RATE_HZ, SIGNALS : what it takes; signals are neighbours in the order of `Signal`
    NEEDS_ALL : whether it says anything without one of them
    METRICS : what it gives
    values : (patients, metrics) float64 in the metrics' units, NaN where there is none
    quality : (patients,) float64, 0 to 1
    reason : (patients, metrics) uint8, `Reason`; PRESENT where there is a value
    """

    @property
    def RATE_HZ(self) -> float: ...  # noqa: D102
    @property
    def SIGNALS(self) -> tuple[Signal, ...]: ...  # noqa: D102
    @property
    def METRICS(self) -> tuple[Metric, ...]: ...  # noqa: D102

    @property
    def NEEDS_ALL(self) -> bool: ...  # noqa: D102

    values: NDArray[np.float64]
    quality: NDArray[np.float64]
    reason: NDArray[np.uint8]

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by (patients, n), or (patients, signals, n) if there are several."""

    def reset(self, patient: int) -> None:
        """Forget one patient: another device speaks."""


@jit
def median(values: NDArray[np.float64], count: int, scratch: NDArray[np.float64]) -> float:
    """Return the median of the first `count` values; NaN for none. `scratch` is as long."""
    for k in range(count):
        value = values[k]
        j = k
        while j > 0 and scratch[j - 1] > value:
            scratch[j] = scratch[j - 1]
            j -= 1
        scratch[j] = value
    if count == 0:
        return np.nan
    half = count // 2
    if count % 2:
        return float(scratch[half])
    return float(0.5 * (scratch[half - 1] + scratch[half]))


@jit
def push(ring: NDArray[np.float64], count: int, value: float) -> int:
    """Add a value to the newest `len(ring)`; return how many there have been, this one too."""
    ring[count % ring.shape[0]] = value
    return count + 1


@jit
def say(
    values: NDArray[np.float64], reasons: NDArray[np.uint8], metric: int, value: float, reason: int
) -> None:
    """Set a number and why it is not there: both, always."""
    values[metric] = value if reason == PRESENT else np.nan
    reasons[metric] = reason


def silent(patients: int, metrics: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Make `values`, `quality` and `reason` of a sensor that has heard nothing."""
    return (
        np.full((patients, metrics), np.nan),
        np.zeros(patients),
        np.full((patients, metrics), LEAD_OFF, np.uint8),
    )
