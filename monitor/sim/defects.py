"""Spoil samples as electrodes, amplifiers and pacemakers do; what is spoiled is a row of a script.

Each takes (n,) and gives (n,), spoils between two times, and leaves the truth as it was.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

RAIL_MV: Final = 5.0
"""Where a saturated amplifier stays."""


class Defect(IntEnum):
    """What happens to a lead."""

    MISSING = 0  # NaN: no samples
    ZERO = 1  # a lead that is off, as most devices tell it
    FROZEN = 2  # the last value, over and over
    RAIL = 3  # saturated, at the end of the range
    CLIPPED = 4  # the range is too small: half of the QRS is cut off
    SPECKLED = 5  # one sample in fifty is missing
    INFINITE = 6  # what a broken conversion makes


class Spoiled(NamedTuple):
    """One defect of one lead, -1: of all, between two times."""

    defect: Defect
    begin_s: float
    end_s: float
    lead: int = -1


def spoil(x: Signal, what: Spoiled, rate_hz: float, rng: np.random.Generator) -> Signal:
    """Spoil a lead where the defect is."""
    first = max(0, round(what.begin_s * rate_hz))
    end = min(len(x), round(what.end_s * rate_hz))
    out = x.copy()
    if first >= end:
        return out
    part = out[first:end]
    match what.defect:
        case Defect.MISSING:
            part[:] = np.nan
        case Defect.ZERO:
            part[:] = 0.0
        case Defect.FROZEN:
            part[:] = out[max(0, first - 1)]
        case Defect.RAIL:
            part[:] = RAIL_MV
        case Defect.CLIPPED:
            height = 0.5 * float(np.nanmax(np.abs(part), initial=0.0))
            np.clip(part, -height, height, out=part)
        case Defect.SPECKLED:
            part[rng.random(len(part)) < 0.02] = np.nan
        case Defect.INFINITE:
            part[:] = np.inf
    return out


def spikes(
    n: int, rate_hz: float, at_s: NDArray[np.float64], height_mv: float, width_ms: float
) -> Signal:
    """Draw pacemaker's pulses as a converter sees them: what of a sample's time they fill.

    Parameters
    ----------
    height_mv : 2 to 700 of either sign (IEC 60601-2-27, 201.12.1.101.13)
    width_ms : 0.1 to 2
    """
    out = np.zeros(n)
    for begin_s in at_s:
        begin, end = begin_s * rate_hz, (begin_s + width_ms / 1e3) * rate_hz
        for sample in range(max(0, int(begin)), min(n, int(end) + 1)):
            out[sample] += height_mv * max(0.0, min(end, sample + 1.0) - max(begin, float(sample)))
    return out
