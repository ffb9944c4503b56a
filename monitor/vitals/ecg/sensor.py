"""The electrocardiogram of all patients: samples of one to three leads in, beats and rate out.

    block -> mask -> despike (pacer) -> three bands (band)     each lead, a block ahead (intake)
                                                 |
    levels (level) -> fused signal (fusion) -> beat or not (decision)            each patient
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

from monitor.vitals.ecg.band import SHARP_MEAN
from monitor.vitals.ecg.crest import follow
from monitor.vitals.ecg.decision import decide, look
from monitor.vitals.ecg.fusion import fuse
from monitor.vitals.ecg.intake import heed, take
from monitor.vitals.ecg.level import OLD, listen
from monitor.vitals.ecg.quality import judge_lead, kurtosis, restlessness
from monitor.vitals.ecg.rate import rate_at
from monitor.vitals.ecg.rules import RATE_HZ, Rules
from monitor.vitals.ecg.state import (
    BANDS,
    BLOCK,
    DOUBTED,
    ENVELOPE,
    HISTORY,
    LEAD,
    MEAN,
    PATIENT,
    WORK,
)
from monitor.vitals.events import Events
from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch, span

#: Where records have what every block needs; what only beats need is waited for.
_LEAD: Final = LEAD.itemsize
_HOT, _HOT_SIZE = span(LEAD.fields, "since", "smooth")
_RECTIFIED, _ = span(LEAD.fields, "rectified", "rectified")
_ENVELOPE, _ = span(LEAD.fields, "envelope", "envelope")
_CLEAN, _ = span(LEAD.fields, "clean", "clean")
_ROW: Final = 4 * BANDS
_PATIENT: Final = PATIENT.itemsize
_FOLLOWED, _FOLLOWED_SIZE = span(PATIENT.fields, "at", "released_at")


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
        self._work = np.zeros(1, WORK)
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
            self._work,
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
    work: NDArray[Any],
) -> None:
    """Advance all patients by a stretch of samples; see `Ecg` for the arrays."""
    for who in range(x.shape[0]):
        patient = patients[who]
        if who + 1 < x.shape[0]:
            prefetch(patients, (who + 1) * _PATIENT + _FOLLOWED, _FOLLOWED_SIZE)
            _fetch(leads[who + 1], patient["at"])
        for first in range(0, x.shape[2], BLOCK):
            end = min(first + BLOCK, x.shape[2])
            _advance(patient, leads[who], x[who, :, first:end], who, work[0], rules, rows, tally)
        rate_bpm[who] = rate_at(patient, patient["at"])
        for i in range(x.shape[1]):
            quality[who, i] = judge_lead(leads[who, i])
            lead_off[who, i] = not leads[who, i]["alive"]


@jit
def _fetch(leads: NDArray[Any], at: int) -> None:
    """Ask for what a patient's next block needs: what is hot, and the rings about sample `at`."""
    for i in range(leads.shape[0]):
        lead = i * _LEAD
        prefetch(leads, lead + _HOT, _HOT_SIZE)
        prefetch(leads, lead + _RECTIFIED + _ROW * (at & (MEAN - 1)), _ROW * BLOCK)
        gone = (at - SHARP_MEAN) & (MEAN - 1)
        prefetch(leads, lead + _RECTIFIED + _ROW * gone, _ROW * BLOCK)
        prefetch(leads, lead + _ENVELOPE + _ROW * (at & (ENVELOPE - 1)), _ROW * BLOCK)
        old = (at - OLD) & (ENVELOPE - 1)
        prefetch(leads, lead + _ENVELOPE + _ROW * old, _ROW * BLOCK)
        prefetch(leads, lead + _CLEAN + 4 * (at & (HISTORY - 1)), 4 * BLOCK)


@jit
def _advance(
    patient: Any,
    leads: Any,
    x: NDArray[np.float32],
    who: int,
    work: Any,
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Advance one patient by a block: filter it, then follow it from decision to decision."""
    at, n, is_calm = patient["at"], x.shape[1], True
    for i in range(x.shape[0]):
        lead = leads[i]
        calm = take(lead, at, x[i], work["v"], work["sign"][i], work["spike"][i])
        is_calm = is_calm and calm and (lead["heard"] or not lead["alive"])
    k = 0
    while k < n:
        if not is_calm:
            _heed(leads, who, at + k, k, work, rules, rows, tally)
        end = n if is_calm else k + 1
        fuse(leads, at, rules.cap, work["fused"], k, end)
        first, beat_at, is_due = k, patient["beat_at"], False
        while k < end and not is_due:
            is_due = look(patient, at + k, work["fused"][k], rules)
            k += 1
        _listen(leads, work, first, k - 1, at, beat_at)
        if is_due:
            decide(patient, leads, who, at + k - 1, work["fused"][k - 1], rules, rows, tally)
    patient["at"] = at + n


@jit
def _heed(
    leads: Any,
    who: int,
    at: int,
    k: int,
    work: Any,
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Let decisions know what sample k of a block is, whose number is `at`, in every lead."""
    for i in range(leads.shape[0]):
        sign, spike = int(work["sign"][i, k]), float(work["spike"][i, k])
        heed(leads[i], who, i, at, sign, spike, rules.weight_power, rows, tally)


@jit
def _listen(leads: Any, work: Any, first: int, last: int, at: int, beat_at: int) -> None:
    """Let every lead hear samples `first` to `last` of a block that begins with number `at`."""
    for i in range(leads.shape[0]):
        if work["sign"][i, last] >= DOUBTED:
            listen(leads[i], at + first, at + last, beat_at)
            follow(leads[i], at + first, at + last)


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
