"""What a pose is made of: vectors, unit quaternions (wxyz) and rotations, as kernels.

Rules
-----
1. A vector or a quaternion is a value: a tuple of three or four float64. It lives in registers, so
   nothing is allocated and nothing is overwritten behind a caller's back. Every function reads
   anything that can be indexed, a slice of an array too; only `store` and `load` know the array
   form of a pose: position x y z in m, then the unit quaternion w x y z.
2. q and -q are one rotation. `between` measures the shorter way, `log` goes it, and
   `from_axes` gives w >= 0.
3. Whoever multiplies for long normalises: a product of unit quaternions drifts by an ulp each.

Sources: Hamilton's product and the sandwich as in Sola, Quaternion kinematics for the error-state
Kalman filter (2017), sections 1 and 2; the largest-component conversion is Shepperd's (1978).
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit

#: What kernels return.
Vector: TypeAlias = tuple[float, float, float]
Quaternion: TypeAlias = tuple[float, float, float, float]
#: What kernels read: the same, or a float64 array of that length.
VectorLike: TypeAlias = Vector | NDArray[np.float64]
QuaternionLike: TypeAlias = Quaternion | NDArray[np.float64]

#: Below this half-angle (rad) sin(x)/x is 1 - x^2/6 to the last bit: x^4/120 < 2^-53.
_SMALL = 1e-4
#: A squared norm below this says nothing about direction any more; float64 gets coarse there.
TINY = 1e-280


@jit
def dot(a: VectorLike, b: VectorLike) -> float:
    """Scalar product of two vectors."""
    return float(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


@jit
def cross(a: VectorLike, b: VectorLike) -> Vector:
    """Vector product of two vectors."""
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


@jit
def along(a: VectorLike, t: float, b: VectorLike) -> Vector:
    """Go from `a` by `t` times `b`: a + t b."""
    return a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]


@jit
def blend(s: float, a: VectorLike, t: float, b: VectorLike) -> Vector:
    """Combine two vectors: s a + t b."""
    return s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]


@jit
def multiply(a: QuaternionLike, b: QuaternionLike) -> Quaternion:
    """Hamilton's product: the rotation `b`, then `a`, in the frame of `a`."""
    return (
        a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
        a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
        a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
        a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
    )


@jit
def conjugate(q: QuaternionLike) -> Quaternion:
    """Turn back: the inverse of a unit quaternion."""
    return q[0], -q[1], -q[2], -q[3]


@jit
def normalise(q: QuaternionLike) -> Quaternion:
    """Scale to length 1; what has no direction (zero, NaN, infinite) becomes no rotation."""
    square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]
    if not (square > TINY and math.isfinite(square)):
        return 1.0, 0.0, 0.0, 0.0
    norm = math.sqrt(square)
    return q[0] / norm, q[1] / norm, q[2] / norm, q[3] / norm


@jit
def rotate(q: QuaternionLike, v: VectorLike) -> Vector:
    """Rotate a vector by a unit quaternion: v + 2 (w t + r x t), t = r x v."""
    r = (q[1], q[2], q[3])
    t = cross(r, v)
    return along(along(v, 2.0 * q[0], t), 2.0, cross(r, t))


@jit
def between(a: QuaternionLike, b: QuaternionLike) -> float:
    """Measure the angle from one orientation to another, 0 to pi, rad.

    By the vector part of a^-1 b, which keeps its precision at small angles where the arc cosine of
    the scalar part does not.
    """
    w, x, y, z = multiply(conjugate(a), b)
    return 2.0 * math.atan2(math.sqrt(x * x + y * y + z * z), abs(w))


@jit
def exp(v: VectorLike) -> Quaternion:
    """Make the unit quaternion of a rotation vector: axis times angle, rad."""
    half = 0.5 * math.sqrt(dot(v, v))
    sinc = 1.0 - half * half / 6.0 if half < _SMALL else math.sin(half) / half
    k = 0.5 * sinc
    return math.cos(half), k * v[0], k * v[1], k * v[2]


@jit
def log(q: QuaternionLike) -> Vector:
    """Make the rotation vector of a unit quaternion, the shorter way: its length is at most pi."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    sine = math.sqrt(x * x + y * y + z * z)
    # An angle so small that its sine is lost below the smallest square is its own sine.
    k = 2.0 * math.atan2(sine, w) / sine if sine > 0.0 else 2.0
    return k * x, k * y, k * z


@jit
def to_axes(q: QuaternionLike) -> tuple[Vector, Vector, Vector]:
    """Give the columns of a unit quaternion's matrix: where it takes x, y and z."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    return (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )


@jit
def from_axes(x: VectorLike, y: VectorLike, z: VectorLike) -> Quaternion:
    """Make the unit quaternion (w >= 0) whose matrix has these columns: orthonormal, right-handed.

    The largest component is found first and divides the others (Shepperd 1978), so no angle is
    worse conditioned than another.
    """
    xx, yy, zz = x[0], y[1], z[2]
    trace = xx + yy + zz
    if trace >= xx and trace >= yy and trace >= zz:
        q = (1.0 + trace, y[2] - z[1], z[0] - x[2], x[1] - y[0])
    elif xx >= yy and xx >= zz:
        q = (y[2] - z[1], 1.0 + xx - yy - zz, x[1] + y[0], z[0] + x[2])
    elif yy >= zz:
        q = (z[0] - x[2], x[1] + y[0], 1.0 - xx + yy - zz, y[2] + z[1])
    else:
        q = (x[1] - y[0], z[0] + x[2], y[2] + z[1], 1.0 - xx - yy + zz)
    w, i, j, k = normalise(q)
    return (-w, -i, -j, -k) if w < 0.0 else (w, i, j, k)


@jit
def to_matrix(q: QuaternionLike, out: NDArray[np.float64]) -> None:
    """Write a unit quaternion's rotation matrix into `out` : (3, 3) float64."""
    x, y, z = to_axes(q)
    for i in range(3):
        out[i, 0], out[i, 1], out[i, 2] = x[i], y[i], z[i]


@jit
def from_matrix(matrix: NDArray[np.float64]) -> Quaternion:
    """Make the unit quaternion (w >= 0) of `matrix` : (3, 3) float64, a rotation."""
    return from_axes(matrix[:, 0], matrix[:, 1], matrix[:, 2])


@jit
def store(p: VectorLike, q: QuaternionLike, out: NDArray[np.float64]) -> None:
    """Write a pose into `out` : (7,) float64, position m, then quaternion wxyz."""
    out[0], out[1], out[2] = p[0], p[1], p[2]
    out[3], out[4], out[5], out[6] = q[0], q[1], q[2], q[3]


@jit
def load(pose: NDArray[np.float64]) -> tuple[Vector, Quaternion]:
    """Read a pose from `pose` : (7,) float64, position m, then quaternion wxyz."""
    return (pose[0], pose[1], pose[2]), (pose[3], pose[4], pose[5], pose[6])
