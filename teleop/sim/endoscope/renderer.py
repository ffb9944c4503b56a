"""Draws what the endoscope sees of a scene: the picture, its depth, and an exact label per pixel.

What does not move (tissue, pegs) is drawn once for each place of the camera; a frame adds
instruments, objects and their shadows, one thread, without allocating.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.control.jit import jit
from teleop.sim import world
from teleop.sim.endoscope import bodies, cones, ground, light, raster, shadow
from teleop.sim.endoscope.bodies import Bodies
from teleop.sim.endoscope.camera import Camera
from teleop.sim.endoscope.tissue import Tissue
from teleop.sim.scene import Scene

#: At most one pixel in so many is smoothed; about one in fifty is.
_EDGES = 8
#: Points of the shadows' grid across a picture.
_SHADOW_ACROSS = 320


class Layer(NamedTuple):
    """A finished picture.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    depth : (h, w) float64, m along the camera's z; inf where nothing is
    kinds : (h, w) uint8: `bodies.Kind`
    numbers : (h, w) uint8: which arm, object, peg; 0 for the rest
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float64]
    kinds: NDArray[np.uint8]
    numbers: NDArray[np.uint8]


class Renderer:
    """An endoscope's picture of a field.

    Parameters
    ----------
    tissue : what it looks at
    camera, view : where from; `move` changes it
    """

    def __init__(self, tissue: Tissue, view: world.View, camera: Camera) -> None:
        self._tissue = tissue
        self._room = bodies.empty()
        self._table = light.tones()
        self._allocate(camera.width, camera.height)
        self.move(view, camera)

    def move(self, view: world.View, camera: Camera) -> None:
        """Stand the camera elsewhere: everything is drawn anew, which takes many frames' time."""
        if (camera.height, camera.width) != self.frame.depth.shape:
            self._allocate(camera.width, camera.height)
        self.camera = camera
        self._lamp = light.lamp(camera, view)
        base = self._base
        ground.draw(
            self._tissue, camera, self._lamp, self._table, self._dim,
            base.rgb, base.depth, base.kinds,
        )  # fmt: skip
        base.numbers[:] = 0
        standing = bodies.pegs(self._tissue.heights)
        self._draw(standing, self.frame.rgb)
        self.label(self.frame.kinds, self.frame.numbers)
        for ours, theirs in zip(base, self.frame, strict=True):
            ours[:] = theirs

    def draw(self, scene: Scene, rgb: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Draw a scene; return the picture.

        Parameters
        ----------
        rgb : (h, w, 3) uint8 to draw into, `frame.rgb` when it is None

        Raises
        ------
        ValueError : more arms or objects than a scene may have
        """
        out = self.frame.rgb if rgb is None else rgb
        self._draw(bodies.pose(scene, self._room), out)
        return out

    def label(self, kinds: NDArray[np.uint8], numbers: NDArray[np.uint8]) -> None:
        """Say of every pixel drawn last what it shows: fill two (h, w) uint8."""
        drawn, base = self._drawn, self._base
        _label(self._owner, drawn.kinds, drawn.numbers, base.kinds, base.numbers, kinds, numbers)

    @property
    def depth(self) -> NDArray[np.float64]:
        """The depth of the picture drawn last: (h, w), m along the camera's z."""
        return self.frame.depth

    def _allocate(self, width: int, height: int) -> None:
        self._base, self.frame = _layer(width, height), _layer(width, height)
        self._dim = light.vignette(width, height)
        self._owner = np.full((height, width), cones.NOBODY, np.uint8)
        self._extent = np.zeros((height, 2), np.int32)
        self._along = np.zeros((height, width), np.float32)
        self._cones = np.zeros((bodies.BODIES_MAX, cones.PREPARED))
        self._bounds = np.zeros((bodies.BODIES_MAX, cones.BOUND))
        self._stride = max(2, round(width / _SHADOW_ACROSS))
        rows, columns = -(-height // self._stride), -(-width // self._stride)
        self._lit = np.ones((rows, columns), np.float32)
        self._free = np.ones_like(self._lit)
        self._touched = np.zeros((rows, 2), np.int32)
        self._box = np.zeros(cones.PREPARED + cones.BOUND)
        self._edges = np.zeros(width * height // _EDGES, np.int32)
        self._edge_rgb = np.zeros((len(self._edges), 3), np.uint8)

    def _draw(self, drawn: Bodies, rgb: NDArray[np.uint8]) -> None:
        self._drawn = drawn
        camera, base, depth = self.camera, self._base, self.frame.depth
        lens, shapes = camera.lens, self._cones[: len(drawn.cones)]
        cones.prepare(drawn.cones, camera.R_WC, camera.p_WC, shapes)
        depth[:] = base.depth
        self._owner.fill(cones.NOBODY)
        raster.fill(shapes, lens, self._bounds, depth, self._owner, self._along, self._extent)
        shadow.cast(
            shapes,
            lens,
            self._lamp,
            base.depth,
            self._stride,
            self._lit,
            self._free,
            self._touched,
            self._box,
        )
        shadow.lay(base.rgb, self._stride, self._lit, self._touched, rgb)
        light.paint(
            shapes, drawn.looks, lens, self._lamp, self._table, self._dim,
            depth, self._owner, self._along, self._extent, rgb,
        )  # fmt: skip
        raster.smooth(
            shapes, lens, self._owner, self._extent, base.depth, rgb, self._edges, self._edge_rgb
        )


def _layer(width: int, height: int) -> Layer:
    size = (height, width)
    return Layer(
        np.zeros((*size, 3), np.uint8),
        np.full(size, np.inf),
        np.zeros(size, np.uint8),
        np.zeros(size, np.uint8),
    )


@jit
def _label(
    owner: NDArray[np.uint8],
    kinds_of: NDArray[np.uint8],
    numbers_of: NDArray[np.uint8],
    base_kinds: NDArray[np.uint8],
    base_numbers: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    numbers: NDArray[np.uint8],
) -> None:
    for row in range(owner.shape[0]):
        for column in range(owner.shape[1]):
            who = owner[row, column]
            if who == cones.NOBODY:
                kinds[row, column] = base_kinds[row, column]
                numbers[row, column] = base_numbers[row, column]
            else:
                kinds[row, column] = kinds_of[who]
                numbers[row, column] = numbers_of[who]
