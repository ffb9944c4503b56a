"""How bright a surface looks under the endoscope's own light, and what a screen is told of it.

One lamp beside the lens: light falls with the square of its way, highlights are Blinn's, metal
reflects a red cavity. Brightness 1 is what a white surface at the view's target sends back.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world
from teleop.sim.endoscope.camera import Camera
from teleop.sim.endoscope.cones import NOBODY, Bytes, Floats, Singles
from transport.kernel.jit import jit

#: The tone curve's table: brightness 0 to `BRIGHT_MAX` in so many steps.
TONES: Final = 2048
BRIGHT_MAX: Final = 4.0
_EXPOSURE = 2.0
_GAMMA = 2.2
#: Corners get so much less light than the middle.
_VIGNETTE = 0.65
# What metal reflects: the dark of the port, the red wall below, a grey lit band between. Linear.
_DARK = 0.03
_WALL = (0.30, 0.13, 0.11)
_BAND = 0.34
_AMBIENT = 0.10


class Lamp(NamedTuple):
    """The light, in the camera's frame.

    Parameters
    ----------
    place : (3,) float64, m
    reach2 : squared distance at which brightness is 1, m^2
    up : (3,) float64: W's z axis in C
    eye_height : of the eye in W, m
    """

    place: Floats
    reach2: float
    up: Floats
    eye_height: float


def lamp(camera: Camera, view: world.View) -> Lamp:
    """Put the light beside the lens of this camera."""
    way = np.array(view.target) - np.array(view.eye)
    return Lamp(
        np.array(world.LIGHT),
        float(way @ way),
        np.ascontiguousarray(camera.R_WC[2]),
        float(camera.p_WC[2]),
    )


def tones() -> Bytes:
    """Return the (TONES,) table from brightness to a screen's byte: a shoulder, then gamma."""
    bright = np.linspace(0.0, BRIGHT_MAX, TONES)
    return np.round(255.0 * (1.0 - np.exp(-_EXPOSURE * bright)) ** (1.0 / _GAMMA)).astype(np.uint8)


def vignette(width: int, height: int) -> Singles:
    """Return the (h, w) share of light that reaches each pixel."""
    u = np.linspace(-1.0, 1.0, width)[None, :]
    v = np.linspace(-1.0, 1.0, height)[:, None]
    off2 = (u**2 + (v * height / width) ** 2) / (1.0 + (height / width) ** 2)
    return (1.0 - _VIGNETTE * off2**1.5).astype(np.float32)


@jit
def tone(bright: float, table: Bytes) -> int:
    """Look a brightness up; below and above the table are its ends."""
    place = int(bright * ((TONES - 1) / BRIGHT_MAX) + 0.5)
    return int(table[min(max(place, 0), TONES - 1)])


@jit
def paint(
    cones: Floats,
    looks: Floats,
    lens: tuple[float, float, float],
    lamp: Lamp,
    table: Bytes,
    dim: Singles,
    depth: Floats,
    owner: Bytes,
    along: Singles,
    extent: NDArray[np.int32],
    rgb: Bytes,
) -> None:
    """Colour every pixel that a cone owns.

    Parameters
    ----------
    cones, looks : (n, `PREPARED`), (n, 7): teleop.sim.endoscope.bodies.LOOKS
    table, dim : of `tones` and `vignette`
    depth, owner, along, extent : (h, w), (h, 2), of teleop.sim.endoscope.raster.fill
    rgb : (h, w, 3), coloured where `owner` is somebody
    """
    focal, u0, v0 = lens
    for row in range(depth.shape[0]):
        for column in range(extent[row, 0], extent[row, 1] + 1):
            who = owner[row, column]
            if who == NOBODY:
                continue
            x, y, t = (column - u0) / focal, (row - v0) / focal, depth[row, column]
            red, green, blue = _colour(
                cones[who], looks[who], lamp, x * t, y * t, t, along[row, column]
            )
            share = dim[row, column]
            rgb[row, column, 0] = tone(red * share, table)
            rgb[row, column, 1] = tone(green * share, table)
            rgb[row, column, 2] = tone(blue * share, table)


