"""Draw what a heart does when it does not beat: fibrillation, of the ventricles or the atria.

Ventricular: an oscillation whose frequency wanders between 2 and 9 Hz about 5 and whose size swells
and fades, in three directions that drift apart, so that no two leads agree. Atrial: the sawtooth of
Stridh and Sornmo (IEEE Trans Biomed Eng 48, 2001), a base wave about 6 Hz with harmonics, its
frequency and size swinging slowly; amplitudes are ours.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

VENTRICULAR_HZ: Final = (2.0, 5.0, 9.0)
"""Least, middle, greatest."""
VENTRICULAR_MV: Final = 0.45
ATRIAL_HZ, ATRIAL_SWING_HZ, ATRIAL_MV = 6.0, 0.4, 0.07
HARMONICS: Final = 3
#: How far the atria's dipole lies in x, y, z: nearest to V1, as a human atrium's.
ATRIAL_AXIS: Final = (-0.25, 0.55, -0.8)
BEGINS_S: Final = 0.3
"""In which fibrillation grows to its size."""
KNOTS_HZ: Final = 2.0
"""How often what wanders is drawn anew; between, it is a straight line."""


def ventricular(rng: np.random.Generator, rate_hz: float, n: int) -> NDArray[np.float64]:
    """Draw ventricular fibrillation, a dipole (3, n), mV."""
    least, middle, greatest = VENTRICULAR_HZ
    frequency = np.clip(middle + _wander(rng, rate_hz, n, 1.3, 1.0), least, greatest)
    phase = 2.0 * np.pi * np.cumsum(frequency) / rate_hz
    size = VENTRICULAR_MV * np.exp(_wander(rng, rate_hz, n, 0.35, 0.7))
    size *= np.clip(np.arange(n) / rate_hz / BEGINS_S, 0.0, 1.0)
    axes = np.stack([np.sin(phase + _wander(rng, rate_hz, n, 1.2, 3.0)) for _ in range(3)])
    return np.asarray(size * axes, np.float64)


def atrial(rng: np.random.Generator, rate_hz: float, n: int) -> NDArray[np.float64]:
    """Draw the waves between the beats of atrial fibrillation, a dipole (3, n), mV."""
    frequency = ATRIAL_HZ + ATRIAL_SWING_HZ * _wander(rng, rate_hz, n, 1.0, 5.0)
    phase = 2.0 * np.pi * np.cumsum(frequency) / rate_hz
    size = ATRIAL_MV * np.exp(_wander(rng, rate_hz, n, 0.2, 2.0))
    saw = sum((np.sin(k * phase) / k for k in range(1, HARMONICS + 1)), np.zeros(n))
    return np.asarray(np.multiply.outer(np.array(ATRIAL_AXIS), size * saw), np.float64)


def _wander(
    rng: np.random.Generator, rate_hz: float, n: int, spread: float, memory_s: float
) -> NDArray[np.float64]:
    """Draw a walk that returns to zero (Ornstein and Uhlenbeck), of a spread and a memory."""
    knots = int(n / rate_hz * KNOTS_HZ) + 2
    keep = float(np.exp(-1.0 / (KNOTS_HZ * memory_s)))
    values = np.empty(knots)
    value = spread * rng.standard_normal()
    for knot, draw in enumerate(rng.standard_normal(knots)):
        values[knot] = value
        value = keep * value + np.sqrt(1.0 - keep * keep) * spread * draw
    return np.interp(np.arange(n) / rate_hz * KNOTS_HZ, np.arange(knots), values)
