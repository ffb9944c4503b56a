"""What recursive filters do: sections of second order, designed in closed form, run one by one.

Sections are the bilinear transforms of s^2 + w s / Q + w^2 with the frequency prewarped (Oppenheim
& Schafer, section 7.2; Q = 1 / sqrt(2) is Butterworth's). They run in transposed direct form II
with float64 state, so a stream gives the same bits however it is cut.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit

BUTTERWORTH: Final = math.sqrt(0.5)


class Section(NamedTuple):
    """Coefficients of (b0 + b1 z^-1 + b2 z^-2) / (1 + a1 z^-1 + a2 z^-2)."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float


def lowpass(hz: float, rate_hz: float, q: float = BUTTERWORTH) -> Section:
    """Design a low-pass: gain 1 at rest, q at `hz`."""
    w, a0, a1, a2 = _poles(hz, rate_hz, q)
    gain = w * w / a0
    return Section(gain, 2.0 * gain, gain, a1, a2)


def highpass(hz: float, rate_hz: float, q: float = BUTTERWORTH) -> Section:
    """Design a high-pass: gain 1 far above, q at `hz`; a constant gives 0 exactly."""
    _, a0, a1, a2 = _poles(hz, rate_hz, q)
    gain = 1.0 / a0
    return Section(gain, -2.0 * gain, gain, a1, a2)


def notched(hz: float, zero_hz: float, rate_hz: float, q: float) -> Section:
    """Design a high-pass with a zero below: gain 1 far above, 0 at `zero_hz`, where noise ends.

    It is steep where a Butterworth section is not, and pays at rest: its gain there is the square
    of `zero_hz / hz` (prewarped), so something that blocks a constant goes before it.
    """
    assert 0.0 < zero_hz < hz
    _, a0, a1, a2 = _poles(hz, rate_hz, q)
    z = math.tan(math.pi * zero_hz / rate_hz) ** 2
    return Section((1.0 + z) / a0, 2.0 * (z - 1.0) / a0, (1.0 + z) / a0, a1, a2)


def _poles(hz: float, rate_hz: float, q: float) -> tuple[float, float, float, float]:
    assert 0.0 < hz < rate_hz / 2.0
    w = math.tan(math.pi * hz / rate_hz)
    a0 = 1.0 + w / q + w * w
    return w, a0, 2.0 * (w * w - 1.0) / a0, (1.0 - w / q + w * w) / a0


@jit
def advance(section: Section, memory: NDArray[np.float64], at: int, x: float) -> float:
    """Run one section by one sample; its two memories are `memory[at]` and `memory[at + 1]`."""
    y = float(section.b0 * x + memory[at])
    memory[at] = section.b1 * x - section.a1 * y + memory[at + 1]
    memory[at + 1] = section.b2 * x - section.a2 * y
    return y


@jit
def stepped(section: Section, m: float, n: float, x: float) -> tuple[float, float, float]:
    """Run one section by one sample, as `advance` does; give what comes out and both memories."""
    y = float(section.b0 * x + m)
    return y, section.b1 * x - section.a1 * y + n, section.b2 * x - section.a2 * y
