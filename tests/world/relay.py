"""relayd: one path between consoles and the robot; restarted it has forgotten everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safety.profile import LADDERS, Profile
from teleop.relay import Relay
from tests.world.process import Process
from tests.world.rig import ROBOT
from tests.world.wire import Wire

if TYPE_CHECKING:
    from tests.world.world import World


class RelayProcess(Process):
    """relayd of one path.

    Attributes
    ----------
    down : to each attached peer, by its name
    """

    def __init__(self, world: World, path: int) -> None:
        super().__init__(world)
        self.path = path
        self.down: dict[str, Wire] = {}
        self.profiles: dict[str, Profile] = {}
        self.relay: Relay[str] = Relay(path, path * 1000)
        self.relay.attach_robot(ROBOT, ROBOT)

    def attach(self, name: str, profile: Profile, down: Wire) -> None:
        """Let a console in."""
        self.down[name] = down
        self.profiles[name] = profile
        ladder = LADDERS[profile or Profile.NATIVE]
        self.relay.attach_console(name, ROBOT, ladder.hold_ns, ladder.max_loop_ns)

    def restart(self) -> None:
        """Come up anew: a new incarnation, to which everybody attaches again."""
        self.revive()
        self.relay = Relay(self.path, self.path * 1000 + self.world.fresh())
        self.relay.attach_robot(ROBOT, ROBOT)
        for name, profile in self.profiles.items():
            self.attach(name, profile, self.down[name])

    def arrive(self, peer: str, part: bytes) -> None:
        """Take one part of an attached peer."""
        self.post(lambda: self.relay.receive(peer, part, self.now_ns()))

    def drain(self) -> None:
        """Forward the newest of each stream, and the robot's newest state."""
        now_ns = self.now_ns()
        for peer, part in self.relay.to_send(now_ns):
            self.down[peer].send(part)
        for _, part, consoles in self.relay.states(now_ns):
            for console in consoles:
                self.down[console].send(part)
        self.relay.take_records()
