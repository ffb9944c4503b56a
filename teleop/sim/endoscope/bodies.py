"""Names what stands in the operating field: every solid is a few round cones, every cone a row.

A round cone is all spheres along a segment, their radius changing evenly: a capsule, a tapering
finger and a ball are the same shape, so one intersection serves all (teleop.sim.endoscope.cones).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world
from teleop.sim.endoscope.tissue import height_at
from teleop.sim.scene import ARMS_MAX, OBJECTS_MAX, Scene
from transport.kernel.jit import jit

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


class Kind(IntEnum):
    """What a pixel shows; the values are the label picture's."""

    BACKGROUND = 0
    TISSUE = 1
    PEG = 2
    OBJECT = 3
    SHAFT = 4
    WRIST = 5
    LEFT_FINGER = 6
    RIGHT_FINGER = 7


class Bodies(NamedTuple):
    """The solids of one instant.

    Parameters
    ----------
    cones : (n, 8) float64, m, in W: first end xyz, last end xyz, radius there and there
    kinds : (n,) uint8, `Kind`
    numbers : (n,) uint8: which arm, object or peg
    looks : (n, 7) float64, see `LOOKS`
    """

    cones: Floats
    kinds: Bytes
    numbers: Bytes
    looks: Floats


#: An instrument's cones: kind, its first and last point (teleop.sim.scene.POINTS), radii, m.
INSTRUMENT: Final = (
    (Kind.SHAFT, 0, 1, world.SHAFT_RADIUS, world.SHAFT_RADIUS),
    (Kind.WRIST, 1, 2, world.WRIST_RADIUS, world.WRIST_RADIUS),
    (Kind.LEFT_FINGER, 2, 3, world.FINGER_RADIUS, world.FINGER_TIP_RADIUS),
    (Kind.RIGHT_FINGER, 2, 4, world.FINGER_RADIUS, world.FINGER_TIP_RADIUS),
)
OBJECT_SIDES: Final = 3
BODIES_MAX: Final = len(INSTRUMENT) * ARMS_MAX + OBJECT_SIDES * OBJECTS_MAX
assert BODIES_MAX < 255, "a cone's number is a byte, and 255 is nobody's"

#: How a kind looks: linear reflectance rgb, share of metal, broad and sharp highlight, pattern.
_PLAIN, _SHAFT, _JAW, _WRIST = 0.0, 1.0, 2.0, 3.0
LOOKS: Final[dict[Kind, tuple[float, ...]]] = {
    Kind.PEG: (0.74, 0.72, 0.66, 0.0, 0.10, 0.35, _PLAIN),
    Kind.OBJECT: (1.0, 1.0, 1.0, 0.0, 0.09, 0.16, _PLAIN),  # times its own colour
    Kind.SHAFT: (0.020, 0.021, 0.024, 0.20, 0.10, 0.45, _SHAFT),
    Kind.WRIST: (0.60, 0.61, 0.63, 0.95, 0.30, 1.4, _WRIST),
    Kind.LEFT_FINGER: (0.68, 0.69, 0.71, 0.95, 0.35, 1.6, _JAW),
    Kind.RIGHT_FINGER: (0.68, 0.69, 0.71, 0.95, 0.35, 1.6, _JAW),
}

#: A peg goes on so far under the tissue, m, so that none hangs in the air on a slope.
_ROOT: Final = 0.002
_CORNERS: Final[Floats] = np.array(world.OBJECT_CORNERS)
_COLOURS: Final[Floats] = np.array(world.OBJECT_COLOURS)


def empty() -> Bodies:
    """Make room for the largest scene; `pose` fills it."""
    n = BODIES_MAX
    return Bodies(np.zeros((n, 8)), np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros((n, 7)))


def pegs(heights: Floats) -> Bodies:
    """Stand the pegs on the tissue (`teleop.sim.endoscope.tissue.heights`)."""
    rows = []
    for peg in world.PEGS:
        foot = height_at(heights, peg.x, peg.y)
        ends = (peg.x, peg.y, foot - _ROOT, peg.x, peg.y, foot + world.PEG_HEIGHT)
        rows.append((*ends, world.PEG_RADIUS, world.PEG_RADIUS))
    count = len(rows)
    return Bodies(
        np.array(rows),
        np.full(count, Kind.PEG, np.uint8),
        np.arange(count, dtype=np.uint8),
        np.tile(LOOKS[Kind.PEG], (count, 1)),
    )


def pose(scene: Scene, room: Bodies) -> Bodies:
    """Put a scene's instruments and objects into `room`; return the part that is filled."""
    objects = len(scene.objects)
    row = 0
    for arm, points in enumerate(scene.instruments):
        for kind, first, last, radius, radius_last in INSTRUMENT:
            room.cones[row, 0:3] = points[first]
            room.cones[row, 3:6] = points[last]
            room.cones[row, 6:8] = radius, radius_last
            room.kinds[row], room.numbers[row] = kind, arm
            room.looks[row] = LOOKS[kind]
            row += 1
    end = row + OBJECT_SIDES * objects
    poses = np.array(scene.objects)  # a scene may be read-only, which would be another kernel
    _place(poses, _CORNERS, world.OBJECT_RADIUS, room.cones[row:end])
    for number in range(objects):
        mine = slice(row + OBJECT_SIDES * number, row + OBJECT_SIDES * (number + 1))
        room.kinds[mine], room.numbers[mine] = Kind.OBJECT, number
        room.looks[mine] = LOOKS[Kind.OBJECT]
        room.looks[mine, :3] *= _COLOURS[number % len(_COLOURS)]
    return Bodies(room.cones[:end], room.kinds[:end], room.numbers[:end], room.looks[:end])


@jit
def _place(objects: Floats, corners: Floats, radius: float, cones: Floats) -> None:
    """Turn objects' poses into the cones of their sides.

    Parameters
    ----------
    objects : (n, 7): X_WO, position m, unit quaternion wxyz
    corners : (3, 3), m, in O
    cones : (3 n, 8), filled
    """
    for number in range(objects.shape[0]):
        w, x, y, z = objects[number, 3], objects[number, 4], objects[number, 5], objects[number, 6]
        for corner in range(3):
            a, b, c = corners[corner, 0], corners[corner, 1], corners[corner, 2]
            # v + 2 w (q x v) + 2 q x (q x v)
            p, q, r = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
            px = objects[number, 0] + a + w * p + y * r - z * q
            py = objects[number, 1] + b + w * q + z * p - x * r
            pz = objects[number, 2] + c + w * r + x * q - y * p
            starts, ends = 3 * number + corner, 3 * number + (corner + 2) % 3
            cones[starts, 0], cones[starts, 1], cones[starts, 2] = px, py, pz
            cones[ends, 3], cones[ends, 4], cones[ends, 5] = px, py, pz
            cones[starts, 6] = cones[starts, 7] = radius
