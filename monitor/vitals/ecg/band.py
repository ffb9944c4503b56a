"""What of a lead may be a QRS: three envelopes, each band-pass, magnitude and moving mean.

    NARROW   8 to 16 Hz   holds what tells a QRS from P, T and baseline (Hamilton & Tompkins 1986)
    WIDE     3 to 10 Hz   holds the QRS of ventricular beats and of a dying heart (Elgendi 2013)
    SHARP   14 to 29 Hz   holds what a moving electrode, whose noise ends at 10 Hz, does not

None is best for all; `level` weighs them, lead by lead, by what they are worth at the moment.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.dsp.iir import highpass, lowpass, notched, stepped
from monitor.vitals.ecg.rules import RATE_HZ
from monitor.vitals.ecg.state import ENVELOPE, HISTORY, MEAN, NARROW, SHARP, SMOOTH, WIDE
from transport.kernel.jit import jit

_NARROW_HIGH: Final = highpass(8.0, RATE_HZ)
_NARROW_LOW: Final = lowpass(16.0, RATE_HZ)
_WIDE_HIGH: Final = highpass(3.0, RATE_HZ)
_WIDE_LOW: Final = lowpass(10.0, RATE_HZ)
#: Behind the high-pass at 8 Hz: a zero at 9 Hz keeps out what two poles at 15 Hz let in by a half.
_SHARP_HIGH: Final = notched(13.5, 9.0, RATE_HZ, 1.0)
_SHARP_LOW: Final = lowpass(24.0, RATE_HZ)
#: Samples; a QRS is short there, and a longer mean takes in more noise.
SHARP_MEAN: Final = 22
#: Shapes are compared without what breath and electrodes add below.
_BASE: Final = highpass(3.0, RATE_HZ)
#: Moments forget in 4 s.
_FORGET: Final = 1.0 / (4 * RATE_HZ)


@jit
def filter_lead(lead: Any, at: int, v: Any, first: int, end: int) -> None:
    """Take samples `v[first:end]` of a lead, mV, the first of them number `at`.

    Clean signal and envelopes are written under the same numbers. The moving means are 128 ms wide
    (Hamilton 80, Elgendi 97, Pan & Tompkins 150), 88 ms in the sharp band. State is kept in locals
    meanwhile: a record's fields would be written and read again for every sample.
    """
    memory, total = lead["memory"], lead["sum"]
    ring, envelope = lead["rectified"], lead["envelope"]
    n0, n1, n2, n3 = memory[0], memory[1], memory[2], memory[3]
    w0, w1, w2, w3 = memory[4], memory[5], memory[6], memory[7]
    s0, s1, s2, s3 = memory[8], memory[9], memory[10], memory[11]
    b0, b1 = memory[12], memory[13]
    narrow_sum, wide_sum, sharp_sum = total[NARROW], total[WIDE], total[SHARP]
    for k in range(first, end):
        x = v[k]
        narrow, n0, n1 = stepped(_NARROW_HIGH, n0, n1, x)
        sharp, s0, s1 = stepped(_SHARP_HIGH, s0, s1, narrow)
        narrow, n2, n3 = stepped(_NARROW_LOW, n2, n3, narrow)
        wide, w0, w1 = stepped(_WIDE_HIGH, w0, w1, x)
        wide, w2, w3 = stepped(_WIDE_LOW, w2, w3, wide)
        sharp, s2, s3 = stepped(_SHARP_LOW, s2, s3, sharp)
        v[k], b0, b1 = stepped(_BASE, b0, b1, x)
        old, new = ring[at & (MEAN - 1)], envelope[at & (ENVELOPE - 1)]
        gone = float(ring[(at - SHARP_MEAN) & (MEAN - 1), SHARP])
        narrow_sum = _slide(narrow_sum, old, NARROW, narrow, float(old[NARROW]))
        wide_sum = _slide(wide_sum, old, WIDE, wide, float(old[WIDE]))
        sharp_sum = _slide(sharp_sum, old, SHARP, sharp, gone)
        new[NARROW] = max(0.0, narrow_sum) * (1.0 / MEAN)
        new[WIDE] = max(0.0, wide_sum) * (1.0 / MEAN)
        new[SHARP] = max(0.0, sharp_sum) * (1.0 / SHARP_MEAN)
        at += 1
    memory[0], memory[1], memory[2], memory[3] = n0, n1, n2, n3
    memory[4], memory[5], memory[6], memory[7] = w0, w1, w2, w3
    memory[8], memory[9], memory[10], memory[11] = s0, s1, s2, s3
    memory[12], memory[13] = b0, b1
    total[NARROW], total[WIDE], total[SHARP] = narrow_sum, wide_sum, sharp_sum
    _smooth(lead, at - (end - first), v, first, end)


@jit
def _slide(total: float, ring: Any, band: int, y: float, gone: float) -> float:
    """Put the magnitude of a sample into a moving sum, and take out the one that leaves it."""
    ring[band] = abs(y)
    return total + float(ring[band]) - gone


@jit
def _smooth(lead: Any, at: int, v: Any, first: int, end: int) -> None:
    """Write the mean of five samples, 20 ms: mains of 50 Hz fall out, of 60 Hz to a sixth."""
    ring, clean, moments = lead["smooth"], lead["clean"], lead["moments"]
    second, fourth, other = moments[0], moments[1], moments[2]
    last = SMOOTH - 1
    d, c, b, a = (
        ring[(at - 4) & last],
        ring[(at - 3) & last],
        ring[(at - 2) & last],
        ring[(at - 1) & last],
    )
    for k in range(first, end):
        x = v[k]
        ring[at & last] = x
        mean = 0.2 * (x + a + b + c + d)
        clean[at & (HISTORY - 1)] = mean
        square = mean * mean
        rest = b - mean
        second += _FORGET * (square - second)
        fourth += _FORGET * (square * square - fourth)
        other += _FORGET * (rest * rest - other)
        d, c, b, a = c, b, a, x
        at += 1
    moments[0], moments[1], moments[2] = second, fourth, other
