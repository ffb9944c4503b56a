"""Finds the upstroke of each pulse in a pressure or a volume, by the sum of its rising slopes.

After Zong, Heldt, Moody and Mark, "An open-source algorithm to detect onset of arterial blood
pressure pulses", Computers in Cardiology 30 (2003) 259-262: low pass, slope sum over 128 ms, a
threshold of a third of the mean height of past pulses, a refractory time. Times are those of the
paper, at 125 Hz. The onset is where the tangent to the steepest place meets the lowest level before
it (Chiu et al., American Heart Journal 121 (1991) 1460-1470): the foot itself is flat, and noise
moves it.

A decision comes `WAIT` samples after the threshold was crossed, 120 to 280 ms after the onset.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from monitor.dsp.mask import MASK, hold
from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch, span

RATE_HZ: Final = 125
#: Slope sum 128 ms, decision 120 ms behind the crossing, refractory 248 ms, learning 3 s.
WINDOW: Final = 16
WAIT: Final = 15
REFRACTORY: Final = 31
LEARN: Final = 3 * RATE_HZ
#: Without a pulse for 2.5 s the threshold sinks, with a time constant of 2 s.
SEEK: Final = 312
SINK: Final = 1.0 - 1.0 / (2 * RATE_HZ)
#: Without a valid sample for 2 s everything is learnt anew.
FORGET: Final = 2 * RATE_HZ
#: Samples before the steepest place in which the foot lies.
BACK: Final = 25
#: Samples of the past that are kept.
PAST: Final = 128
_FIR: Final = 5

#: One signal. Rings are addressed by `at`, the number of samples taken.
UPSTROKE: Final = np.dtype(
    [
        ("mask", MASK),
        ("at", np.int64),
        ("raw", np.float64, (_FIR,)),
        ("rise", np.float64, (WINDOW,)),
        ("y", np.float64, (PAST,)),
        ("learnt", np.int64),
        ("height", np.float64),  # mean of the pulses' slope sums
        ("crossed", np.int64),  # -1: no decision is under way
        ("peak", np.float64),
        ("last", np.int64),  # the newest crossing
    ],
    align=True,
)


_SIGNAL, _SIGNAL_SIZE = span(UPSTROKE.fields, "mask", "rise")
_Y, _ = span(UPSTROKE.fields, "y", "y")
_DECISION, _DECISION_SIZE = span(UPSTROKE.fields, "learnt", "last")


@jit
def fetch(states: Any, begin: int, at: int) -> None:
    """Ask for the record that lies `begin` bytes behind the first of some, before sample `at`."""
    prefetch(states, begin + _SIGNAL, _SIGNAL_SIZE)
    prefetch(states, begin + _Y + 8 * (at % PAST), 64)
    prefetch(states, begin + _DECISION, _DECISION_SIZE)


@jit
def begin(state: Any) -> None:
    """Forget all but the time."""
    state["learnt"] = 0
    state["height"] = 0.0
    state["crossed"] = -1
    state["peak"] = 0.0
    state["last"] = state["at"]


@jit
def seek(state: Any, value: float, limit: float, step: float, floor: float) -> int:
    """Take one sample; return how many samples ago the onset was that is decided now, or -1.

    Parameters
    ----------
    state : record of UPSTROKE
    value : the sample, any float
    limit, step : see `monitor.dsp.mask.hold`
    floor : no pulse has a smaller slope sum
    """
    mask = state["mask"]
    held = hold(mask, value, limit, step)
    at = state["at"]
    if mask["bad"] >= FORGET:
        if mask["bad"] == FORGET:
            begin(state)
        if mask["bad"] > FORGET + PAST:
            state["at"] = at + 1
            state["last"] = at
            return -1
    raw = state["raw"]
    raw[at % _FIR] = held
    y = _smooth(raw, at)
    before = state["y"][(at - 1) % PAST] if at > 0 else y
    state["y"][at % PAST] = y
    state["rise"][at % WINDOW] = max(0.0, y - before)
    z = 0.0
    for k in range(WINDOW):
        z += state["rise"][k]
    state["at"] = at + 1
    if state["learnt"] < LEARN:
        return _learn(state, z)
    return _decide(state, at, z, floor)


@jit
def _smooth(raw: Any, at: int) -> float:
    """Weigh the last five samples by 1 2 3 2 1: -3 dB at 14 Hz."""
    return float(
        (
            raw[at % _FIR]
            + 2.0 * raw[(at - 1) % _FIR]
            + 3.0 * raw[(at - 2) % _FIR]
            + 2.0 * raw[(at - 3) % _FIR]
            + raw[(at - 4) % _FIR]
        )
        / 9.0
    )


@jit
def _learn(state: Any, z: float) -> int:
    """Take the mean slope sum of the first seconds: a pulse is about three times that high."""
    state["learnt"] += 1
    state["height"] += (3.0 * z - state["height"]) / state["learnt"]
    state["last"] = state["at"]
    return -1


@jit
def _decide(state: Any, at: int, z: float, floor: float) -> int:
    if state["crossed"] >= 0:
        state["peak"] = max(state["peak"], z)
        if at - state["crossed"] < WAIT:
            return -1
        crossed = state["crossed"]
        state["crossed"] = -1
        state["height"] += (min(state["peak"], 3.0 * state["height"]) - state["height"]) / 10.0
        state["height"] = max(state["height"], floor)
        return at - _foot(state, crossed, at)
    if at - state["last"] > SEEK:
        state["height"] = max(floor, state["height"] * SINK)
    if z > max(floor, state["height"] / 3.0) and at - state["last"] >= REFRACTORY:
        state["crossed"] = at
        state["peak"] = z
        state["last"] = at
    return -1


@jit
def _foot(state: Any, crossed: int, now: int) -> int:
    """Lay a tangent to the steepest place, and find where it meets the lowest before that."""
    y = state["y"]
    steepest, slope = crossed, 0.0
    for k in range(max(1, crossed - WINDOW), now + 1):
        rise = y[k % PAST] - y[(k - 1) % PAST]
        if rise > slope:
            steepest, slope = k, rise
    low = y[steepest % PAST]
    for k in range(max(0, steepest - BACK), steepest):
        low = min(low, y[k % PAST])
    back = (y[steepest % PAST] - low) / slope if slope > 0.0 else 0.0
    return steepest - int(min(float(BACK), math.ceil(back))) - 2  # the smoothing's delay
