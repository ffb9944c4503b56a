"""Where everything stands in the simulated operating field: one table for physics and picture.

World frame W: metres, z up, x to the right of the picture, y away from the camera, origin at the
centre of the work area on the tissue's mean height. An arm's base B is at its remote centre of
motion, its axes are W's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

Point = tuple[float, float, float]


class Peg(NamedTuple):
    """A vertical peg: where it stands (x, y in W, m)."""

    x: float
    y: float


#: Remote centre of each arm, p_WB; R_WB is the identity. Arm 0 is the right hand's.
BASES: Final[tuple[Point, ...]] = ((0.10, -0.06, 0.14), (-0.10, -0.06, 0.14))

PEG_RADIUS: Final = 0.0015
PEG_HEIGHT: Final = 0.012
#: Six on each side, as in the FLS peg transfer, at two thirds of its size.
PEGS: Final[tuple[Peg, ...]] = tuple(
    Peg(side * (0.022 + 0.016 * column), 0.014 * row - 0.014)
    for side in (-1, 1)
    for column in (0, 1)
    for row in (0, 1, 2)
)

#: An object is a rounded triangle around its origin: three capsules, its hole over a peg.
OBJECTS: Final = 6
OBJECT_SIDE: Final = 0.010
OBJECT_RADIUS: Final = 0.0016

SHAFT_RADIUS: Final = 0.0042
WRIST_RADIUS: Final = 0.0033
FINGER_RADIUS: Final = 0.0013


class View(NamedTuple):
    """An endoscope: where it is, what it looks at (W), its vertical field of view, degrees."""

    eye: Point
    target: Point
    fovy_deg: float


ENDOSCOPE: Final = View((0.0, -0.115, 0.125), (0.0, 0.0, 0.004), 48.0)
