"""Cut broad beats out of a real recording, and put them where a script wants them.

What a table of waves cannot know: how premature beats of a human look. A beat is cut with a wide
margin, its feet are brought to zero, and it is placed with a height of its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

BEFORE_S, AFTER_S = 0.16, 0.40
TAPER_S: Final = 0.04
SNIPPETS_MAX: Final = 64


class Real(NamedTuple):
    """Beats of somebody, as `cut` gives them, and their rate."""

    snippets: list[Signal]
    rate_hz: float


def cut(
    x: NDArray[np.floating], beats: NDArray[np.int64], rate_hz: float, height_mv: float = 1.0
) -> list[Signal]:
    """Cut beats out of a lead, each (n,) at the recording's rate, `height_mv` top to bottom.

    A beat at an edge, or with a sample missing, is left out; of many, the first are taken.
    """
    before, after = round(BEFORE_S * rate_hz), round(AFTER_S * rate_hz)
    ramp = min(before, round(TAPER_S * rate_hz))
    window = np.ones(before + after)
    window[:ramp] = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp) / ramp)
    window[-ramp:] = window[:ramp][::-1]
    found: list[Signal] = []
    for beat in beats[(beats >= before) & (beats + after <= len(x))]:
        piece = np.asarray(x[beat - before : beat + after], np.float64)
        foot = np.linspace(np.median(piece[:ramp]), np.median(piece[-ramp:]), len(piece))
        piece = (piece - foot) * window
        if np.isfinite(piece).all() and np.ptp(piece) > 0.0 and len(found) < SNIPPETS_MAX:
            found.append(piece * height_mv / np.ptp(piece))
    return found


def placed(
    snippets: list[Signal],
    from_hz: float,
    at_s: NDArray[np.float64],
    rate_hz: float,
    n: int,
    rng: np.random.Generator,
) -> Signal:
    """Draw a lead, (n,), with a beat of the snippets at each time; which one, chance says."""
    out = np.zeros(n)
    for top_s, which in zip(at_s, rng.integers(0, len(snippets), len(at_s)), strict=True):
        piece = snippets[which]
        begin_s = top_s - round(BEFORE_S * from_hz) / from_hz
        first = max(0, int(np.ceil(begin_s * rate_hz)))
        end = min(n, int((begin_s + len(piece) / from_hz) * rate_hz) + 1)
        if first < end:
            place = (np.arange(first, end) / rate_hz - begin_s) * from_hz
            out[first:end] += np.interp(place, np.arange(len(piece)), piece, 0.0, 0.0)
    return out
