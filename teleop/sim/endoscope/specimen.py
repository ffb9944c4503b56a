"""Draws a plausible scene from a seed: for a look at the renderer, its tests and its timing.

Instruments reach from their remote centres to somewhere in the work area, bent and open as wrists
are; objects lie over pegs, one perhaps between two jaws. No physics: nothing keeps them apart.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world
from teleop.sim.endoscope.tissue import height_at
from teleop.sim.scene import POINTS, Scene

Floats = NDArray[np.float64]

#: Large needle driver: from pitch to yaw axis, from yaw axis to finger tip, m.
_PITCH_TO_YAW, _YAW_TO_TIP = 0.0091, 0.0102


def scene(rng: np.random.Generator, heights: Floats) -> Scene:
    """Draw a scene with every arm and every object of the world, on a tissue of these heights."""
    instruments = np.array([_instrument(rng, np.array(base)) for base in world.BASES])
    objects = np.zeros((world.OBJECTS, 7))
    homes = rng.permutation(len(world.PEGS))[: world.OBJECTS]
    for pose, home in zip(objects, homes, strict=True):
        turn = rng.uniform(0.0, math.tau)
        peg = world.PEGS[home]
        pose[:] = (
            peg.x, peg.y, height_at(heights, peg.x, peg.y) + world.OBJECT_RADIUS,
            math.cos(turn / 2.0), 0.0, 0.0, math.sin(turn / 2.0),
        )  # fmt: skip
    if rng.random() < 0.5:
        held = instruments[rng.integers(len(instruments))]
        objects[0, :3] = held[3:].mean(0)
        objects[0, 3:] = _turned(rng)
    return Scene(instruments, objects, int(rng.integers(world.OBJECTS + 1)))


def _instrument(rng: np.random.Generator, base: Floats) -> Floats:
    side = math.copysign(1.0, base[0])
    tip = np.array((side * rng.uniform(-0.004, 0.045), rng.uniform(-0.025, 0.03), 0.0))
    tip[2] = rng.uniform(0.004, 0.030)
    shaft = tip - base
    shaft /= np.linalg.norm(shaft)
    bent = _bend(rng, shaft, 0.7)
    yaw = tip - _YAW_TO_TIP * bent
    pitch = yaw - _PITCH_TO_YAW * _bend(rng, shaft, 0.3)
    across = np.cross(bent, _bend(rng, shaft, 1.5))
    across /= np.linalg.norm(across)
    opening = rng.uniform(0.0, 0.6)
    left, right = (
        yaw + _YAW_TO_TIP * (math.cos(opening) * bent + sign * math.sin(opening) * across)
        for sign in (1.0, -1.0)
    )
    points = np.array((base, pitch, yaw, left, right))
    assert len(points) == POINTS
    return points


def _bend(rng: np.random.Generator, along: Floats, much: float) -> Floats:
    bent = along + much * rng.uniform(-1.0, 1.0, 3)
    return np.asarray(bent / np.linalg.norm(bent))


def _turned(rng: np.random.Generator) -> Floats:
    q = rng.standard_normal(4)
    return np.asarray(q / np.linalg.norm(q))
