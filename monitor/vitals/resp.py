"""Breaths in the impedance of the chest, and the pause that is too long.

Rules
-----
1. Band 0.08 to 1.2 Hz, then the counting of Schäfer and Kratky, "Estimation of breathing rate from
   respiratory sinus arrhythmia", Annals of Biomedical Engineering 36 (2008) 476-485 ("count-orig"):
   a breath is a maximum above a fifth of the third quartile of maxima, with a minimum below zero
   since the one before. Of two maxima without such a minimum the higher one is the breath's.
2. The heart moves the impedance too. A small maximum that comes one heart beat after the last, and
   not half as deep as breaths are, is the heart's: it ends no pause (`heart_bpm`).
3. No breath for 20 s in a good signal is an apnoea, told once (APNOEA). A breath found later ends
   it; the threshold does not sink meanwhile, so noise cannot.
4. The rate is the mean of the last eight intervals. Quality is the part of breaths without other
   maxima in between.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from monitor.dsp.iir import Section, advance, highpass, lowpass
from monitor.dsp.mask import MASK, hold
from monitor.messages import Metric, Signal
from monitor.vitals.events import Events, Kind, append
from monitor.vitals.seam import LEAD_OFF, LEARNING, NO_PULSE, PRESENT, Options, push, say, silent
from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch

RATE_HZ: Final = 62.5
LOW_HZ, HIGH_HZ = 0.08, 1.2
MAXIMA: Final = 16
BREATHS: Final = 8
#: Maxima that the threshold needs, and the time in which the filters settle.
MAXIMA_LEAST: Final = 3
SETTLE: Final = 250
APNOEA: Final = 1250
#: Without a valid sample for 2 s, or flat for 5 s, the belt or electrode is off.
FORGET: Final = 125
FLAT: Final = 312
LIMIT: Final = 1e6
THRESHOLD: Final = 0.2
#: How near a heart beat, and how small, the heart's own maxima are.
NEAR: Final = 0.1
SMALL: Final = 0.5
_BREATH, _APNOEA = int(Kind.BREATH), int(Kind.APNOEA)
_SECTIONS: Final = (highpass(LOW_HZ, RATE_HZ), lowpass(HIGH_HZ, RATE_HZ))

#: One patient.
STATE: Final = np.dtype(
    [
        ("mask", MASK),
        ("at", np.int64),
        ("began", np.int64),  # when the signal began, -1: there is none
        ("offset", np.float64),  # its first sample, so that the filters begin at rest
        ("memory", np.float64, (4,)),
        ("y", np.float64, (2,)),  # the sample before, and the one before that
        ("trough", np.float64),  # lowest since the last breath's maximum
        ("others", np.int64),  # maxima since then that were no breath
        ("top", np.float64),  # height of that maximum
        ("breath", np.int64),  # when it was, -1: none yet
        ("before", np.int64),  # the breath before it, -1: none
        ("maxima", np.float64, (MAXIMA,)),
        ("count", np.int64),
        ("intervals", np.float64, (BREATHS,)),
        ("breaths", np.int64),
        ("depth", np.float64),  # slow mean
        ("quality", np.float64),
        ("told", np.int64),  # whether this pause was
        ("scratch", np.float64, (MAXIMA,)),
    ],
    align=True,
)


_BYTES: Final = STATE.itemsize


class Resp:
    """The sensor; see `monitor.vitals.seam.Sensor`.

    Attributes
    ----------
    heart_bpm : (patients,) float64, to be set before a step by who knows it; NaN: unknown
    """

    RATE_HZ: ClassVar[float] = RATE_HZ
    SIGNALS: ClassVar[tuple[Signal, ...]] = (Signal.RESP,)
    NEEDS_ALL: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (Metric.RR,)

    def __init__(self, patients: int) -> None:
        self.values, self.quality, self.reason = silent(patients, len(self.METRICS))
        self.heart_bpm = np.full(patients, np.nan)
        self._state = np.zeros(patients, STATE)
        for patient in range(patients):
            self.reset(patient)

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by (patients, n) samples: ohm, or what grows with a breath."""
        _step(
            self._state,
            x,
            self.heart_bpm,
            *_SECTIONS,
            events.rows,
            events.tally,
            self.values,
            self.quality,
            self.reason,
        )

    def reset(self, patient: int) -> None:
        """Forget one patient, but for the time."""
        self._state[patient]["mask"]["bad"] = FORGET
        self._state[patient]["mask"]["held"] = 0.0
        _forget(self._state[patient : patient + 1])


def connect(patients: int, options: Options) -> Resp:
    """Make the sensor."""
    return Resp(patients)


def warm() -> None:
    """Compile the kernels."""
    Resp(1).step(np.zeros((1, 2), np.float32), Events(8))


@jit
def _forget(states: NDArray[Any]) -> None:
    state = states[0]
    state["began"] = -1
    state["breath"] = -1
    state["before"] = -1
    state["count"] = 0
    state["breaths"] = 0
    state["others"] = 0
    state["depth"] = 0.0
    state["quality"] = 0.0
    state["told"] = 0


