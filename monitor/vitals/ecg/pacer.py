"""What a pacemaker adds to a lead: spikes, found and taken out before any filter sees them.

A pacing pulse lasts 0.1 to 2 ms (IEC 60601-2-27), so at 250 Hz an anti-aliasing filter leaves one
or two tall samples with small ones beside them; the steepest QRS is five times as wide. A spike
stands out of the line between its neighbours at 12 ms, and has fallen to less than half at 8 ms
and at 4 ms on one side at least. It is replaced by that line. The QRS that it evokes stays, and is
judged like any other.

A spike is also 8 times as tall as the lead is rough, or muscle would look like a pacemaker.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.vitals.ecg.state import RAW
from transport.kernel.jit import jit

#: Samples from what comes in to what goes out.
DELAY: Final = 5
_HEIGHT_MV: Final = 0.2
_TIMES: Final = 8.0
#: At 8 ms on either side, and the sum of both sides at 4 ms, of the height.
_FOOT: Final = 0.45
_FLANKS: Final = 1.15
_FORGET: Final = 1.0 / 256.0
#: mV, how rough a lead is taken to be before it is known.
ROUGH: Final = 0.5


@jit
def despike(raw: Any, at: int, v: float, rough: float) -> tuple[float, float, float]:
    """Take sample number `at`, mV, of a lead that is so rough.

    Returns
    -------
    sample number `at - DELAY`, a spike's height or 0, how rough the lead is now
    """
    mask = RAW - 1
    raw[at & mask] = v
    left, right = raw[(at - 6) & mask], raw[at & mask]
    middle = raw[(at - 3) & mask]
    height = middle - 0.5 * (left + right)
    bend = abs(v - 2.0 * raw[(at - 1) & mask] + raw[(at - 2) & mask])
    now = rough + _FORGET * (min(bend, 4.0 * rough + 0.01) - rough)
    if abs(height) <= max(_HEIGHT_MV, _TIMES * rough):
        return raw[(at - DELAY) & mask], 0.0, now
    if not _is_spike(raw, at, left, right, height):
        return raw[(at - DELAY) & mask], 0.0, now
    for k in range(1, 6):
        raw[(at - 6 + k) & mask] = left + (right - left) * k / 6.0
    return raw[(at - DELAY) & mask], height, now


@jit
def _is_spike(raw: Any, at: int, left: float, right: float, height: float) -> bool:
    mask = RAW - 1
    step = (right - left) / 6.0
    before = abs(raw[(at - 5) & mask] - left - step)
    after = abs(raw[(at - 1) & mask] - right + step)
    flanks = raw[(at - 4) & mask] + raw[(at - 2) & mask] - left - right
    return (
        abs(right - left) <= _FOOT * abs(height)
        and max(before, after) <= _FOOT * abs(height)
        and flanks * (1.0 if height > 0.0 else -1.0) <= _FLANKS * abs(height)
    )
