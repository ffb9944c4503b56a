"""How a hand's motion becomes the instrument's: clutch reference and scale, one state per arm.

At each re-reference (engagement, a released clutch) both poses are remembered; from then on

    p_BT = p_ref + scale * (p_CH - p_CH0)        q_BT = (q_CH * q_CH0^-1) * q_ref

so the first command after a re-reference asks for exactly the present setpoint: no jump, whatever
the hand did while the clutch was open. The clutch's frame C has the robot base's axes; what
the two orientations differ by at the reference (a few degrees, see `Arm.is_aligned`) stays as a
constant offset, as on the dVRK.
"""

from __future__ import annotations

from transport.wire.vector import ORIGIN, Setpoint


class Shape:
    """The shaping of one arm; all state is here, after duplicates are discarded."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._hand = ORIGIN
        self._reference = ORIGIN

    def reference(self, hand: Setpoint, instrument: Setpoint) -> None:
        """Take `hand` (X_CH0) and `instrument` (X_BT) as belonging together from now on."""
        self._hand = hand
        self._reference = instrument

    def step(self, hand: Setpoint) -> Setpoint:
        """Give the instrument's pose X_BT that this hand pose X_CH asks for; jaw is absolute."""
        h, r, scale = self._hand, self._reference, self._scale
        turn = _multiply(hand[3:7], (h.qw, -h.qx, -h.qy, -h.qz))
        return Setpoint(
            r.x + scale * (hand.x - h.x),
            r.y + scale * (hand.y - h.y),
            r.z + scale * (hand.z - h.z),
            *_multiply(turn, r[3:7]),
            hand.jaw,
        )


Quaternion = tuple[float, float, float, float]


def _multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Hamilton product, wxyz."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )
