"""Grows the tissue: its height, its colour, the relief of its wet surface; all from a seed.

Physics and picture share `heights`: what an instrument touches is what the surgeon sees.

Rules
-----
- The same seed grows the same tissue, bit for bit.
- The work area is gentle, its mean height 0; outside it the tissue rises to a cavity's wall.
- Colours are linear reflectances, not what a screen wants.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world
from teleop.sim.endoscope import vessels
from transport.kernel.jit import jit

Floats = NDArray[np.float64]

#: Between two heights of the grid, m: the shortest wave has fifteen of them.
CELL: Final = 0.001
#: Between two texels of colour and relief, m: about a pixel of a 640 x 360 picture.
TEXEL: Final = 0.00025
#: The work area: heights average to 0 here, and the wall begins outside it.
WORK_RADIUS: Final = 0.055

# Waves of the surface: how many, their lengths, their height together (one standard deviation).
_WAVES, _WAVE_MIN, _WAVE_MAX, _WAVE_HEIGHT = 14, 0.015, 0.055, 0.0008
_WALL_STEEPNESS = 4.0  # 1/m: 20 mm up at 70 mm outside the work area

#: Linear reflectances. Measured tissue is darker in green and blue than a screen suggests.
_SEROSA = np.array((0.50, 0.115, 0.085))
_PALE = np.array((0.62, 0.24, 0.18))
_FAT = np.array((0.74, 0.42, 0.17))
_ARTERY = np.array((0.27, 0.010, 0.014))
_VEIN = np.array((0.13, 0.014, 0.030))


class Tissue(NamedTuple):
    """A piece of tissue, a square of 2 `world.TISSUE_HALF` around the origin of W.

    Parameters
    ----------
    heights : (n, n) float64, m; row = y, column = x, both from -TISSUE_HALF, `CELL` apart
    colour : (m, m, 3) float32, linear reflectance, `TEXEL` apart
    relief : (m, m) float32, m: fine bumps, too small for anything but the light
    """

    heights: Floats
    colour: NDArray[np.float32]
    relief: NDArray[np.float32]


def heights(seed: int = world.TISSUE_SEED, cell: float = CELL) -> Floats:
    """Return the tissue's height over its square.

    Parameters
    ----------
    seed : which tissue
    cell : distance of the grid's points, m

    Returns
    -------
    (n, n) float64, m, in W: row = y, column = x, both from -TISSUE_HALF to +TISSUE_HALF
    """
    rng = np.random.default_rng((seed, 0))
    axis = _axis(cell)
    x, y = axis[None, :], axis[:, None]
    lengths = _WAVE_MIN * (_WAVE_MAX / _WAVE_MIN) ** rng.uniform(0.0, 1.0, _WAVES)
    headings, phases = rng.uniform(0.0, 2.0 * np.pi, (2, _WAVES))
    weights = lengths / np.sqrt(np.sum(lengths**2) / 2.0)  # long waves are high, short ones low
    z = np.zeros((len(axis), len(axis)))
    for length, heading, phase, weight in zip(lengths, headings, phases, weights, strict=True):
        across = np.cos(heading) * x + np.sin(heading) * y
        z += _WAVE_HEIGHT * weight * np.sin(2.0 * np.pi / length * across + phase)
    radius = np.hypot(x, y)
    z -= z[radius < WORK_RADIUS].mean()
    outside = np.maximum(radius - WORK_RADIUS, 0.0)
    return z * (1.0 + 90.0 * outside) + _WALL_STEEPNESS * outside**2


@lru_cache(maxsize=2)
def grow(seed: int = world.TISSUE_SEED) -> Tissue:
    """Grow the whole tissue; about half a second of work, done once. It is nobody's to change."""
    rng = np.random.default_rng((seed, 1))
    size = len(_axis(TEXEL))
    mottle = _clouds(rng, size, 0.020, 2.6)
    fine = _clouds(rng, size, 0.003, 2.0)
    lobes = np.abs(_clouds(rng, size, 0.006, 3.0))  # fat lies in lobes: furrows between them
    fat = _step(_clouds(rng, size, 0.030, 3.0) + 0.35 * lobes, 1.2, 2.1)
    colour = np.empty((size, size, 3))
    colour[:] = _SEROSA
    _blend(colour, _PALE, 0.6 * _step(mottle, -0.2, 1.8))
    _blend(colour, _FAT, 0.8 * fat * (0.55 + 0.45 * _step(lobes, 0.0, 0.5)))
    colour *= (1.0 + 0.08 * mottle + 0.045 * fine)[..., None]
    capillaries = _clouds(rng, size, 0.006, 2.4)
    _blend(colour, _ARTERY, 0.22 * np.exp(-((capillaries / 0.07) ** 2)))
    veins = vessels.draw(np.random.default_rng((seed, 2)), size, TEXEL, vessels.VEINS)
    _blend(colour, _VEIN, 0.55 * veins)
    arteries = vessels.draw(np.random.default_rng((seed, 3)), size, TEXEL, vessels.ARTERIES)
    _blend(colour, _ARTERY, 0.75 * arteries)
    relief = 60e-6 * fine + 35e-6 * _clouds(rng, size, 0.0020, 1.7) + 180e-6 * (veins + arteries)
    relief += 400e-6 * fat * _step(lobes, 0.0, 0.6)
    return Tissue(
        heights(seed),
        np.clip(colour, 0.0, 1.0).astype(np.float32),
        relief.astype(np.float32),
    )


@jit
def height_at(heights: Floats, x: float, y: float) -> float:
    """Return the surface's height at x, y (W, m): bilinear in the grid, which holds them."""
    half = 0.5 * (heights.shape[0] - 1) * CELL
    u, v = (x + half) / CELL, (y + half) / CELL
    i = min(max(int(u), 0), heights.shape[1] - 2)
    j = min(max(int(v), 0), heights.shape[0] - 2)
    a, b = u - i, v - j
    near = heights[j, i] + a * (heights[j, i + 1] - heights[j, i])
    far = heights[j + 1, i] + a * (heights[j + 1, i + 1] - heights[j + 1, i])
    return float(near + b * (far - near))


def _axis(cell: float) -> Floats:
    count = round(2.0 * world.TISSUE_HALF / cell) + 1
    return np.linspace(-world.TISSUE_HALF, world.TISSUE_HALF, count)


def _clouds(rng: np.random.Generator, size: int, length: float, slope: float) -> Floats:
    # Fractal noise, one standard deviation high: white noise whose spectrum falls with frequency
    # above 1/length.
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    fy = np.fft.fftfreq(size, TEXEL)[:, None]
    fx = np.fft.rfftfreq(size, TEXEL)[None, :]
    spectrum *= (1.0 + (fx**2 + fy**2) * length**2) ** (-slope / 2.0)
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, (size, size))
    return np.asarray(field / field.std())


def _step(x: Floats, low: float, high: float) -> Floats:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _blend(colour: Floats, other: Floats, share: Floats) -> None:
    colour += (other - colour) * share[..., None]
