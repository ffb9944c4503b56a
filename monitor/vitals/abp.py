"""Arterial pressure: systolic, diastolic, mean of each beat, and whether to believe the line.

Rules
-----
1. Onsets are found by slope sums (`monitor.vitals.upstroke`, Zong 2003).
2. A beat is emitted when its systolic peak is certain, 320 ms after its onset. Its diastolic is
   the pressure at the onset; its mean is that of the cycle which ended there, over time.
3. A beat is good when it breaks none of the rules of Sun, Reisner and Mark, "A signal abnormality
   index for arterial blood pressure waveforms", Computers in Cardiology 33 (2006) 13-16: pressures,
   rate, pulse pressure and steepness within bounds, and like the beat before. Quality is the part
   of good ones among the last beats. Shown is the median of the last four good ones.
4. A line that is flushed stands above what any heart makes; one that is open or taken off stands
   flat. Neither shows a pressure, nor for two seconds after, and both are told as FLUSH. A line is
   damped when its pulse pressure has fallen to less than half while its mean stayed: then the mean
   is shown and the others are not.
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

#: Samples from an onset within which its systolic peak lies.
RISE: Final = 40
BEATS: Final = 4
INTERVALS: Final = 8
LONGEST: Final = 375
OFF: Final = RATE_HZ
#: mmHg: no transducer measures beyond +-`LIMIT`; a flush is above `FLUSHED` for a quarter second.
LIMIT: Final = 500.0
FLUSHED: Final = 230.0
FLUSH: Final = RATE_HZ // 4
AFTER: Final = 2 * RATE_HZ
#: A change below this is a flat line's.
FLAT: Final = 0.05
#: mmHg, least slope sum of a pulse: a pulse pressure of 4 has it.
FLOOR: Final = 4.0
#: Sun et al. 2006, table 1: mmHg, beats a minute, mmHg per 8 ms, samples.
SYS_MOST, DIA_LEAST = 300.0, 20.0
MEAN_LEAST, MEAN_MOST = 30.0, 200.0
RATE_LEAST, RATE_MOST = 20.0, 200.0
PULSE_LEAST: Final = 20.0
FALL_MOST: Final = 3.0
STEP_MOST: Final = 20.0
INTERVAL_STEP_MOST: Final = 62
_ONSET, _FLUSH = int(Kind.ONSET), int(Kind.FLUSH)
_SYS, _DIA, _MEAN, _PR = 0, 1, 2, 3

#: One patient.
STATE: Final = np.dtype(
    [
        ("upstroke", UPSTROKE),
        ("pending", np.int64),  # onset whose peak is not certain, -1: none
        ("onset", np.int64),  # the newest beat's, -1: none
        ("area", np.float64),  # of the running sum of pressures
        ("area_at", np.float64, (PAST,)),
        ("onset_area", np.float64),
        ("fall", np.float64),  # running sum of falls, and how many
        ("falls", np.int64),
        ("sys", np.float64),  # of the newest beat, good or not
        ("dia", np.float64),
        ("interval", np.int64),
        ("beats", np.int64),
        ("kept", np.float64, (3, BEATS)),
        ("good", np.int64),
        ("intervals", np.float64, (INTERVALS,)),
        ("quality", np.float64),
        ("pulse", np.float64),  # slow mean of good pulse pressures and means
        ("mean", np.float64),
        ("damped", np.int64),  # beats in a row
        ("high", np.int64),  # samples above FLUSHED in a row
        ("quiet", np.int64),  # samples until it is believed again
        ("told", np.int64),
        ("scratch", np.float64, (INTERVALS,)),
    ],
    align=True,
)


#: Where a record lies, and what of it every tick needs.
_BYTES: Final = STATE.itemsize
_AREA, _ = span(STATE.fields, "area_at", "area_at")
_PENDING, _PENDING_SIZE = span(STATE.fields, "pending", "area")
_OWN, _OWN_SIZE = span(STATE.fields, "onset_area", "scratch")


class Abp:
    """The sensor; see `monitor.vitals.seam.Sensor`."""

    RATE_HZ: ClassVar[float] = RATE_HZ
    SIGNALS: ClassVar[tuple[Signal, ...]] = (Signal.ABP,)
    NEEDS_ALL: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (Metric.SYS, Metric.DIA, Metric.MEAN, Metric.PR_ART)

    def __init__(self, patients: int) -> None:
        self.values, self.quality, self.reason = silent(patients, len(self.METRICS))
        self._state = np.zeros(patients, STATE)
        for patient in range(patients):
            self.reset(patient)

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by (patients, n) samples, mmHg."""
        _step(self._state, x, events.rows, events.tally, self.values, self.quality, self.reason)

    def reset(self, patient: int) -> None:
        """Forget one patient, but for the time."""
        _reset(self._state[patient : patient + 1])


