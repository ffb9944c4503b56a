"""What of a hand's motion is tremor: a band-stop with a stated delay, streaming, seven channels.

Voluntary motion of a hand lies below 2 Hz, most of its tremor between 6 and 14 Hz. There is room
for a filter in between, but its price is delay, which for a filter of least delay follows from the
gains alone (Bode): 10 dB from 6 to 14 Hz cost 11 ms at rest, were the edges vertical; a low-pass,
10 dB from 6 Hz on, costs 19 ms. So this is a band-stop, of inverse Chebyshev type: flat where the
hand works, as deep everywhere in the band. What tests measure on the kernel, 0.25 to 4 ms:

    gain, 0 to 2 Hz        within 0.3 % of 1; no error at rest
    gain, 6 to 14 Hz       -10.2 dB at most; at 16 Hz, where the literature's band ends, -4 dB
    gain, anywhere         never above 1
    delay at 1 Hz          24 ms (group; 23 ms phase): see `delay_us`
    a leap of the hand     passes at once, swings back to 0.27 of it and beyond it to 1.18 (the
                           overshoot), and is within 2 % after 0.32 s
    a reach in 0.3 s       (minimum jerk) overshoots by 1.8 %, one in 0.5 s by 0.5 %

BMFLC, WFLC and Kalman estimators (Veluvolu & Ang, Sensors 2011; Riviere et al., T-BME 1998)
subtract a tremor that they model, with less delay. But they adapt: what they do now depends on what
the hand did before, and no bound on gain, delay or error holds for every hand, as these do.

Rules
-----
1. Time is the grant's period times the advance of the sequence, never a clock.
2. Inputs that were lost lie on the straight line from the last one to this. A gap of more than
   `STEPS_MAX` periods counts as so many: the work is bounded.
3. At a reference the filter starts at rest in the hand's pose: its output is that pose.
4. Orientation is filtered as the four numbers w x y z, on the side of the last ones. The filter is
   linear, and to turn a frame, from the left or the right, is a linear map of those four; so the
   result depends on no choice of frames, and no angle is singular. The length is the next
   kernel's to restore (teleop.control.clutch); where less than half of it is left (half a turn
   within some periods: no wrist does that) the last orientation stays.
"""

from __future__ import annotations

import cmath
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit

Array = NDArray[np.float64]

#: The band. Its upper edge is a trade: 2 Hz more would cost what is left below 25 ms of delay.
LOW_HZ: Final = 6.0
HIGH_HZ: Final = 14.0
#: Attenuation within it. 10 dB are asked for; each further dB costs 2 ms of delay.
STOP_DB: Final = 10.2
#: A slower stream goes without: 14 Hz come near half its rate, and the delay grows (20 ms: to 27).
PERIOD_NS_MAX: Final = 20_000_000
#: Longest gap that is interpolated: 64 ms at 4 kHz, by when every profile of silence holds.
STEPS_MAX: Final = 256

#: Rows of the state: position x y z, quaternion w x y z.
CHANNELS: Final = 7
#: Columns: where the filter started; last input and output, from there; two memories per section.
COLUMNS: Final = 7


def design(period_ns: int) -> Array:
    """Compute the two sections for a period: (2, 5) float64, b0 b1 b2 a1 a2 each.

    Inverse Chebyshev of order 2 (Oppenheim & Schafer, appendix B), frequencies transformed from
    low-pass to band-stop, then bilinear with both edges prewarped. With s in units of tan(w T/2):

        edges      w1, w2 = tan(pi f T);   B = w2 - w1,   w0^2 = w1 w2
        prototype  zeros +-j sqrt(2);      poles 1 / (-sinh(m) sin(pi/4) +- j cosh(m) cos(pi/4)),
                   m = asinh(sqrt(10^(A/10) - 1)) / 2
        band-stop  each r of these becomes the two roots of s^2 - (B / r) s + w0^2

    so both notches lie at B / sqrt(8) from sqrt(B^2 / 8 + w0^2), and every section is
    (s^2 + z^2) / (s^2 + c s + d), scaled to gain 1 at rest.
    """
    assert 0 < period_ns <= PERIOD_NS_MAX
    low, high = (math.tan(math.pi * hz * period_ns * 1e-9) for hz in (LOW_HZ, HIGH_HZ))
    width, centre2 = high - low, low * high
    m = math.asinh(math.sqrt(10.0 ** (STOP_DB / 10.0) - 1.0)) / 2.0
    pole = 1.0 / (complex(-math.sinh(m), math.cosh(m)) * math.sqrt(0.5))
    half = width / pole / 2.0
    spread = cmath.sqrt(half * half - centre2)
    poles = sorted((half - spread, half + spread), key=abs)
    shift, middle = width / math.sqrt(8.0), math.sqrt(width * width / 8.0 + centre2)
    notches = (middle - shift, middle + shift)
    return np.array([_section(z, r) for z, r in zip(notches, poles, strict=True)])


