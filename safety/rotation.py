"""How orientations differ and turn: unit quaternions wxyz, as plain tuples.

The limits ship without numpy; `teleop.control.pose` has the same for kernels of motion.
"""

from __future__ import annotations

import math

from transport.wire.vector import Setpoint

Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]


def rotation_angle(a: Setpoint, b: Setpoint) -> float:
    """Measure the angle between two orientations, rad.

    By the half-chord, which keeps its precision for small angles where the arc cosine of
    the dot product does not.
    """
    dot = a.qw * b.qw + a.qx * b.qx + a.qy * b.qy + a.qz * b.qz
    sign = 1.0 if dot >= 0.0 else -1.0
    dw, dx = a.qw - sign * b.qw, a.qx - sign * b.qx
    dy, dz = a.qy - sign * b.qy, a.qz - sign * b.qz
    return chord_angle(math.sqrt(dw * dw + dx * dx + dy * dy + dz * dz))


def chord_angle(chord: float) -> float:
    """Turn the distance between two quaternions into the angle between them, rad."""
    return 4.0 * math.asin(min(1.0, chord / 2.0))


def angle_chord(angle: float) -> float:
    """Turn an angle between two orientations into the distance of their quaternions."""
    return 2.0 * math.sin(min(angle, math.pi) / 4.0)


def continued(old: Setpoint, new: Setpoint) -> Setpoint:
    """Say `new` with the one of its two quaternions that is nearer to `old`'s."""
    _, _, _, aw, ax, ay, az, _ = old
    _, _, _, bw, bx, by, bz, _ = new
    if aw * bw + ax * bx + ay * by + az * bz >= 0.0:
        return new
    return new._replace(qw=-bw, qx=-bx, qy=-by, qz=-bz)


def between(a: Quaternion, b: Quaternion, share: float) -> Quaternion:
    """Go a share of the way from one orientation to another, given on the same side."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    rest = 1.0 - share
    w, x = rest * aw + share * bw, rest * ax + share * bx
    y, z = rest * ay + share * by, rest * az + share * bz
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    return w / norm, x / norm, y / norm, z / norm


def turned(q: Quaternion, turn: Vector) -> Quaternion:
    """Turn an orientation by a rotation vector in the base's axes, rad."""
    tx, ty, tz = turn
    angle = math.sqrt(tx * tx + ty * ty + tz * tz)
    if angle < 1e-12:
        return q
    share = math.sin(angle / 2.0) / angle
    return multiply((math.cos(angle / 2.0), tx * share, ty * share, tz * share), q)


def turn_between(a: Quaternion, b: Quaternion) -> Vector:
    """Give the rotation vector in the base's axes that turns `a` into `b`, rad."""
    w, x, y, z = multiply(b, (a[0], -a[1], -a[2], -a[3]))
    norm = math.sqrt(x * x + y * y + z * z)
    if norm < 1e-12:
        return 0.0, 0.0, 0.0
    share = math.copysign(2.0 * math.atan2(norm, abs(w)) / norm, w)
    return x * share, y * share, z * share


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Hamilton product."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )
