"""What a beat looks like: the shapes a lead has seen, how like one a piece is, how wide it is.

Rules
-----
1. A lead knows three shapes, 240 ms of clean signal around R, the commonest first. A beat that is
   like one moves it by an eighth; one that is like none wears the last shape down, then takes its
   place: so a shape that came once is gone as soon, and one that repeats stays.
2. Likeness is Pearson's correlation: neither gain nor baseline matters.
3. A shape that comes more often than the one before it takes its place; but a wider one only when
   that has not been met for ten minutes. So a tachycardia stays what it is, however long its run,
   beside the beats that the patient had before it.
4. The class of a beat is decided by shape first, then width, then prematurity (Hamilton 2002; de
   Chazal 2004); what is none of the four classes is unknown, and is said to be.
"""

from __future__ import annotations

import math
from typing import Any, Final

from monitor.vitals.ecg.rules import RATE_HZ
from monitor.vitals.ecg.state import HISTORY, POINTS, SHAPES
from transport.kernel.jit import jit

#: A shape begins so many samples before R.
_BEFORE: Final = 24
#: R lies so far before a peak of the fused signal.
_R_FROM: Final = 54
_R_TO: Final = 5
#: So much larger is a deflection that is R instead of one before it.
_FAR: Final = 1.3
#: A shape is known from so many beats on; it is forgotten after as many others at most.
_KNOWN: Final = 3
_SEEN_MAX: Final = 16
_SHARE: Final = 0.125
#: So much wider, 40 ms, is a beat of another kind; and so long is longer than any run.
_WIDER: Final = 10.0
_AGES: Final = 600 * RATE_HZ
#: A QRS begins and ends where its slope stays below this part of its steepest for 16 ms.
_EDGE: Final = 0.18
_STILL: Final = 4


@jit
def find_r(lead: Any, peak_at: int) -> int:
    """Find R before a peak of the fused signal: the first deflection that none exceeds by far.

    Were it the largest, two of like size, R and S, would take turns from beat to beat.
    """
    best, found = 0.0, peak_at - _R_FROM
    top, top_at = 0.0, found
    for k in range(peak_at - _R_FROM, peak_at - _R_TO + 1):
        v = float(lead["clean"][k & (HISTORY - 1)])
        if v * top < 0.0:  # a deflection has ended
            if abs(top) > _FAR * best:
                best, found = abs(top), top_at
            top, top_at = v, k
        elif abs(v) > abs(top):
            top, top_at = v, k
    return top_at if abs(top) > _FAR * best else found


@jit
def height_of(lead: Any, peak_at: int) -> float:
    """Measure what lies before a peak of the fused signal from its top to its bottom, mV."""
    low = high = float(lead["clean"][(peak_at - _R_FROM) & (HISTORY - 1)])
    for k in range(peak_at - _R_FROM + 1, peak_at + 1):
        v = float(lead["clean"][k & (HISTORY - 1)])
        low, high = min(low, v), max(high, v)
    return high - low


@jit
def steepest(lead: Any, at: int, peak_at: int) -> float:
    """Give the steepest slope around a peak of the fused signal, mV in 8 ms."""
    best = 0.0
    for k in range(peak_at - _R_FROM, min(at - 2, peak_at + 12)):
        best = max(best, abs(_slope(lead, k)))
    return best


@jit
def likeness(lead: Any, r_at: int, which: int) -> float:
    """Correlate the piece around a sample with a shape, -1 to 1; 0 where one of them is flat."""
    clean, shape = lead["clean"], lead["shape"][which]
    sx = sy = sxx = syy = sxy = 0.0
    for j in range(POINTS):
        a = float(clean[(r_at - _BEFORE + 2 * j) & (HISTORY - 1)])
        b = float(shape[j])
        sx += a
        sy += b
        sxx += a * a
        syy += b * b
        sxy += a * b
    vx = sxx - sx * sx / POINTS
    vy = syy - sy * sy / POINTS
    if vx <= 1e-12 or vy <= 1e-12:
        return 0.0
    return (sxy - sx * sy / POINTS) / math.sqrt(vx * vy)


