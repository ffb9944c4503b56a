"""sessiond: the desk at which consoles ask for the robot; its store keeps the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.grant import VOCABULARY, Acceptance, Boot, Release, Request, Role
from safety.messages import Event
from teleop.session.authority import DEVICE_ROLE, Answer, Authority
from tests.world.disk import Disk
from tests.world.process import Process
from tests.world.rig import ROBOT
from tests.world.wire import Wire
from transport.wire.codec import Message, Registry

if TYPE_CHECKING:
    from tests.world.world import World

_SESSION = Registry(VOCABULARY, (Event,))


class Desk(Process):
    """sessiond of one node.

    Attributes
    ----------
    down : to the robot's guard, and to each console
    disk : its store, the highest epoch that it granted
    """

    def __init__(self, world: World, node: str, signer: Ed25519PrivateKey) -> None:
        super().__init__(world)
        self.node = node
        self.signer = signer
        self.disk = Disk(world, 0)
        self.down: dict[str, Wire] = {}
        self.authority = Authority(node, signer, 0)
        self._out: list[Answer] = []

    def restart(self) -> None:
        """Come up anew, knowing the epoch of the store; the robot introduces itself."""
        self.revive()
        self.disk.crash()
        self.authority = Authority(self.node, self.signer, self.disk.record)
        self._out.clear()
        self.world.robot.introduce()

    def asked(self, console: str, data: bytes) -> None:
        """Take what a console says."""
        self.post(lambda: self._judge(console, _SESSION.decode(data)))

    def told(self, data: bytes) -> None:
        """Take what the robot says over the guard."""
        self.post(lambda: self._learn(_SESSION.decode(data)))

    def revoke(self, console: str) -> None:
        """Note that this console's key is no longer valid."""
        self.post(lambda: self._out.extend(self.authority.revoked(console)))

    def _judge(self, console: str, message: Message) -> None:
        world, authority = self.world, self.authority
        if isinstance(message, Request):
            role = DEVICE_ROLE[Role(world.consoles[console].settings.role)]
            session = world.rng.randbytes(8)
            self._out += authority.request(console, role, message, session, self.now_ns())
        else:
            assert isinstance(message, Release)
            self._out += authority.released(console, message)

    def _learn(self, message: Message) -> None:
        if isinstance(message, Boot):
            self.authority.introduced(message)
        elif isinstance(message, Acceptance):
            self._out += self.authority.answered(ROBOT, message)

    def alarm(self, now_ns: int) -> None:
        """Deny what the robot did not answer in time."""
        self.take()
        self._out += self.authority.handle_deadline(now_ns)
        self.drain()

    def drain(self) -> None:
        """Answer, the epoch first on disk."""
        out, self._out = self._out, []
        if self.authority.epoch > self.disk.record:
            self.disk.write(self.authority.epoch, lambda _: self._send(out))
        else:
            self._send(out)
        deadline_ns = self.authority.next_deadline_ns()
        if deadline_ns is not None:
            self.set_alarm(max(deadline_ns, self.now_ns()))

    def _send(self, out: list[Answer]) -> None:
        if self.runs:
            for to, data in out:
                self.down[to].send(data)
