"""Lays soft shadows under what stands before the tissue: what tells a surgeon how near it is.

A grid of some 200 points across is enough for what has no sharp edge.

Rules
-----
- Two parts: the lamp's light that a cone takes away, the strongest counting; and the light from
  all around that is missing close to it, each cone's share by itself.
- Only the place of a shadow is approximate (the tissue taken as level): its bound is drawn wider
  than the penumbra reaches on the work area.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from teleop.sim.endoscope.cones import PREPARED, Bytes, Floats, Singles, bound, span
from teleop.sim.endoscope.light import Lamp
from transport.kernel.jit import jit

#: The lamp is a ring, so no shadow is darker than this share of it.
_DARKEST = 0.62
#: Penumbra: half its width next to the cone, m, and its growth with the way to the cone.
_SOFT, _GROWTH = 0.0007, 0.07
#: Closer than this to a surface, m, some light from around is missing; touching, this share.
_NEAR, _MISSING = 0.005, 0.42
#: A cone higher than this share of the lamp's height casts no shadow into the picture.
_HIGH = 0.7


@jit
def cast(
    cones: Floats,
    lens: tuple[float, float, float],
    lamp: Lamp,
    depth: Floats,
    stride: int,
    lit: Singles,
    free: Singles,
    touched: NDArray[np.int32],
    box: Floats,
) -> None:
    """Work out how much light is left at the first pixel of every `stride` x `stride`.

    Parameters
    ----------
    cones : (n, `PREPARED`)
    depth : (h, w), m: the surface that receives the shadows
    lit : (h/stride, w/stride), rounded up, filled: what a screen's byte is multiplied with
    free : like `lit`, room to work in: the share of the light around, 1 everywhere between calls
    touched : (rows of `lit`, 2), filled: first and last column in shadow; first > last: none
    box : (BOUND + PREPARED,) room to work in
    """
    rows, columns = lit.shape
    for row in range(rows):
        for column in range(touched[row, 0], touched[row, 1] + 1):
            lit[row, column] = 1.0
        touched[row, 0], touched[row, 1] = columns, -1
    coarse = (lens[0] / stride, lens[1] / stride, lens[2] / stride)
    edge, shape = box[PREPARED:], box[:PREPARED]
    for i in range(cones.shape[0]):
        if not _flatten(cones[i], lamp, shape):
            continue
        bound(shape, coarse, (columns, rows), edge)
        for row in range(int(edge[0]), int(edge[1]) + 1):
            first, last = span(edge, row)
            if first > last:
                continue
            touched[row, 0] = min(touched[row, 0], first)
            touched[row, 1] = max(touched[row, 1], last)
            for column in range(first, last + 1):
                t = depth[stride * row, stride * column]
                if t < math.inf:
                    x, y = (column - coarse[1]) / coarse[0], (row - coarse[2]) / coarse[0]
                    shade, near = _hide(cones[i], lamp, x * t, y * t, t)
                    lit[row, column] = min(lit[row, column], 1.0 - _DARKEST * shade)
                    free[row, column] *= 1.0 - _MISSING * near
    for row in range(rows):  # a byte is about the root of brightness, so it takes the root
        for column in range(touched[row, 0], touched[row, 1] + 1):
            lit[row, column] = math.sqrt(lit[row, column] * free[row, column])
            free[row, column] = 1.0


@jit
def _flatten(cone: Floats, lamp: Lamp, shape: Floats) -> bool:
    """Lay a cone's shadow on W's level ground as a cone `shape`; False when it is too high."""
    up, light = lamp.up, lamp.place
    height = lamp.eye_height + up[0] * light[0] + up[1] * light[1] + up[2] * light[2]
    a = lamp.eye_height + up[0] * cone[0] + up[1] * cone[1] + up[2] * cone[2]
    rise = up[0] * cone[3] + up[1] * cone[4] + up[2] * cone[5]
    low, high = 0.0, 1.0
    if rise > 0.0:
        high = min(high, (_HIGH * height - a) / rise)
    elif rise < 0.0:
        low = max(low, (_HIGH * height - a) / rise)
    elif a > _HIGH * height:
        return False
    if low >= high:
        return False
    length2 = 0.0
    radius = 0.0
    for axis in range(3):
        start = cone[axis] + low * cone[3 + axis]
        end = cone[axis] + high * cone[3 + axis]
        larger = height / (height - a - low * rise)
        shape[axis] = light[axis] + (start - light[axis]) * larger
        radius = max(radius, larger)
        larger = height / (height - a - high * rise)
        shape[3 + axis] = light[axis] + (end - light[axis]) * larger - shape[axis]
        radius = max(radius, larger)
        length2 += shape[3 + axis] ** 2
    shape[6] = (max(cone[6], cone[6] + cone[7]) + 0.003) * radius
    shape[7] = 0.0
    return True


@jit
def _hide(cone: Floats, lamp: Lamp, px: float, py: float, pz: float) -> tuple[float, float]:
    """Return which share of the lamp, and of the light around, a cone takes from a point."""
    ux, uy, uz = cone[3], cone[4], cone[5]
    lx, ly, lz = lamp.place[0] - px, lamp.place[1] - py, lamp.place[2] - pz
    ox, oy, oz = cone[0] - px, cone[1] - py, cone[2] - pz
    uu, ll = ux * ux + uy * uy + uz * uz + 1e-18, lx * lx + ly * ly + lz * lz
    ul, uo = ux * lx + uy * ly + uz * lz, ux * ox + uy * oy + uz * oz
    lo = lx * ox + ly * oy + lz * oz
    # Where the way to the lamp passes nearest to the axis: s on the axis, w on the way.
    cross = uu * ll - ul * ul
    s = min(1.0, max(0.0, (ul * lo - uo * ll) / cross)) if cross > 1e-18 else 0.0
    w = min(1.0, max(0.0, (lo + s * ul) / ll))
    s = min(1.0, max(0.0, (w * ul - uo) / uu))
    dx, dy, dz = ox + s * ux - w * lx, oy + s * uy - w * ly, oz + s * uz - w * lz
    beside = math.sqrt(dx * dx + dy * dy + dz * dz) - cone[6] - s * cone[7]
    soft = _SOFT + _GROWTH * w * math.sqrt(ll)
    shade = min(1.0, max(0.0, 0.5 - 0.5 * beside / soft))
    s = min(1.0, max(0.0, -uo / uu))
    dx, dy, dz = ox + s * ux, oy + s * uy, oz + s * uz
    gap = math.sqrt(dx * dx + dy * dy + dz * dz) - cone[6] - s * cone[7]
    near = min(1.0, max(0.0, 1.0 - gap / _NEAR))
    return shade * shade * (3.0 - 2.0 * shade), near * near


@jit
def lay(stride: int, lit: Singles, touched: NDArray[np.int32], rgb: Bytes) -> None:
    """Darken `rgb` (h, w, 3) where light is missing (`cast`)."""
    rows, columns = lit.shape
    part = np.float32(1.0 / stride)
    for row in range(rgb.shape[0]):
        up = row // stride
        down = min(up + 1, rows - 1)
        low = np.float32(row - up * stride) * part
        first = min(touched[up, 0], touched[down, 0]) - 1
        last = max(touched[up, 1], touched[down, 1])
        for cell in range(max(first, 0), min(last, columns - 1) + 1):
            beside = min(cell + 1, columns - 1)
            left = lit[up, cell] + low * (lit[down, cell] - lit[up, cell])
            right = lit[up, beside] + low * (lit[down, beside] - lit[up, beside])
            if left == 1.0 and right == 1.0:
                continue
            step = (right - left) * part
            for column in range(stride * cell, min(stride * (cell + 1), rgb.shape[1])):
                for k in range(3):
                    rgb[row, column, k] = int(rgb[row, column, k] * left + np.float32(0.5))
                left += step
