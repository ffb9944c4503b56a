"""The middle of a few values: what a single wild one does not move."""

from __future__ import annotations

from typing import Any

from transport.kernel.jit import jit


@jit
def median(values: Any, n: int) -> float:
    """Give the (upper) median of the first n values."""
    best = 0.0
    for i in range(n):
        below, equal = 0, 0
        for j in range(n):
            below += values[j] < values[i]
            equal += values[j] == values[i]
        if below <= n // 2 < below + equal:
            best = float(values[i])
    return best
