"""Draws the tissue: what stands behind everything else, made once for each place of the camera."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from teleop.sim.endoscope.bodies import Kind
from teleop.sim.endoscope.camera import Camera
from teleop.sim.endoscope.cones import Bytes, Floats, Singles
from teleop.sim.endoscope.light import Lamp, tone
from teleop.sim.endoscope.tissue import CELL, TEXEL, Tissue, height_at
from transport.kernel.jit import jit

#: A ray walks in such steps, m, until it is under the surface; then the crossing is halved down.
#: No hill is steep enough to fit between two of them.
STEP: Final = 0.001
_HALVINGS = 34  # 1 mm becomes less than a picometre
_WALK_MAX = 0.6  # m
#: Wet tissue: broad sheen, sharp glints.
_SHEEN, _GLINT = 0.05, 0.9
#: A hollow is judged over so many m; light lost per m of depth below its four neighbours' sum.
_AROUND, _HOLLOW = 0.006, 110.0


def draw(
    tissue: Tissue,
    camera: Camera,
    lamp: Lamp,
    table: Bytes,
    dim: Singles,
    rgb: Bytes,
    depth: Floats,
    kinds: Bytes,
) -> None:
    """Draw the tissue into `rgb`, `depth` (m, inf beyond it) and `kinds`, all (h, w ...)."""
    walk(tissue.heights, camera.R_WC, camera.p_WC, camera.lens, depth)
    kinds[:] = np.where(np.isfinite(depth), Kind.TISSUE, Kind.BACKGROUND)
    _light(
        tissue.heights, tissue.colour, tissue.relief, camera.R_WC, camera.p_WC, camera.lens,
        camera.p_WC + camera.R_WC @ lamp.place, lamp.reach2, table, dim, depth, rgb,
    )  # fmt: skip


@jit
def walk(
    heights: Floats, R_WC: Floats, p_WC: Floats, lens: tuple[float, float, float], depth: Floats
) -> None:
    """Find the depth (m) at which each pixel's ray meets the surface, inf where it leaves it."""
    focal, u0, v0 = lens
    half = 0.5 * (heights.shape[0] - 1) * CELL
    top = heights.max()
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            x, y = (column - u0) / focal, (row - v0) / focal
            dx = R_WC[0, 0] * x + R_WC[0, 1] * y + R_WC[0, 2]
            dy = R_WC[1, 0] * x + R_WC[1, 1] * y + R_WC[1, 2]
            dz = R_WC[2, 0] * x + R_WC[2, 1] * y + R_WC[2, 2]
            step = STEP / math.sqrt(dx * dx + dy * dy + dz * dz)
            above = max(0.0, (top - p_WC[2]) / dz) if dz < 0.0 else 0.0
            depth[row, column] = math.inf
            while above < _WALK_MAX:
                under = above + step
                wx, wy = p_WC[0] + dx * under, p_WC[1] + dy * under
                if abs(wx) > half or abs(wy) > half:
                    break
                if p_WC[2] + dz * under <= height_at(heights, wx, wy):
                    for _ in range(_HALVINGS):
                        middle = 0.5 * (above + under)
                        wx, wy = p_WC[0] + dx * middle, p_WC[1] + dy * middle
                        if p_WC[2] + dz * middle <= height_at(heights, wx, wy):
                            under = middle
                        else:
                            above = middle
                    depth[row, column] = under
                    break
                above = under


