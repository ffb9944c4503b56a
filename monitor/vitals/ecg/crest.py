"""How peaked a band is by itself, whatever was taken for beats in it.

What `level` says of a band it says of the beats that were found. Where noise was found instead, it
praises the band that shows the noise and blames the one that shows the heart, so one wrong beat
leads to the next. This measure has no part in that: the mean of an envelope, of its maximum, second
by second. Beats fill 0.15 to 0.35 of it, noise of whatever kind about a half (measured at -6 dB:
0.50 to 0.54).

Rules
-----
1. A band that is as full as noise counts for little beside one that is not (`peakedness`); where
   all are full, as in a fast tachycardia, none counts for less than the others.
2. Where the low band is as full as noise, a shape says nothing (`clearness`): what is found must be
   higher instead. A tachycardia fills it too, but with beats of one height, and noise has none.
3. A band that is peaked, but not at what is taken for beats, begins anew (`learning`).
"""

from __future__ import annotations

from typing import Any, Final

from monitor.vitals.ecg.median import median
from monitor.vitals.ecg.state import BANDS, BEATS, ENVELOPE, WIDE
from transport.kernel.jit import jit

#: Envelopes are means over 80 ms and more: every eighth sample, 32 ms, shows what there is.
_EVERY: Final = 8
#: A window, 1.28 s, holds a beat of any rate above 47 bpm.
_WINDOW: Final = 40
_SHARE: Final = 0.125
#: So full is a band of beats at most, and of noise.
PEAKED: Final = 0.33
_FULL: Final = 0.52
_LEAST: Final = 0.05
#: So far apart are maxima of the low band in a tachycardia, and in noise; measured: 0.01 to 0.05 in
#: those made of real ventricular beats, 0.06 to 0.24, mostly 0.12, at 6 and 0 dB.
_STEADY: Final = 0.05
_WILD: Final = 0.1


@jit
def follow(lead: Any, first: int, last: int) -> None:
    """Take what a lead's envelopes are at samples `first` to `last`."""
    total, top = lead["window_sum"], lead["window_top"]
    for at in range((first + _EVERY - 1) // _EVERY * _EVERY, last + 1, _EVERY):
        e = lead["envelope"][at & (ENVELOPE - 1)]
        for band in range(BANDS):
            total[band] += float(e[band])
            top[band] = max(top[band], float(e[band]))
        lead["window_n"] += 1
        if lead["window_n"] == _WINDOW:
            _close(lead)


@jit
def _close(lead: Any) -> None:
    """Learn from a window that is full, and begin the next."""
    slot = lead["windows"] & (BEATS - 1)
    lead["windows"] += 1
    share = max(_SHARE, 1.0 / lead["windows"])
    for band in range(BANDS):
        top = lead["window_top"][band]
        if top > 0.0:
            now = lead["window_sum"][band] / (_WINDOW * top)
            lead["fullness"][band] += share * (now - lead["fullness"][band])
        lead["tops"][band, slot] = top
        lead["window_sum"][band] = lead["window_top"][band] = 0.0
    lead["window_n"] = 0
    if lead["windows"] >= BEATS:
        lead["swing"] = _swing(lead["tops"][WIDE], lead["away"])


@jit
def _swing(tops: Any, away: Any) -> float:
    """Give how far maxima lie from their median, the median of it, as a part of it."""
    middle = median(tops, BEATS)
    for j in range(BEATS):
        away[j] = abs(float(tops[j]) - middle)
    return median(away, BEATS) / middle if middle > 0.0 else 1.0


@jit
def peakedness(lead: Any, band: int, peaked: float) -> float:
    """Give what a band counts for by itself: nearly 0 as noise, 1 no fuller than `peaked`."""
    part = (_FULL - float(lead["fullness"][band])) / (_FULL - peaked)
    return max(_LEAST, min(1.0, part))


@jit
def clearness(lead: Any, peaked: float) -> float:
    """Give how far what a lead shows can be the heart's, from nearly 0 (noise) to 1.

    Most of a shape is in the low band. It is peaked, or full of beats of one height.
    """
    steady = (_WILD - float(lead["swing"])) / (_WILD - _STEADY)
    return max(peakedness(lead, WIDE, peaked), min(1.0, steady))
