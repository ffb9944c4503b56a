"""Where the tip may go: virtual fixtures as velocity dampers, over a table of surfaces.

Of each surface the clearance f of the tip may shrink no faster than

    df/dt >= -rate * f    within its margin, freely outside it

(the velocity damper of Faverjon & Tournassoud, ICRA 1987; Kanoun et al., T-RO 2011; as vector-field
inequalities for surgical robots Marinho et al., T-RO 2019). Over a step of dt from the setpoint
that was applied, `p`, that is solved exactly: f >= min(f(p), margin) * exp(-rate * dt). So the tip
slows before it stops and never reaches the surface; along it and away from it it is free.

Rules
-----
1. Every row bounds the step by a convex set that contains `p`. Who must stay inside a ball or a
   cone has one by nature. The outside of a plane or a capsule becomes the half-space in front of
   the point of it that is nearest to `p`: nothing thin can be leapt over, however long the step.
2. Hence the whole way from `p` to the answer is allowed: a limit that goes only a part of it, or
   brakes on it, stays out as well.
3. The wish is projected on one set after the other, `SWEEPS` times at most. What violates a set
   after that is halved towards `p`, `HALVINGS` times; after that the tip stays at `p`. So in the
   bottom of a wedge of less than 60 degrees sliding along is slow, the slower the more acute.
4. Inside what is forbidden (at a reference: tissue, too, moves) the bound is f(p): no deeper, free
   outwards, never a leap to the surface.
5. Which fixture is said: the one that the wish violates most, or that the tip is in deepest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from teleop.control.pose import Vector, VectorLike, along, cross, dot
from teleop.control.surface import Kind, Surface
from transport.kernel.jit import jit

Array = NDArray[np.float64]

SWEEPS: Final = 16
HALVINGS: Final = 8
#: So far beyond a bound the projections aim: more than rounding (2e-16 at 1 m), less than an atom.
AIM_M: Final = 1e-12
#: A violation below this is rounding; it is mended, and nobody is told.
TOLD_M: Final = 1e-9

_NUMBER: Final = 0
_KIND: Final = 1
_MARGIN: Final = 2
_RATE: Final = 3
_R: Final = 10
_C: Final = 11
_PLANE: Final = int(Kind.PLANE)
_CAPSULE: Final = int(Kind.CAPSULE)
_BALL: Final = int(Kind.BALL)

#: Columns of `work`: the normal of the half-space, the clearance of `p`, the bound.
WORK: Final = 5
_CLEARANCE: Final = 3
_FLOOR: Final = 4


def table(surfaces: Sequence[Surface]) -> Array:
    """Make the kernel's table of rows: (n, 12) float64."""
    return np.array(surfaces, dtype=np.float64).reshape(len(surfaces), len(Surface._fields))


def workspace(surfaces: Sequence[Surface]) -> Array:
    """Make the kernel's scratch for such a table: (n, 5) float64."""
    return np.zeros((len(surfaces), WORK))


@jit
def restrain(
    surfaces: Array, applied: Array, wish: Array, dt_s: float, work: Array, out: Array
) -> int:
    """Give the tip's position that is allowed and near the wish; name the fixture that changed it.

    Parameters
    ----------
    surfaces : (n, 12) float64, rows of `Surface`
    applied : (>= 3,) float64, m: where the tip was last told to be
    wish : (>= 3,) float64, m: where it is asked to be
    dt_s : time that this step stands for; 0 allows no approach within a margin
    work : (n, 5) float64, scratch
    out : (>= 3,) float64, m: the answer; may be `wish`

    Returns
    -------
    int
        Number of the fixture, 0 when none did anything and the tip is in none.
    """
    p = (applied[0], applied[1], applied[2])
    x = (wish[0], wish[1], wish[2])
    if not math.isfinite(x[0] + x[1] + x[2]):  # no place, no wish
        x = p
    number, worst = 0, TOLD_M
    for i in range(surfaces.shape[0]):
        _bound(surfaces[i], p, dt_s, work[i])
        short = work[i, _FLOOR] - _clearance(surfaces[i], work[i], p, x)
        depth = max(short, -work[i, _CLEARANCE])
        if depth > worst:
            number, worst = int(surfaces[i, _NUMBER]), depth
    x = _project(surfaces, work, p, x)
    for _ in range(HALVINGS):
        if _is_allowed(surfaces, work, p, x):
            break
        x = (p[0] + 0.5 * (x[0] - p[0]), p[1] + 0.5 * (x[1] - p[1]), p[2] + 0.5 * (x[2] - p[2]))
    if not _is_allowed(surfaces, work, p, x):
        x = p
    out[0], out[1], out[2] = x[0], x[1], x[2]
    return number


