"""An instrument of a PSM-like arm: its lengths and limits, how fast its joints go, joint vectors.

q = (outer yaw, outer pitch, insertion, outer roll, wrist pitch, wrist yaw): rad, insertion m.
"""

from __future__ import annotations

import math
from enum import IntFlag
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

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


HOME: Final[Joints] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
#: A joint this little (rad, m) beyond its limit is at it: rounding.
_SLACK: Final = 1e-9


@jit
def is_finite(values: Array) -> bool:
    """Tell whether none of six numbers is NaN or infinite."""
    finite = True
    for k in range(6):
        finite = finite and math.isfinite(values[k])
    return finite


@jit
def exceeded(psm: Psm, q: Array | Joints) -> int:
    """Give the bits of the joints that are beyond their limits."""
    bits = 0
    for joint in range(6):
        if not psm.lower[joint] - _SLACK <= q[joint] <= psm.upper[joint] + _SLACK:
            bits |= 1 << joint
    return bits


@jit
def clamp(psm: Psm, q: Array | Joints) -> Joints:
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
def read(q: Array) -> Joints:
    """Read joints from an array."""
    return q[0], q[1], q[2], q[3], q[4], q[5]


@jit
def between(a: Joints, b: Joints, t: float) -> Joints:
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
def write(q: Joints, out: Array) -> None:
    """Write joints into an array."""
    for joint in range(6):
        out[joint] = q[joint]
