"""How a stream changes its rate: rational, causal, the same bits however it is cut.

Output sample k is the signal at time k / rate_out, no matter when it can be told: it is given as
soon as the input reaches half a filter's length beyond that time. So times need no correction,
and the delay is stated (`Resampler.delay_s`).

Rules
-----
1. A polyphase windowed sinc (Kaiser; Oppenheim & Schafer, section 7.5) cut off below half of the
   lower rate. Each phase sums to 1 exactly: a constant stays that constant.
2. A missing input sample (NaN, infinite) is held over inside the filter, and an output whose
   nearest input is missing is NaN: gaps neither grow nor shrink, and nothing is invented.
3. Equal rates pass the samples through untouched.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit

#: Zero crossings of the sinc on either side, and the window's shape: -60 dB, Kaiser (1974).
LOBES: Final = 8
_BETA: Final = 5.65
#: Cut-off as a part of half the lower rate: room for the transition band.
_CUT: Final = 0.9
#: A ratio of whole numbers larger than this is no ratio of rates that devices have.
PHASES_MAX: Final = 4096


class Resampler:
    """Change of rate for `channels` streams that advance together.

    Parameters
    ----------
    channels : number of streams
    rate_in, rate_out : Hz; their ratio must be one of whole numbers up to `PHASES_MAX`

    Attributes
    ----------
    delay_s : how much later than its own time an output sample can be told, at most
    """

    def __init__(self, channels: int, rate_in: float, rate_out: float) -> None:
        ratio = Fraction(rate_out).limit_denominator(PHASES_MAX) / Fraction(
            rate_in
        ).limit_denominator(PHASES_MAX)
        self._up, self._down = ratio.numerator, ratio.denominator
        if not 0 < max(self._up, self._down) <= PHASES_MAX:
            raise ValueError(f"no ratio of whole numbers leads from {rate_in} to {rate_out} Hz")
        self._taps = taps(self._up, self._down)
        half = self._taps.shape[1] // 2
        self.delay_s = 0.0 if self._up == self._down else (half + 1) / rate_in
        self._memory = np.zeros((channels, 2 * self._taps.shape[1]))
        self._missing = np.ones((channels, 2 * self._taps.shape[1]), np.bool_)
        self._count = np.zeros(2, np.int64)  # samples in, samples out

    def step(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take (channels, n) samples and give the (channels, m) that can now be told."""
        if self._up == self._down:
            return x
        n_in, n_out = (int(count) for count in self._count)
        half = self._taps.shape[1] // 2
        ready = ((n_in + x.shape[1] - half) * self._up - 1) // self._down + 1
        out = np.empty((x.shape[0], max(0, ready - n_out)), np.float32)
        resample(self._taps, self._up, self._down, self._memory, self._missing, self._count, x, out)
        return out


def taps(up: int, down: int) -> NDArray[np.float64]:
    """Compute (up, taps) float64: row p weighs the inputs around an output p / up past one."""
    cut = _CUT * min(1.0, up / down)  # of half the input rate
    half = math.ceil(LOBES / cut)
    steps = np.arange(-half + 1, half + 1)
    t = steps[None, :] - np.arange(up)[:, None] / up
    window = np.i0(_BETA * np.sqrt(np.clip(1.0 - (t / half) ** 2, 0.0, None))) / np.i0(_BETA)
    taps: NDArray[np.float64] = np.sinc(cut * t) * window
    taps /= taps.sum(axis=1, keepdims=True)
    return taps


@jit
def weigh(taps: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Sum up the products of two, (n,) float64 each, in four sums: one would wait for itself."""
    a = b = c = d = 0.0
    even = x.shape[0] // 4 * 4
    for j in range(0, even, 4):
        a += taps[j] * x[j]
        b += taps[j + 1] * x[j + 1]
        c += taps[j + 2] * x[j + 2]
        d += taps[j + 3] * x[j + 3]
    for j in range(even, x.shape[0]):
        a += taps[j] * x[j]
    return (a + b) + (c + d)


@jit
def resample(
    taps: NDArray[np.float64],
    up: int,
    down: int,
    memory: NDArray[np.float64],
    missing: NDArray[np.bool_],
    count: NDArray[np.int64],
    x: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Take a block and fill what can now be told.

    Parameters
    ----------
    taps : (up, 2 half) float64
    up, down : rate_out / rate_in, shortened
    memory, missing : (channels, 4 half), the newest inputs and which of them were held over; a
        ring written twice, so that the newest 2 half always lie in one piece
    count : (2,) int64, samples taken and given so far
    x : (channels, n) float32, NaN where there is none
    out : (channels, m) float32, m as `Resampler.step` reckons
    """
    width = taps.shape[1]
    half = width // 2
    for channel in range(x.shape[0]):
        past, gap = memory[channel], missing[channel]
        given = 0
        slot = count[0] % width  # quotients are counted on: divisions are half of the work
        before = count[1] * down // up
        phase = count[1] * down - before * up
        for k in range(x.shape[1]):
            value = float(x[channel, k])
            newest = count[0] + k
            is_missing = not math.isfinite(value)
            if is_missing:
                value = past[slot + width - 1]  # the last one
            past[slot] = past[slot + width] = value
            gap[slot] = gap[slot + width] = is_missing
            oldest = slot + 1
            while given < out.shape[1] and before + half <= newest:
                nearest = half - 1 if 2 * phase < up else half
                total = weigh(taps[phase], past[oldest : oldest + width])
                out[channel, given] = math.nan if gap[oldest + nearest] else total
                given += 1
                phase += down
                while phase >= up:
                    phase -= up
                    before += 1
            slot = slot + 1 if slot + 1 < width else 0
    count[0] += x.shape[1]
    count[1] += out.shape[1]
