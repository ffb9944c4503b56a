"""What of a lead may be a QRS: three envelopes, each band-pass, magnitude and moving mean.

    NARROW   8 to 16 Hz   holds what tells a QRS from P, T and baseline (Hamilton & Tompkins 1986)
    WIDE     3 to 10 Hz   holds the QRS of ventricular beats and of a dying heart (Elgendi 2013)
    SHARP   15 to 30 Hz   holds what a moving electrode, whose noise ends at 10 Hz, does not

None is best for all; `level` weighs them, lead by lead, by what they are worth at the moment.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.dsp.iir import advance, highpass, lowpass
from monitor.vitals.ecg.rules import RATE_HZ
from monitor.vitals.ecg.state import ENVELOPE, HISTORY, MEAN, NARROW, SHARP, SMOOTH, WIDE
from transport.kernel.jit import jit

_NARROW_HIGH: Final = highpass(8.0, RATE_HZ)
_NARROW_LOW: Final = lowpass(16.0, RATE_HZ)
_WIDE_HIGH: Final = highpass(3.0, RATE_HZ)
_WIDE_LOW: Final = lowpass(10.0, RATE_HZ)
_SHARP_HIGH: Final = highpass(15.0, RATE_HZ)
_SHARP_LOW: Final = lowpass(30.0, RATE_HZ)
#: Shapes are compared without what breath and electrodes add below.
_BASE: Final = highpass(3.0, RATE_HZ)
#: Moments forget in 4 s.
_FORGET: Final = 1.0 / (4 * RATE_HZ)


@jit
def filter_lead(lead: Any, at: int, v: float) -> None:
    """Take sample number `at` of a lead, mV, and write clean signal and envelopes of that number.

    The moving means are 128 ms wide (Hamilton 80, Elgendi 97, Pan & Tompkins 150).
    """
    memory = lead["memory"]
    narrow = advance(_NARROW_LOW, memory, 2, advance(_NARROW_HIGH, memory, 0, v))
    wide = advance(_WIDE_LOW, memory, 6, advance(_WIDE_HIGH, memory, 4, v))
    sharp = advance(_SHARP_LOW, memory, 10, advance(_SHARP_HIGH, memory, 8, v))
    _rectify(lead, NARROW, at, narrow)
    _rectify(lead, WIDE, at, wide)
    _rectify(lead, SHARP, at, sharp)
    _smooth(lead, at, advance(_BASE, memory, 12, v))


@jit
def _rectify(lead: Any, band: int, at: int, y: float) -> None:
    ring = lead["rectified"]
    slot = at & (MEAN - 1)
    old = float(ring[slot, band])
    ring[slot, band] = abs(y)
    total = lead["sum"][band] + float(ring[slot, band]) - old
    lead["sum"][band] = total
    lead["envelope"][at & (ENVELOPE - 1), band] = max(0.0, total) * (1.0 / MEAN)


@jit
def _smooth(lead: Any, at: int, v: float) -> None:
    """Write the mean of five samples, 20 ms: mains of 50 Hz fall out, of 60 Hz to a sixth."""
    ring = lead["smooth"]
    ring[at & (SMOOTH - 1)] = v
    total = 0.0
    for k in range(5):
        total += ring[(at - k) & (SMOOTH - 1)]
    clean = 0.2 * total
    lead["clean"][at & (HISTORY - 1)] = clean
    square = clean * clean
    rest = ring[(at - 2) & (SMOOTH - 1)] - clean
    moments = lead["moments"]
    moments[0] += _FORGET * (square - moments[0])
    moments[1] += _FORGET * (square * square - moments[1])
    moments[2] += _FORGET * (rest * rest - moments[2])
