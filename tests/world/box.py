"""The box of a wired emergency stop: its token every 5 ms, for as long as the cable holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from safety.estop import Button
from tests.world.process import Process
from tests.world.rig import ROBOT
from tests.world.wire import US, Wire
from transport.wire.codec import encode

if TYPE_CHECKING:
    from tests.world.world import World


class Box(Process):
    """One box at one robot's guard.

    Attributes
    ----------
    cable : to the robot
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world)
        self.button = Button(name, ROBOT)
        deliver = partial(world.robot.guarded, source=name)
        self.cable = Wire(world, deliver, delay_ns=100 * US, jitter_ns=50 * US, ordered=True)
        self.set_alarm(self.now_ns())

    def press(self) -> None:
        """Press it; it stays down."""
        self.button.read(down=True)
        self.set_alarm(self.now_ns())

    def alarm(self, now_ns: int) -> None:
        """Say what is due."""
        message = self.button.to_send(now_ns)
        if message is not None:
            self.cable.send(encode(message))
        self.set_alarm(max(self.button.next_deadline_ns(), now_ns + 1))
