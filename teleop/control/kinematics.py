"""Where a PSM-like arm's tip is for its joints, and which joints a tip's pose asks for.

q = (outer yaw, outer pitch, insertion, outer roll, wrist pitch, wrist yaw): rad, insertion m. The
base B is at the remote centre; at q = 0 the shaft points along -z_B. Tool frame T: at the control
point, z_T along the closed jaw, x_T against the wrist's yaw axis. The four directions behind every
formula are unit vectors in B:

    shaft        from the remote centre to the wrist; the pitch axis lies on it, `reach` away
    pitch_axis   at right angles to the shaft
    palm         from pitch axis to yaw axis, at right angles to both; a = pitch_to_yaw long
    yaw_axis     -x_T; the control point is yaw_to_tip from it, along z_T

Inverse, in closed form (the offset wrist of Fontanelli et al., IROS 2017, solved from the tip up):
pose gives yaw axis and the point W on it. shaft and yaw axis are both at right angles to the pitch
axis, and W = reach shaft + a palm; so palm is W's part at right angles to the yaw axis, up to sign,
and reach shaft = W - a palm, up to sign: four branches, and every pose has them.

Rules
-----
1. Two levers, `reach cos(pitch)` and `reach cos(wrist pitch) + a`, are all that is ever divided by:
   |det J| = |reach| * cos(pitch) * |reach cos(wrist pitch) + a|. Where one is nil a direction is
   undetermined: the nearest to q_near's is kept, so the pose is still met.
2. Roll goes to the nearest turn, as in the dVRK, and never unwinds by itself: a needle would go
   round with it. What lies beyond the roll's limit from there is the limit.
3. No finite input gives NaN; what is not a pose is UNREACHABLE, and q_near is the answer.
"""

from __future__ import annotations

import math
from typing import Final

from teleop.control import pose as ps
from teleop.control.instrument import (
    HOME,
    Array,
    Joints,
    Psm,
    Status,
    clamp,
    exceeded,
    is_finite,
    write,
)
from teleop.control.pose import Vector, along, blend, cross, dot
from transport.kernel.jit import jit

# numba knows integers, not flags.
_SINGULAR: Final = Status.SINGULAR.value
_UNREACHABLE: Final = Status.UNREACHABLE.value

#: A lever shorter than this (m) gives no direction; a tenth of the promised accuracy of 1 um.
NIL: Final = 1e-7
#: What a clamped joint may cost. Farther away is not what the hand meant, and the arm stays.
MISS_M_MAX: Final = 0.010
MISS_RAD_MAX: Final = math.radians(30.0)
#: So much insertion weighs as 1 rad in the choice of the nearest branch: a usual reach.
_LENGTH: Final = 0.1
#: No arm is this large (m); beyond it squares lose what is added to them.
_FAR: Final = 1e3
#: The axis of the first joint, in B.
YAW_AXIS: Final[Vector] = (0.0, -1.0, 0.0)


@jit
def forward(psm: Psm, q: Array, out: Array) -> None:
    """Find the tip's pose.

    Parameters
    ----------
    q : (6,) float64, rad and m
    out : (7,) float64, X_BT: position m, quaternion wxyz with w >= 0
    """
    p, x, y, z = tip_axes(psm, q)
    ps.store(p, ps.from_axes(x, y, z), out)


@jit
def points(psm: Psm, q: Array, jaw: float, out: Array) -> None:
    """Find what there is to draw.

    Parameters
    ----------
    q : (6,) float64, rad and m
    jaw : rad between the fingers, which open by half of it each; below 0 they touch
    out : (6, 3) float64, m, in B: remote centre, wrist pitch axis, wrist yaw axis, tip of the left
        finger, of the right one (at +y_T, to the right at q = 0), control point
    """
    _, _, palm, _ = chain(q)
    p, _, y, z = tip_axes(psm, q)
    wrist = along(p, -psm.yaw_to_tip, z)
    half = 0.5 * max(0.0, jaw)
    ahead, aside = psm.yaw_to_tip * math.cos(half), psm.yaw_to_tip * math.sin(half)
    _row(out, 0, (0.0, 0.0, 0.0))
    _row(out, 1, along(wrist, -psm.pitch_to_yaw, palm))
    _row(out, 2, wrist)
    _row(out, 3, along(along(wrist, ahead, z), -aside, y))
    _row(out, 4, along(along(wrist, ahead, z), aside, y))
    _row(out, 5, p)


