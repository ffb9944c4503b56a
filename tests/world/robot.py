"""robotd: the agent, the store behind it, and a trace of everything that it was fed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.driver import Measure
from safety.grant import VOCABULARY, Grant
from safety.interlock import Transition
from safety.messages import Bedside, Ceiling, Event
from safety.state import State
from teleop.robot.agent import Agent, Judged, Persist, RobotSettings, To
from tests.world.disk import Disk
from tests.world.process import Process
from tests.world.rig import p256
from tests.world.simulator import SOCKET_NS
from tests.world.wire import Wire
from transport.wire.codec import Registry, encode

if TYPE_CHECKING:
    from tests.world.world import World

_GUARD = Registry(VOCABULARY, (Event, Ceiling))
_DRIVER = Registry((Measure,))


class Fed(NamedTuple):
    """Something that an agent was fed with, on the robot's clock."""

    what: str
    now_ns: int
    data: bytes | Persist
    source: str = "sessiond"

    def to(self, agent: Agent) -> None:
        """Feed it, now or in a replay."""
        data, now_ns = self.data, self.now_ns
        if isinstance(data, Persist):
            agent.persisted(data)
        elif self.what == "part":
            agent.receive(data, now_ns)
        elif self.what == "measure":
            agent.receive_driver(_DRIVER.decode(data), now_ns)
        elif self.what == "gone":
            agent.driver_gone(now_ns)
        elif isinstance(message := _GUARD.decode(data), Grant):
            agent.receive_grant(data, now_ns)
        else:
            agent.receive_guard(self.source, message, now_ns)


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
        self.trace: list[Fed] = []
        self.grants: dict[bytes, Grant] = {}
        self.told: list[tuple[int, bytes]] = []  # what the driver was told, on this clock
        self.boot(boot)

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
        key, now_ns = p256(number), self.now_ns()
        self.agent = Agent(self.settings, key, self.signers, stored.epoch, stored.state, now_ns)
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
            self.agent.handle_deadline(self.now_ns())
            self.drain()

    # In ------------------------------------------------------------------------------------

    def arrive(self, part: bytes) -> None:
        """Take one part from a relay."""
        self.post(lambda: self._feed("part", part))

    def measured(self, data: bytes) -> None:
        """Take a measurement."""
        self.post(lambda: self._feed("measure", data))

    def gone(self) -> None:
        """Note that the driver's connection has ended."""
        self.post(lambda: self._feed("gone", b""))

    def guarded(self, data: bytes, source: str = "sessiond") -> None:
        """Take what a guard says, whose key is bound to `source`."""
        message = _GUARD.decode(data)
        if isinstance(message, Grant):
            self.grants[message.session] = message
        self.post(lambda: self._feed("guard", data, source))

    def bedside(self, message: Bedside) -> bool:
        """Take what the team at the robot says."""
        self.take()
        done = self.agent.bedside(message, self.now_ns())
        self.drain()
        return done

    def _feed(self, what: str, data: bytes | Persist, source: str = "sessiond") -> None:
        fed = Fed(what, self.now_ns(), data, source)
        self.trace.append(fed)
        fed.to(self.agent)

    def _written(self, record: Persist, agent: Agent) -> None:
        if agent is self.agent:
            self.post(lambda: self._feed("stored", record))

    # Out -----------------------------------------------------------------------------------

    def alarm(self, now_ns: int) -> None:
        """Hear what waits, then serve the deadline."""
        self.take()
        self.agent.handle_deadline(now_ns)
        self._drain(self.now_ns())

    def drain(self) -> None:
        """Send what the agent has to say."""
        if self.runs:
            self._drain(self.now_ns())

    def _drain(self, now_ns: int) -> None:
        agent, world = self.agent, self.world
        while True:
            self._send(now_ns)
            records, transitions = agent.take_records(), []
            while (event := agent.next_event()) is not None:
                if isinstance(event, Transition):
                    transitions.append(event)
                else:
                    self.disk.write(event, lambda record: self._written(record, agent))
            self.records += records
            self.transitions += transitions
            if records or transitions:
                world.witness.decided(records, transitions, now_ns)
            if not agent.has_output:
                break
        self.set_alarm(max(agent.next_deadline_ns(now_ns), now_ns))

    def _send(self, now_ns: int) -> None:
        world = self.world
        for to, data in self.agent.to_send(now_ns):
            if to is To.DRIVER:
                self.told.append((now_ns, data))
                epoch = self.agent.epoch_max
                world.after(SOCKET_NS, world.simulator.asked, data, epoch)
            else:
                if to is To.RELAYS:
                    world.witness.spoke(data, now_ns)
                for wire in self.up if to is To.RELAYS else self.guard:
                    wire.send(data)
