"""Where a PSM-like arm's tip is for its joints, which joints a tip's pose asks for, and how fast.

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
from enum import IntFlag
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from teleop.control import pose as ps
from teleop.control.pose import Vector, along, blend, cross, dot
from transport.kernel.jit import jit

Joints: TypeAlias = tuple[float, float, float, float, float, float]
Array: TypeAlias = NDArray[np.float64]


class Status(IntFlag):
    """What a kernel has to say of its answer; OK is 0. A joint's bit is 1 << its number."""

    OK = 0
    YAW = 1 << 0  #: this joint stands at its limit, and the pose is missed by what that costs
    PITCH = 1 << 1
    INSERTION = 1 << 2
    ROLL = 1 << 3
    WRIST_PITCH = 1 << 4
    WRIST_YAW = 1 << 5
    JOINT_LIMIT = (1 << 6) - 1  #: any of them
    SINGULAR = 1 << 6  #: a direction was undetermined and kept, or a velocity damped
    UNREACHABLE = 1 << 7  #: too far from what was asked, or not a number: stay
    LAGGING = 1 << 8  #: slower than asked: a joint is at its speed limit
    SLOWED = 1 << 9  #: that speed limit is lowered, for a singularity comes near
    HALTED = 1 << 10  #: it is zero: no nearer than this


# numba knows integers, not flags.
_SINGULAR: Final = Status.SINGULAR.value
_UNREACHABLE: Final = Status.UNREACHABLE.value
_LAGGING: Final = Status.LAGGING.value
_SLOWED: Final = Status.SLOWED.value
_HALTED: Final = Status.HALTED.value

_D: Final = math.pi / 180.0


class Psm(NamedTuple):
    """One instrument on one arm: lengths in m, limits of q in rad and m; a row is an instrument.

    The defaults are the dVRK's large needle driver on a classic PSM: lengths from the dVRK user
    guide's modified DH table, limits from sawIntuitiveResearchKit, kinematic/psm.json (yaw, pitch,
    insertion) and tool/LARGE_NEEDLE_DRIVER_400006.json (the others). The jaw closes at 0; below
    it the two fingers press on each other.
    """

    rcc: float = 0.4318
    tool: float = 0.4162
    pitch_to_yaw: float = 0.0091
    yaw_to_tip: float = 0.0102
    lower: Joints = (-91 * _D, -53 * _D, 0.0, -260 * _D, -80 * _D, -80 * _D)
    upper: Joints = (91 * _D, 53 * _D, 0.24, 260 * _D, 80 * _D, 80 * _D)
    jaw_lower: float = -40 * _D
    jaw_upper: float = 80 * _D


LARGE_NEEDLE_DRIVER: Final = Psm()


class Pace(NamedTuple):
    """How fast joints may go, and where a singularity slows them.

    Parameters
    ----------
    rates : rad/s and m/s; defaults from mtsIntuitiveResearchKitPSM.cpp (trajectories)
    slow_m : from this lever down joints' speed limits fall, if the lever is getting shorter. At
        20 mm a tip at 0.1 m/s asks 5 rad/s of a joint.
    stop_m : here they are zero; also the damping of velocities. 0, with slow_m 0: no band, as
        bringing an instrument out of its cannula needs, which goes through the remote centre.

    The defaults are where MoveIt Servo's lie: it slows from a condition number of 17 and halts at
    30; with lengths in units of 0.1 m the Jacobian has at most 18 beyond 20 mm, at least 25 within
    5 mm. (The dVRK lets the wrist no nearer to the remote centre than 45 mm by Cartesian motion.)
    """

    rates: Joints = (90 * _D, 90 * _D, 0.2, 1080 * _D, 1080 * _D, 1080 * _D)
    slow_m: float = 0.020
    stop_m: float = 0.005


#: A lever shorter than this (m) gives no direction; a tenth of the promised accuracy of 1 um.
_NIL: Final = 1e-7
#: A joint this little (rad, m) beyond its limit is at it: rounding.
_SLACK: Final = 1e-9
#: What a clamped joint may cost. Farther away is not what the hand meant, and the arm stays.
MISS_M_MAX: Final = 0.010
MISS_RAD_MAX: Final = math.radians(30.0)
#: So much insertion weighs as 1 rad in the choice of the nearest branch: a usual reach.
_LENGTH: Final = 0.1
#: No arm is this large (m); beyond it squares lose what is added to them.
_FAR: Final = 1e3


