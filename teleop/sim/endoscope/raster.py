"""Fills the picture's depth and owner from the cones, and smooths the edges of what is coloured."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from teleop.sim.endoscope.cones import NOBODY, Bytes, Floats, Singles, bound, meet, span
from transport.kernel.jit import jit

Ints = NDArray[np.int32]
Lens = tuple[float, float, float]

#: Where an edge pixel is sampled again, in pixels from its centre: a rotated grid of four.
SAMPLES: Final = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))


@jit
def fill(
    cones: Floats,
    lens: Lens,
    bounds: Floats,
    depth: Floats,
    owner: Bytes,
    along: Singles,
    extent: Ints,
) -> None:
    """Give every pixel the cone that it sees before what `depth` holds.

    Parameters
    ----------
    cones : (n, `PREPARED`)
    bounds : (>= n, `BOUND`), filled
    depth : (h, w), m: what stands behind; becomes the nearest
    owner : (h, w), becomes the cone's row where one is nearest
    along : (h, w), becomes s where `owner` does
    extent : (h, 2), filled: first and last column of a row that may be owned; first > last: none
    """
    focal, u0, v0 = lens
    height, width = depth.shape
    for row in range(height):
        extent[row, 0], extent[row, 1] = width, -1
    for i in range(cones.shape[0]):
        cone, box = cones[i], bounds[i]
        bound(cone, lens, (width, height), box)
        for row in range(int(box[0]), int(box[1]) + 1):
            y = (row - v0) / focal
            first, last = span(box, row)
            if first <= last:
                extent[row, 0] = min(extent[row, 0], first)
                extent[row, 1] = max(extent[row, 1], last)
            for column in range(first, last + 1):
                t, s = meet(cone, (column - u0) / focal, y)
                if t < depth[row, column]:
                    depth[row, column] = t
                    owner[row, column] = i
                    along[row, column] = s


@jit
def smooth(
    cones: Floats,
    lens: Lens,
    owner: Bytes,
    extent: Ints,
    behind: Floats,
    rgb: Bytes,
    edges: Ints,
    edge_rgb: Bytes,
) -> int:
    """Mix the colours of the owners that share a pixel; return how many pixels were mixed.

    Each pixel whose right or lower neighbour is another's is looked at again through `SAMPLES`.
    Nothing is lit anew: an owner's colour is its colour at the nearest pixel. When `edges` is
    full the rest of the picture keeps its steps.

    Parameters
    ----------
    owner, extent : of `fill`
    behind : (h, w), m: what stood behind the cones
    rgb : (h, w, 3): the picture
    edges, edge_rgb : (m,), (m, 3): room to work in
    """
    height, width = owner.shape
    count = 0
    for row in range(1, height - 1):
        first = min(extent[row - 1, 0], extent[row, 0] - 1, extent[row + 1, 0])
        last = max(extent[row - 1, 1], extent[row, 1] + 1, extent[row + 1, 1])
        for column in range(max(first, 1), min(last, width - 2) + 1):
            mine = owner[row, column]
            if (
                mine == owner[row, column + 1]
                and mine == owner[row + 1, column]
                and mine == owner[row, column - 1]
                and mine == owner[row - 1, column]
            ):
                continue
            if count == edges.shape[0]:
                break
            _mix(cones, lens, owner, behind, rgb, row, column, edge_rgb[count])
            edges[count] = row * width + column
            count += 1
    for i in range(count):
        row, column = edges[i] // width, edges[i] % width
        for k in range(3):
            rgb[row, column, k] = edge_rgb[i, k]
    return count


@jit
def _mix(
    cones: Floats,
    lens: Lens,
    owner: Bytes,
    behind: Floats,
    rgb: Bytes,
    row: int,
    column: int,
    out: Bytes,
) -> None:
    focal, u0, v0 = lens
    red = green = blue = 0
    for sample in range(4):
        x = (column + SAMPLES[sample][0] - u0) / focal
        y = (row + SAMPLES[sample][1] - v0) / focal
        # The pixel itself and its four neighbours name who may be seen, and lend their colours.
        nearest, seen_row, seen_column = math.inf, row, column
        for place in range(5):
            r = row + (1 if place == 1 else -1 if place == 2 else 0)
            c = column + (1 if place == 3 else -1 if place == 4 else 0)
            if place > 0 and owner[r, c] == owner[row, column]:
                continue
            t = behind[row, column]
            if owner[r, c] != NOBODY:
                t, _ = meet(cones[owner[r, c]], x, y)
            if t < nearest:
                nearest, seen_row, seen_column = t, r, c
        red += rgb[seen_row, seen_column, 0]
        green += rgb[seen_row, seen_column, 1]
        blue += rgb[seen_row, seen_column, 2]
    out[0], out[1], out[2] = (red + 2) // 4, (green + 2) // 4, (blue + 2) // 4
