"""How far a lead is to be believed: 0 to 1, from the agreement of its bands and from its shape.

Rules
-----
1. Two detectors, one in each of two bands with a threshold of their own, are asked at every beat
   and between beats. The part of what both saw of what either saw is their agreement, bSQI (Li,
   Mark & Clifford 2008), a running mean over eight beats.
2. An ECG is peaked, noise is not: kurtosis below 4 lowers quality, at 3 (Gaussian) to a half
   (Li 2008 has 5, which a rate of 200 bpm does not reach).
3. What a mean over 20 ms leaves is mains and muscle: a share above a third lowers quality.
4. A lead that is not heard (invalid, flat, still learning) has none.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.vitals.ecg.state import NARROW, WIDE
from transport.kernel.jit import jit

_BEATS: Final = 0.125
_PEAKED: Final = 4.0
_GAUSSIAN: Final = 3.0
_LEAST: Final = 0.5
_SHARE_MAX: Final = 1.0 / 3.0


@jit
def agree(lead: Any, narrow: float, wide: float, threshold: float) -> None:
    """Ask both detectors about a beat, whose peaks were `narrow` and `wide` levels high.

    Where the low band is full of tall T waves, its detector is asked for a full level at most.
    """
    sees_narrow = narrow > _line(lead, NARROW, threshold)
    sees_wide = wide > min(0.9, _line(lead, WIDE, threshold))
    found_more = lead["quiet"][NARROW] * lead["gain"][NARROW] > _line(lead, NARROW, threshold)
    score = 1.0 if sees_narrow and sees_wide else 0.0
    if found_more:
        score *= 0.5
    lead["agreement"] += _BEATS * (score - lead["agreement"])


@jit
def kurtosis(lead: Any) -> float:
    """Give the kurtosis of the clean signal over some seconds; 0 where it is flat."""
    second = lead["moments"][0]
    return float(lead["moments"][1] / (second * second)) if second > 1e-9 else 0.0


@jit
def restlessness(lead: Any) -> float:
    """Give the share of mains and muscle in a lead's power."""
    moments = lead["moments"]
    total = moments[0] + moments[2]
    return float(moments[2] / total) if total > 1e-9 else 0.0


@jit
def judge_lead(lead: Any) -> float:
    """Give the quality of a lead at this moment."""
    if not lead["heard"]:
        return 0.0
    peaked = (kurtosis(lead) - _GAUSSIAN) / (_PEAKED - _GAUSSIAN)
    peaked = _LEAST + (1.0 - _LEAST) * min(1.0, max(0.0, peaked))
    share = restlessness(lead)
    calm = 1.0 if share <= _SHARE_MAX else max(0.0, (1.0 - share) / (1.0 - _SHARE_MAX))
    return float(lead["agreement"] * peaked * calm)


@jit
def _line(lead: Any, band: int, threshold: float) -> float:
    noise = lead["noise"][band]
    return float(noise + threshold * (1.0 - noise))
