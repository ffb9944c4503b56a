"""simd: the driver and its arms, measured at 1 kHz. It may lie, fall silent, freeze and restart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from safety.driver import Measure, Servo, Stop
from safety.messages import Driver
from safety.profile import MS
from teleop.sim.arm import Dynamics, SimulatedArm
from teleop.sim.rules import Refusal, SimulatedDriver
from tests.world.process import Process
from tests.world.wire import US
from transport.wire.codec import Registry, encode
from transport.wire.vector import Setpoint, pack_setpoint, pack_twist

if TYPE_CHECKING:
    from tests.world.world import World

#: One way over the driver's own socket (AF_UNIX, measured 9 us).
SOCKET_NS = 20 * US
_ASKED = Registry((Servo, Stop))

#: What stands behind the driver: so many arms, at a time of the driver's own clock.
Build = Callable[[int, int], Sequence[SimulatedDriver]]


def points(count: int, now_ns: int) -> Sequence[SimulatedDriver]:
    """Make arms of the first order: no joints, no masses."""
    return [SimulatedArm(now_ns) for _ in range(count)]


class Model(NamedTuple):
    """A kind of arm.

    Parameters
    ----------
    build : makes so many
    lag_s : by how much the tip trails its setpoint
    stop_m_s2 : how its own drives slow down in a controlled stop
    """

    build: Build
    lag_s: float
    stop_m_s2: float


#: The arm of the first order stops where it is.
POINT = Model(points, Dynamics().lag_s, math.inf)


class Simulator(Process):
    """The driver of the robot.

    Attributes
    ----------
    mute : it measures no more
    lies : this pose is what it measures
    frozen : its sensors repeat what they said when this was set
    instance : differs after each start
    """

    def __init__(self, world: World, arms: int, *, simulated: bool, model: Model) -> None:
        super().__init__(world)
        self.model = model
        self.arms = model.build(arms, self.now_ns())
        self.instance = 1
        self.simulated = simulated
        self.mute = False
        self.lies: Setpoint | None = None
        self.frozen: list[Setpoint] | None = None
        self.heard: list[tuple[int, Servo | Stop]] = []
        self.applied: list[tuple[int, Servo]] = []
        self.every(MS, self.measure)

    def freeze_sensors(self) -> None:
        """Repeat the present pose from now on, with ticks that advance."""
        self.frozen = [arm.pose for arm in self.arms]

    def restart(self) -> None:
        """Come up anew, on brakes."""
        self.revive()
        self.instance += 1
        for arm in self.arms:
            arm.stop(0, self.now_ns())
        self.world.robot.gone()

    def measure(self) -> None:
        """Say what every arm does."""
        now_ns, world = self.now_ns(), self.world
        for number, arm in enumerate(self.arms):
            arm.advance(now_ns)
            power = Driver.ENABLED if arm.enabled else Driver.BRAKED if arm.braked else Driver(0)
            flags = power | (Driver.SIMULATED if self.simulated else Driver(0))
            pose = self.lies or (self.frozen[number] if self.frozen else arm.pose)
            measured = Measure(
                kind=32,
                driver_tick=now_ns,
                instance=self.instance,
                flags=flags,
                arm=number,
                joints=b"",
                measured=pack_setpoint(pose),
                velocity=pack_twist(arm.velocity),
                rule=arm.rule,
            )
            if not self.mute:
                world.after(SOCKET_NS, world.robot.measured, encode(measured))
        world.witness.looks()

    def asked(self, data: bytes, epoch: int) -> None:
        """Hear the robot's side; `epoch` is the robot's, for the witness alone."""
        self.post(lambda: self._obey(data, epoch))

    def _obey(self, data: bytes, epoch: int) -> None:
        message, now_ns = _ASKED.decode(data), self.now_ns()
        assert isinstance(message, Servo | Stop)
        self.heard.append((self.world.now_ns, message))
        if isinstance(message, Stop):
            for arm in self.arms:
                arm.stop(message.category, now_ns)
        elif self.arms[message.arm].servo(message, now_ns) is Refusal.NONE:
            self.applied.append((self.world.now_ns, message))
            self.world.witness.drove(message, epoch)
