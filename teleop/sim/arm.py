"""A robot arm of the first order: its tip approaches the setpoint exponentially, within a speed.

No dynamics and no joints: enough to feel the control path, and to be a driver that keeps the
rules of safety.driver, its own watchdog included. teleop.sim.psm is the arm with both.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from safety.clamp import Rule
from safety.driver import Servo
from teleop.sim.rules import WATCHDOG_NS, Refusal, judge
from transport.wire.vector import STILL, Setpoint, unpack_setpoint

#: Where the tip stands at power-on, m: above the middle of a workspace of 200 mm.
HOME = Setpoint(0.0, 0.0, -0.10, 1.0, 0.0, 0.0, 0.0, 0.0)


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
        self.velocity = STILL
        self.joints: tuple[float, ...] = ()
        self.rule = Rule.NONE
        self._setpoint = HOME
        self._now_ns = now_ns
        self._accepted_ns = now_ns
        self.enabled = False
        self.refused = [0] * len(Refusal)
        self.watchdog_trips = 0

    @property
    def braked(self) -> bool:
        """Whether the brakes are on: this arm has no other way to stand."""
        return not self.enabled

    def servo(self, servo: Servo, now_ns: int) -> Refusal:
        """Take a setpoint, or say why not."""
        self.advance(now_ns)
        refusal = judge(servo, now_ns, enabled=self.enabled)
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