@jit
def knows(lead: Any) -> bool:
    """Tell whether a lead knows a shape."""
    return bool(lead["seen"][0] >= _KNOWN)


@jit
def resemblance(lead: Any, r_at: int) -> float:
    """Give the likeness to the known shape that is likest."""
    best = -1.0
    for which in range(SHAPES):
        if lead["seen"][which] >= _KNOWN:
            best = max(best, likeness(lead, r_at, which))
    return best


@jit
def meet(lead: Any, at: int, peak_at: int, alike: float) -> None:
    """Learn the shape of a beat whose fused peak was at a sample."""
    r_at = find_r(lead, peak_at)
    wide = float(width(lead, at, r_at))
    which, best = -1, alike
    for j in range(SHAPES):
        if lead["seen"][j] > 0:
            like = likeness(lead, r_at, j)
            if like > best:
                which, best = j, like
    seen = lead["seen"]
    if which >= 0:
        _blend(lead, r_at, which, _SHARE)
        lead["breadth"][which] += _SHARE * (wide - lead["breadth"][which])
        lead["met_at"][which] = at
        seen[which] = min(seen[which] + 1, _SEEN_MAX)
        if which > 0 and seen[which] > seen[which - 1] and _may_rise(lead, which, at):
            _swap(lead, which)
        return
    last = SHAPES - 1
    for j in range(SHAPES - 1, -1, -1):
        if seen[j] == 0:
            last = j
    if seen[last] > 1:
        seen[last] -= 1
        return
    _blend(lead, r_at, last, 1.0)
    lead["breadth"][last] = wide
    lead["met_at"][last] = at
    seen[last] = 1


@jit
def _may_rise(lead: Any, which: int, at: int) -> bool:
    """Tell whether a shape may take the place of the one before it, which is seen less often."""
    is_wider = lead["breadth"][which] >= lead["breadth"][which - 1] + _WIDER
    return bool(not is_wider or at - lead["met_at"][which - 1] > _AGES)


@jit
def width(lead: Any, at: int, r_at: int) -> int:
    """Measure a QRS from its first to its last steep slope, samples."""
    top = 0.0
    for k in range(r_at - 20, min(r_at + 20, at - 2)):
        top = max(top, abs(_slope(lead, k)))
    first, still = r_at, 0
    for k in range(r_at - 1, r_at - 36, -1):
        still = still + 1 if abs(_slope(lead, k)) < _EDGE * top else 0
        if still == 0:
            first = k
        if still >= _STILL and k < r_at - 6:
            break
    last, still = r_at, 0
    for k in range(r_at, min(r_at + 36, at - 2)):
        still = still + 1 if abs(_slope(lead, k)) < _EDGE * top else 0
        if still == 0:
            last = k + 2
        if still >= _STILL and k > r_at + 6:
            break
    return last - first


@jit
def _slope(lead: Any, k: int) -> float:
    clean = lead["clean"]
    return float(clean[(k + 2) & (HISTORY - 1)]) - float(clean[k & (HISTORY - 1)])


@jit
def _blend(lead: Any, r_at: int, which: int, share: float) -> None:
    shape = lead["shape"][which]
    for j in range(POINTS):
        old = float(shape[j])
        new = float(lead["clean"][(r_at - _BEFORE + 2 * j) & (HISTORY - 1)])
        shape[j] = old + share * (new - old)


@jit
def _swap(lead: Any, which: int) -> None:
    """Move a shape up by one: it has become the commoner."""
    upper, lower = lead["shape"][which - 1], lead["shape"][which]
    for j in range(POINTS):
        kept = upper[j]
        upper[j] = lower[j]
        lower[j] = kept
    seen, breadth, met_at = lead["seen"], lead["breadth"], lead["met_at"]
    seen[which - 1], seen[which] = seen[which], seen[which - 1]
    breadth[which - 1], breadth[which] = breadth[which], breadth[which - 1]
    met_at[which - 1], met_at[which] = met_at[which], met_at[which - 1]
