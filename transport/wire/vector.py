"""How poses and velocities cross the wire: little-endian float64 in one `bin`.

A pose with a jaw is eight: position x y z in metres, orientation as a unit quaternion w x y z, jaw
angle in radians. A velocity is six: linear x y z in m/s, angular x y z in rad/s. The frame is said
where the value is used (X_CH: hand H in the clutch's frame C, ...).
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

SETPOINT_BYTES = 64
#: How far from 1 the squared norm of a quaternion may lie: float32 sources round to about 1e-7.
UNIT_TOLERANCE = 1e-4

TWIST_BYTES = 48

_LAYOUT = struct.Struct("<8d")
_TWIST_LAYOUT = struct.Struct("<6d")


class Setpoint(NamedTuple):
    """A pose and a jaw angle: metres, unit quaternion (wxyz), radians."""

    x: float
    y: float
    z: float
    qw: float
    qx: float
    qy: float
    qz: float
    jaw: float


#: The pose at the origin of whatever frame, jaw closed.
ORIGIN = Setpoint(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def pack_setpoint(setpoint: Setpoint) -> bytes:
    """Write a setpoint as its 64 bytes."""
    return _LAYOUT.pack(*setpoint)


def unpack_setpoint(data: bytes) -> Setpoint:
    """Read a setpoint from its 64 bytes; values are not judged (see `is_finite`, `is_unit`)."""
    return Setpoint._make(_LAYOUT.unpack(data))


class Twist(NamedTuple):
    """A velocity of a frame's origin and its rate of turn: m/s, rad/s."""

    vx: float
    vy: float
    vz: float
    wx: float
    wy: float
    wz: float


STILL = Twist(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def pack_twist(twist: Twist) -> bytes:
    """Write a velocity as its 48 bytes."""
    return _TWIST_LAYOUT.pack(*twist)


def unpack_twist(data: bytes) -> Twist:
    """Read a velocity from its 48 bytes; values are not judged."""
    return Twist._make(_TWIST_LAYOUT.unpack(data))


def is_finite(setpoint: Setpoint) -> bool:
    """Tell whether no component is NaN, infinite, or so large that a square of it is infinite.

    One sum of squares is enough: NaN and infinity survive it, and no two components cancel. So
    the difference of two poses that passed is finite as well; for two finite ones in general it
    is not (1.7e308 and its negative), and infinity times zero would be the driver's next pose.
    """
    x, y, z, w, i, j, k, jaw = setpoint
    return math.isfinite(x * x + y * y + z * z + w * w + i * i + j * j + k * k + jaw * jaw)


def is_unit(setpoint: Setpoint) -> bool:
    """Tell whether the orientation is a unit quaternion within `UNIT_TOLERANCE`."""
    _, _, _, w, x, y, z, _ = setpoint
    return abs(w * w + x * x + y * y + z * z - 1.0) <= UNIT_TOLERANCE


def pack_joints(joints: tuple[float, ...]) -> bytes:
    """Write joint positions (rad or m) as little-endian float64."""
    return struct.pack(f"<{len(joints)}d", *joints)


def unpack_joints(data: bytes) -> tuple[float, ...]:
    """Read joint positions; `data` holds a multiple of eight bytes (the message's type says so)."""
    return struct.unpack(f"<{len(data) // 8}d", data)
