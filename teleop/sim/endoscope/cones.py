"""Which round cone each pixel sees first, exactly, and how far away: the renderer's geometry.

A round cone is the union of the spheres around c(s) = a + s (b - a) with radius
r(s) = ra + s (rb - ra), 0 <= s <= 1. A ray (x, y, 1) t enters the sphere of s at

    t(s) = (B - sqrt(D)) / dd      B(s) = ray . c,  dd = ray . ray,  D(s) = B^2 - dd (c^2 - r^2)

and the union where t is least. D is a quadratic in s; where it opens downward (the ray is not
nearly along the axis) t is convex, and least where 2 B' sqrt(D) = D'. So one formula serves
capsules, cones and balls, and gives the normal (from c(s) to the point) without further work.

Rules
-----
- A pixel shows the surface that its centre's ray enters first, in front of the eye. A cone that
  the eye is inside of is not seen. Of surfaces at the same depth, the first row of the table wins.
- Bounds are never too small: a ray outside a cone's bound misses the cone.
- Everything here is in the camera's frame C (teleop.sim.endoscope.camera) and float64: with less,
  the difference of squares in D leaves no digits of a 1 mm finger 150 mm away.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]

#: No cone.
NOBODY: Final = 255
#: A prepared cone: a, b - a, ra, rb - ra, and the three coefficients of c^2 - r^2.
PREPARED: Final = 11
#: A bound: first and last row, first and last column, four half planes nx u + ny v <= k.
BOUND: Final = 16
_HALF_PLANES = 4


@jit
def prepare(cones: Floats, R_WC: Floats, p_WC: Floats, prepared: Floats) -> None:
    """Bring cones from W to C and work out what does not depend on the ray.

    Parameters
    ----------
    cones : (n, 8), see `teleop.sim.endoscope.bodies.Bodies`
    prepared : (>= n, `PREPARED`), filled
    """
    for i in range(cones.shape[0]):
        ra, rb = cones[i, 6], cones[i, 7]
        for axis in range(3):
            a = b = 0.0
            for k in range(3):
                a += R_WC[k, axis] * (cones[i, k] - p_WC[k])
                b += R_WC[k, axis] * (cones[i, 3 + k] - p_WC[k])
            prepared[i, axis], prepared[i, 3 + axis] = a, b - a
        length2 = 0.0
        for axis in range(3):
            length2 += prepared[i, 3 + axis] ** 2
        if length2 <= (rb - ra) ** 2:  # one end's sphere holds the other's: a ball
            for axis in range(3):
                prepared[i, axis] += prepared[i, 3 + axis] if rb > ra else 0.0
                prepared[i, 3 + axis] = 0.0
            ra = rb = max(ra, rb)
        prepared[i, 6], prepared[i, 7] = ra, rb - ra
        c0, c1, c2 = -ra * ra, -ra * (rb - ra), -((rb - ra) ** 2)
        for axis in range(3):
            a, u = prepared[i, axis], prepared[i, 3 + axis]
            c0, c1, c2 = c0 + a * a, c1 + a * u, c2 + u * u
        prepared[i, 8], prepared[i, 9], prepared[i, 10] = c0, c1, c2


@jit
def meet(cone: Floats, x: float, y: float) -> tuple[float, float]:
    """Return the depth at which the ray (x, y, 1) enters a cone, and s there; inf for a miss.

    Parameters
    ----------
    cone : (`PREPARED`,)
    """
    dd = x * x + y * y + 1.0
    b0 = cone[0] * x + cone[1] * y + cone[2]
    b1 = cone[3] * x + cone[4] * y + cone[5]
    d0 = b0 * b0 - dd * cone[8]
    d1 = b0 * b1 - dd * cone[9]  # half of the linear coefficient
    d2 = b1 * b1 - dd * cone[10]
    q = d1 * d1 - d0 * d2
    if d2 < 0.0:
        if q <= 0.0:
            return math.inf, 0.0
        s = (b1 * math.sqrt(q / (dd * cone[10])) - d1) / d2
        s = min(1.0, max(0.0, s))
        d = d0 + s * (2.0 * d1 + s * d2)
        t = (b0 + b1 * s - math.sqrt(d)) / dd if d > 0.0 else math.inf
        return (t, s) if t > 0.0 else (math.inf, 0.0)
    # Nearly along the axis: the least t is at an end, or at the one stationary point.
    best, where = math.inf, 0.0
    inner = (b1 * math.sqrt(q / (dd * cone[10])) - d1) / d2 if d2 > 0.0 and q > 0.0 else 0.0
    for s in (0.0, 1.0, min(1.0, max(0.0, inner))):
        d = d0 + s * (2.0 * d1 + s * d2)
        if d > 0.0:
            t = (b0 + b1 * s - math.sqrt(d)) / dd
            if t < best:
                best, where = t, s
    return (best, where) if best > 0.0 else (math.inf, 0.0)


@jit
def bound(
    cone: Floats, lens: tuple[float, float, float], size: tuple[int, int], out: Floats
) -> None:
    """Bound a cone's picture: the hull of two discs, by four lines in a box.

    Parameters
    ----------
    cone : (`PREPARED`,)
    lens : focal length, u0, v0, in pixels
    size : width, height
    out : (`BOUND`,), filled; nothing is seen when the first row is behind the last
    """
    width, height = size
    out[0], out[1], out[2], out[3] = 0.0, height - 1.0, 0.0, width - 1.0
    for k in range(_HALF_PLANES):
        out[4 + 3 * k], out[5 + 3 * k], out[6 + 3 * k] = 0.0, 0.0, 1.0
    low, high = _visible(cone, lens, size)
    if low > high:
        out[1] = -1.0
        return
    ua, va, ra = _disc(cone, low, lens)
    ub, vb, rb = _disc(cone, high, lens)
    if not (ra < math.inf and rb < math.inf):
        return  # the eye is within reach: anywhere
    out[0] = max(0.0, math.ceil(min(va - ra, vb - rb)))
    out[1] = min(height - 1.0, math.floor(max(va + ra, vb + rb)))
    out[2] = max(0.0, math.ceil(min(ua - ra, ub - rb)))
    out[3] = min(width - 1.0, math.floor(max(ua + ra, ub + rb)))
    _enclose(ua, va, ra, ub, vb, rb, out)


@jit
def _visible(
    cone: Floats, lens: tuple[float, float, float], size: tuple[int, int]
) -> tuple[float, float]:
    """Return the first and last s whose sphere may reach into the view; first > last: none."""
    focal, u0, v0 = lens
    width, height = size
    radius = max(cone[6], cone[6] + cone[7])
    low, high = 0.0, 1.0
    for plane in range(5):  # the view's four sides, and the eye's plane
        nx = ny = nz = 0.0
        if plane == 0:
            nx, nz = -1.0, -(u0 + 0.5) / focal
        elif plane == 1:
            nx, nz = 1.0, -(width - 0.5 - u0) / focal
        elif plane == 2:
            ny, nz = -1.0, -(v0 + 0.5) / focal
        elif plane == 3:
            ny, nz = 1.0, -(height - 0.5 - v0) / focal
        else:
            nz = -1.0
        reach = radius * math.sqrt(nx * nx + ny * ny + nz * nz)
        at = nx * cone[0] + ny * cone[1] + nz * cone[2] - reach
        rise = nx * cone[3] + ny * cone[4] + nz * cone[5]
        if rise > 0.0:
            high = min(high, -at / rise)
        elif rise < 0.0:
            low = max(low, -at / rise)
        elif at > 0.0:
            high = -1.0
    return low, high


@jit
def _enclose(ua: float, va: float, ra: float, ub: float, vb: float, rb: float, out: Floats) -> None:
    """Write the half planes that hold two discs: their outer tangents, and behind each."""
    length = math.hypot(ub - ua, vb - va)
    if length <= abs(ra - rb) + 1e-9:
        return  # one disc holds the other
    ux, uy = (ub - ua) / length, (vb - va) / length
    sine = (ra - rb) / length
    cosine = math.sqrt(1.0 - sine * sine)
    for k in range(_HALF_PLANES):
        side = 1.0 if k == 0 else -1.0
        if k < 2:  # the two outer tangents
            nx, ny = sine * ux - side * cosine * uy, sine * uy + side * cosine * ux
            reach = nx * ua + ny * va + ra
        elif k == 2:  # behind the first disc
            nx, ny = -ux, -uy
            reach = nx * ua + ny * va + ra
            reach = max(reach, nx * ub + ny * vb + rb)
        else:
            nx, ny = ux, uy
            reach = nx * ub + ny * vb + rb
            reach = max(reach, nx * ua + ny * va + ra)
        out[4 + 3 * k], out[5 + 3 * k], out[6 + 3 * k] = nx, ny, reach


@jit
def _disc(cone: Floats, s: float, lens: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return u, v and radius of a disc that covers the picture of the sphere of `s`.

    Its picture is an ellipse whose longer axis points to the principal point.
    """
    focal, u0, v0 = lens
    x, y = cone[0] + s * cone[3], cone[1] + s * cone[4]
    z, r = cone[2] + s * cone[5], cone[6] + s * cone[7]
    off = math.hypot(x, y)
    tangent2 = off * off + z * z - r * r
    if tangent2 <= 0.0:
        return 0.0, 0.0, math.inf
    tangent = math.sqrt(tangent2)
    if z * tangent - off * r <= 0.02 * z * tangent or z <= 0.0:
        return 0.0, 0.0, math.inf
    far = (off * tangent + z * r) / (z * tangent - off * r)
    near = (off * tangent - z * r) / (z * tangent + off * r)
    middle = 0.5 * (far + near)
    ux, uy = (x / off, y / off) if off > 0.0 else (1.0, 0.0)
    return (
        focal * middle * ux + u0,
        focal * middle * uy + v0,
        0.5 * focal * (far - near) * (1.0 + 1e-9) + 1e-6,
    )


@jit
def span(out: Floats, row: int) -> tuple[int, int]:
    """Return the first and the last column that a bound has in a row; empty when first > last."""
    first, last = out[2], out[3]
    for k in range(_HALF_PLANES):
        nx, ny, reach = out[4 + 3 * k], out[5 + 3 * k], out[6 + 3 * k]
        room = reach - ny * row
        if nx > 1e-9:
            last = min(last, math.floor(room / nx))
        elif nx < -1e-9:
            first = max(first, math.ceil(room / nx))
        elif room < -1e-6:
            return 1, 0
    return int(first), int(last)
