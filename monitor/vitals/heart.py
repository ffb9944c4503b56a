"""The ECG as a sensor among the others: heart rate, its quality, and why there is none.

The work is done in `monitor.vitals.ecg`; here its words become those of `monitor.vitals.seam`.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from monitor.messages import Metric, Signal
from monitor.vitals.ecg.sensor import Ecg
from monitor.vitals.events import Events
from monitor.vitals.seam import ARTEFACT, LEAD_OFF, LEARNING, NO_PULSE, PRESENT, Options, silent

#: Below, a rate is not told from noise, and its absence is laid to the signal.
POOR: Final = 0.5
#: In a pause the rate falls as the pause grows; below this it is a heart that stands.
LEAST_BPM: Final = 10.0
#: Seconds from the first lead on in which a rate that was never there is being learnt.
LEARN_S: Final = 8.0


class Heart:
    """The sensor; see `monitor.vitals.seam.Sensor`."""

    RATE_HZ: ClassVar[float] = Ecg.RATE_HZ
    NEEDS_ALL: ClassVar[bool] = False
    METRICS: ClassVar[tuple[Metric, ...]] = (Metric.HR,)

    def __init__(self, patients: int, leads: int = 3) -> None:
        self.SIGNALS = (Signal.ECG_1, Signal.ECG_2, Signal.ECG_3)[:leads]
        self.values, self.quality, self.reason = silent(patients, len(self.METRICS))
        self.ecg = Ecg(patients, leads)
        self._on = np.zeros(patients, np.int64)  # samples since a lead is on
        self._known = np.zeros(patients, np.bool_)  # whether there was a rate since then

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by (patients, leads, n) samples, mV."""
        ecg = self.ecg
        ecg.step(x, events)
        is_off = ecg.lead_off.all(axis=1)
        np.max(ecg.quality, axis=1, out=self.quality, where=~ecg.lead_off, initial=0.0)
        is_there = (ecg.rate_bpm >= LEAST_BPM) & ~is_off
        self._on += x.shape[2]
        self._on[is_off] = 0
        self._known = (self._known | ~np.isnan(ecg.rate_bpm)) & ~is_off
        is_young = ~self._known & (self._on < LEARN_S * self.RATE_HZ)
        why = np.where(is_young, LEARNING, np.where(self.quality < POOR, ARTEFACT, NO_PULSE))
        self.reason[:, 0] = np.where(is_there, PRESENT, np.where(is_off, LEAD_OFF, why))
        self.values[:, 0] = np.where(is_there, ecg.rate_bpm, np.nan)

    def reset(self, patient: int) -> None:
        """Forget one patient."""
        self.ecg.reset(patient)
        self._on[patient] = 0
        self._known[patient] = False


def connect(patients: int, options: Options) -> Heart:
    """Make the sensor."""
    return Heart(patients, options.leads)


def warm() -> None:
    """Compile the kernels."""
    for leads in (1, 2, 3):
        Heart(1, leads).step(np.zeros((1, leads, 10), np.float32), Events(8))
