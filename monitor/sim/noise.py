"""Draw what a lead hears beside the heart, and add it at a ratio in dB.

The kinds are those of the noise stress test (Moody, Muldrow, Mark, Comput Cardiol 11, 1984), and so
is the ratio: the signal's power is that of a sine as high as the QRS from top to bottom, the
noise's the mean square within each second. The recordings of that test are not in our reach; these
are drawn, to their spectra's look.

    muscle      white between 10 and 100 Hz, in bursts
    electrode   steps that decay and swings of 1 to 10 Hz: what looks like beats
    baseline    below 0.5 Hz: breath, sweat
    mains       50 or 60 Hz and its third harmonic, not quite in tune
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Noise = NDArray[np.float64]
Draw = Callable[[np.random.Generator, float, int], Noise]

STEPS_PER_S: Final = 0.5
STEP_DECAY_S: Final = 0.25
MAINS_OFF_HZ: Final = 0.05
CHUNK_S: Final = 1.0


def muscle(rng: np.random.Generator, rate_hz: float, n: int) -> Noise:
    """Draw muscles, of power 1."""
    bursts = 0.4 + np.abs(_band(rng, rate_hz, n, 0.0, 0.5))
    return _unit(_band(rng, rate_hz, n, 10.0, 100.0) * bursts, rate_hz)


def electrode(rng: np.random.Generator, rate_hz: float, n: int) -> Noise:
    """Draw an electrode that moves, of power 1."""
    count = rng.poisson(STEPS_PER_S * n / rate_hz)
    steps = np.zeros(n)
    since = np.arange(int(8 * STEP_DECAY_S * rate_hz)) / rate_hz
    for at, size in zip(rng.integers(0, n, count), rng.standard_normal(count), strict=True):
        rise = 1.0 - np.exp(-since / rng.uniform(0.005, 0.05))
        step = size * rise * np.exp(-since / STEP_DECAY_S)
        steps[at : at + len(step)] += step[: n - at]
    return _unit(steps + 0.25 * _band(rng, rate_hz, n, 1.0, 10.0), rate_hz)


def baseline(rng: np.random.Generator, rate_hz: float, n: int) -> Noise:
    """Draw a baseline that wanders, of power 1."""
    return _unit(_band(rng, rate_hz, n, 0.05, 0.5), rate_hz)


def mains(rng: np.random.Generator, rate_hz: float, n: int, hz: float = 50.0) -> Noise:
    """Draw the mains, of power 1; at a low rate they are folded, as a converter folds them."""
    turn = 2.0 * np.pi * (hz + rng.uniform(-1.0, 1.0) * MAINS_OFF_HZ) * np.arange(n) / rate_hz
    turn += rng.uniform(0.0, 2.0 * np.pi)
    return _unit(np.sin(turn) + 0.2 * np.sin(3.0 * turn), rate_hz)


def mains_60(rng: np.random.Generator, rate_hz: float, n: int) -> Noise:
    """Draw the mains of 60 Hz, of power 1."""
    return mains(rng, rate_hz, n, 60.0)


KINDS: Final[dict[str, Draw]] = {
    "muscle": muscle,
    "electrode": electrode,
    "baseline": baseline,
    "mains-50": mains,
    "mains-60": mains_60,
}


def mixed(
    rng: np.random.Generator, rate_hz: float, n: int, kinds: tuple[str, ...] = ("electrode",)
) -> Noise:
    """Draw kinds in equal parts, of power 1."""
    total = sum((KINDS[kind](rng, rate_hz, n) for kind in kinds), np.zeros(n))
    return _unit(total, rate_hz)


def factor(qrs_mv: float, snr_db: float) -> float:
    """Say by how much a noise of power 1 is multiplied.

    Parameters
    ----------
    qrs_mv
        Height of the QRS, top to bottom.
    snr_db
        Ratio that is wanted.
    """
    return float(np.sqrt(qrs_mv**2 / 8.0 / 10.0 ** (snr_db / 10.0)))


def qrs_height(x: NDArray[np.floating], beats: NDArray[np.int64], rate_hz: float) -> float:
    """Measure how high the QRS is, top to bottom: the median of beats, in what `x` is in."""
    reach = int(0.05 * rate_hz)
    inside = beats[(beats >= reach) & (beats + reach < len(x))]
    if not len(inside):
        return 1.0
    around = np.asarray(x, np.float64)[inside[:, None] + np.arange(-reach, reach + 1)]
    around = around[np.isfinite(around).all(axis=1)]
    return float(np.median(np.ptp(around, axis=1))) if len(around) else 1.0


def _band(rng: np.random.Generator, rate_hz: float, n: int, low_hz: float, high_hz: float) -> Noise:
    """Draw white noise between two frequencies, of mean square about 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1.0 / rate_hz)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0.0
    drawn = np.fft.irfft(spectrum, n)
    spread = float(np.sqrt(np.mean(drawn * drawn)))
    return drawn / spread if spread > 0.0 else drawn


def _unit(x: Noise, rate_hz: float) -> Noise:
    """Scale to power 1: the mean variance of seconds, the quietest and the loudest left out."""
    size = max(1, min(len(x), int(CHUNK_S * rate_hz)))
    chunks = x[: len(x) // size * size].reshape(-1, size)
    powers = np.sort(chunks.var(axis=1))
    cut = len(powers) // 20  # of either side, as the noise stress test does
    power = float(powers[cut : len(powers) - cut].mean())
    return x / np.sqrt(power) if power > 0.0 else x