@jit
def rcm_residual(tip: VectorLike, shaft: VectorLike, pivot: VectorLike) -> float:
    """Measure how far a shaft passes from its remote centre of motion, m.

    For robots whose remote centre is kept by software only: the distance of `pivot` from the line
    through `tip` along `shaft` (a direction of any length), all in one frame. Without a direction
    it is the distance from the tip.
    """
    away = (pivot[0] - tip[0], pivot[1] - tip[1], pivot[2] - tip[2])
    length = math.sqrt(dot(shaft, shaft))
    if not length > 0.0:
        return math.sqrt(dot(away, away))
    unit = (shaft[0] / length, shaft[1] / length, shaft[2] / length)
    beside = cross(away, unit)
    return math.sqrt(dot(beside, beside))


@jit
def _bound(row: Array, p: Vector, dt_s: float, work: Array) -> None:
    """Note the half-space in front of a surface, the clearance of `p`, and what must remain."""
    a, b = (row[4], row[5], row[6]), (row[7], row[8], row[9])
    kind = int(row[_KIND])
    n = (0.0, 0.0, 0.0)
    if kind == _PLANE:
        n = b
        clearance = dot(n, along(p, -1.0, a))
    elif kind == _CAPSULE:
        away = along(p, -1.0, _nearest(a, b, p))
        distance = math.sqrt(dot(away, away))
        if distance > 0.0:  # on its axis every way leads outwards
            n = (away[0] / distance, away[1] / distance, away[2] / distance)
        clearance = distance - row[_R]
    else:
        clearance = _clearance(row, work, p, p)
    work[0], work[1], work[2] = n
    work[_CLEARANCE] = clearance
    if clearance > 0.0:
        work[_FLOOR] = min(clearance, row[_MARGIN]) * math.exp(-row[_RATE] * dt_s)
    else:
        work[_FLOOR] = clearance


@jit
def _clearance(row: Array, work: Array, p: Vector, x: Vector) -> float:
    """Measure the clearance of `x` from a surface, or from the half-space in front of it, m."""
    kind = int(row[_KIND])
    if kind <= _CAPSULE:
        step = along(x, -1.0, p)
        return float(work[_CLEARANCE] + work[0] * step[0] + work[1] * step[1] + work[2] * step[2])
    v = (x[0] - row[4], x[1] - row[5], x[2] - row[6])
    if kind == _BALL:
        return float(row[_R] - math.sqrt(dot(v, v)))
    axis = (row[7], row[8], row[9])
    height = dot(v, axis)
    aside = along(v, -height, axis)
    return float(row[_R] * height - row[_C] * math.sqrt(dot(aside, aside)))


@jit
def _push(row: Array, work: Array, x: Vector, clearance: float, to: float) -> Vector:
    """Move `x` the shortest way until its clearance is `to`, which is more than it has."""
    kind = int(row[_KIND])
    short = to - clearance
    if kind <= _CAPSULE:
        return along(x, short, (work[0], work[1], work[2]))
    a = (row[4], row[5], row[6])
    v = along(x, -1.0, a)
    if kind == _BALL:
        radius = row[_R] - clearance
        return along(a, 1.0 - short / radius if radius > 0.0 else 1.0, v)
    axis = (row[7], row[8], row[9])
    height = dot(v, axis)
    aside = along(v, -height, axis)
    radius = math.sqrt(dot(aside, aside))
    narrowed = radius - row[_C] * short
    if not narrowed > 0.0:  # the nearest point is the apex of the cone with that clearance
        return along(a, to / row[_R], axis)
    return along(along(a, height + row[_R] * short, axis), narrowed / radius, aside)


@jit
def _project(surfaces: Array, work: Array, p: Vector, x: Vector) -> Vector:
    """Project `x` on one allowed set after the other until it is in all, or sweeps are spent."""
    for _ in range(SWEEPS):
        moved = False
        for i in range(surfaces.shape[0]):
            clearance = _clearance(surfaces[i], work[i], p, x)
            if not clearance >= work[i, _FLOOR]:
                x = _push(surfaces[i], work[i], x, clearance, work[i, _FLOOR] + AIM_M)
                moved = True
        if not moved:
            break
    return x


@jit
def _is_allowed(surfaces: Array, work: Array, p: Vector, x: Vector) -> bool:
    """Tell whether `x` is in every allowed set; what is no number is in none."""
    for i in range(surfaces.shape[0]):
        if not _clearance(surfaces[i], work[i], p, x) >= work[i, _FLOOR]:
            return False
    return True


@jit
def _nearest(a: Vector, b: Vector, p: Vector) -> Vector:
    """Give the point of the line from `a` to `b` that is nearest to `p`."""
    line = along(b, -1.0, a)
    square = dot(line, line)
    if not square > 0.0:
        return a
    t = dot(along(p, -1.0, a), line) / square
    return along(a, min(1.0, max(0.0, t)), line)
