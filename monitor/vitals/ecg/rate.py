"""How fast a heart beats: the mean of its last intervals, as IEC 60601-2-27 has it disclosed.

    the last 12 R-R intervals, or all while there are fewer
    the last 4 when the last three are longer than 1200 ms: a slow heart would take half a minute

Every interval counts, of whatever class of beat, so an irregular rhythm gives its mean. Intervals
are those between peaks of the fused signal: which of a beat's deflections is R may change from beat
to beat, by 50 ms, and that is 3 bpm of a rate of 240. An interval that is still open and longer
than that mean pulls the rate down; a pause in which no lead was heard is no interval.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.vitals.ecg.rules import RATE_HZ
from monitor.vitals.ecg.state import INTERVALS
from transport.kernel.jit import jit

_SLOW: Final = 1.2 * RATE_HZ
_SLOW_IN_A_ROW: Final = 3
_FEW: Final = 4
_A_MINUTE: Final = 60.0 * RATE_HZ
#: An open interval of so many means is a pause.
_PAUSE: Final = 2.0


@jit
def count(patient: Any, interval: float) -> None:
    """Take one interval between beats, samples."""
    intervals = patient["intervals"]
    intervals[patient["counted"] % INTERVALS] = interval
    patient["counted"] += 1
    patient["slow"] = patient["slow"] + 1 if interval > _SLOW else 0
    n = min(patient["counted"], INTERVALS)
    if patient["slow"] >= _SLOW_IN_A_ROW:
        n = min(n, _FEW)
    total = 0.0
    for k in range(n):
        total += intervals[(patient["counted"] - 1 - k) % INTERVALS]
    patient["rate"] = _A_MINUTE * n / total


@jit
def rate_at(patient: Any, at: int) -> float:
    """Give the rate at a sample, beats per minute; NaN while there is none."""
    rate = float(patient["rate"])
    open_interval = float(at - patient["beat_at"])
    if open_interval * rate > _PAUSE * _A_MINUTE:
        return _A_MINUTE / open_interval
    return rate
