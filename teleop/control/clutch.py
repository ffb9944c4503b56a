"""What pose of the instrument a pose of the hand asks for: reference, scale, and the jaw's return.

At each re-reference (engagement, a released clutch) both poses are remembered; from then on

    p_BT = p_ref + scale * (p_CH - p_CH0)        q_BT = (q_CH * q_CH0^-1) * q_ref

so the first command after a re-reference asks for exactly the present setpoint, to the last bit,
whatever the hand did while the clutch was open. The clutch's frame C has the robot base's axes;
what the two orientations differ by at the reference stays as a constant offset, as on the dVRK.

The jaw is absolute: it grips as the hand grips. After a re-reference hand and jaw may be far apart
(a needle is held, the hand has opened), so the jaw catches up slowly until they agree, and only
then follows; rates and tolerance are the dVRK's (sawIntuitiveResearchKit, mtsTeleOperationPSM).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from teleop.control.pose import Quaternion, QuaternionLike, log, multiply
from transport.kernel.jit import jit

Array = NDArray[np.float64]


@jit
def follow(reference: Array, scale: float, hand: Array, out: Array) -> None:
    """Give the instrument's pose for a hand's, by difference from the reference.

    Parameters
    ----------
    reference : (2, 8) float64: X_CH0 and X_BT that belong together, with jaw
    scale : the instrument's motion per the hand's; orientation is never scaled
    hand : (8,) float64, X_CH; the length of its quaternion does not matter
    out : (8,) float64, X_BT, as long a quaternion as the reference's; the jaw is the hand's
    """
    for axis in range(3):
        out[axis] = reference[1, axis] + scale * (hand[axis] - reference[0, axis])
    turn = _quotient(hand[3:7], reference[0, 3:7])
    length = math.sqrt(turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2 + turn[3] ** 2)
    unit = (turn[0] / length, turn[1] / length, turn[2] / length, turn[3] / length)
    out[3], out[4], out[5], out[6] = multiply(unit, reference[1, 3:7])
    out[7] = hand[7]


@jit
def swing(jaw: float, hand: float, reach: float) -> float:
    """Move the jaw's angle towards the hand's by `reach` at most, rad."""
    return jaw + min(reach, max(-reach, hand - jaw)) if abs(hand - jaw) > reach else hand


@jit
def twist(old: Array, new: Array, dt_s: float, out: Array) -> None:
    """Give the velocity that leads from one pose to another in `dt_s`: the feed-forward.

    Parameters
    ----------
    old, new : (>= 7,) float64, X_BT, position m, quaternion wxyz
    dt_s : above 0
    out : (6,) float64, of the tip in B: linear m/s, angular rad/s
    """
    turn = log(_quotient(new[3:7], old[3:7]))
    for axis in range(3):
        out[axis] = (new[axis] - old[axis]) / dt_s
        out[3 + axis] = turn[axis] / dt_s


@jit
def _quotient(a: QuaternionLike, b: QuaternionLike) -> Quaternion:
    """Give a b^-1 for quaternions of any length, in the order in which a a^-1 has no rounding."""
    return (
        a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3],
        (a[1] * b[0] - a[0] * b[1]) + (a[3] * b[2] - a[2] * b[3]),
        (a[2] * b[0] - a[0] * b[2]) + (a[1] * b[3] - a[3] * b[1]),
        (a[3] * b[0] - a[0] * b[3]) + (a[2] * b[1] - a[1] * b[2]),
    )