def delay_us(sections: Array, period_ns: int, hz: float = 1.0) -> int:
    """Compute the group delay at a frequency, rounded up, us."""
    turn = cmath.exp(-2j * math.pi * hz * period_ns * 1e-9)
    samples = 0.0
    for b0, b1, b2, a1, a2 in sections.tolist():
        zeros, poles = b0 + (b1 + b2 * turn) * turn, 1.0 + (a1 + a2 * turn) * turn
        samples += ((b1 + 2.0 * b2 * turn) * turn / zeros).real
        samples -= ((a1 + 2.0 * a2 * turn) * turn / poles).real
    return math.ceil(samples * period_ns * 1e-3)


@jit
def prime(state: Array, hand: Array) -> None:
    """Start at rest at a pose.

    Parameters
    ----------
    state : (7, 7) float64
    hand : (>= 7,) float64, position m, quaternion wxyz
    """
    for channel in range(CHANNELS):
        state[channel, 0] = hand[channel]
        for column in range(1, COLUMNS):
            state[channel, column] = 0.0


@jit
def steady(sections: Array, state: Array, hand: Array, steps: int, out: Array) -> None:
    """Advance by `steps` periods to a new pose of the hand, and give the pose without tremor.

    Parameters
    ----------
    sections : (2, 5) float64, of `design`
    state : (7, 7) float64
    hand : (>= 7,) float64, position m, quaternion wxyz
    steps : periods since the last pose; with 0 the last output stands
    out : (>= 7,) float64, the same; its quaternion is shorter than 1 while the hand turns
    """
    steps = min(steps, STEPS_MAX)
    side = 0.0
    for channel in range(3, CHANNELS):
        side += hand[channel] * (state[channel, 0] + state[channel, 1])
    sign = -1.0 if side < 0.0 else 1.0
    for channel in range(3):
        state[channel, 2] = _advance(sections, state[channel], hand[channel], steps)
        out[channel] = state[channel, 0] + state[channel, 2]
    length2 = 0.0
    for channel in range(3, CHANNELS):
        out[channel] = _advance(sections, state[channel], sign * hand[channel], steps)
        length2 += (state[channel, 0] + out[channel]) ** 2
    for channel in range(3, CHANNELS):
        if length2 >= 0.25:
            state[channel, 2] = out[channel]
        out[channel] = state[channel, 0] + state[channel, 2]


@jit
def _advance(sections: Array, row: Array, value: float, steps: int) -> float:
    """Run one channel's two sections (transposed direct form II) along a straight line."""
    if steps <= 0:
        return float(row[2])
    before = row[1]
    now = value - row[0]
    rise = (now - before) / steps
    b0, b1, b2, a1, a2 = sections[0]
    d0, d1, d2, c1, c2 = sections[1]
    s1, s2, s3, s4 = row[3], row[4], row[5], row[6]
    y = 0.0
    for k in range(1, steps + 1):
        u = before + rise * k if k < steps else now
        v = b0 * u + s1
        s1 = b1 * u - a1 * v + s2
        s2 = b2 * u - a2 * v
        y = d0 * v + s3
        s3 = d1 * v - c1 * y + s4
        s4 = d2 * v - c2 * y
    row[1], row[3], row[4], row[5], row[6] = now, s1, s2, s3, s4
    return y


def _section(notch: float, pole: complex) -> tuple[float, float, float, float, float]:
    """Transform (s^2 + z^2) / (s^2 + c s + d) bilinearly; gain 1 at rest."""
    z2, c, d = notch * notch, -2.0 * pole.real, abs(pole) ** 2
    a0 = 1.0 + c + d
    gain = d / z2 / a0
    return (
        gain * (1.0 + z2),
        gain * 2.0 * (z2 - 1.0),
        gain * (1.0 + z2),
        2.0 * (d - 1.0) / a0,
        (1.0 - c + d) / a0,
    )
