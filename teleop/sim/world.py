"""Where everything stands in the simulated operating field: one table for physics and picture.

World frame W: metres, z up, x to the right of the picture, y away from the camera, origin at the
centre of the work area on the tissue's mean height. An arm's base B is at its remote centre of
motion, its axes are W's.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

Point = tuple[float, float, float]


class Peg(NamedTuple):
    """A vertical peg: where it stands (x, y in W, m)."""

    x: float
    y: float


#: Remote centre of each arm, p_WB; R_WB is the identity. Arm 0 is the right hand's.
BASES: Final[tuple[Point, ...]] = ((0.10, -0.06, 0.14), (-0.10, -0.06, 0.14))

PEG_RADIUS: Final = 0.0011
PEG_HEIGHT: Final = 0.012
#: Six on each side, as in the FLS peg transfer, at two thirds of its size: the left six first. So
#: far apart that objects, as they are laid on them, do not touch.
PEGS: Final[tuple[Peg, ...]] = tuple(
    Peg(side * (0.024 + 0.022 * column), 0.020 * row - 0.020)
    for side in (-1, 1)
    for column in (0, 1)
    for row in (0, 1, 2)
)

#: An object is a rounded triangle around its origin: three capsules, its hole over a peg with
#: 2.7 mm to spare on each side: room for a finger.
OBJECTS: Final = 6
OBJECT_SIDE: Final = 0.018
OBJECT_RADIUS: Final = 0.0014
#: Its corners in O, in O's xy plane, m; between them run the three capsules.
OBJECT_CORNERS: Final[tuple[Point, ...]] = tuple(
    (OBJECT_SIDE / math.sqrt(3.0) * math.cos(a), OBJECT_SIDE / math.sqrt(3.0) * math.sin(a), 0.0)
    for a in (math.pi / 2, math.pi * 7 / 6, math.pi * 11 / 6)
)
#: Linear reflectances, one an object, none like tissue: green, blue, yellow, white, cyan, violet.
OBJECT_COLOURS: Final[tuple[Point, ...]] = (
    (0.04, 0.40, 0.10),
    (0.03, 0.13, 0.55),
    (0.78, 0.56, 0.03),
    (0.80, 0.80, 0.78),
    (0.03, 0.45, 0.50),
    (0.25, 0.07, 0.50),
)

SHAFT_RADIUS: Final = 0.0042
WRIST_RADIUS: Final = 0.0033
FINGER_RADIUS: Final = 0.0013
#: A finger tapers from its joint to this.
FINGER_TIP_RADIUS: Final = 0.0007


#: The tissue is a square around the origin, this far to each side; nothing is seen beyond it.
TISSUE_HALF: Final = 0.16
#: Which tissue, of all that `teleop.sim.endoscope.tissue` can grow.
TISSUE_SEED: Final = 1


class View(NamedTuple):
    """An endoscope: where it is, what it looks at (W), its vertical field of view, degrees."""

    eye: Point
    target: Point
    fovy_deg: float


ENDOSCOPE: Final = View((0.0, -0.068, 0.106), (0.0, 0.002, 0.003), 44.0)
#: Between the two lenses of a stereo endoscope.
BASELINE: Final = 0.005
#: The light's outlet as the camera sees it (right, down, forward): above the lens, to its left.
LIGHT: Final[Point] = (-0.010, -0.014, 0.0)