@jit
def forward(psm: Psm, q: Array, out: Array) -> None:
    """Find the tip's pose.

    Parameters
    ----------
    q : (6,) float64, rad and m
    out : (7,) float64, X_BT: position m, quaternion wxyz with w >= 0
    """
    p, x, y, z = _tip(psm, q)
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
    _, _, palm, _ = _chain(q)
    p, _, y, z = _tip(psm, q)
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
    _, swing, _ = _outer(q[0], q[1])
    shaft, pitch_axis, palm, yaw_axis = _chain(q)
    p, _, _, z = _tip(psm, q)
    from_pitch = blend(psm.pitch_to_yaw, palm, psm.yaw_to_tip, z)
    from_yaw = blend(0.0, palm, psm.yaw_to_tip, z)
    nil = (0.0, 0.0, 0.0)
    _column(out, 0, cross(_YAW_AXIS, p), _YAW_AXIS)
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
    near = _clamp(psm, q_near) if _is_finite(q_near) else _clamp(psm, _HOME)
    _write(near, out)
    if not _is_pose(pose):
        return _UNREACHABLE
    p, raw = ps.load(pose)
    turn = ps.normalise(raw)
    x, _, z = ps.to_axes(turn)
    q, status = _nearest(psm, p, x, z, near)
    q = _clamp(psm, q)
    if status & ~_SINGULAR and _misses(psm, q, p, turn):
        return status | _UNREACHABLE
    _write(q, out)
    return status


@jit
def clearance(psm: Psm, q: Array) -> float:
    """Measure how far from a singularity this is: the shorter lever, m.

    A tip moving at v m/s asks about v / clearance rad/s of a joint. With lengths in units of
    0.1 m the Jacobian's smallest singular value is 0.25 to 1.25 times clearance / 0.1 m.
    """
    outer, wrist = _levers(psm, q)
    return min(abs(outer), abs(wrist))


@jit
def joint_velocity(psm: Psm, pace: Pace, q: Array, twist: Array, out: Array) -> int:
    """Find the joint velocities that give the tip a twist: feed-forward.

    The inverse Jacobian in closed form: each of the two levers' equations is scalar, and is solved
    by damped least squares, x / (x^2 + lambda^2), with lambda^2 = stop^2 (1 - (x / slow)^2) below
    slow_m and 0 above (Chiaverini, Siciliano, Egeland 1994). All joints are then scaled alike until
    none exceeds its rate.

    Parameters
    ----------
    q : (6,) float64, rad and m
    twist : (6,) float64, in B: velocity of the control point m/s, angular velocity rad/s
    out : (6,) float64, rad/s and m/s

    Returns
    -------
    Bits of `Status`: SINGULAR (damped), LAGGING (scaled), UNREACHABLE (not numbers; out is 0)
    """
    _write(_HOME, out)
    if not (_is_finite(q) and _is_finite(twist)):
        return _UNREACHABLE
    _resolve(psm, pace, q, twist, out)
    if not _is_finite(out):  # a twist beyond all numbers
        _write(_HOME, out)
        return _UNREACHABLE
    ratio = 1.0
    for joint in range(6):
        if abs(out[joint]) * ratio > pace.rates[joint]:
            ratio = pace.rates[joint] / abs(out[joint])
    for joint in range(6):
        out[joint] *= ratio
    status = _SINGULAR if clearance(psm, q) < pace.slow_m else 0
    return status | (_LAGGING if ratio < 1.0 else 0)


@jit
def step_joints(psm: Psm, pace: Pace, q: Array, q_wish: Array, dt_s: float, out: Array) -> int:
    """Move from q towards q_wish for dt_s, in a straight line, no joint faster than it may.

    Parameters
    ----------
    q : (6,) float64, where the joints are, rad and m
    q_wish : (6,) float64, is clamped to the limits
    dt_s : s; what is not positive moves nothing
    out : (6,) float64, may be q's array

    Returns
    -------
    Bits of `Status`: joints whose wish was clamped, LAGGING, SLOWED, HALTED, UNREACHABLE (not
    numbers; out is q)
    """
    start = _joints(q)
    _write(start, out)
    if not (_is_finite(q) and _is_finite(q_wish) and math.isfinite(dt_s)):
        return _UNREACHABLE
    status = _outside(psm, q_wish)
    wish = _clamp(psm, q_wish)
    ratio = _ratio(pace, start, wish, dt_s)
    share = _share(psm, pace, start, _between(start, wish, ratio))
    if share < 1.0:
        status |= _SLOWED if share > 0.0 else _HALTED
        ratio = _ratio(pace, start, wish, dt_s * share)
    _write(_between(start, wish, ratio) if ratio < 1.0 else wish, out)
    return status | (_LAGGING if ratio < 1.0 else 0)


# Private: forward --------------------------------------------------------------------------------

_HOME: Final[Joints] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
#: The axis of the first joint, in B.
_YAW_AXIS: Final[Vector] = (0.0, -1.0, 0.0)


