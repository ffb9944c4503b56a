"""Draw what a beat does beyond the heart: pressure in an artery, light in a finger; and breath.

A pulse comes a transit time after its R wave, as high as the beat pumps. Pressure decays between
pulses as through a resistance (Otto Frank's windkessel) towards the filling pressure, and each
pulse lifts it: a steep rise, and a smaller wave that is thrown back. Light is two such waves (they
are shown by Allen, Physiol Meas 28, 2007); red and infrared differ by the ratio of ratios that a
saturation means, by the common line 110 - 25 R.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.sim.rhythms import Beats

Wave = NDArray[np.float64]

ARTERY_S, FINGER_S = 0.16, 0.24
"""From R to the foot of the pulse, at a wrist and at a finger."""
USUAL_S: Final = 0.8
"""The interval at which pressure is as `Body` says."""
FILLING_MMHG: Final = 12.0
"""Where pressure ends when the heart stands still."""
RED_DC, INFRARED_DC = 1.0, 1.2
MODULATION: Final = 0.02
"""Part of the light that pulses, infrared: a perfusion index of 2 %."""
BASE_S = 1.2
"""Length of a pulse that is drawn."""


class Body(NamedTuple):
    """A patient's, beside the heart.

    Parameters
    ----------
    systolic_mmhg, diastolic_mmhg : at 75 beats a minute that pump fully
    spo2_percent : saturation
    breaths_bpm : a minute
    apnoea_s : (begin, end) of pauses in breath
    """

    systolic_mmhg: float = 120.0
    diastolic_mmhg: float = 75.0
    spo2_percent: float = 97.0
    breaths_bpm: float = 15.0
    apnoea_s: tuple[tuple[float, float], ...] = ()


def abp(beats: Beats, body: Body, rate_hz: float, n: int) -> Wave:
    """Draw an artery's pressure, (n,) mmHg; it falls to the filling pressure without beats."""
    pulse_mmhg = body.systolic_mmhg - body.diastolic_mmhg
    rise = _foot_to_peak(rate_hz, 0.09)
    lift = np.zeros(n)
    for at_s, pumps in zip(beats.at_s + ARTERY_S, beats.pumps, strict=True):
        _add(lift, at_s, pumps * rise, rate_hz)
    # A pulse lifts by what runs off until the next one; so the body's pressures say how fast.
    lifts_mmhg = 1.06 * pulse_mmhg
    runoff_s = USUAL_S / np.log1p(lifts_mmhg / (body.diastolic_mmhg - FILLING_MMHG))
    keep = float(np.exp(-1.0 / (runoff_s * rate_hz)))
    level = np.empty(n)
    value = body.diastolic_mmhg - FILLING_MMHG
    if len(beats.at_s):  # it is as if beats had come before: the first pulse finds it so
        value *= float(np.exp(min(beats.at_s[0] + ARTERY_S, USUAL_S) / runoff_s))
    for k in range(n):
        value = value * keep + lifts_mmhg * lift[k]
        level[k] = value
    notch = np.zeros(n)
    for at_s, pumps in zip(beats.at_s + ARTERY_S + 0.30, beats.pumps, strict=True):
        _add(notch, at_s, 0.07 * pulse_mmhg * pumps * _bump(rate_hz, 0.05), rate_hz)
    return FILLING_MMHG + level + notch


def light(beats: Beats, body: Body, rate_hz: float, n: int) -> tuple[Wave, Wave]:
    """Draw what comes through a finger, (infrared, red), each (n,), growing with the blood."""
    shape = _bump(rate_hz, 0.10) + 0.45 * np.roll(_bump(rate_hz, 0.14), int(0.22 * rate_hz))
    pulse = np.zeros(n)
    for at_s, pumps in zip(beats.at_s + FINGER_S, beats.pumps, strict=True):
        _add(pulse, at_s, pumps * shape, rate_hz)
    sway = 0.15 * breath(body, rate_hz, n)
    ratio = (110.0 - body.spo2_percent) / 25.0
    infrared = INFRARED_DC * (1.0 + MODULATION * (pulse + sway))
    red = RED_DC * (1.0 + MODULATION * ratio * (pulse + sway))
    return infrared, red


def breath(body: Body, rate_hz: float, n: int) -> Wave:
    """Draw the chest's impedance beside its mean, (n,) ohm; still within an apnoea."""
    t = np.arange(n) / rate_hz
    moving = np.ones(n)
    for begin_s, end_s in body.apnoea_s:
        moving[(t >= begin_s) & (t < end_s)] = 0.0
    phase = 2.0 * np.pi * body.breaths_bpm / 60.0 * np.cumsum(moving) / rate_hz
    return 0.5 * (1.0 - np.cos(phase)) * _soft(moving, rate_hz)


def breaths_s(body: Body, lasts_s: float, rate_hz: float = 62.5) -> Wave:
    """Say when breaths are deepest: the truth."""
    chest = breath(body, rate_hz, int(lasts_s * rate_hz))
    top = (chest[1:-1] > chest[:-2]) & (chest[1:-1] >= chest[2:]) & (chest[1:-1] > 0.5)
    found: Wave = (np.flatnonzero(top) + 1) / rate_hz
    return found


def _bump(rate_hz: float, width_s: float) -> Wave:
    """Draw one wave that begins at 0 and is 1 at its top: t exp(1 - t), squared."""
    t = np.arange(int(BASE_S * rate_hz)) / rate_hz / width_s
    wave: Wave = (t * np.exp(1.0 - t)) ** 2
    return wave


def _foot_to_peak(rate_hz: float, lasts_s: float) -> Wave:
    """Draw an inflow of area 1 that lasts so long."""
    t = (np.arange(max(1, int(lasts_s * rate_hz))) + 0.5) / max(1, int(lasts_s * rate_hz))
    inflow = np.sin(np.pi * t) ** 2
    return np.asarray(inflow / inflow.sum())


def _add(out: Wave, at_s: float, wave: Wave, rate_hz: float) -> None:
    first = round(at_s * rate_hz)
    skipped = max(0, -first)
    part = wave[skipped : max(skipped, len(out) - first)]
    out[first + skipped : first + skipped + len(part)] += part


def _soft(moving: Wave, rate_hz: float) -> Wave:
    """Let a chest come to rest within half a second, not at once."""
    width = max(1, int(0.5 * rate_hz))
    return np.convolve(moving, np.ones(width) / width, mode="same")
