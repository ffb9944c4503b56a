"""Pulses in the photoplethysmogram, how much like one another they are, and how strong.

Rules
-----
1. Onsets are found by slope sums (`monitor.vitals.upstroke`, Zong 2003).
2. A pulse is emitted 320 ms after its onset, when it has been compared with the mean of those
   before it: its quality is their correlation (Orphanidou et al., "Signal-quality indices for the
   electrocardiogram and photoplethysmogram", IEEE JBHI 19 (2015) 832-838). Eight in a row that are
   unlike the mean begin a new mean.
3. The rate is the median of the last eight intervals between pulses that were alike, and is shown
   while the mean correlation is at least `ALIKE`.
4. Perfusion index: pulse height in percent of the level. A signal whose level was taken off by its
   device has none.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from monitor.messages import Metric, Signal
from monitor.vitals import upstroke
from monitor.vitals.events import Events, Kind, append
from monitor.vitals.seam import (
    ARTEFACT,
    LEAD_OFF,
    LEARNING,
    NEVER,
    NO_PULSE,
    PRESENT,
    Options,
    median,
    push,
    say,
    silent,
)
from monitor.vitals.upstroke import PAST, RATE_HZ, UPSTROKE, begin, seek
from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch, span

#: Samples of a pulse that are compared.
SHAPE: Final = 40
INTERVALS: Final = 8
#: Orphanidou's limit for the mean correlation, and what a single pulse needs for its interval.
ALIKE: Final = 0.86
SIMILAR: Final = 0.7
UNLIKE_MAX: Final = 8
#: Intervals of 240 to 20 pulses a minute.
SHORTEST, LONGEST = 31, 375
#: A probe that is off is flat, or says nothing, for a second.
OFF: Final = RATE_HZ
LIMIT: Final = 1e9
#: A pulse below 0.02 % of the level cannot be told from the converter's steps.
PERFUSION_MIN: Final = 2e-4
_PULSE: Final = int(Kind.PULSE)
_PR, _PI = 0, 1

#: One patient.
STATE: Final = np.dtype(
    [
        ("upstroke", UPSTROKE),
        ("level", np.float64),
        ("pending", np.int64),  # onset whose pulse is not complete, -1: none
        ("onset", np.int64),  # the newest complete pulse, -1: none
        ("alike", np.int64),  # whether that was like the others
        ("mean", np.float64, (SHAPE,)),
        ("pulses", np.int64),  # in the mean
        ("unlike", np.int64),
        ("known", np.int64),  # whether it ever had a rate
        ("correlation", np.float64),  # mean over pulses
        ("intervals", np.float64, (INTERVALS,)),
        ("count", np.int64),
        ("perfusion", np.float64),
        ("scratch", np.float64, (SHAPE,)),
    ],
    align=True,
)


#: Where a record lies, and what of it every tick needs.
_BYTES: Final = STATE.itemsize
_PENDING, _PENDING_SIZE = span(STATE.fields, "level", "alike")
_OWN, _OWN_SIZE = span(STATE.fields, "pulses", "perfusion")


class Ppg:
    """The sensor; see `monitor.vitals.seam.Sensor`."""

    RATE_HZ: ClassVar[float] = RATE_HZ
    SIGNALS: ClassVar[tuple[Signal, ...]] = (Signal.PLETH,)
    NEEDS_ALL: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (Metric.PR, Metric.PI)

    def __init__(self, patients: int) -> None:
        self.values, self.quality, self.reason = silent(patients, len(self.METRICS))
        self._state = np.zeros(patients, STATE)
        for patient in range(patients):
            self.reset(patient)

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by (patients, n) samples of any unit that grows with volume."""
        _step(self._state, x, events.rows, events.tally, self.values, self.quality, self.reason)

    def reset(self, patient: int) -> None:
        """Forget one patient, but for the time."""
        _reset(self._state[patient : patient + 1])


def connect(patients: int, options: Options) -> Ppg:
    """Make the sensor."""
    return Ppg(patients)


def warm() -> None:
    """Compile the kernels."""
    sensor = Ppg(1)
    sensor.reset(0)
    sensor.step(np.zeros((1, 5), np.float32), Events(8))


@jit
def _reset(states: NDArray[Any]) -> None:
    state = states[0]
    begin(state["upstroke"])
    state["upstroke"]["mask"]["bad"] = upstroke.FORGET + 1
    state["upstroke"]["mask"]["held"] = 0.0
    _forget(state)


@jit
def _forget(state: Any) -> None:
    state["level"] = 0.0
    state["pending"] = -1
    state["onset"] = -1
    state["alike"] = 0
    state["pulses"] = 0
    state["unlike"] = 0
    state["known"] = 0
    state["correlation"] = 0.0
    state["count"] = 0
    state["perfusion"] = np.nan