@jit
def _outer(yaw: float, pitch: float) -> tuple[Vector, Vector, Vector]:
    """Give the axes of the frame before the roll: x, y (the outer pitch's axis), z (the shaft)."""
    s1, c1 = math.sin(yaw), math.cos(yaw)
    s2, c2 = math.sin(pitch), math.cos(pitch)
    return (-s1 * s2, -c2, c1 * s2), (-c1, 0.0, -s1), (s1 * c2, -s2, -c1 * c2)


@jit
def _chain(q: Array | Joints) -> tuple[Vector, Vector, Vector, Vector]:
    """Give shaft, pitch axis, palm and yaw axis: the modified DH table multiplied out."""
    x, y, shaft = _outer(q[0], q[1])
    s, c = math.sin(q[3]), math.cos(q[3])
    bent, pitch_axis = blend(c, x, s, y), blend(-s, x, c, y)
    s, c = math.sin(q[4]), math.cos(q[4])
    return shaft, pitch_axis, blend(s, bent, c, shaft), blend(c, bent, -s, shaft)


@jit
def _tip(psm: Psm, q: Array | Joints) -> tuple[Vector, Vector, Vector, Vector]:
    """Give the control point and the axes of T."""
    shaft, pitch_axis, palm, yaw_axis = _chain(q)
    s, c = math.sin(q[5]), math.cos(q[5])
    z = blend(c, palm, -s, pitch_axis)
    wrist = blend(q[2] - psm.rcc + psm.tool, shaft, psm.pitch_to_yaw, palm)
    x = (-yaw_axis[0], -yaw_axis[1], -yaw_axis[2])
    return along(wrist, psm.yaw_to_tip, z), x, cross(z, x), z


@jit
def _levers(psm: Psm, q: Array | Joints) -> tuple[float, float]:
    """Give what yaw and roll act on: reach cos(pitch), and reach cos(wrist pitch) + a; signed."""
    reach = q[2] - psm.rcc + psm.tool
    return reach * math.cos(q[1]), reach * math.cos(q[4]) + psm.pitch_to_yaw


# Private: inverse --------------------------------------------------------------------------------


@jit
def _nearest(psm: Psm, p: Vector, x: Vector, z: Vector, near: Joints) -> tuple[Joints, int]:
    """Choose of the four branches the nearest, those within limits first; say what is outside."""
    yaw_axis = (-x[0], -x[1], -x[2])
    wrist = along(p, -psm.yaw_to_tip, z)
    near_shaft, _, near_palm, _ = _chain(near)
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
        beyond, length = _outside(psm, q), _length(q, near)
        better = length < shortest if (beyond == 0) == (outside == 0) else beyond == 0
        if better:
            chosen, outside, shortest, singular = q, beyond, length, kept or held
    return chosen, outside | (_SINGULAR if singular else 0)


@jit
def _direction(v: Vector, axis: Vector, near: Vector) -> tuple[Vector, bool]:
    """Point along the part of `v` at right angles to `axis`; without one, `near`'s, and say so."""
    across = along(v, -dot(v, axis), axis)
    length = math.sqrt(dot(across, across))
    kept = length < _NIL
    if kept:
        across = along(near, -dot(near, axis), axis)
        length = math.sqrt(dot(across, across))
    if length < _NIL:  # not even that has a part there: any direction is as good
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
    ahead, aside, _ = _outer(yaw, pitch)
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
    reached, x, y, z = _tip(psm, q)
    off = along(reached, -1.0, p)
    angle = ps.between(turn, ps.from_axes(x, y, z))
    return dot(off, off) > MISS_M_MAX * MISS_M_MAX or angle > MISS_RAD_MAX


# Private: velocity -------------------------------------------------------------------------------


@jit
def _resolve(psm: Psm, pace: Pace, q: Array, twist: Array, out: Array) -> None:
    """Solve for the joint velocities from the tip up, as the inverse does, damped."""
    v, w = (twist[0], twist[1], twist[2]), (twist[3], twist[4], twist[5])
    ahead, swing, _ = _outer(q[0], q[1])
    shaft, pitch_axis, palm, yaw_axis = _chain(q)
    _, _, _, z = _tip(psm, q)
    reach = q[2] - psm.rcc + psm.tool
    lever_outer, lever_wrist = _levers(psm, q)
    v = along(v, -psm.yaw_to_tip, cross(w, z))  # now of the yaw axis' point
    # The wrist turns about the palm as the tip does, and about the yaw axis as keeps its pitch
    # axis at right angles to the shaft.
    sideways = dot(v, pitch_axis) + reach * math.sin(q[4]) * dot(w, palm)
    spin = -sideways * _inverse(lever_wrist, pace)
    out[5] = dot(w, yaw_axis) - spin
    w = along(w, -out[5], yaw_axis)  # now of the palm
    v = along(v, -psm.pitch_to_yaw, cross(w, palm))  # now of the shaft's end
    out[0] = -dot(v, swing) * _inverse(lever_outer, pace)
    out[1] = dot(v, ahead) * _inverse(reach, pace)
    out[2] = dot(v, shaft)
    w = along(along(w, -out[0], _YAW_AXIS), -out[1], swing)  # now against the shaft
    out[3] = dot(w, shaft)
    out[4] = dot(w, pitch_axis)