@jit
def _light(
    heights: Floats,
    colour: Singles,
    relief: Singles,
    R_WC: Floats,
    p_WC: Floats,
    lens: tuple[float, float, float],
    light: Floats,
    reach2: float,
    table: Bytes,
    dim: Singles,
    depth: Floats,
    rgb: Bytes,
) -> None:
    focal, u0, v0 = lens
    half = 0.5 * (heights.shape[0] - 1) * CELL
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            t = depth[row, column]
            if not t < math.inf:
                rgb[row, column, 0] = rgb[row, column, 1] = rgb[row, column, 2] = 0
                continue
            x, y = (column - u0) / focal * t, (row - v0) / focal * t
            wx = p_WC[0] + R_WC[0, 0] * x + R_WC[0, 1] * y + R_WC[0, 2] * t
            wy = p_WC[1] + R_WC[1, 0] * x + R_WC[1, 1] * y + R_WC[1, 2] * t
            wz = p_WC[2] + R_WC[2, 0] * x + R_WC[2, 1] * y + R_WC[2, 2] * t
            sx, sy, around = _lie(heights, wx, wy)
            fx, fy, red, green, blue = _flesh(colour, relief, wx + half, wy + half)
            lx, ly, lz = light[0] - wx, light[1] - wy, light[2] - wz
            way2 = lx * lx + ly * ly + lz * lz
            scale = 1.0 / math.sqrt(way2)
            lx, ly, lz = lx * scale, ly * scale, lz * scale
            vx, vy, vz = p_WC[0] - wx, p_WC[1] - wy, p_WC[2] - wz
            scale = 1.0 / math.sqrt(vx * vx + vy * vy + vz * vz)
            hx, hy, hz = lx + vx * scale, ly + vy * scale, lz + vz * scale
            # Flesh scatters: its matte part sees half of the relief, its wet film all of it.
            scale = 1.0 / math.sqrt((sx + 0.5 * fx) ** 2 + (sy + 0.5 * fy) ** 2 + 1.0)
            facing = (lz - (sx + 0.5 * fx) * lx - (sy + 0.5 * fy) * ly) * scale
            matte = max(0.0, (facing + 0.15) / 1.15)
            # A hollow gets less light from around than a hill.
            matte *= min(1.12, max(0.45, 1.0 - _HOLLOW * around))
            scale = 1.0 / math.sqrt(
                ((sx + fx) ** 2 + (sy + fy) ** 2 + 1.0) * (hx * hx + hy * hy + hz * hz)
            )
            shine = max(0.0, (hz - (sx + fx) * hx - (sy + fy) * hy) * scale)
            wet = _SHEEN * shine**14 + _GLINT * shine**220
            fall = reach2 / way2 * dim[row, column]
            rgb[row, column, 0] = tone(fall * (red * matte + wet), table)
            rgb[row, column, 1] = tone(fall * (green * matte**1.15 + wet), table)
            rgb[row, column, 2] = tone(fall * (blue * matte**1.15 + wet), table)


@jit
def _lie(heights: Floats, x: float, y: float) -> tuple[float, float, float]:
    """Return the surface's slopes along x and y over 2 mm each way, and how hollow it is, m."""
    reach = 2 * CELL
    sx = (height_at(heights, x + reach, y) - height_at(heights, x - reach, y)) / (2 * reach)
    sy = (height_at(heights, x, y + reach) - height_at(heights, x, y - reach)) / (2 * reach)
    around = -4.0 * height_at(heights, x, y)
    for side in (-_AROUND, _AROUND):
        around += height_at(heights, x + side, y) + height_at(heights, x, y + side)
    return sx, sy, around


@jit
def _flesh(
    colour: Singles, relief: Singles, x: float, y: float
) -> tuple[float, float, float, float, float]:
    """Return the relief's slopes and the colour at x, y (m from the corner), bilinear."""
    edge = colour.shape[0] - 3
    u, v = x / TEXEL, y / TEXEL
    i, j = min(max(int(u), 1), edge), min(max(int(v), 1), edge)
    a, b = u - i, v - j
    fx = fy = red = green = blue = 0.0
    for corner in range(4):
        ii, jj = i + (corner & 1), j + (corner >> 1)
        share = (a if corner & 1 else 1.0 - a) * (b if corner >> 1 else 1.0 - b)
        fx += share * (relief[jj, ii + 1] - relief[jj, ii - 1]) / (2 * TEXEL)
        fy += share * (relief[jj + 1, ii] - relief[jj - 1, ii]) / (2 * TEXEL)
        red += share * colour[jj, ii, 0]
        green += share * colour[jj, ii, 1]
        blue += share * colour[jj, ii, 2]
    return fx, fy, red, green, blue