@jit
def _colour(
    cone: Floats, look: Floats, lamp: Lamp, px: float, py: float, pz: float, s: float
) -> tuple[float, float, float]:
    """Return the brightness of a cone's point (C, m) in red, green, blue."""
    nx, ny, nz = px - cone[0] - s * cone[3], py - cone[1] - s * cone[4], pz - cone[2] - s * cone[5]
    scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    scale = -1.0 / math.sqrt(px * px + py * py + pz * pz)
    vx, vy, vz = px * scale, py * scale, pz * scale
    lx, ly, lz = lamp.place[0] - px, lamp.place[1] - py, lamp.place[2] - pz
    way2 = lx * lx + ly * ly + lz * lz
    fall = lamp.reach2 / way2
    scale = 1.0 / math.sqrt(way2)
    lx, ly, lz = lx * scale, ly * scale, lz * scale
    hx, hy, hz = lx + vx, ly + vy, lz + vz
    scale = 1.0 / math.sqrt(hx * hx + hy * hy + hz * hz)
    facing = max(0.0, nx * lx + ny * ly + nz * lz)
    shine = max(0.0, (nx * hx + ny * hy + nz * hz) * scale)
    shine *= shine
    shine *= shine
    shine *= shine
    broad = shine  # ^8
    shine *= shine
    shine *= shine
    sharp = shine * shine * shine  # ^96
    ux, uy, uz = lamp.up[0], lamp.up[1], lamp.up[2]
    above = lamp.eye_height + ux * px + uy * py + uz * pz
    open_sky = min(1.0, max(0.0, above / 0.012))  # near the tissue there is less light around
    matte = fall * (facing * (0.75 + 0.25 * open_sky) + _AMBIENT * (0.3 + 0.7 * open_sky))
    metal, gloss_broad, gloss_sharp, tint = _dress(cone, look, s)
    # The mirrored view: up it meets the dark, down the cavity.
    twice = 2.0 * (nx * vx + ny * vy + nz * vz)
    upward = ux * (twice * nx - vx) + uy * (twice * ny - vy) + uz * (twice * nz - vz)
    wall = min(1.0, max(0.0, 0.35 - 0.9 * upward))
    band = max(0.0, 1.0 - 6.0 * (upward - 0.25) ** 2)  # the lit edge of the cavity, level and up
    mirror_red = _DARK + wall * _WALL[0] + band * _BAND
    mirror_green = _DARK + wall * _WALL[1] + band * _BAND
    mirror_blue = _DARK + wall * _WALL[2] + band * _BAND
    highlight = fall * (gloss_broad * broad + gloss_sharp * sharp)
    under = matte * (1.0 - 0.85 * metal)
    around = metal * min(fall, 1.5)
    return (
        look[0] * tint * (under + around * mirror_red) + highlight,
        look[1] * tint * (under + around * mirror_green) + highlight,
        look[2] * tint * (under + around * mirror_blue) + highlight,
    )


@jit
def _dress(cone: Floats, look: Floats, s: float) -> tuple[float, float, float, float]:
    """Return share of metal, both highlights and the tint of a cone at s: its pattern."""
    metal, pattern = look[3], look[6]
    gloss_broad, gloss_sharp, tint = look[4], look[5], 1.0
    if pattern == 1.0:  # a shaft: a steel collar at the wrist, a groove before it
        from_end = (1.0 - s) * math.sqrt(cone[3] ** 2 + cone[4] ** 2 + cone[5] ** 2)
        if from_end < 0.0055:
            metal, gloss_broad, gloss_sharp, tint = 0.9, 0.4, 1.2, 11.0
        elif from_end < 0.0063:
            tint = 0.25
    elif pattern == 3.0:  # a wrist: a groove where its two yokes meet, a darker second one
        if abs(s - 0.5) < 0.05:
            tint, gloss_broad, gloss_sharp = 0.15, 0.05, 0.1
        elif s > 0.5:
            tint = 0.7
    elif pattern == 2.0:  # a finger: fine teeth along it
        tint = 1.0 - 0.22 * (0.5 + 0.5 * math.sin(s * 75.0)) * min(1.0, 4.0 * s)
    return metal, gloss_broad, gloss_sharp, tint
