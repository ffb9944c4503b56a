"""robotd: the agent, the store behind it, and the tape of everything that it was fed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.bedside import Override
from safety.grant import VOCABULARY, Grant
from safety.interlock import Transition
from safety.messages import Ceiling, Event
from safety.profile import MS
from safety.secret import Secret
from safety.signers import Succession
from safety.state import State
from teleop.robot.agent import Judged, Outgoing, Persist, RobotSettings, To
from teleop.robot.tape import Fed, Kind, Taped
from tests.world.disk import Disk
from tests.world.process import Process
from tests.world.reel import Reel
from tests.world.rig import p256
from tests.world.simulator import SOCKET_NS
from tests.world.wire import Wire
from transport.wire.codec import Message, Registry, encode

if TYPE_CHECKING:
    from tests.world.world import World

_GUARD = Registry(VOCABULARY, (Event, Ceiling, Succession))
_DESCRIBE_NS = 500 * MS


class Robot(Process):
    """robotd of one robot.

    Attributes
    ----------
    up : to each relay
    guard : to each session service
    disk : its store
    """

    def __init__(
        self,
        world: World,
        settings: RobotSettings,
        signers: dict[str, Ed25519PublicKey],
        boot: int,
    ) -> None:
        super().__init__(world)
        self.settings = settings
        self.signers = signers
        self.up: list[Wire] = []
        self.guard: list[Wire] = []
        self.disk = Disk(world, Persist(0, State.BOOT))
        self.transitions: list[Transition] = []
        self.records: list[Judged] = []
        self.reels: list[Reel] = []  # one a boot
        self.grants: dict[bytes, Grant] = {}
        self.told: list[tuple[int, bytes]] = []  # what the driver was told, on this clock
        self.said: list[tuple[int, bytes]] = []  # and the guards
        self.boot(boot)
        self.every(_DESCRIBE_NS, lambda: self.taped.describe(self.now_ns()))

    @property
    def trace(self) -> list[Fed]:
        """What arrived since the boot: all that the agent was fed with but its own deadlines."""
        own = (Kind.BOOT, Kind.SNAPSHOT, Kind.DRAIN, Kind.DEADLINE, Kind.REST)
        entries = (e for e in self.reels[-1].entries if e.kind not in own)
        return [Fed.of(entry.kind, entry.t_ns, entry.data) for entry in entries]

    @property
    def stored(self) -> Persist:
        """What is in the store."""
        return self.disk.record

    def boot(self, number: int) -> None:
        """(Re)start, with a key of this boot: what is not in the store is forgotten."""
        self.revive()
        self.disk.crash()
        stored = self.disk.record
        if self.disk.is_unreadable:
            stored = Persist(0, State.PROTECTIVE_STOP)
        self.reels.append(Reel())
        self.taped = Taped(
            self.reels[-1],
            self.settings,
            Secret(p256(number)),
            self.signers,
            stored.epoch,
            stored.state,
            self.now_ns(),
        )
        self.agent = self.taped.agent
        self.world.witness.booted(stored.state)
        self.world.at(self.world.now_ns, self.drain)
        self.introduce()

    def introduce(self) -> None:
        """Say to every session service what the robot is: it has just been connected to."""
        data = encode(self.agent.introduction())
        for wire in self.guard:
            wire.send(data)

    def pause(self, duration_ns: int) -> None:
        """SIGSTOP now; after SIGCONT it hears what waits, then its overdue tick looks at time."""
        super().pause(duration_ns)
        self.world.at(self.paused_until_ns, self._tick)

    def _tick(self) -> None:
        if self.runs:
            self.taped.feed(Fed(Kind.DEADLINE, self.now_ns()))
            self.drain()

    # In ------------------------------------------------------------------------------------

    def arrive(self, part: bytes) -> None:
        """Take one part from a relay."""
        self.post(lambda: self._feed(Kind.PART, part))

    def measured(self, data: bytes) -> None:
        """Take a measurement."""
        self.post(lambda: self._feed(Kind.MEASURE, data))

    def gone(self) -> None:
        """Note that the driver's connection has ended."""
        self.post(lambda: self._feed(Kind.GONE))

    def guarded(self, data: bytes, source: str = "sessiond") -> None:
        """Take what a guard says, whose key is bound to `source`."""
        message = _GUARD.decode(data)
        kind = Kind.GUARD
        if isinstance(message, Grant):
            self.grants[message.session] = message
            kind = Kind.GRANT
        self.post(lambda: self._feed(kind, data, source))

    def bedside(self, message: Message) -> bool:
        """Take what the team at the robot says."""
        self.take()
        done = self._feed(Kind.BEDSIDE, encode(message))
        self.drain()
        return done

    def vouch(self, console: str) -> None:
        """Have the team at the robot hand it to another console."""
        self.bedside(Override(23, console))

    def _feed(self, kind: Kind, data: bytes = b"", source: str = "") -> bool:
        return self.taped.feed(Fed(kind, self.now_ns(), data, source))

    def _written(self, record: Persist, taped: Taped) -> None:
        if taped is self.taped:
            self.post(lambda: taped.feed(Fed.stored(record, self.now_ns())))

    # Out -----------------------------------------------------------------------------------

    def alarm(self, now_ns: int) -> None:
        """Hear what waits, then serve the deadline."""
        self.take()
        self.taped.feed(Fed(Kind.DEADLINE, now_ns))
        self._drain(self.now_ns())

    def drain(self) -> None:
        """Send what the agent has to say."""
        if self.runs:
            self._drain(self.now_ns())

    def _drain(self, now_ns: int) -> None:
        taped, agent, world = self.taped, self.agent, self.world
        while True:
            out = agent.to_send(now_ns)
            self._send(out, now_ns)
            records, transitions = agent.take_records(), []
            while (event := agent.next_event()) is not None:
                if isinstance(event, Transition):
                    transitions.append(event)
                else:
                    self.disk.write(event, lambda record: self._written(record, taped))
            self.records += records
            self.transitions += transitions
            if records or transitions:
                world.witness.decided(records, transitions, now_ns)
            taped.drained(now_ns, out, records, now_ns)
            if not agent.has_output:
                break
        self.set_alarm(max(agent.next_deadline_ns(now_ns), now_ns))

    def _send(self, out: list[Outgoing], now_ns: int) -> None:
        world = self.world
        for to, data in out:
            if to is To.DRIVER:
                self.told.append((now_ns, data))
                epoch = self.agent.epoch_max
                world.after(SOCKET_NS, world.simulator.asked, data, epoch)
            else:
                if to is To.RELAYS:
                    world.witness.spoke(data, now_ns)
                else:
                    self.said.append((now_ns, data))
                for wire in self.up if to is To.RELAYS else self.guard:
                    wire.send(data)
