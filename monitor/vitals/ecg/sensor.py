"""The electrocardiogram of all patients: samples of one to three leads in, beats and rate out."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.vitals.events import Events


class Ecg:
    """The sensor.

    Parameters
    ----------
    patients, leads : how many; a lead that a patient does not have is NaN throughout

    Attributes
    ----------
    at : samples taken since the start
    rate_bpm : (patients,) float64, NaN while there is none
    quality : (patients, leads) float64, 0 to 1
    lead_off : (patients, leads) bool
    """

    RATE_HZ: Final = 250

    def __init__(self, patients: int, leads: int = 1) -> None:
        assert 1 <= leads <= 3
        self.at = 0
        self.rate_bpm = np.full(patients, np.nan)
        self.quality = np.zeros((patients, leads))
        self.lead_off = np.ones((patients, leads), np.bool_)

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by n samples.

        Parameters
        ----------
        x : (patients, leads, n) float32, mV, NaN where there is none; n >= 1
        events : takes what was found
        """
        self.at += x.shape[2]

    def reset(self, patient: int) -> None:
        """Forget one patient: the device changed hands."""
        self.rate_bpm[patient] = np.nan
        self.quality[patient] = 0.0
        self.lead_off[patient] = True