def connect(patients: int, options: Options) -> Abp:
    """Make the sensor."""
    return Abp(patients)


def warm() -> None:
    """Compile the kernels."""
    Abp(1).step(np.zeros((1, 5), np.float32), Events(8))


@jit
def _reset(states: NDArray[Any]) -> None:
    state = states[0]
    begin(state["upstroke"])
    state["upstroke"]["mask"]["bad"] = upstroke.FORGET + 1
    state["upstroke"]["mask"]["held"] = 0.0
    state["high"] = 0
    state["quiet"] = 0
    state["told"] = 0
    _forget(state)


@jit
def _forget(state: Any) -> None:
    state["pending"] = -1
    state["onset"] = -1
    state["area"] = 0.0
    state["area_at"][:] = 0.0
    state["onset_area"] = 0.0
    state["fall"] = 0.0
    state["falls"] = 0
    state["beats"] = 0
    state["good"] = 0
    state["quality"] = 0.0
    state["pulse"] = 0.0
    state["mean"] = 0.0
    state["damped"] = 0


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
    x : (patients, n) float32, mmHg
    rows, tally : of `Events`
    values, quality, reason : see `monitor.vitals.seam.Sensor`
    """
    for patient in range(x.shape[0]):
        state = states[patient]
        found = state["upstroke"]
        if patient + 1 < x.shape[0]:
            at = (patient + 1) * _BYTES
            upstroke.fetch(states, at, found["at"])
            prefetch(states, at + _AREA + 8 * (state["upstroke"]["at"] % PAST), 64)
            prefetch(states, at + _PENDING, _PENDING_SIZE)
            prefetch(states, at + _OWN, _OWN_SIZE)
        for k in range(x.shape[1]):
            ago = seek(found, x[patient, k], LIMIT, FLAT, FLOOR)
            now = found["at"] - 1
            if found["mask"]["bad"] == upstroke.FORGET:
                _forget(state)
            _watch_line(state, patient, now, rows, tally)
            _sum(state, now)
            if ago >= 0 and state["pending"] < 0 and state["quiet"] == 0:
                state["pending"] = now - ago
            if state["pending"] >= 0 and now - state["pending"] >= RISE:
                _finish(state, patient, now, rows, tally)
        _say(state, values[patient], quality[patient : patient + 1], reason[patient])


@jit
def _watch_line(
    state: Any, patient: int, now: int, rows: NDArray[Any], tally: NDArray[np.int64]
) -> None:
    """Notice a flush, and a line that is flat; be quiet while it lasts and for a while after."""
    mask = state["upstroke"]["mask"]
    is_high = mask["bad"] == 0 and mask["held"] > FLUSHED
    state["high"] = state["high"] + 1 if is_high else 0
    is_flat = mask["bad"] == 0 and mask["run"] >= OFF
    if state["high"] >= FLUSH or is_flat:
        if not state["told"]:
            state["told"] = 1
            seconds = max(state["high"], mask["run"]) / RATE_HZ
            append(rows, tally, patient, _FLUSH, now, now, seconds, np.nan, np.nan, 0.0, 0)
        state["quiet"] = AFTER
        state["pending"] = -1
        state["onset"] = -1
    elif state["quiet"] > 0:
        state["quiet"] -= 1
        if state["quiet"] == 0:
            state["told"] = 0
            begin(state["upstroke"])
            _forget(state)


@jit
def _sum(state: Any, now: int) -> None:
    """Keep the running area under the pressure, and the falls of this beat."""
    y = state["upstroke"]["y"]
    state["area"] += y[now % PAST]
    state["area_at"][now % PAST] = state["area"]
    fall = y[(now - 1) % PAST] - y[now % PAST]
    if fall > 0.0:
        state["fall"] += fall
        state["falls"] += 1


@jit
def _finish(
    state: Any, patient: int, now: int, rows: NDArray[Any], tally: NDArray[np.int64]
) -> None:
    """Measure a beat whose peak is certain, judge it, and emit it."""
    onset = state["pending"]
    state["pending"] = -1
    y = state["upstroke"]["y"]
    dia, sys = math.inf, -math.inf
    for k in range(RISE):
        sys = max(sys, y[(onset + 2 + k) % PAST])
    for k in range(6):
        dia = min(dia, y[(onset + 4 - k) % PAST])
    area = state["area_at"][(onset + 2) % PAST]
    interval = onset - state["onset"] if state["onset"] >= 0 else 0
    mean = (area - state["onset_area"]) / interval if 0 < interval <= LONGEST else np.nan
    fall = state["fall"] / state["falls"] if state["falls"] > 0 else 0.0
    state["fall"] = 0.0
    state["falls"] = 0
    is_good = _is_good(state, sys, dia, mean, fall, interval)
    state["quality"] += ((1.0 if is_good else 0.0) - state["quality"]) / min(state["beats"] + 1, 8)
    state["beats"] += 1
    state["onset"], state["onset_area"] = onset, area
    state["sys"], state["dia"], state["interval"] = sys, dia, interval
    if is_good:
        _keep(state, sys, dia, mean, interval)
    append(
        rows,
        tally,
        patient,
        _ONSET,
        onset,
        now,
        sys,
        dia,
        mean,
        state["quality"] if is_good else 0.0,
        0,
    )


@jit
def _is_good(state: Any, sys: float, dia: float, mean: float, fall: float, interval: int) -> bool:
    """Apply Sun's rules; the first beat has nothing to be compared with."""
    if not (sys <= SYS_MOST and dia >= DIA_LEAST and sys - dia >= PULSE_LEAST):
        return False
    if not (MEAN_LEAST <= mean <= MEAN_MOST) or fall > FALL_MOST:
        return False
    if not RATE_LEAST <= 60.0 * RATE_HZ / interval <= RATE_MOST:
        return False
    if abs(sys - state["sys"]) > STEP_MOST or abs(dia - state["dia"]) > STEP_MOST:
        return False
    return bool(state["beats"] < 2 or abs(interval - state["interval"]) <= INTERVAL_STEP_MOST)


