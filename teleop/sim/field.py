"""The operating field in time: arms, objects, a task; each millisecond once, or not at all.

Rules
-----
1. The field has a grid of steps of its own. A step is done when it is over, with what had come by
   then: the same messages at the same times give the same bits, however often it is asked.
2. After a pause it does not race: what is more than `CATCH_UP_NS` behind is lost, and counted.
3. A warning of the engine closes all brakes for good.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from teleop.control.instrument import LARGE_NEEDLE_DRIVER, Psm
from teleop.sim import world
from teleop.sim.drive import Array
from teleop.sim.model import JOINTS, STEP_NS
from teleop.sim.physics import Physics
from teleop.sim.psm import PsmArm
from teleop.sim.scene import POINTS, Scene
from teleop.sim.task import PegTransfer, Score

#: So many steps at most are made up for: a scheduler's hiccup, not a stopped process.
CATCH_UP_NS: Final = 10 * STEP_NS
#: The task looks this often.
_LOOK_STEPS: Final = 10
#: Where the tips start, m, in W: above the work area, each on its own side.
_START: Final = ((0.025, -0.010, 0.040), (-0.025, -0.010, 0.040))


class Field:
    """Arms over a peg board; `now_ns` is the driver's own clock.

    Parameters
    ----------
    saw : takes, for each millisecond, its time and where the tips are then: (arms, 3), m, in W

    Attributes
    ----------
    arms : each behind the driver protocol
    now_ns : where the field's own time stands, on the driver's clock
    lost_ns : time that was not made up for
    """

    def __init__(
        self, arms: int, now_ns: int, saw: Callable[[int, Array], None] = lambda *_: None
    ) -> None:
        self._saw = saw
        self._physics = Physics(np.array([home(arm) for arm in range(arms)]))
        physics = self._physics
        self.arms = tuple(
            PsmArm(q, qd, bias, torque, self.advance, now_ns)
            for q, qd, bias, torque in zip(
                physics.q, physics.qd, physics.bias, physics.torque, strict=True
            )
        )
        self.lost_ns = 0
        self.now_ns = now_ns
        self._steps = 0
        self._task = PegTransfer(physics.objects)
        self._points = np.zeros((POINTS + 1, 3))
        self._bases: Array = np.array(world.BASES)

    @property
    def warnings(self) -> int:
        """How many the physics' engine has given."""
        return self._physics.warnings

    @property
    def score(self) -> Score:
        """How the task stands."""
        return self._task.score(self.now_ns)

    def advance(self, now_ns: int) -> None:
        """Let time pass up to `now_ns`."""
        behind_ns = now_ns - self.now_ns
        if behind_ns > CATCH_UP_NS:
            lost_ns = behind_ns // STEP_NS * STEP_NS - STEP_NS
            self.lost_ns += lost_ns
            self.now_ns += lost_ns
        while self.now_ns + STEP_NS <= now_ns:
            self._step()
        for arm in self.arms:
            arm.watch(now_ns)

    def scene(self) -> Scene:
        """Give what there is to see."""
        instruments = np.empty((len(self.arms), POINTS, 3))
        for number, arm in enumerate(self.arms):
            arm.points(self._points)
            instruments[number] = self._points[:POINTS] + self._bases[number]
        return Scene(instruments, self._physics.objects, self.score.placed)

    def _step(self) -> None:
        self._physics.begin()
        self._saw(self.now_ns, self._physics.tips)
        for arm in self.arms:
            arm.step(self.now_ns)
        if not self._physics.finish():
            for arm in self.arms:
                arm.fail()
        self.now_ns += STEP_NS
        self._steps += 1
        if self._steps % _LOOK_STEPS == 0:
            self._task.see(self._physics.objects, self.now_ns)


def home(arm: int, psm: Psm = LARGE_NEEDLE_DRIVER) -> tuple[float, ...]:
    """Give the joints that put an arm's tip at its start with a straight wrist; rad, m."""
    dx, dy, dz = (a - b for a, b in zip(_START[arm], world.BASES[arm], strict=True))
    reach = math.hypot(dx, dy, dz)
    straight = psm.tool - psm.rcc + psm.pitch_to_yaw + psm.yaw_to_tip
    q = (math.atan2(dx, -dz), math.asin(-dy / reach), reach - straight, 0.0, 0.0, 0.0)
    assert len(q) == JOINTS
    return q
