"""Decide which detected beats are beats, as ANSI/AAMI EC57 asks.

Rules:

- A detection within 150 ms of a reference beat is that beat; a beat has one detection at most, and
  a detection one beat.
- As many pairs as can be are made. In order of time the first that fits is always right: whoever
  gave it up would win nothing, for all windows are equally wide.
- The first five minutes of a record are for learning and are not scored; of a record shorter than
  six, the first eight seconds. What lies there is matched all the same, so that no beat is lost
  at the seam. Segments of fibrillation are not set apart: the records do not say where they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.150
LEARNING_S, SHORT_S, SHORT_LEARNING_S = 300.0, 360.0, 8.0
_EXACT_S = 1e-9
"""Times are quotients of whole samples; a quotient that should be the window's is not beyond it."""

Times = NDArray[np.float64]
"""s, ascending."""


class Score(NamedTuple):
    """Beats found, found where none is, and missed."""

    hit: int = 0
    false: int = 0
    missed: int = 0

    @property
    def beats(self) -> int:
        """How many there are."""
        return self.hit + self.missed

    @property
    def se(self) -> float:
        """Part of the beats that was found (sensitivity)."""
        return self.hit / self.beats if self.beats else 1.0

    @property
    def ppv(self) -> float:
        """Part of the detections that are beats (positive predictivity)."""
        return self.hit / (self.hit + self.false) if self.hit + self.false else 1.0

    @property
    def der(self) -> float:
        """Errors a beat (detection error rate)."""
        return (self.false + self.missed) / self.beats if self.beats else float(self.false > 0)

    @property
    def f1(self) -> float:
        """Both parts in one: their harmonic mean. Unlike `der`, it gives nothing for silence."""
        judged = 2 * self.hit + self.false + self.missed
        return 2 * self.hit / judged if judged else 1.0

    def told(self) -> dict[str, float]:
        """Lay it out for JSON: fractions, and what they are made of."""
        return {"se": self.se, "ppv": self.ppv, "der": self.der, "f1": self.f1, **self._asdict()}


def total(scores: Iterable[Score]) -> Score:
    """Add scores up: of all beats, not the mean of records."""
    columns = list(zip(*scores, strict=True))
    return Score(*(sum(column) for column in columns)) if columns else Score()


def scored_from_s(lasts_s: float) -> float:
    """Say from when on a record is scored."""
    return LEARNING_S if lasts_s >= SHORT_S else SHORT_LEARNING_S


def score(beats: Times, found: Times, from_s: float = 0.0, until_s: float = np.inf) -> Score:
    """Score what was found in a record, from a time on and before another."""
    pairs = match(beats, found)
    inside = (beats >= from_s) & (beats < until_s)
    hit = int(inside[pairs[:, 0]].sum())
    free = np.ones(len(found), bool)
    free[pairs[:, 1]] = False
    false = int((free & (found >= from_s) & (found < until_s)).sum())
    return Score(hit, false, int(inside.sum()) - hit)


def match(beats: Times, found: Times) -> NDArray[np.int64]:
    """Pair beats and detections, (n_pairs, 2) indices, as many as can be."""
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(beats) and j < len(found):
        late_s = found[j] - beats[i]
        if abs(late_s) <= WINDOW_S + _EXACT_S:
            pairs.append((i, j))
        i, j = i + (late_s >= -WINDOW_S - _EXACT_S), j + (late_s <= WINDOW_S + _EXACT_S)
    return np.array(pairs, np.int64).reshape(-1, 2)
