"""sessiond: the desk at which consoles ask for the robot; its store keeps epoch and holders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety import grant, handover
from safety.authority import Authority
from safety.grant import Acceptance, Boot, Release, Request, Role
from safety.handover import Confirm, Offer, Vouch, Withdraw
from safety.herald import Answer, Done
from safety.messages import Event
from safety.seat import DEVICE_ROLE, Row
from safety.signers import succeed
from tests.world.disk import Disk
from tests.world.process import Process
from tests.world.rig import ROBOT
from tests.world.wire import Wire
from transport.wire.codec import Message, Registry, encode

if TYPE_CHECKING:
    from tests.world.world import World

_SESSION = Registry(grant.VOCABULARY, handover.VOCABULARY, (Event,))
#: This service's device name, and the source of its ceilings.
SOURCE = "sessiond"


class Kept(NamedTuple):
    """What is in the store: the highest epoch that was granted, and each robot's row."""

    epoch: int = 0
    rows: tuple[Row, ...] = ()


class Desk(Process):
    """sessiond of one node.

    Attributes
    ----------
    down : to the robot's guard, and to each console
    disk : its store
    done : what it did, as the audit would hear it
    """

    def __init__(self, world: World, node: str, signer: Ed25519PrivateKey) -> None:
        super().__init__(world)
        self.node = node
        self.signer = signer
        self.disk = Disk(world, Kept())
        self.down: dict[str, Wire] = {}
        self.authority = Authority(node, signer, 0, SOURCE)
        self.done: list[Done] = []
        self._rows: dict[str, Row] = {}
        self._out: list[Answer] = []

    def restart(self) -> None:
        """Come up anew, knowing what is in the store; the robot introduces itself."""
        self.revive()
        self.disk.crash()
        kept = self.disk.record
        self.authority = Authority(self.node, self.signer, kept.epoch, SOURCE, kept.rows)
        self._rows = {row.robot: row for row in kept.rows}
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
        self.post(lambda: self._out.extend(self.authority.revoked(console, self.now_ns())))

    def rotate(self, key: Ed25519PrivateKey) -> None:
        """Sign with another key from now on, which the old one names; the robot is told."""
        word = succeed(self.node, self.signer, key.public_key())
        self.signer = key
        self.post(lambda: self.authority.sign_with(key))
        self.post(lambda: self._out.append(Answer(ROBOT, encode(word))))

    def _judge(self, console: str, message: Message) -> None:
        world, authority, now_ns = self.world, self.authority, self.now_ns()
        if isinstance(message, Request):
            role = DEVICE_ROLE[Role(world.consoles[console].settings.role)]
            session = world.rng.randbytes(8)
            self._out += authority.request(console, role, message, session, now_ns)
        elif isinstance(message, Offer):
            self._out += authority.offered(console, message, now_ns)
        elif isinstance(message, Confirm):
            self._out += authority.confirmed(console, message, now_ns)
        elif isinstance(message, Withdraw):
            self._out += authority.withdrawn(console, message, now_ns)
        else:
            assert isinstance(message, Release)
            self._out += authority.released(console, message, now_ns)

    def _learn(self, message: Message) -> None:
        now_ns = self.now_ns()
        if isinstance(message, Boot):
            self._out += self.authority.introduced(message, now_ns)
        elif isinstance(message, Acceptance):
            self._out += self.authority.answered(ROBOT, message, now_ns)
        elif isinstance(message, Vouch):
            self._out += self.authority.vouched(ROBOT, message, now_ns)
        elif isinstance(message, Event):
            self.authority.heard(message)

    def alarm(self, now_ns: int) -> None:
        """Deny what the robot did not answer in time, and keep what stands."""
        self.take()
        self._out += self.authority.handle_deadline(now_ns)
        self.drain()

    def drain(self) -> None:
        """Answer at once what waits for no disk, the rest when it is there."""
        out, self._out = self._out, []
        rows = self.authority.to_store()
        self._send([answer for answer in out if not answer.waits])
        waiting = [answer for answer in out if answer.waits]
        if rows:
            self.disk.write(self._kept(rows), self._then(waiting))
        else:
            assert not waiting
        while (done := self.authority.next_event()) is not None:
            self.done.append(done)
        deadline_ns = self.authority.next_deadline_ns()
        if deadline_ns is not None:
            self.set_alarm(max(deadline_ns, self.now_ns()))

    def _kept(self, rows: list[Row]) -> Kept:
        self._rows.update({row.robot: row for row in rows})
        return Kept(self.authority.epoch, tuple(self._rows.values()))

    def _then(self, waiting: list[Answer]) -> Callable[[Kept], None]:
        return lambda _: self._send(
            [one for answer in waiting for one in self.authority.due(answer, self.now_ns())]
        )

    def _send(self, out: list[Answer]) -> None:
        if self.runs:
            for to, data, _ in out:
                self.down[to].send(data)
