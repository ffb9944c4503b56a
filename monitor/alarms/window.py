"""What the last pieces of a lead say together: a wave or beats, even or not, how high.

    LEAK    what is left of a signal to which itself, half a period later, is added: near 0 for a
            wave, near 1 for beats (VF filter leakage; Kuo & Dillman, Comput. Cardiol. 1978). The
            period is not guessed: all half periods of 2 to 9 Hz are tried, and the least is taken.
    FULL    mean of its magnitude over the mean of its pieces' largest: much for what is never at
            rest, as the time above a threshold is (TCSC; Arafat et al., Signal Image Video Process.
            2011), little for beats with a line between them.
    EVEN    part of the times between rises through zero that are near to their mean.

A window with a piece that is not whole is not judged: its measures are NaN.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from transport.kernel.jit import jit

#: Samples of a piece at 50 Hz, and pieces of a window: 0.4 s and 4 s.
SLOW_HZ: Final = 50.0
PIECE: Final = 20
PIECES: Final = 10
STEP_NS: Final = 400_000_000
#: Half periods, samples: 8.3 to 2.1 Hz.
LAGS: Final = 10
FIRST_LAG: Final = 3
#: Rises through zero that are remembered, the time they are judged over, and how near is even.
RISES: Final = 32
EVEN_OVER: Final = 160
RISES_LEAST: Final = 6
EVEN: Final = 0.15
#: Pieces within which a heart that stands shows nothing.
STILL: Final = 9
#: And those that surely have nothing of the beat before it.
LATE: Final = 7
#: What steps by more than this of its size each 20 ms is above 9 Hz.
STEEP: Final = 1.1


@jit
def measure(lead: Any) -> None:
    """Measure the window that ends here."""
    _even(lead)
    lead["wave"] = np.nan
    lead["middle"] = lead["high"] = lead["low"] = np.nan
    lead["late_high"] = lead["late_low"] = np.nan
    if is_whole(lead, LATE):
        _order(lead, LATE)
        lead["late_high"], lead["late_low"] = lead["ordered"][LATE - 1], lead["ordered"][1]
    if is_whole(lead, STILL):
        _order(lead, STILL)
        lead["high"], lead["low"] = lead["ordered"][STILL - 1], lead["ordered"][1]
    if is_whole(lead, PIECES):
        _order(lead, PIECES)
        lead["middle"] = lead["ordered"][PIECES // 2]
        is_slow = steepness(lead, PIECES) < STEEP
        lead["wave"] = full(lead, PIECES) - leak(lead, PIECES) if is_slow else -1.0


@jit
def _even(lead: Any) -> None:
    """Measure how evenly it rose through zero of late."""
    lead["period"] = lead["even"] = np.nan
    rises, risen, n = lead["rises"], lead["risen"], 0
    while n < min(risen, RISES) and lead["at"] - rises[(risen - 1 - n) % RISES] < EVEN_OVER:
        n += 1
    if n < RISES_LEAST:
        return
    mean = (rises[(risen - 1) % RISES] - rises[(risen - n) % RISES]) / (n - 1)
    near = 0
    for k in range(n - 1):
        apart = rises[(risen - 1 - k) % RISES] - rises[(risen - 2 - k) % RISES]
        near += abs(apart - mean) < EVEN * mean
    lead["period"] = mean / SLOW_HZ
    lead["even"] = near / (n - 1)


@jit
def is_whole(lead: Any, pieces: int) -> bool:
    """Tell whether the last pieces can be judged."""
    if lead["pieces"] < pieces:
        return False
    found = 0
    for k in range(pieces):
        found += lead["pieced"][(lead["pieces"] - 1 - k) % PIECES]["is_whole"]
    return found == pieces


@jit
def leak(lead: Any, pieces: int) -> float:
    """Give the least leakage over the last pieces, 0 to 1."""
    size, least = 1e-9, np.inf
    for k in range(pieces):
        size += lead["pieced"][(lead["pieces"] - 1 - k) % PIECES]["size"]
    for lag in range(LAGS):
        total = 0.0
        for k in range(pieces):
            total += lead["pieced"][(lead["pieces"] - 1 - k) % PIECES]["leaks"][lag]
        least = min(least, total)
    return float(min(1.0, least / (2.0 * size)))


@jit
def full(lead: Any, pieces: int) -> float:
    """Give the mean magnitude over the mean of the pieces' largest magnitude."""
    size, top = 0.0, 1e-9
    for k in range(pieces):
        piece = lead["pieced"][(lead["pieces"] - 1 - k) % PIECES]
        size += piece["size"] / PIECE
        top += max(piece["top"], -piece["bottom"])
    return float(size / top)


@jit
def steepness(lead: Any, pieces: int) -> float:
    """Give the mean step between samples over the mean magnitude: 2 sin(pi f / 50 Hz)."""
    size, step = 1e-9, 0.0
    for k in range(pieces):
        piece = lead["pieced"][(lead["pieces"] - 1 - k) % PIECES]
        size += piece["size"]
        step += piece["step"]
    return float(step / size)


@jit
def _order(lead: Any, pieces: int) -> None:
    """Sort the heights of the last pieces, top to bottom, mV, into `ordered`."""
    ordered = lead["ordered"]
    for k in range(pieces):
        piece = lead["pieced"][(lead["pieces"] - 1 - k) % PIECES]
        height, j = piece["top"] - piece["bottom"], k
        while j > 0 and ordered[j - 1] > height:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = height