@jit
def _step(
    states: NDArray[Any],
    x: NDArray[np.float32],
    rows: NDArray[Any],
    tally: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.float64],
    reason: NDArray[np.uint8],
) -> None:
    """Advance all patients.

    Parameters
    ----------
    states : (patients,) STATE
    x : (patients, n) float32
    rows, tally : of `Events`
    values, quality, reason : see `monitor.vitals.seam.Sensor`
    """
    for patient in range(x.shape[0]):
        state = states[patient]
        found = state["upstroke"]
        if patient + 1 < x.shape[0]:
            at = (patient + 1) * _BYTES
            upstroke.fetch(states, at, found["at"])
            prefetch(states, at + _PENDING, _PENDING_SIZE)
            prefetch(states, at + _OWN, _OWN_SIZE)
        for k in range(x.shape[1]):
            floor = PERFUSION_MIN * abs(state["level"]) + 1e-9
            ago = seek(found, x[patient, k], LIMIT, 0.0, floor)
            if found["mask"]["bad"] == upstroke.FORGET:
                _forget(state)
            _follow_level(state)
            now = found["at"] - 1
            if ago >= 0 and state["pending"] < 0:
                state["pending"] = now - ago
            if state["pending"] >= 0 and now - state["pending"] >= SHAPE:
                _finish(state, patient, now, rows, tally)
        _say(state, values[patient], quality[patient : patient + 1], reason[patient])


@jit
def _follow_level(state: Any) -> None:
    """Follow the level with a time constant of 2 s."""
    held = state["upstroke"]["mask"]["held"]
    if state["level"] == 0.0:
        state["level"] = held
    state["level"] += (held - state["level"]) / (2.0 * RATE_HZ)


@jit
def _finish(
    state: Any, patient: int, now: int, rows: NDArray[Any], tally: NDArray[np.int64]
) -> None:
    """Compare a pulse that is complete with those before it, and emit it."""
    onset = state["pending"]
    state["pending"] = -1
    shape = state["scratch"]
    low, high = math.inf, -math.inf
    for k in range(SHAPE):
        shape[k] = state["upstroke"]["y"][(onset + 2 + k) % PAST]
        low = min(low, shape[k])
        high = max(high, shape[k])
    alike = _compare(state, shape)
    interval = onset - state["onset"] if state["onset"] >= 0 else 0
    is_alike = int(alike >= SIMILAR)
    if SHORTEST <= interval <= LONGEST:
        if is_alike and state["alike"]:
            state["count"] = push(state["intervals"], state["count"], float(interval))
    else:
        interval = 0
    state["alike"] = is_alike
    state["onset"] = onset
    if state["pulses"] >= 4 and state["count"] >= 2:
        state["known"] = 1
    level = abs(state["level"])
    state["perfusion"] = 100.0 * (high - low) / level if level > high - low else np.nan
    append(
        rows,
        tally,
        patient,
        _PULSE,
        onset,
        now,
        interval / RATE_HZ if interval > 0 else np.nan,
        high - low,
        state["perfusion"],
        max(0.0, alike),
        0,
    )


@jit
def _compare(state: Any, shape: NDArray[np.float64]) -> float:
    """Correlate a pulse with the mean pulse, and take it into the mean; 0 for the first."""
    mean = state["mean"]
    _normalise(shape)
    alike = 0.0
    if state["pulses"] == 0:
        mean[:] = 0.0
    else:
        norm = 0.0
        for k in range(SHAPE):
            alike += shape[k] * mean[k]
            norm += mean[k] * mean[k]
        alike = alike / math.sqrt(norm) if norm > 0.0 else 0.0
        weight = min(state["pulses"], 4)
        state["correlation"] += (max(0.0, alike) - state["correlation"]) / weight
        state["unlike"] = 0 if alike >= SIMILAR else state["unlike"] + 1
    if state["unlike"] >= UNLIKE_MAX:
        state["pulses"] = 0
        state["unlike"] = 0
        mean[:] = 0.0
    if state["pulses"] < 4 or alike >= SIMILAR:
        state["pulses"] += 1
        for k in range(SHAPE):
            mean[k] += (shape[k] - mean[k]) / min(state["pulses"], 10)
    return alike


@jit
def _normalise(shape: NDArray[np.float64]) -> None:
    """Take off the mean and the size."""
    total, squares = 0.0, 0.0
    for k in range(shape.shape[0]):
        total += shape[k]
    for k in range(shape.shape[0]):
        shape[k] -= total / shape.shape[0]
        squares += shape[k] * shape[k]
    size = math.sqrt(squares)
    for k in range(shape.shape[0]):
        shape[k] = shape[k] / size if size > 0.0 else 0.0


@jit
def _say(
    state: Any, values: NDArray[np.float64], quality: NDArray[np.float64], reason: NDArray[np.uint8]
) -> None:
    """Decide what is shown."""
    found = state["upstroke"]
    mask = found["mask"]
    why = PRESENT
    if mask["bad"] >= OFF or mask["run"] >= OFF:
        why = LEAD_OFF
    elif found["learnt"] < upstroke.LEARN:
        why = LEARNING
    elif found["at"] - found["last"] > LONGEST:
        why = NO_PULSE
    elif state["pulses"] < 4 or state["count"] < 2:
        why = ARTEFACT if state["known"] else LEARNING
    elif state["correlation"] < ALIKE:
        why = ARTEFACT
    quality[0] = 0.0 if why in (LEAD_OFF, NO_PULSE) else state["correlation"]
    rate = np.nan
    if why == PRESENT:
        held = min(state["count"], INTERVALS)
        rate = 60.0 * RATE_HZ / median(state["intervals"], held, state["scratch"])
    say(values, reason, _PR, rate, why)
    say(values, reason, _PI, state["perfusion"], why)
    if why == PRESENT and math.isnan(state["perfusion"]):
        reason[_PI] = NEVER
