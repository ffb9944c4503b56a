"""The electrocardiogram of all patients: samples of one to three leads in, beats and rate out.

    sample -> mask -> despike (pacer) -> three bands (band) -> levels (level)    each lead
                                                 |
                              fused signal (fusion) -> beat or not (decision)    each patient
                                                 |
                    shape and class (morphology), rate, quality of each lead     each beat

Rules
-----
1. One call advances all patients; what a patient gets depends on its own samples alone, and not on
   how the stream was cut into calls: the same bits for every size of block.
2. A gap holds the last value, and what follows is joined to it: no gap ends in a step. After 2 s
   without a valid sample a lead is off and learns anew when it comes back. A lead that has not
   moved for 2 s is off as well: flat is no asystole, it is a cable.
3. R to decision takes about 0.2 s; beats found by a search in a pause come later, and say when.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.dsp.mask import hold
from monitor.vitals.ecg.band import filter_lead
from monitor.vitals.ecg.decision import decide
from monitor.vitals.ecg.level import learn, listen
from monitor.vitals.ecg.pacer import DELAY, ROUGH, despike
from monitor.vitals.ecg.quality import judge_lead, kurtosis, restlessness
from monitor.vitals.ecg.rate import rate_at
from monitor.vitals.ecg.rules import RATE_HZ, Rules
from monitor.vitals.ecg.state import LEAD, PATIENT
from monitor.vitals.events import Events, Kind, append
from transport.kernel.jit import jit

#: No electrode shows more; a converter's rail may.
LIMIT_MV: Final = 40.0
#: Without a valid sample, or without a change, for so long a lead is off.
OFF: Final = 2 * RATE_HZ
#: A longer gap ends without a step.
_GAP: Final = RATE_HZ // 25
_PACE: Final = int(Kind.PACE)
_LEAD_OFF: Final = int(Kind.LEAD_OFF)
_LEAD_ON: Final = int(Kind.LEAD_ON)


class Indices(NamedTuple):
    """What the quality of leads is made of, (patients, leads) float64 each."""

    agreement: NDArray[np.float64]  # bSQI, 0 to 1
    kurtosis: NDArray[np.float64]
    restlessness: NDArray[np.float64]  # mains and muscle, share of power
    invalid_s: NDArray[np.float64]  # since the last valid sample
    flat_s: NDArray[np.float64]  # since the last change


class Ecg:
    """The sensor.

    Parameters
    ----------
    patients, leads : how many; a lead that a patient does not have is NaN throughout
    rules : what decides

    Attributes
    ----------
    at : samples taken since the start
    rate_bpm : (patients,) float64, NaN while there is none
    quality : (patients, leads) float64, 0 to 1
    lead_off : (patients, leads) bool; leads begin as off
    """

    RATE_HZ: Final = RATE_HZ

    def __init__(self, patients: int, leads: int = 1, rules: Rules | None = None) -> None:
        assert patients > 0
        assert 1 <= leads <= 3
        self._rules = rules or Rules()
        self._patients = np.zeros(patients, PATIENT)
        self._leads = np.zeros((patients, leads), LEAD)
        self.rate_bpm = np.full(patients, np.nan)
        self.quality = np.zeros((patients, leads))
        self.lead_off = np.ones((patients, leads), np.bool_)
        self.at = 0
        for patient in range(patients):
            self.reset(patient)

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by n samples.

        Parameters
        ----------
        x : (patients, leads, n) float32, mV, NaN where there is none; n >= 1
        events : takes what was found
        """
        assert x.shape[:2] == self._leads.shape
        run(
            self._patients,
            self._leads,
            x,
            self._rules,
            events.rows,
            events.tally,
            self.rate_bpm,
            self.quality,
            self.lead_off,
        )
        self.at += x.shape[2]

    def reset(self, patient: int) -> None:
        """Forget one patient: the device changed hands."""
        self._patients[patient] = np.zeros((), PATIENT)
        self._patients[patient]["at"] = self.at
        self._patients[patient]["sighted_at"] = self.at
        self._patients[patient]["rate"] = math.nan
        self._leads[patient] = np.zeros((), LEAD)
        self._leads[patient]["lost_at"] = self.at
        self._leads[patient]["paced_at"] = self.at - RATE_HZ
        self.rate_bpm[patient] = math.nan
        self.quality[patient] = 0.0
        self.lead_off[patient] = True

    def indices(self) -> Indices:
        """Measure what the quality of leads is made of, now."""
        values = np.empty((5, *self._leads.shape))
        measure(self._leads, values)
        return Indices(*values)


