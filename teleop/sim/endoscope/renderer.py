"""Draws what the endoscope sees of a scene: the picture, its depth, and an exact label per pixel.

What does not move (tissue, pegs) is drawn once for each place of the camera; a frame adds
instruments, objects and their shadows, in one thread, and allocates no memory of a picture's size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world
from teleop.sim.endoscope import bodies, cones, ground, light, planes, raster, shadow, specimen
from teleop.sim.endoscope.bodies import Bodies
from teleop.sim.endoscope.camera import Camera, look
from teleop.sim.endoscope.tissue import Tissue, grow, heights
from teleop.sim.scene import ARMS_MAX, OBJECTS_MAX, Scene
from transport.kernel.jit import jit

#: Nothing of a scene is farther from the origin of W, m; and so nothing is NaN.
FAR = 10.0
#: At most one pixel in so many is smoothed; about one in fifty is.
_EDGES = 8
#: Points of the shadows' grid across a picture.
_SHADOW_ACROSS = 214


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

    Attributes
    ----------
    camera : where it stands
    frame : the picture drawn last; its depth is always there, its labels after `label` into them
    """

    camera: Camera
    frame: Layer
    _base: Layer

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
        self._base, self.frame = self.frame, base

    def draw(self, scene: Scene, rgb: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Draw a scene; return the picture.

        Parameters
        ----------
        rgb : (h, w, 3) uint8 to draw into, `frame.rgb` when it is None

        Raises
        ------
        ValueError : see `check`
        """
        out = self.frame.rgb if rgb is None else rgb
        self._draw(bodies.pose(check(scene), self._room), out)
        return out

    def label(self, kinds: NDArray[np.uint8], numbers: NDArray[np.uint8]) -> None:
        """Say of every pixel drawn last what it shows: fill two (h, w) uint8."""
        drawn, base = self._drawn, self._base
        _label(self._owner, drawn.kinds, drawn.numbers, base.kinds, base.numbers, kinds, numbers)

    def _allocate(self, width: int, height: int) -> None:
        self._base = _layer(width, height)
        self.frame = _layer(width, height)
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
        rgb[:] = base.rgb
        shadow.lay(self._stride, self._lit, self._touched, rgb)
        light.paint(
            shapes, drawn.looks, lens, self._lamp, self._table, self._dim,
            depth, self._owner, self._along, self._extent, rgb,
        )  # fmt: skip
        raster.smooth(
            shapes, lens, self._owner, self._extent, base.depth, rgb, self._edges, self._edge_rgb
        )


def check(scene: Scene) -> Scene:
    """Return the scene if it can be drawn.

    Raises
    ------
    ValueError : more arms or objects than a scene may have, or something not finite or far away
    """
    arms, objects = len(scene.instruments), len(scene.objects)
    if arms > ARMS_MAX or objects > OBJECTS_MAX:
        raise ValueError(f"{arms} arms and {objects} objects, at most {ARMS_MAX}, {OBJECTS_MAX}")
    for values in scene[:2]:
        if not np.all(np.abs(values) <= FAR):
            raise ValueError(f"a scene reaches {FAR} m at most")
    return scene


def warm() -> None:
    """Compile every kernel that draws, by drawing once, small."""
    view = world.ENDOSCOPE
    small = Renderer(grow(), view, look(view, 96, 54))
    rgb = small.draw(specimen.scene(np.random.default_rng(0), heights()))
    small.label(small.frame.kinds, small.frame.numbers)
    planes.i420(rgb, np.empty((81, 96), np.uint8))


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
