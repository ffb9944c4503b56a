"""natived: a hand that asks for the robot, moves it, and asks again when it has lost it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety import grant, handover
from safety.handover import Standing
from safety.messages import Command
from safety.profile import MS
from safety.seal import seal
from teleop.console.ledger import Entry
from teleop.console.operator import Lost, Operator, OperatorSettings, Refused, Seen, Stood
from teleop.console.script import Path, Person
from tests.world.process import Process
from tests.world.rig import p256
from tests.world.wire import Wire
from transport.link.pacing import Pacer
from transport.wire.codec import Registry

if TYPE_CHECKING:
    from tests.world.world import World

_SESSION = Registry(grant.VOCABULARY, handover.VOCABULARY)
_COMMANDS = Registry((Command,))
#: A console that lost its session asks again after this.
AGAIN_NS = 50 * MS


class Console(Process):
    """natived of one surgeon, or script.

    Attributes
    ----------
    paths : to each relay
    desk : to its session service
    sent : seq -> true time of sending
    frames : what was sent, in order
    alter : what a fault of this console makes of each command before it is sealed
    """

    def __init__(
        self,
        world: World,
        settings: OperatorSettings,
        path: Path,
        signers: dict[str, Ed25519PublicKey],
    ) -> None:
        super().__init__(world)
        self.settings = settings
        self.path = path
        self.signers = signers
        self.period_ns = 1_000_000_000 // settings.rate_hz
        self.paths: list[Wire] = []
        self.desk: Wire | None = None
        self.sent: dict[int, int] = {}
        self.frames: list[bytes] = []
        self.seen: list[Seen] = []
        self.entries: list[Entry] = []
        self.refusals: list[str] = []
        self.standings: list[Standing] = []
        self.lost = 0
        self.asks_again = True
        self.alter: Callable[[Command], Command] | None = None
        self._start()

    def _start(self) -> None:
        self.person = Person(self.path, self.now_ns())
        self.operator = Operator(self.settings, self.signers, self.person)
        self.pacer = Pacer(self.period_ns, self.now_ns())

    def restart(self) -> None:
        """Come up anew, without any session's keys, and ask."""
        self.revive()
        self._start()
        self.ask()

    def ask(self, *, replace: bool = True) -> None:
        """Ask for the robot."""
        if self.runs:
            key = p256(self.world.fresh())
            data = self.operator.request(self.world.rng.randbytes(8), key, replace=replace)
            assert self.desk is not None
            self.desk.send(data)

    def offer(self, to: str) -> None:
        """Offer the robot to another console."""
        self._say(self.operator.offer(to))

    def confirm(self) -> None:
        """Confirm the hand-over that stands."""
        self._say(self.operator.confirm())

    def withdraw(self) -> None:
        """Call it off."""
        self._say(self.operator.withdraw())

    def release(self) -> None:
        """Give the robot back."""
        self._say(self.operator.release())

    def _say(self, data: bytes | None) -> None:
        assert data is not None
        assert self.desk is not None
        self.desk.send(data)

    def answered(self, data: bytes) -> None:
        """Take the session service's answer."""

        def feed() -> None:
            was_granted = self.operator.is_granted
            self.operator.answered(_SESSION.decode(data))
            if self.operator.is_granted and not was_granted:
                self.pacer = Pacer(self.period_ns, self.now_ns() + self.period_ns)
                self.set_alarm(self.pacer.next_ns)

        self.post(feed)

    def arrive(self, part: bytes) -> None:
        """Take one part from a relay."""
        self.post(lambda: self.operator.receive(part, self.now_ns()))

    def alarm(self, now_ns: int) -> None:
        """Send the command of this slot."""
        data = self.operator.to_send(self.pacer.next_ns, now_ns)
        if data is not None and self.alter is not None:
            data = self._altered(data, self.alter)
        if data is not None:
            self.sent[self.operator.seq] = self.world.now_ns
            self.frames.append(data)
            self.world.witness.commanded(self.settings.console, data)
            for wire in self.paths:
                wire.send(data)
        self.pacer.advance(now_ns)
        self.set_alarm(self.pacer.next_ns)

    def _altered(self, data: bytes, alter: Callable[[Command], Command]) -> bytes:
        keys = self.operator._keys
        assert keys is not None
        return seal(alter(_COMMANDS.expect(data, Command)), keys.to_robot)

    def drain(self) -> None:
        """Note what the operator says; ask again for what was lost."""
        while (event := self.operator.next_event()) is not None:
            if isinstance(event, Seen):
                self.seen.append(event)
            elif isinstance(event, Entry):
                self.entries.append(event)
            elif isinstance(event, Stood):
                self.standings.append(event.standing)
            elif isinstance(event, Refused):
                self.refusals.append(event.reason)
            else:
                assert isinstance(event, Lost)
                self.lost += 1
                if self.asks_again:
                    self.world.after(AGAIN_NS, self.ask)
