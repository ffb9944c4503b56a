"""How a setpoint comes to rest: straight on along its own velocity, with a stated deceleration.

A setpoint that froze at once would ask the drives for more than they can, and a stop that takes
its time travels on: so the deceleration is stated, and is raised where it would take longer than
150 ms. From a speed v the setpoint travels v^2 / 2a and then stays, to the last bit. A jaw stops
at once: it weighs nothing, and what it holds must not be squeezed further.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from safety.rotation import turned
from transport.wire.vector import Setpoint, Twist

#: A controlled stop takes no longer, whatever the speed.
STOP_NS_MAX = 150_000_000
_S = 1e-9


class Braking(NamedTuple):
    """One setpoint on its way to rest.

    Parameters
    ----------
    start, t_ns : where and when it begins
    twist : with which velocity
    stops_s : how long translation and turning take until they stand
    """

    start: Setpoint
    t_ns: int
    twist: Twist
    stops_s: tuple[float, float]

    @property
    def ends_ns(self) -> int:
        """When all of it stands."""
        return self.t_ns + math.ceil(max(self.stops_s) / _S)

    def at(self, now_ns: int) -> tuple[Setpoint, Twist]:
        """Give setpoint and velocity at a time."""
        t_s = (now_ns - self.t_ns) * _S
        (way, pace), (sweep, spin) = (_run(t_s, stop_s) for stop_s in self.stops_s)
        start, twist = self.start, self.twist
        turn = (twist.wx * sweep, twist.wy * sweep, twist.wz * sweep)
        setpoint = Setpoint(
            start.x + twist.vx * way,
            start.y + twist.vy * way,
            start.z + twist.vz * way,
            *turned(start[3:7], turn),
            start.jaw,
        )
        shares = (pace, pace, pace, spin, spin, spin)
        return setpoint, Twist._make(v * share for v, share in zip(twist, shares, strict=True))


def brake(start: Setpoint, twist: Twist, now_ns: int, m_s2: float, rad_s2: float) -> Braking:
    """Begin to come to rest now, with these decelerations of tip and orientation."""
    stops_s = (_stop_s(math.hypot(*twist[:3]), m_s2), _stop_s(math.hypot(*twist[3:]), rad_s2))
    return Braking(start, now_ns, twist, stops_s)


def _stop_s(speed: float, deceleration: float) -> float:
    return min(speed / deceleration, STOP_NS_MAX * _S)


def _run(t_s: float, stop_s: float) -> tuple[float, float]:
    """Give the way gone, as time at full speed, and the share of the speed that is left."""
    if t_s >= stop_s:
        return stop_s / 2.0, 0.0
    return t_s - t_s * t_s / (2.0 * stop_s), 1.0 - t_s / stop_s
