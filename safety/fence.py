"""Where an instrument's tip may be at all: a box and a reach about the remote centre.

Both are convex and stand in the robot's base B, whose origin is the remote centre. So of two
setpoints within the fence every one between them is within it too. A wish beyond it is answered
with the nearest place within: the tip slides along the fence. A tip that stands outside already
(an arm that was moved by hand) goes no further out, and is never pulled in: it may come back.
"""

from __future__ import annotations

import math

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
        low = tuple(map(min, self._min, old[:3]))
        high = tuple(map(max, self._max, old[:3]))
        x, y, z = (min(max(w, a), b) for w, a, b in zip(wish[:3], low, high, strict=True))
        reach2 = max(self._reach2, old.x * old.x + old.y * old.y + old.z * old.z)
        far2 = x * x + y * y + z * z
        if far2 > reach2:
            share = math.sqrt(reach2 / far2)
            x, y, z = x * share, y * share, z * share
            inside = zip((x, y, z), low, high, strict=True)
            if not all(a - _SLACK_M <= w <= b + _SLACK_M for w, a, b in inside):
                x, y, z = old[:3]  # the rim where box and reach meet: no step along it
        return wish._replace(x=x, y=y, z=z)