@jit
def jacobian(psm: Psm, q: Array, out: Array) -> None:
    """Find the geometric Jacobian of the tip, in B.

    Parameters
    ----------
    q : (6,) float64, rad and m
    out : (6, 6) float64; rows: velocity of the control point (m/s), angular velocity (rad/s)
    """
    _, swing, _ = outer_axes(q[0], q[1])
    shaft, pitch_axis, palm, yaw_axis = chain(q)
    p, _, _, z = tip_axes(psm, q)
    from_pitch = blend(psm.pitch_to_yaw, palm, psm.yaw_to_tip, z)
    from_yaw = blend(0.0, palm, psm.yaw_to_tip, z)
    nil = (0.0, 0.0, 0.0)
    _column(out, 0, cross(YAW_AXIS, p), YAW_AXIS)
    _column(out, 1, cross(swing, p), swing)
    _column(out, 2, shaft, nil)
    _column(out, 3, cross(shaft, p), shaft)
    _column(out, 4, cross(pitch_axis, from_pitch), pitch_axis)
    _column(out, 5, cross(yaw_axis, from_yaw), yaw_axis)


@jit
def inverse(psm: Psm, pose: Array, q_near: Array, out: Array) -> int:
    """Find the joints that put the tip at a pose: the branch within limits nearest to q_near.

    Without a branch within limits it is the nearest one, clamped. q_near itself is clamped too.

    Parameters
    ----------
    pose : (7,) float64, X_BT; its quaternion is normalised
    q_near : (6,) float64, rad and m; zero where it is not numbers
    out : (6,) float64, may be q_near's array

    Returns
    -------
    Bits of `Status`: joints that were clamped, SINGULAR, UNREACHABLE (out is then q_near, clamped).
    """
    near = clamp(psm, q_near) if is_finite(q_near) else clamp(psm, HOME)
    write(near, out)
    if not _is_pose(pose):
        return _UNREACHABLE
    p, raw = ps.load(pose)
    turn = ps.normalise(raw)
    x, _, z = ps.to_axes(turn)
    q, status = _nearest(psm, p, x, z, near)
    q = clamp(psm, q)
    if status & ~_SINGULAR and _misses(psm, q, p, turn):
        return status | _UNREACHABLE
    write(q, out)
    return status


@jit
def clearance(psm: Psm, q: Array) -> float:
    """Measure how far from a singularity this is: the shorter lever, m.

    A tip moving at v m/s asks about v / clearance rad/s of a joint. With lengths in units of
    0.1 m the Jacobian's smallest singular value is 0.25 to 1.25 times clearance / 0.1 m.
    """
    outer, wrist = levers(psm, q)
    return min(abs(outer), abs(wrist))


# Directions --------------------------------------------------------------------------------------


@jit
def outer_axes(yaw: float, pitch: float) -> tuple[Vector, Vector, Vector]:
    """Give the axes of the frame before the roll: x, y (the outer pitch's axis), z (the shaft)."""
    s1, c1 = math.sin(yaw), math.cos(yaw)
    s2, c2 = math.sin(pitch), math.cos(pitch)
    return (-s1 * s2, -c2, c1 * s2), (-c1, 0.0, -s1), (s1 * c2, -s2, -c1 * c2)


@jit
def chain(q: Array | Joints) -> tuple[Vector, Vector, Vector, Vector]:
    """Give shaft, pitch axis, palm and yaw axis: the modified DH table multiplied out."""
    x, y, shaft = outer_axes(q[0], q[1])
    s, c = math.sin(q[3]), math.cos(q[3])
    bent, pitch_axis = blend(c, x, s, y), blend(-s, x, c, y)
    s, c = math.sin(q[4]), math.cos(q[4])
    return shaft, pitch_axis, blend(s, bent, c, shaft), blend(c, bent, -s, shaft)


@jit
def tip_axes(psm: Psm, q: Array | Joints) -> tuple[Vector, Vector, Vector, Vector]:
    """Give the control point and the axes of T."""
    shaft, pitch_axis, palm, yaw_axis = chain(q)
    s, c = math.sin(q[5]), math.cos(q[5])
    z = blend(c, palm, -s, pitch_axis)
    wrist = blend(q[2] - psm.rcc + psm.tool, shaft, psm.pitch_to_yaw, palm)
    x = (-yaw_axis[0], -yaw_axis[1], -yaw_axis[2])
    return along(wrist, psm.yaw_to_tip, z), x, cross(z, x), z


@jit
def levers(psm: Psm, q: Array | Joints) -> tuple[float, float]:
    """Give what yaw and roll act on: reach cos(pitch), and reach cos(wrist pitch) + a; signed."""
    reach = q[2] - psm.rcc + psm.tool
    return reach * math.cos(q[1]), reach * math.cos(q[4]) + psm.pitch_to_yaw


# The inverse ------------------------------------------------------------------------------------


