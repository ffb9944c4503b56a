"""Where an instrument's tip may be at all: a box and a reach about the remote centre.

Both are convex and stand in the robot's base B, whose origin is the remote centre. So of two
setpoints within the fence every one between them is within it too. A wish beyond it is answered
with the nearest place within: the tip slides along the fence. A tip that stands outside already
(an arm that was moved by hand) goes no further out, and is never pulled in: it may come back.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from transport.wire.vector import Setpoint

Corner = tuple[float, float, float]
#: What rounding may add to a place that was put onto the fence.
_SLACK_M = 1e-12


class Fence:
    """One robot's fence.

    Parameters
    ----------
    corner_min, corner_max : m, of the box
    reach_m : greatest distance from the origin of B
    """

    def __init__(self, corner_min: Corner, corner_max: Corner, reach_m: float) -> None:
        self._min = corner_min
        self._max = corner_max
        self._reach2 = reach_m * reach_m

    def keep(self, old: Setpoint, wish: Setpoint) -> Setpoint:
        """Give the wish itself when it lies within, else the nearest setpoint that does."""
        x, y, z = wish.x, wish.y, wish.z
        (x0, y0, z0), (x1, y1, z1) = self._min, self._max
        reach2 = x * x + y * y + z * z
        if x0 <= x <= x1 and y0 <= y <= y1 and z0 <= z <= z1 and reach2 <= self._reach2:
            return wish
        return self._bring_in(old, wish)

    def _bring_in(self, old: Setpoint, wish: Setpoint) -> Setpoint:
        """Take the nearest place on the box, on the reach, or on both; else stay."""
        here, there = old[:3], wish[:3]
        low, high = _each(min, self._min, here), _each(max, self._max, here)
        reach_m = math.sqrt(max(self._reach2, sum(w * w for w in here)))
        boxed = _each(min, _each(max, there, low), high)
        for x, y, z in (boxed, _within(there, reach_m), _within(boxed, reach_m)):
            in_box = _each(min, _each(max, (x, y, z), low), high)
            strays = max(math.dist((x, y, z), in_box), math.hypot(x, y, z) - reach_m)
            if strays <= _SLACK_M and math.dist((x, y, z), there) <= math.dist(here, there):
                return wish._replace(x=x, y=y, z=z)
        return wish._replace(x=old.x, y=old.y, z=old.z)  # the rim where box and reach meet


def _each(choose: Callable[[float, float], float], a: Corner, b: Corner) -> Corner:
    return choose(a[0], b[0]), choose(a[1], b[1]), choose(a[2], b[2])


def _within(place: Corner, reach_m: float) -> Corner:
    share = min(1.0, reach_m / max(math.hypot(*place), 1e-9))
    return place[0] * share, place[1] * share, place[2] * share