@jit
def run(
    patients: NDArray[Any],
    leads: NDArray[Any],
    x: NDArray[np.float32],
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
    rate_bpm: NDArray[np.float64],
    quality: NDArray[np.float64],
    lead_off: NDArray[np.bool_],
) -> None:
    """Advance all patients by a block; see `Ecg` for the arrays."""
    for who in range(x.shape[0]):
        patient = patients[who]
        for k in range(x.shape[2]):
            at = patient["at"]
            for i in range(x.shape[1]):
                _take(patient, leads[who, i], who, i, at, float(x[who, i, k]), rules, rows, tally)
            decide(patient, leads[who], who, at, rules, rows, tally)
            patient["at"] = at + 1
        rate_bpm[who] = rate_at(patient, patient["at"])
        for i in range(x.shape[1]):
            quality[who, i] = judge_lead(leads[who, i])
            lead_off[who, i] = not leads[who, i]["alive"]


@jit
def _take(
    patient: Any,
    lead: Any,
    who: int,
    which: int,
    at: int,
    value: float,
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Take one sample of one lead."""
    mask = lead["mask"]
    held, gap = mask["held"], mask["bad"]
    v = hold(mask, value, LIMIT_MV, 0.0)
    if not lead["alive"]:
        if mask["bad"] == 0 and mask["run"] == 0:
            _begin(lead, v)
            off_s = (at - lead["lost_at"]) / RATE_HZ
            append(rows, tally, who, _LEAD_ON, at, at, which, off_s, math.nan, 1.0, 0)
        return
    if mask["bad"] >= OFF or mask["run"] >= OFF:
        lead["alive"] = lead["settled"] = False
        lead["lost_at"] = at - OFF
        append(rows, tally, who, _LEAD_OFF, at - OFF, at, which, OFF / RATE_HZ, math.nan, 1.0, 0)
        return
    if mask["bad"] == 0 and gap > _GAP:
        lead["origin"] += v - held
    v, height = despike(lead, at, v - lead["origin"])
    if height != 0.0:
        lead["paced_at"] = at - 3 + DELAY
        append(rows, tally, who, _PACE, at - 3, at, height, which, math.nan, 1.0, 0)
    filter_lead(lead, at, v)
    if not lead["settled"]:
        learn(lead, at, rules.weight_power)
    listen(lead, at, patient["beat_at"])


@jit
def _begin(lead: Any, v: float) -> None:
    """Let a lead that comes back start at rest, and know nothing of what it was."""
    lead["alive"] = True
    lead["since"] = lead["filled"] = 0
    lead["origin"] = v
    lead["roughness"] = ROUGH
    lead["slope"] = lead["pitch"] = lead["agreement"] = 0.0
    lead["moments"][:] = 0.0
    lead["memory"][:] = 0.0
    lead["sum"][:] = 0.0
    lead["raw"][:] = 0.0
    lead["smooth"][:] = 0.0
    lead["rectified"][:] = 0.0
    lead["envelope"][:] = 0.0
    lead["clean"][:] = 0.0
    lead["learnt"][:] = 0.0
    lead["quiet"][:] = 0.0
    lead["shape"][:] = 0.0
    lead["seen"][:] = 0


@jit
def measure(leads: NDArray[Any], out: NDArray[np.float64]) -> None:
    """Fill (5, patients, leads) with the fields of `Indices`."""
    for who in range(leads.shape[0]):
        for i in range(leads.shape[1]):
            lead = leads[who, i]
            out[0, who, i] = lead["agreement"]
            out[1, who, i] = kurtosis(lead)
            out[2, who, i] = restlessness(lead)
            out[3, who, i] = lead["mask"]["bad"] / RATE_HZ
            out[4, who, i] = lead["mask"]["run"] / RATE_HZ


def warm() -> None:
    """Compile every kernel of the sensor: a minute at most, once on a machine."""
    sensor, events = Ecg(1), Events(16)
    sensor.step(np.zeros((1, 1, 1), np.float32), events)
    sensor.indices()
