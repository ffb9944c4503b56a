"""Draw beats: each is a few Gaussian waves of the heart's dipole, and a lead is a projection of it.

The waves are ECGSYN's (McSharry, Clifford, Tarassenko, Smith, IEEE Trans Biomed Eng 50, 2003): its
angles and widths at 60 beats a minute, in seconds, and its rule that P and T come nearer to R with
the root of the interval. Where ECGSYN integrates, the integral is taken: a sum of Gaussians, of a
dipole in space (Sameni, Clifford, Jutten, Shamsollahi, EURASIP J Adv Signal Process 2007). Leads
are Dower's (Dower, Machado, Osborne, Clin Cardiol 3, 1980): x to the left, y down, z to the back.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEADS: Final[dict[str, tuple[float, float, float]]] = {
    "I": (0.632, -0.235, 0.059),
    "II": (0.235, 1.066, -0.132),
    "V1": (-0.515, 0.157, -0.917),
    "V2": (0.044, 0.164, -1.387),
    "V3": (0.882, 0.098, -1.277),
    "V4": (1.213, 0.127, -0.601),
    "V5": (1.125, 0.127, -0.086),
    "V6": (0.831, 0.076, 0.230),
}
REACH: Final = 5.0
"""Widths after which a wave is over: exp(-12.5) of a millivolt is 4 nV."""


class Shape(IntEnum):
    """Looks of a beat."""

    NORMAL = 0
    NO_P = 1  # conducted, without an atrium that beats
    TALL_T = 2
    RIGHT = 3  # from the right ventricle: broad, to the left
    LEFT = 4  # from the left: broad, to the right and up
    LOW = 5  # a dying heart's: broad, small, with nothing above 8 Hz
    FAST = 6  # ventricular tachycardia: hardly a pause between the waves
    PACED = 7


class Wave(NamedTuple):
    """One Gaussian.

    Parameters
    ----------
    x, y, z : dipole at its top, mV
    at_s : of the top, from the R wave's
    width_s : its standard deviation
    follows : comes nearer to R as beats come faster
    """

    x: float
    y: float
    z: float
    at_s: float
    width_s: float
    follows: bool = False


_P = Wave(0.06, 0.12, -0.02, -0.194, 0.040, follows=True)
_QRS = (
    Wave(-0.10, -0.05, -0.10, -0.042, 0.016),
    Wave(0.60, 0.80, 0.45, 0.0, 0.016),
    Wave(-0.10, -0.15, 0.30, 0.042, 0.016),
)
_T = Wave(0.25, 0.25, -0.10, 0.278, 0.064, follows=True)

WAVES: Final[dict[Shape, tuple[Wave, ...]]] = {
    Shape.NORMAL: (_P, *_QRS, _T),
    Shape.NO_P: (*_QRS, _T),
    # IEC 60601-2-27, 201.12.1.101.17: QRS 1 mV and 100 ms, T 180 ms, QT 350 ms, in lead II. How
    # high T is, is the gain of the wave; here it is 1.2 mV. Feet are at 2.5 widths.
    Shape.TALL_T: (Wave(0.60, 0.843, 0.30, 0.0, 0.020), Wave(0.72, 1.012, 0.36, 0.210, 0.036)),
    Shape.RIGHT: (
        Wave(0.35, 0.30, 0.15, -0.045, 0.020),
        Wave(0.90, 0.80, 0.45, 0.0, 0.028),
        Wave(-0.45, -0.40, -0.25, 0.290, 0.075),
    ),
    Shape.LEFT: (
        Wave(-0.30, -0.45, -0.40, -0.042, 0.022),
        Wave(-0.75, -1.05, -0.70, 0.0, 0.030),
        Wave(0.40, 0.45, 0.30, 0.280, 0.080),
    ),
    Shape.LOW: (Wave(0.12, 0.25, 0.05, 0.0, 0.060), Wave(-0.08, -0.12, -0.05, 0.330, 0.100)),
    Shape.FAST: (Wave(0.45, 0.55, 0.25, 0.0, 0.040), Wave(-0.30, -0.33, -0.18, 0.140, 0.050)),
    Shape.PACED: (Wave(0.45, -0.85, 0.50, 0.0, 0.034), Wave(-0.30, 0.45, -0.30, 0.290, 0.075)),
}


def dipole(
    at_s: NDArray[np.float64],
    shape: NDArray[np.int8],
    gain: NDArray[np.float64],
    rate_hz: float,
    n: int,
) -> NDArray[np.float64]:
    """Add beats up.

    Parameters
    ----------
    at_s : (beats,) when each R wave is at its top, ascending
    shape : (beats,) `Shape`
    gain : (beats,) factor of the whole beat; negative turns it over
    rate_hz, n : of the samples

    Returns
    -------
    (3, n) mV
    """
    out = np.zeros((3, n))
    before_s = np.diff(at_s, prepend=at_s[0] - 0.8) if len(at_s) else at_s
    nearer = np.sqrt(np.clip(before_s, 0.3, 1.5))  # of a second: ECGSYN's `hrfact`, beat by beat
    for beat, top_s in enumerate(at_s):
        for wave in WAVES[Shape(shape[beat])]:
            centre_s = top_s + wave.at_s * (nearer[beat] if wave.follows else 1.0)
            _add(out, wave, centre_s, gain[beat], rate_hz)
    return out


def project(dipole_mv: NDArray[np.float64], leads: tuple[str, ...]) -> NDArray[np.float64]:
    """See a dipole, (3, n), in leads, (leads, n), mV."""
    seen: NDArray[np.float64] = np.array([LEADS[lead] for lead in leads]) @ dipole_mv
    return seen


def _add(
    out: NDArray[np.float64], wave: Wave, centre_s: float, gain: float, rate_hz: float
) -> None:
    """Add one wave where it is; most of a recording lies beyond its reach."""
    first = max(0, int(np.ceil((centre_s - REACH * wave.width_s) * rate_hz)))
    end = min(out.shape[1], int((centre_s + REACH * wave.width_s) * rate_hz) + 1)
    if first < end:
        away = (np.arange(first, end) / rate_hz - centre_s) / wave.width_s
        out[:, first:end] += np.multiply.outer(
            gain * np.array([wave.x, wave.y, wave.z]), np.exp(-0.5 * away * away)
        )