@jit
def _inverse(lever: float, pace: Pace) -> float:
    """Divide by a lever, damped below the band's upper end; 0 where it gives no direction."""
    if abs(lever) < _NIL:
        return 0.0
    if abs(lever) >= pace.slow_m:
        return 1.0 / lever
    damping = pace.stop_m * pace.stop_m * (1.0 - (lever / pace.slow_m) ** 2)
    return lever / (lever * lever + damping)


@jit
def _ratio(pace: Pace, q: Joints, wish: Joints, dt_s: float) -> float:
    """Give the part of the way to `wish` that every joint can go in dt_s."""
    ratio = 1.0
    for joint in range(6):
        way = abs(wish[joint] - q[joint])
        reach = pace.rates[joint] * max(0.0, dt_s)
        if way > reach:
            ratio = min(ratio, reach / way)
    return ratio


@jit
def _share(psm: Psm, pace: Pace, q: Joints, ahead: Joints) -> float:
    """Give the part of their rates that joints keep towards `ahead`; leaving costs nothing."""
    share = 1.0
    now, then = _levers(psm, q), _levers(psm, ahead)
    for lever in range(2):
        shrinks = abs(then[lever]) < abs(now[lever]) or then[lever] * now[lever] < 0.0
        if shrinks and abs(now[lever]) < pace.slow_m:
            room = max(0.0, abs(now[lever]) - pace.stop_m)
            share = min(share, room / (pace.slow_m - pace.stop_m)) if room > 0.0 else 0.0
    return share


# Private: joint vectors --------------------------------------------------------------------------


@jit
def _is_finite(values: Array) -> bool:
    """Tell whether none of six numbers is NaN or infinite."""
    finite = True
    for k in range(6):
        finite = finite and math.isfinite(values[k])
    return finite


@jit
def _is_pose(pose: Array) -> bool:
    """Tell whether a pose is near enough to be one, and its quaternion has a direction."""
    near = True
    for k in range(3):
        near = near and abs(pose[k]) < _FAR  # NaN is not
    square = pose[3] ** 2 + pose[4] ** 2 + pose[5] ** 2 + pose[6] ** 2
    return near and math.isfinite(square) and square > ps.TINY


@jit
def _outside(psm: Psm, q: Array | Joints) -> int:
    """Give the bits of the joints that are beyond their limits."""
    bits = 0
    for joint in range(6):
        if not psm.lower[joint] - _SLACK <= q[joint] <= psm.upper[joint] + _SLACK:
            bits |= 1 << joint
    return bits


@jit
def _clamp(psm: Psm, q: Array | Joints) -> Joints:
    """Bring every joint within its limits."""
    low, high = psm.lower, psm.upper
    return (
        min(max(q[0], low[0]), high[0]),
        min(max(q[1], low[1]), high[1]),
        min(max(q[2], low[2]), high[2]),
        min(max(q[3], low[3]), high[3]),
        min(max(q[4], low[4]), high[4]),
        min(max(q[5], low[5]), high[5]),
    )


@jit
def _joints(q: Array) -> Joints:
    """Read joints from an array."""
    return q[0], q[1], q[2], q[3], q[4], q[5]


@jit
def _between(a: Joints, b: Joints, t: float) -> Joints:
    """Go the part `t` of the way from one joint vector to another."""
    return (
        a[0] + t * (b[0] - a[0]),
        a[1] + t * (b[1] - a[1]),
        a[2] + t * (b[2] - a[2]),
        a[3] + t * (b[3] - a[3]),
        a[4] + t * (b[4] - a[4]),
        a[5] + t * (b[5] - a[5]),
    )


@jit
def _write(q: Joints, out: Array) -> None:
    """Write joints into an array."""
    for joint in range(6):
        out[joint] = q[joint]


@jit
def _row(out: Array, row: int, v: Vector) -> None:
    """Write a point into a row."""
    out[row, 0], out[row, 1], out[row, 2] = v


@jit
def _column(out: Array, column: int, v: Vector, w: Vector) -> None:
    """Write a joint's twist into a column."""
    for k in range(3):
        out[k, column], out[3 + k, column] = v[k], w[k]
