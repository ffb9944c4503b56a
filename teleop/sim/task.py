"""Judges a peg transfer: what was lifted, what was placed, what was dropped, and for how long.

By the objects' true poses alone, as the FLS task is scored: the time runs from the first lift; an
object counts when it lies around a peg of the other side and nobody holds it any more; one that
was lifted and comes to rest around no peg is a drop. What was placed and is taken back counts no
longer.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world


class Place(IntEnum):
    """Where an object is."""

    RESTING = 0  #: where it was laid, or around a peg of that side
    LIFTED = 1
    PLACED = 2  #: around a peg of the other side
    DROPPED = 3  #: at rest, around no peg


class Score(NamedTuple):
    """What a screen shows.

    Parameters
    ----------
    placed, dropped : objects transferred now; drops so far
    since_ns : time from the first lift, 0 before it; it stands once everything is placed
    """

    placed: int
    dropped: int
    since_ns: int


#: Higher than this above where it lay, an object is off its peg or on its way, m.
LIFT_M: Final = 0.004
#: An object that moves no farther than this in `REST_NS` is at rest.
REST_M: Final = 0.0003
REST_NS: Final = 200_000_000
#: The centre of an object around a peg is no farther from it: the radius of its hole.
AROUND_M: Final = world.OBJECT_SIDE / (2.0 * math.sqrt(3.0)) - world.OBJECT_RADIUS
_PEGS: Final = np.array(world.PEGS)
_IS_LEFT: Final = _PEGS[:, 0] < 0.0


class PegTransfer:
    """One run of the task.

    Parameters
    ----------
    objects : (n, 7) float64, X_WO where the objects lie at first
    """

    def __init__(self, objects: NDArray[np.float64]) -> None:
        self.places = [Place.RESTING] * len(objects)
        self.dropped = 0
        self._start_ns: int | None = None
        self._end_ns: int | None = None
        self._laid = objects[:, 2].copy()
        self._from_left = objects[:, 0] < 0.0
        self._still = objects[:, :3].copy()
        self._still_ns = [0] * len(objects)

    def score(self, now_ns: int) -> Score:
        """Give the score at `now_ns`."""
        placed = sum(place is Place.PLACED for place in self.places)
        if self._start_ns is None:
            return Score(placed, self.dropped, 0)
        return Score(placed, self.dropped, (self._end_ns or now_ns) - self._start_ns)

    def see(self, objects: NDArray[np.float64], now_ns: int) -> None:
        """Take the objects' poses, (n, 7) float64, X_WO."""
        moved = np.abs(objects[:, :3] - self._still).max(axis=1) > REST_M
        for number in range(len(objects)):
            if moved[number]:
                self._still[number] = objects[number, :3]
                self._still_ns[number] = now_ns
            rests = now_ns - self._still_ns[number] >= REST_NS
            self._judge(number, objects[number], now_ns, rests=rests)
        if self._end_ns is None and all(place is Place.PLACED for place in self.places):
            self._end_ns = now_ns

    def _judge(self, number: int, pose: NDArray[np.float64], now_ns: int, *, rests: bool) -> None:
        place = self.places[number]
        if place is not Place.LIFTED:
            if pose[2] - self._laid[number] > LIFT_M:
                self.places[number] = Place.LIFTED
                self._start_ns = now_ns if self._start_ns is None else self._start_ns
            return
        if not rests or pose[2] - self._laid[number] > LIFT_M:
            return
        peg = _around(pose)
        if peg is None:
            self.places[number] = Place.DROPPED
            self.dropped += 1
        elif bool(_IS_LEFT[peg]) != bool(self._from_left[number]):
            self.places[number] = Place.PLACED
        else:
            self.places[number] = Place.RESTING


def _around(pose: NDArray[np.float64]) -> int | None:
    """Name the peg around which an object lies."""
    distances = np.hypot(_PEGS[:, 0] - pose[0], _PEGS[:, 1] - pose[1])
    nearest = int(distances.argmin())
    return nearest if distances[nearest] < AROUND_M else None
