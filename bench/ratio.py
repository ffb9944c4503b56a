"""Decide what a ratio of two variants is worth: its median over blocks, and how sure that is.

Two variants measured in the same block saw the same minute of the same machine, so the ratio is
taken inside each block first; the median of these ratios is the value. The interval is the
percentile bootstrap over blocks (Efron 1979), with its seed, so that a report can be recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95
WIDTH_MAX = 0.20
"""An interval wider than this part of its value says too little to be called a measurement."""


class Interval(NamedTuple):
    """A value with the ends of its 95 % interval."""

    value: float
    lo: float
    hi: float

    @property
    def width(self) -> float:
        """Width of the interval as a part of its value."""
        return (self.hi - self.lo) / self.value if self.value else float("inf")


def median_ratio(
    numerators: Sequence[float], denominators: Sequence[float], seed: int = 0
) -> Interval:
    """Return the median of the per-block ratios and its bootstrap interval.

    Parameters
    ----------
    numerators, denominators
        One number for each block, in the same order of blocks and the same unit; denominators > 0.
    seed
        Of the resampling.

    Raises
    ------
    ValueError
        The lists differ in length, are empty, or a denominator is not positive.
    """
    if len(numerators) != len(denominators) or not numerators:
        raise ValueError(f"{len(numerators)} numerators for {len(denominators)} denominators")
    if min(denominators) <= 0:
        raise ValueError("a denominator is not positive")
    ratios = np.asarray(numerators, np.float64) / np.asarray(denominators, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    medians = np.median(ratios[drawn], axis=1)
    tail = 100 * (1 - CONFIDENCE) / 2
    lo, hi = np.percentile(medians, [tail, 100 - tail])
    return Interval(float(np.median(ratios)), float(lo), float(hi))