@jit
def _nearest(psm: Psm, p: Vector, x: Vector, z: Vector, near: Joints) -> tuple[Joints, int]:
    """Choose of the four branches the nearest, those within limits first; say what is outside."""
    yaw_axis = (-x[0], -x[1], -x[2])
    wrist = along(p, -psm.yaw_to_tip, z)
    near_shaft, _, near_palm, _ = chain(near)
    palm, kept = _direction(wrist, yaw_axis, near_palm)
    chosen, outside, shortest = near, -1, math.inf
    singular = False
    for branch in range(4):
        flip = 1.0 if branch < 2 else -1.0
        side = 1.0 if branch % 2 == 0 else -1.0
        turned = (flip * palm[0], flip * palm[1], flip * palm[2])
        pitch_axis = cross(turned, yaw_axis)
        shaft_wrist = along(wrist, -psm.pitch_to_yaw, turned)
        shaft, held = _direction(shaft_wrist, pitch_axis, near_shaft)
        shaft = (side * shaft[0], side * shaft[1], side * shaft[2])
        insertion = dot(shaft_wrist, shaft) + psm.rcc - psm.tool
        q = _angles(insertion, shaft, pitch_axis, turned, yaw_axis, z, near[3])
        beyond, length = exceeded(psm, q), _length(q, near)
        better = length < shortest if (beyond == 0) == (outside == 0) else beyond == 0
        if better:
            chosen, outside, shortest, singular = q, beyond, length, kept or held
    return chosen, outside | (_SINGULAR if singular else 0)


@jit
def _direction(v: Vector, axis: Vector, near: Vector) -> tuple[Vector, bool]:
    """Point along the part of `v` at right angles to `axis`; without one, `near`'s, and say so."""
    across = along(v, -dot(v, axis), axis)
    length = math.sqrt(dot(across, across))
    kept = length < NIL
    if kept:
        across = along(near, -dot(near, axis), axis)
        length = math.sqrt(dot(across, across))
    if length < NIL:  # not even that has a part there: any direction is as good
        other = (1.0, 0.0, 0.0) if abs(axis[0]) < 0.7 else (0.0, 1.0, 0.0)
        across = cross(axis, other)
        length = math.sqrt(dot(across, across))
    return (across[0] / length, across[1] / length, across[2] / length), kept


@jit
def _angles(
    insertion: float,
    shaft: Vector,
    pitch_axis: Vector,
    palm: Vector,
    yaw_axis: Vector,
    z: Vector,
    near_roll: float,
) -> Joints:
    """Read the joints from the directions of one branch."""
    yaw = math.atan2(shaft[0], -shaft[2])
    pitch = math.atan2(-shaft[1], math.hypot(shaft[0], shaft[2]))
    ahead, aside, _ = outer_axes(yaw, pitch)
    roll = math.atan2(-dot(pitch_axis, ahead), dot(pitch_axis, aside))
    roll += 2.0 * math.pi * round((near_roll - roll) / (2.0 * math.pi))
    wrist_pitch = math.atan2(-dot(yaw_axis, shaft), dot(palm, shaft))
    wrist_yaw = math.atan2(-dot(z, pitch_axis), dot(z, palm))
    return yaw, pitch, insertion, roll, wrist_pitch, wrist_yaw


@jit
def _length(q: Joints, near: Joints) -> float:
    """Measure how far two joint vectors are apart; only for comparison."""
    total = ((q[2] - near[2]) / _LENGTH) ** 2
    for joint in (0, 1, 3, 4, 5):
        total += (q[joint] - near[joint]) ** 2
    return total


@jit
def _misses(psm: Psm, q: Joints, p: Vector, turn: ps.Quaternion) -> bool:
    """Tell whether these joints leave the tip too far from a pose to count as reaching it."""
    reached, x, y, z = tip_axes(psm, q)
    off = along(reached, -1.0, p)
    angle = ps.between(turn, ps.from_axes(x, y, z))
    return dot(off, off) > MISS_M_MAX * MISS_M_MAX or angle > MISS_RAD_MAX


@jit
def _is_pose(pose: Array) -> bool:
    """Tell whether a pose is near enough to be one, and its quaternion has a direction."""
    near = True
    for k in range(3):
        near = near and abs(pose[k]) < _FAR  # NaN is not
    square = pose[3] ** 2 + pose[4] ** 2 + pose[5] ** 2 + pose[6] ** 2
    return near and math.isfinite(square) and square > ps.TINY


@jit
def _row(out: Array, row: int, v: Vector) -> None:
    """Write a point into a row."""
    out[row, 0], out[row, 1], out[row, 2] = v


@jit
def _column(out: Array, column: int, v: Vector, w: Vector) -> None:
    """Write a joint's twist into a column."""
    for k in range(3):
        out[k, column], out[3 + k, column] = v[k], w[k]
