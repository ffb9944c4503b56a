"""Whether arms come to rest when permission to move ends, and stay: judged at the simulated tip.

1. Below DEGRADED a tip runs no further than its braking distance, its lag behind the setpoint,
   and what a drive calls rest; 150 ms later it is at rest, and stays.
2. At IDLE and below the drives have no power.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from safety.profile import MS
from safety.state import State
from teleop.sim.rules import WATCHDOG_NS
from transport.wire.vector import Setpoint

if TYPE_CHECKING:
    from tests.world.world import World

#: Rest, as the standstill monitor of a drive means it.
REST_M = 0.0005
#: A controlled stop is over after this.
STOP_NS_MAX = 150 * MS
#: A stop is on its way for this long at most, and arms are looked at each 1 ms.
SEEN_NS = 2 * MS


class Rest(NamedTuple):
    """Where an arm was when permission to move ended, and how far it may still run."""

    pose: Setpoint
    allowed_m: float
    since_ns: int
    settled: bool


class Standstill:
    """The arms of one world.

    Attributes
    ----------
    ran_m : the furthest that a tip ran after its newest permission ended
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._state = State.BOOT
        self._poses: list[Setpoint] = []
        self._speeds: list[float] = []  # m/s, over the last millisecond
        self._rests: list[Rest] = []
        self._unpowered_ns = 0  # from here on the drives are off while the state is low
        self.ran_m = 0.0

    def booted(self, state: State) -> None:
        """Note that the robot begins anew: a driver whom it has not heard yet watches itself."""
        was_moving, self._state = self._state >= State.DEGRADED, state
        if was_moving:
            self._begin(self._world.now_ns)
        self._unpowered_ns = self._world.now_ns + WATCHDOG_NS + SEEN_NS

    def entered(self, new: State) -> None:
        """Note a state of the robot."""
        old, self._state, now_ns = self._state, new, self._world.now_ns
        if old >= State.DEGRADED > new:
            self._begin(now_ns)
        elif new >= State.DEGRADED:
            self._rests.clear()
        elif old <= State.IDLE < new and self._world.simulator.frozen:
            self._rests.clear()  # power comes at the pose that was measured, true or not
        if new <= State.IDLE < old:
            self._unpowered_ns = max(self._unpowered_ns, now_ns + SEEN_NS)

    def looks(self, *, robot_runs: bool) -> str:
        """Look at every arm, a thousand times a second; say what is wrong, or nothing."""
        arms, now_ns = self._world.simulator.arms, self._world.now_ns
        poses = [arm.pose for arm in arms]
        pairs = zip(self._poses or poses, poses, strict=True)
        self._speeds = [math.dist(a[:3], b[:3]) * 1e3 for a, b in pairs]
        self._poses = poses
        if robot_runs and self._state <= State.IDLE and now_ns > self._unpowered_ns:
            for number, arm in enumerate(arms):
                if arm.enabled:
                    return f"arm {number} has power in {self._state.name}"
        for number, rest in enumerate(self._rests):
            ran_m = math.dist(rest.pose[:3], poses[number][:3])
            if not rest.settled:
                self.ran_m = max(self.ran_m, ran_m)
            if ran_m > rest.allowed_m:
                allowed = f"{rest.allowed_m * 1e3:.3f} mm"
                return f"arm {number} ran {ran_m * 1e3:.3f} of {allowed} in {self._state.name}"
            if not rest.settled and now_ns - rest.since_ns > STOP_NS_MAX:
                self._rests[number] = Rest(poses[number], REST_M, now_ns, settled=True)
        return ""

    def _begin(self, now_ns: int) -> None:
        """Allow each arm what physics needs."""
        world, model = self._world, self._world.simulator.model
        brake_m_s2 = world.brake_m_s2
        if self._state < State.HOLD:  # then it is the drives' own stop
            brake_m_s2 = min(brake_m_s2, model.stop_m_s2)
        self.ran_m = 0.0
        self._rests.clear()
        for number, arm in enumerate(world.simulator.arms):
            arm.advance(world.simulator.now_ns())
            lag_m = math.dist(arm.pose[:3], world.robot.agent.arms[number].setpoint[:3])
            tip_m_s = self._speeds[number] if self._speeds else 0.0
            speed_m_s = max(tip_m_s, lag_m / model.lag_s)
            allowed_m = speed_m_s**2 / (2.0 * brake_m_s2) + lag_m + REST_M
            self._rests.append(Rest(arm.pose, allowed_m, now_ns, settled=False))
