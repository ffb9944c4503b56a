"""A robot arm of the first order: its tip approaches the setpoint exponentially, within a speed.

No dynamics and no joints: enough to feel the control path, and to be a driver that keeps the
rules of safety.driver, its own watchdog included.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

from safety.driver import Servo
from safety.profile import MS
from transport.wire.vector import Setpoint, unpack_setpoint

#: No accepted setpoint for this long while enabled: controlled stop, brakes (the dVRK's value).
WATCHDOG_NS = 30 * MS

#: Where the tip stands at power-on, m: above the middle of a workspace of 200 mm.
HOME = Setpoint(0.0, 0.0, -0.10, 1.0, 0.0, 0.0, 0.0, 0.0)


class Refusal(IntEnum):
    """Why a setpoint was not taken."""

    NONE = 0
    BRAKED = 1
    STALE = 2  #: it answers a measurement older than it says it is valid for
    FUTURE = 3  #: it answers a measurement that was not made yet


class Dynamics(NamedTuple):
    """How the arm answers.

    Parameters
    ----------
    lag_s : time constant
    speed_m_s : the tip moves no faster
    """

    lag_s: float = 0.004
    speed_m_s: float = 0.5


class SimulatedArm:
    """One arm; `now_ns` is the driver's own clock."""

    def __init__(self, now_ns: int, dynamics: Dynamics = Dynamics()) -> None:  # noqa: B008
        self._dynamics = dynamics
        self.pose = HOME
        self._setpoint = HOME
        self._now_ns = now_ns
        self._accepted_ns = now_ns
        self.enabled = False
        self.refused = [0] * len(Refusal)
        self.watchdog_trips = 0

    def servo(self, servo: Servo, now_ns: int) -> Refusal:
        """Take a setpoint, or say why not."""
        self.advance(now_ns)
        refusal = Refusal.NONE
        if not self.enabled:
            refusal = Refusal.BRAKED
        elif now_ns > servo.driver_tick + servo.valid_for_us * 1000:
            refusal = Refusal.STALE
        elif servo.driver_tick > now_ns:
            refusal = Refusal.FUTURE
        self.refused[refusal] += 1
        if refusal is Refusal.NONE:
            self._setpoint = unpack_setpoint(servo.setpoint)
            self._accepted_ns = now_ns
        return refusal

    def stop(self, category: int | None, now_ns: int) -> None:
        """Stop where the arm is and brake; None clears."""
        self.advance(now_ns)
        self._setpoint = self.pose
        self.enabled = category is None
        self._accepted_ns = now_ns

    def advance(self, now_ns: int) -> None:
        """Let time pass up to `now_ns`."""
        if self.enabled and now_ns - self._accepted_ns > WATCHDOG_NS:
            self.watchdog_trips += 1
            self._move(self._accepted_ns + WATCHDOG_NS)
            self._setpoint = self.pose
            self.enabled = False
        self._move(now_ns)

    def _move(self, now_ns: int) -> None:
        dt_s = (now_ns - self._now_ns) * 1e-9
        if dt_s <= 0.0:
            return
        self._now_ns = now_ns
        old, new = self.pose, self._setpoint
        share = 1.0 - math.exp(-dt_s / self._dynamics.lag_s)
        distance = math.dist(old[:3], new[:3]) * share
        reach = self._dynamics.speed_m_s * dt_s
        along = share * (reach / distance if distance > reach else 1.0)
        x, y, z = (a + (b - a) * along for a, b in zip(old[:3], new[:3], strict=True))
        self.pose = Setpoint(x, y, z, *new[3:7], new.jaw)
