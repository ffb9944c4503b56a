"""relayd: one path between consoles and the robot; restarted it has forgotten everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safety.profile import LADDERS, Profile
from teleop.relay_tape import Taped
from tests.world.process import Process
from tests.world.reel import Reel
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
        self.reels: list[Reel] = []  # one a start
        self._start(path * 1000)

    def _start(self, incarnation: int) -> None:
        self.reels.append(Reel())
        self.taped: Taped[str] = Taped(self.reels[-1], self.path, incarnation, self.now_ns())
        self.relay = self.taped.relay
        self.taped.attach_robot(ROBOT, ROBOT, self.now_ns())

    def attach(self, name: str, profile: Profile, down: Wire) -> None:
        """Let a console in."""
        self.down[name] = down
        self.profiles[name] = profile
        ladder = LADDERS[profile or Profile.NATIVE]
        hold_ns, loop_ns = ladder.hold_ns, ladder.max_loop_ns
        self.taped.attach_console(name, ROBOT, hold_ns, loop_ns, self.now_ns())

    def restart(self) -> None:
        """Come up anew: a new incarnation, to which everybody attaches again."""
        self.revive()
        self._start(self.path * 1000 + self.world.fresh())
        for name, profile in self.profiles.items():
            self.attach(name, profile, self.down[name])

    def arrive(self, peer: str, part: bytes) -> None:
        """Take one part of an attached peer."""
        self.post(lambda: self.taped.receive(peer, part, self.now_ns()))

    def drain(self) -> None:
        """Forward the newest of each stream, and the robot's newest state."""
        now_ns = self.now_ns()
        out = self.relay.to_send(now_ns)
        for peer, part in out:
            self.down[peer].send(part)
        spoken = self.relay.states(now_ns)
        for _, part, consoles in spoken:
            for console in consoles:
                self.down[console].send(part)
        self.taped.drained(out, spoken, self.relay.take_records(), now_ns)