@jit
def _keep(state: Any, sys: float, dia: float, mean: float, interval: int) -> None:
    """Take a good beat into what is shown, and look whether the line is damped."""
    kept = state["kept"]
    at = state["good"] % BEATS
    kept[0, at], kept[1, at], kept[2, at] = sys, dia, mean
    state["good"] = push(state["intervals"], state["good"], float(interval))
    if state["good"] == 1:
        state["pulse"], state["mean"] = sys - dia, mean
    is_small = sys - dia < 0.5 * state["pulse"]
    is_steady = abs(mean - state["mean"]) < 0.15 * state["mean"]
    state["damped"] = state["damped"] + 1 if is_small and is_steady else 0
    if not is_small:
        state["pulse"] += (sys - dia - state["pulse"]) / 32.0
    state["mean"] += (mean - state["mean"]) / 32.0


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
    elif state["quiet"] > 0:
        why = ARTEFACT
    elif found["learnt"] < upstroke.LEARN:
        why = LEARNING
    elif found["at"] - found["last"] > LONGEST:
        why = NO_PULSE
    elif state["beats"] < 3:
        why = LEARNING
    elif state["quality"] < 0.5 or state["good"] == 0:
        why = ARTEFACT
    quality[0] = 0.0 if why in (LEAD_OFF, NO_PULSE) else state["quality"]
    held = min(state["good"], BEATS)
    for metric in range(3):
        pressure = median(state["kept"][metric], held, state["scratch"])
        hidden = why == PRESENT and metric != _MEAN and state["damped"] >= 5
        say(values, reason, metric, pressure, ARTEFACT if hidden else why)
    interval = median(state["intervals"], min(state["good"], INTERVALS), state["scratch"])
    say(values, reason, _PR, 60.0 * RATE_HZ / interval, why)