@jit
def _step(
    states: NDArray[Any],
    x: NDArray[np.float32],
    heart_bpm: NDArray[np.float64],
    high: Section,
    low: Section,
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
    heart_bpm : (patients,) float64, NaN unknown
    high, low : the band
    rows, tally : of `Events`
    values, quality, reason : see `monitor.vitals.seam.Sensor`
    """
    for patient in range(x.shape[0]):
        state = states[patient]
        if patient + 1 < x.shape[0]:
            prefetch(states, (patient + 1) * _BYTES, _BYTES)
        for k in range(x.shape[1]):
            at = state["at"]
            state["at"] = at + 1
            held = hold(state["mask"], x[patient, k], LIMIT, 0.0)
            if state["mask"]["bad"] >= FORGET or state["mask"]["run"] >= FLAT:
                if state["began"] >= 0:
                    _forget(states[patient : patient + 1])
                continue
            if state["began"] < 0:
                _begin(state, held, at)
            y = advance(high, state["memory"], 0, held - state["offset"])
            y = advance(low, state["memory"], 2, y)
            _look(state, patient, at, y, heart_bpm[patient], rows, tally)
        _say(state, values[patient], quality[patient : patient + 1], reason[patient])


@jit
def _begin(state: Any, held: float, at: int) -> None:
    state["began"] = at
    state["offset"] = held
    state["memory"][:] = 0.0
    state["y"][:] = 0.0
    state["trough"] = 0.0
    state["top"] = 0.0


@jit
def _look(
    state: Any,
    patient: int,
    at: int,
    y: float,
    heart_bpm: float,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Take one filtered sample."""
    last, older = state["y"][0], state["y"][1]
    state["y"][1] = last
    state["y"][0] = y
    state["trough"] = min(state["trough"], y)
    if at - state["began"] < SETTLE:
        return
    if last > older and last >= y and last > 0.0:
        _judge(state, patient, at, last, heart_bpm, rows, tally)
    since = at - max(state["breath"], state["began"] + SETTLE)
    if since >= APNOEA and not state["told"]:
        state["told"] = 1
        append(rows, tally, patient, _APNOEA, at, at, since / RATE_HZ, np.nan, np.nan, 1.0, 0)


@jit
def _judge(
    state: Any,
    patient: int,
    at: int,
    height: float,
    heart_bpm: float,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Decide whether a maximum, one sample ago, is a breath's."""
    peak = at - 1
    if state["count"] < MAXIMA_LEAST:
        state["count"] = push(state["maxima"], state["count"], height)
    if height < THRESHOLD * _third_quartile(state):
        state["others"] += 1
        return
    if state["breath"] >= 0 and state["trough"] >= 0.0:
        state["others"] += 1
        if height > state["top"]:
            state["top"] = height
            state["breath"] = peak
        return
    depth = height - min(0.0, state["trough"])
    interval = peak - state["breath"] if state["breath"] >= 0 else 0
    if _is_the_hearts(state, interval, depth, heart_bpm):
        state["others"] += 1
        return
    if state["count"] >= MAXIMA_LEAST:
        state["count"] = push(state["maxima"], state["count"], height)
    if 0 < interval < APNOEA:
        state["breaths"] = push(state["intervals"], state["breaths"], float(interval))
    else:
        state["breaths"] = 0
    clean = 1.0 if state["others"] == 0 else 0.5
    state["quality"] += (clean - state["quality"]) / 4.0
    state["depth"] += (depth - state["depth"]) / min(state["breaths"] + 1, 8)
    state["others"] = 0
    state["top"] = height
    state["trough"] = height
    state["breath"] = peak
    state["told"] = 0
    seconds = interval / RATE_HZ if interval > 0 else np.nan
    append(rows, tally, patient, _BREATH, peak, at, seconds, depth, np.nan, clean, 0)


@jit
def _is_the_hearts(state: Any, interval: int, depth: float, heart_bpm: float) -> bool:
    """Tell whether a maximum follows the last at a heart beat's distance, and is too small."""
    if interval <= 0 or math.isnan(heart_bpm) or state["breaths"] < 2:
        return False
    beats = interval * heart_bpm / (60.0 * RATE_HZ)
    return bool(abs(beats - round(beats)) < NEAR * beats and depth < SMALL * state["depth"])


@jit
def _third_quartile(state: Any) -> float:
    """Return the third quartile of the newest maxima; 0 while there are too few."""
    n = min(state["count"], MAXIMA)
    if n < MAXIMA_LEAST:
        return 0.0
    scratch = state["scratch"]
    for k in range(n):
        value = state["maxima"][k]
        j = k
        while j > 0 and scratch[j - 1] > value:
            scratch[j] = scratch[j - 1]
            j -= 1
        scratch[j] = value
    return float(scratch[(3 * n) // 4])


@jit
def _say(
    state: Any, values: NDArray[np.float64], quality: NDArray[np.float64], reason: NDArray[np.uint8]
) -> None:
    """Decide what is shown."""
    why = PRESENT
    if state["began"] < 0:
        why = LEAD_OFF
    elif state["told"]:
        why = NO_PULSE
    elif state["breaths"] < 2:
        why = LEARNING
    n = min(state["breaths"], BREATHS)
    total = 0.0
    for k in range(n):
        total += state["intervals"][k]
    quality[0] = 0.0 if why == LEAD_OFF else state["quality"]
    say(values, reason, 0, 60.0 * RATE_HZ * n / total if total > 0.0 else np.nan, why)
