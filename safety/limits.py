"""How fast a setpoint may move: one robot's limits, and the step they allow.

The hash of the limits is in every grant: a console that was granted other limits than the
robot has loaded is refused. Time is the robot's own clock, never a sequence number.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated

import msgspec

from transport.wire.vector import Setpoint

#: The longest time that one step may account for: a pause is not a licence to leap.
STEP_NS_MAX = 20_000_000


#: m/s or rad/s. No instrument is faster; and neither zero nor infinity is a limit.
Speed = Annotated[float, msgspec.Meta(gt=0.0, le=10.0)]
Lag = Annotated[float, msgspec.Meta(gt=0.0, le=0.1)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speeds of an arm's tip.

    Parameters
    ----------
    speed_m_s, turn_rad_s, jaw_rad_s : in ENGAGED
    degraded_speed_m_s : in DEGRADED; turn and jaw are lowered in the same ratio
    lag_m_max : in DEGRADED, a setpoint that trails the hand by more than this is a HOLD
    """

    speed_m_s: Speed = 0.5
    turn_rad_s: Speed = 6.0
    jaw_rad_s: Speed = 6.0
    degraded_speed_m_s: Speed = 0.1
    lag_m_max: Lag = 0.002

    def digest(self) -> bytes:
        """SHA-256 of these limits, as grants carry it."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).digest()


class Step(msgspec.Struct, frozen=True):
    """What the limits made of a wish: the setpoint, and how far it stayed behind."""

    setpoint: Setpoint
    lag_m: float
    clamped: bool


def limit_step(
    limits: Limits, *, degraded: bool, old: Setpoint, wish: Setpoint, dt_ns: int
) -> Step:
    """Move from `old` towards `wish` no faster than the limits allow in `dt_ns`."""
    ratio = min(1.0, limits.degraded_speed_m_s / limits.speed_m_s) if degraded else 1.0
    dt_s = min(dt_ns, STEP_NS_MAX) * 1e-9
    dx, dy, dz = wish.x - old.x, wish.y - old.y, wish.z - old.z
    distance = math.sqrt(dx * dx + dy * dy + dz * dz)
    reach = limits.speed_m_s * ratio * dt_s
    angle = rotation_angle(old, wish)
    sweep = limits.turn_rad_s * ratio * dt_s
    swing = limits.jaw_rad_s * ratio * dt_s
    if distance <= reach and angle <= sweep and abs(wish.jaw - old.jaw) <= swing:
        return Step(wish, 0.0, clamped=False)
    along = reach / distance if distance > reach else 1.0
    turn = sweep / angle if angle > sweep else 1.0
    jaw = old.jaw + max(-swing, min(swing, wish.jaw - old.jaw))
    quaternion = _nlerp(old, wish, turn) if turn < 1.0 else wish[3:7]
    setpoint = Setpoint(
        old.x + dx * along, old.y + dy * along, old.z + dz * along, *quaternion, jaw
    )
    return Step(setpoint, distance * (1.0 - along), clamped=True)


def rotation_angle(a: Setpoint, b: Setpoint) -> float:
    """Measure the angle between two orientations, rad.

    By the half-chord, which keeps its precision for small angles where the arc cosine of
    the dot product does not.
    """
    dot = a.qw * b.qw + a.qx * b.qx + a.qy * b.qy + a.qz * b.qz
    sign = 1.0 if dot >= 0.0 else -1.0
    dw, dx = a.qw - sign * b.qw, a.qx - sign * b.qx
    dy, dz = a.qy - sign * b.qy, a.qz - sign * b.qz
    chord = math.sqrt(dw * dw + dx * dx + dy * dy + dz * dz)
    return 4.0 * math.asin(min(1.0, chord / 2.0))


def _nlerp(a: Setpoint, b: Setpoint, t: float) -> tuple[float, float, float, float]:
    """Normalised linear interpolation of two orientations, along the shorter way."""
    dot = a.qw * b.qw + a.qx * b.qx + a.qy * b.qy + a.qz * b.qz
    s = t if dot >= 0.0 else -t
    w = (1.0 - t) * a.qw + s * b.qw
    x = (1.0 - t) * a.qx + s * b.qx
    y = (1.0 - t) * a.qy + s * b.qy
    z = (1.0 - t) * a.qz + s * b.qz
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    return w / norm, x / norm, y / norm, z / norm
