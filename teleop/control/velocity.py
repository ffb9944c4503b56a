"""How fast a PSM-like arm's joints go: for a twist of its tip, and on their way to other joints.

Solved from the tip up, as the inverse is (teleop.control.kinematics); its two levers are where a
singularity slows the joints.
"""

from __future__ import annotations

import math
from typing import Final

from teleop.control.instrument import (
    HOME,
    Array,
    Joints,
    Pace,
    Psm,
    Status,
    between,
    clamp,
    exceeded,
    is_finite,
    read,
    write,
)
from teleop.control.kinematics import (
    NIL,
    YAW_AXIS,
    chain,
    clearance,
    levers,
    outer_axes,
    tip_axes,
)
from teleop.control.pose import along, cross, dot
from transport.kernel.jit import jit

# numba knows integers, not flags.
_SINGULAR: Final = Status.SINGULAR.value
_UNREACHABLE: Final = Status.UNREACHABLE.value
_LAGGING: Final = Status.LAGGING.value
_SLOWED: Final = Status.SLOWED.value
_HALTED: Final = Status.HALTED.value


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
    write(HOME, out)
    if not (is_finite(q) and is_finite(twist)):
        return _UNREACHABLE
    _resolve(psm, pace, q, twist, out)
    if not is_finite(out):  # a twist beyond all numbers
        write(HOME, out)
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
    start = read(q)
    write(start, out)
    if not (is_finite(q) and is_finite(q_wish) and math.isfinite(dt_s)):
        return _UNREACHABLE
    status = exceeded(psm, q_wish)
    wish = clamp(psm, q_wish)
    ratio = _ratio(pace, start, wish, dt_s)
    share = _share(psm, pace, start, between(start, wish, ratio))
    if share < 1.0:
        status |= _SLOWED if share > 0.0 else _HALTED
        ratio = _ratio(pace, start, wish, dt_s * share)
    write(between(start, wish, ratio) if ratio < 1.0 else wish, out)
    return status | (_LAGGING if ratio < 1.0 else 0)


@jit
def _resolve(psm: Psm, pace: Pace, q: Array, twist: Array, out: Array) -> None:
    """Solve for the joint velocities from the tip up, as the inverse does, damped."""
    v, w = (twist[0], twist[1], twist[2]), (twist[3], twist[4], twist[5])
    ahead, swing, _ = outer_axes(q[0], q[1])
    shaft, pitch_axis, palm, yaw_axis = chain(q)
    _, _, _, z = tip_axes(psm, q)
    reach = q[2] - psm.rcc + psm.tool
    lever_outer, lever_wrist = levers(psm, q)
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
    w = along(along(w, -out[0], YAW_AXIS), -out[1], swing)  # now against the shaft
    out[3] = dot(w, shaft)
    out[4] = dot(w, pitch_axis)


@jit
def _inverse(lever: float, pace: Pace) -> float:
    """Divide by a lever, damped below the band's upper end; 0 where it gives no direction."""
    if abs(lever) < NIL:
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
    now, then = levers(psm, q), levers(psm, ahead)
    for lever in range(2):
        shrinks = abs(then[lever]) < abs(now[lever]) or then[lever] * now[lever] < 0.0
        if shrinks and abs(now[lever]) < pace.slow_m:
            room = max(0.0, abs(now[lever]) - pace.stop_m)
            share = min(share, room / (pace.slow_m - pace.stop_m)) if room > 0.0 else 0.0
    return share
