"""A whole node in virtual time: real cores, clocks that disagree, links that lose and delay.

One queue of events in true nanoseconds, which nobody in here can read: every process has a clock
of its own, up to eleven days off and drifting by up to 200 ppm. The shells' rules are those of
the process files: feed all that has arrived, then drain; a process that is paused finds
everything waiting when it goes on.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import NamedTuple

from safety.driver import Measure, Servo, Stop
from safety.gate import Verdict
from safety.grant import VOCABULARY, Acceptance, Boot, Grant, Release, Request, Role
from safety.interlock import Transition
from safety.limits import Limits
from safety.messages import Driver, Event
from safety.profile import LADDERS, MS, Profile
from safety.state import State
from teleop.console.ledger import Entry
from teleop.console.operator import Lost, Operator, OperatorSettings, Refused, Seen
from teleop.console.script import SCRIPTS, Person
from teleop.relay import Relay
from teleop.robot.agent import Agent, Judged, Persist, RobotSettings, To
from teleop.session.authority import Answer, Authority
from teleop.sim.arm import Refusal, SimulatedArm
from tests.world.rig import NODE, SIGNER, p256
from transport.link.pacing import Pacer
from transport.wire.codec import Registry, encode
from transport.wire.vector import STILL, Setpoint, pack_setpoint, pack_twist, unpack_setpoint

US = 1_000
ROBOT = "psm1"
_SESSION = Registry(VOCABULARY, (Event,))
_DRIVER = Registry((Measure,))
_ASKED = Registry((Servo, Stop))


class Clock:
    """A process's monotonic clock over true time."""

    def __init__(self, rng: random.Random) -> None:
        self.offset_ns = rng.randrange(10**15)
        self.drift_ppb = rng.randrange(-200_000, 200_001)

    def at(self, true_ns: int) -> int:
        """What it shows at a true time."""
        return self.offset_ns + true_ns + true_ns * self.drift_ppb // 10**9

    def when(self, local_ns: int) -> int:
        """The first true time at which it shows at least this."""
        true_ns = (local_ns - self.offset_ns) * 10**9 // (10**9 + self.drift_ppb)
        while self.at(true_ns) < local_ns:
            true_ns += 1
        while self.at(true_ns - 1) >= local_ns:
            true_ns -= 1
        return true_ns


class Wire:
    """One direction of a link: delay, jitter, loss, copies, order; it can be cut.

    Parameters
    ----------
    ordered : deliver in order, as TCP does; else each frame finds its own way
    """

    def __init__(
        self,
        world: World,
        deliver: Callable[[bytes], None],
        *,
        delay_ns: int = 200 * US,
        jitter_ns: int = 100 * US,
        loss: float = 0.0,
        copies: float = 0.0,
        ordered: bool = False,
    ) -> None:
        self._world = world
        self._deliver = deliver
        self.delay_ns = delay_ns
        self.jitter_ns = jitter_ns
        self.loss = loss
        self.copies = copies
        self.ordered = ordered
        self.cut = False
        self._last_ns = 0

    def send(self, data: bytes) -> None:
        rng = self._world.rng
        if self.cut or rng.random() < self.loss:
            return
        for _ in range(1 + (rng.random() < self.copies)):
            arrival_ns = self._world.now_ns + self.delay_ns + rng.randrange(self.jitter_ns + 1)
            if self.ordered:
                arrival_ns = self._last_ns = max(arrival_ns, self._last_ns)
            self._world.at(arrival_ns, lambda: None if self.cut else self._deliver(data))


class Process:
    """A process: its clock, its inbox, its alarm; it can be paused or dead."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = Clock(world.rng)
        self.paused_until_ns = 0
        self.dead = False
        self._inbox: list[Callable[[], None]] = []
        self._woken = False
        self._alarm = 0

    def now_ns(self) -> int:
        return self.clock.at(self.world.now_ns)

    def pause(self, duration_ns: int) -> None:
        """SIGSTOP now, SIGCONT after so long."""
        self.paused_until_ns = self.world.now_ns + duration_ns
        self.world.at(self.paused_until_ns, self._wake)

    def post(self, feed: Callable[[], None]) -> None:
        """Something arrives at a socket; the loop wakes when it can."""
        if self.dead:
            return
        self._inbox.append(feed)
        if not self._woken:
            self._woken = True
            self.world.at(self.world.now_ns, self._wake)

    def take(self) -> None:
        """Feed everything that waits."""
        inbox, self._inbox = self._inbox, []
        for feed in inbox:
            feed()

    def _wake(self) -> None:
        self._woken = False
        if self.dead or self.world.now_ns < self.paused_until_ns:
            return
        if self._inbox:
            self.take()
            self.drain()

    def set_alarm(self, local_ns: int) -> None:
        self._alarm += 1
        number = self._alarm

        def ring() -> None:
            if self.dead or number != self._alarm:
                return
            if self.world.now_ns < self.paused_until_ns:
                self.world.at(self.paused_until_ns, ring)
                return
            late_ns = self.now_ns() - local_ns
            self.alarm(local_ns + late_ns if late_ns > 1 else local_ns)  # a clock may skip one

        self.world.at(max(self.clock.when(local_ns), self.world.now_ns), ring)

    def every(self, period_ns: int, act: Callable[[], None]) -> None:
        def beat() -> None:
            if not self.dead:
                if self.world.now_ns >= self.paused_until_ns:
                    act()
                self.world.at(self.world.now_ns + period_ns, beat)

        self.world.at(self.world.now_ns + period_ns, beat)

    def drain(self) -> None: ...

    def alarm(self, now_ns: int) -> None: ...


class Simulator(Process):
    """simd: the arms, measured at 1 kHz."""

    def __init__(self, world: World, arms: int, *, simulated: bool) -> None:
        super().__init__(world)
        self.arms = [SimulatedArm(self.now_ns()) for _ in range(arms)]
        self.instance = 1
        self.simulated = simulated
        self.mute = False
        self.lies: Setpoint | None = None
        self.heard: list[tuple[int, Servo | Stop]] = []
        self.applied: list[tuple[int, Servo]] = []
        self.every(MS, self.measure)

    def measure(self) -> None:
        now_ns = self.now_ns()
        for number, arm in enumerate(self.arms):
            arm.advance(now_ns)
            power = Driver.ENABLED if arm.enabled else Driver.BRAKED
            flags = power | (Driver.SIMULATED if self.simulated else Driver(0))
            pose = pack_setpoint(self.lies or arm.pose)
            measured = Measure(
                32, now_ns, self.instance, flags, number, b"", pose, pack_twist(STILL), 0
            )
            if not self.mute:
                self.world.after(20 * US, self.world.robot.measured, encode(measured))

    def asked(self, data: bytes) -> None:
        message, now_ns = _ASKED.decode(data), self.now_ns()
        assert isinstance(message, Servo | Stop)
        self.heard.append((self.world.now_ns, message))
        if isinstance(message, Stop):
            for arm in self.arms:
                arm.stop(message.category, now_ns)
        elif self.arms[message.arm].servo(message, now_ns) is Refusal.NONE:
            self.applied.append((self.world.now_ns, message))


class Fed(NamedTuple):
    """Something that an agent was fed with, on the robot's clock."""

    what: str
    now_ns: int
    data: bytes | Persist

    def to(self, agent: Agent) -> None:
        data, now_ns = self.data, self.now_ns
        if isinstance(data, Persist):
            agent.persisted(data)
        elif self.what == "part":
            agent.receive(data, now_ns)
        elif self.what == "measure":
            agent.receive_driver(_DRIVER.decode(data), now_ns)
        elif self.what == "gone":
            agent.driver_gone(now_ns)
        elif isinstance(message := _SESSION.decode(data), Grant):
            agent.receive_grant(data, now_ns)
        else:
            agent.receive_guard("sessiond", message, now_ns)


class Robot(Process):
    """robotd."""

    def __init__(self, world: World, settings: RobotSettings, boot: int) -> None:
        super().__init__(world)
        self.settings = settings
        self.up: list[Wire] = []
        self.stored = Persist(0, State.BOOT)
        self.writes: list[Persist] = []
        self.transitions: list[Transition] = []
        self.records: list[Judged] = []
        self.trace: list[Fed] = []
        self.told: list[tuple[int, bytes]] = []  # what the driver was told, on this clock
        self.boot(boot)

    def boot(self, number: int) -> None:
        """(Re)start: what is not in the store is forgotten."""
        signers = {NODE: SIGNER.public_key()}
        self._inbox.clear()
        self.agent = Agent(
            self.settings,
            p256(number),
            signers,
            self.stored.epoch,
            self.stored.state,
            self.now_ns(),
        )
        self.world.at(self.world.now_ns, self.drain)
        self.world.after(MS, self.world.introduced, encode(self.agent.introduction()))

    def arrive(self, part: bytes) -> None:
        self.post(lambda: self.feed(Fed("part", self.now_ns(), part)))

    def measured(self, data: bytes) -> None:
        self.post(lambda: self.feed(Fed("measure", self.now_ns(), data)))

    def granted(self, data: bytes) -> None:
        self.post(lambda: self.feed(Fed("guard", self.now_ns(), data)))

    def gone(self) -> None:
        """The driver's connection ends."""
        self.post(lambda: self.feed(Fed("gone", self.now_ns(), b"")))

    def feed(self, fed: Fed) -> None:
        self.trace.append(fed)
        fed.to(self.agent)

    def alarm(self, now_ns: int) -> None:
        self.take()
        self.agent.handle_deadline(now_ns)
        self.drain(now_ns)

    def drain(self, now_ns: int | None = None) -> None:
        now_ns = self.now_ns() if now_ns is None else now_ns
        world, agent = self.world, self.agent
        for to, data in agent.to_send(now_ns):
            if to is To.DRIVER:
                self.told.append((now_ns, data))
                world.after(20 * US, world.simulator.asked, data)
            elif to is To.RELAYS:
                for wire in self.up:
                    wire.send(data)
            else:
                world.after(300 * US, world.introduced, data)
        self.records += agent.take_records()
        while (event := agent.next_event()) is not None:
            if isinstance(event, Transition):
                self.transitions.append(event)
            else:
                self.writes.append(event)
                world.after(3 * MS, self._written, event, agent)
        if agent.has_output:
            self.drain(now_ns)
            return
        self.set_alarm(max(agent.next_deadline_ns(now_ns), now_ns))

    def _written(self, event: Persist, agent: Agent) -> None:
        self.stored = event
        if agent is self.agent:
            self.post(lambda: self.feed(Fed("stored", self.now_ns(), event)))


class RelayProcess(Process):
    """relayd."""

    def __init__(self, world: World, path: int) -> None:
        super().__init__(world)
        self.relay: Relay[str] = Relay(path, path * 1000)
        self.down: dict[str, Wire] = {}

    def arrive(self, peer: str, part: bytes) -> None:
        self.post(lambda: self.relay.receive(peer, part, self.now_ns()) and None)

    def drain(self) -> None:
        now_ns = self.now_ns()
        for peer, part in self.relay.to_send(now_ns):
            self.down[peer].send(part)
        for _, part, consoles in self.relay.states(now_ns):
            for console in consoles:
                self.down[console].send(part)
        self.relay.take_records()


class Console(Process):
    """natived."""

    def __init__(self, world: World, settings: OperatorSettings, script: str) -> None:
        super().__init__(world)
        self.settings = settings
        self.person = Person(SCRIPTS[script], self.now_ns())
        signers = {NODE: SIGNER.public_key()}
        self.operator = Operator(settings, signers, self.person)
        self.period_ns = 1_000_000_000 // settings.rate_hz
        self.pacer = Pacer(self.period_ns, self.now_ns())
        self.paths: list[Wire] = []
        self.sent: dict[int, int] = {}  # seq -> true time
        self.frames: list[bytes] = []
        self.seen: list[Seen] = []
        self.entries: list[Entry] = []
        self.refusals: list[str] = []
        self.lost = 0
        self.asks_again = True

    def ask(self, *, replace: bool = True) -> None:
        key = p256(self.world.fresh())
        data = self.operator.request(self.world.rng.randbytes(8), key, replace=replace)
        self.world.after(500 * US, self.world.asked, self.settings.console, data)

    def release(self) -> None:
        data = self.operator.release()
        assert data is not None
        self.world.after(500 * US, self.world.asked, self.settings.console, data)

    def answered(self, data: bytes) -> None:
        def feed() -> None:
            was_granted = self.operator.is_granted
            self.operator.answered(_SESSION.decode(data))
            if self.operator.is_granted and not was_granted:
                self.pacer = Pacer(self.period_ns, self.now_ns() + self.period_ns)
                self.set_alarm(self.pacer.next_ns)

        self.post(feed)

    def arrive(self, part: bytes) -> None:
        self.post(lambda: self.operator.receive(part, self.now_ns()))

    def alarm(self, now_ns: int) -> None:
        data = self.operator.to_send(self.pacer.next_ns, now_ns)
        if data is not None:
            self.sent[self.operator.seq] = self.world.now_ns
            self.frames.append(data)
            for wire in self.paths:
                wire.send(data)
        self.pacer.advance(now_ns)
        self.set_alarm(self.pacer.next_ns)

    def drain(self) -> None:
        while (event := self.operator.next_event()) is not None:
            if isinstance(event, Seen):
                self.seen.append(event)
            elif isinstance(event, Entry):
                self.entries.append(event)
            elif isinstance(event, Refused):
                self.refusals.append(event.reason)
            else:
                assert isinstance(event, Lost)
                self.lost += 1
                if self.asks_again:
                    self.world.after(50 * MS, self.ask)


class Applied(NamedTuple):
    """A setpoint that the driver took: when, of which command, how old that command was."""

    t_ns: int
    seq: int
    setpoint: Setpoint
    age_ns: int


class World:
    """A node with one robot, some relays and consoles."""

    def __init__(
        self,
        *,
        seed: int = 1,
        relays: int = 1,
        arms: int = 1,
        simulated: bool = True,
        ceilings: dict[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        self.now_ns = 0
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._count = 0
        self._keys = 100
        self.authority = Authority(NODE, SIGNER, 0)
        self.desk = Process(self)  # sessiond
        self.consoles: dict[str, Console] = {}
        settings = RobotSettings(
            name=ROBOT, arms=arms, ceilings=ceilings or {}, limits=limits or Limits()
        )
        self.simulator = Simulator(self, arms, simulated=simulated)
        self.robot = Robot(self, settings, boot=7)
        self.relays = [RelayProcess(self, path) for path in range(1, relays + 1)]
        for relay in self.relays:
            relay.relay.attach_robot(ROBOT, ROBOT)
            relay.down[ROBOT] = Wire(self, self.robot.arrive)
            up = Wire(self, lambda part, relay=relay: relay.arrive(ROBOT, part))
            self.robot.up.append(up)

    # Time ----------------------------------------------------------------------------------

    def at(self, true_ns: int, act: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (max(true_ns, self.now_ns), self._count, act))

    def after(self, delay_ns: int, act: Callable[..., object], *arguments: object) -> None:
        self.at(self.now_ns + delay_ns, lambda: act(*arguments))

    def run(self, ms: float) -> None:
        """Let so much true time pass."""
        end_ns = self.now_ns + round(ms * MS)
        while self._queue and self._queue[0][0] <= end_ns:
            self.now_ns, _, act = heapq.heappop(self._queue)
            act()
        self.now_ns = end_ns

    def until(self, so: Callable[[], object], ms: float = 1000.0) -> None:
        """Let time pass until it is so."""
        end_ns = self.now_ns + round(ms * MS)
        while not so():
            assert self.now_ns < end_ns, f"it did not come about within {ms} ms"
            self.run(0.25)

    def fresh(self) -> int:
        self._keys += 1
        return self._keys

    # The session service -------------------------------------------------------------------

    def asked(self, console: str, data: bytes) -> None:
        message = _SESSION.decode(data)
        if isinstance(message, Request):
            role = "script" if self.consoles[console].settings.role == Role.SCRIPT else "console"
            session = self.rng.randbytes(8)
            now_ns = self.desk.now_ns()
            self.deliver(self.authority.request(console, role, message, session, now_ns))
        else:
            assert isinstance(message, Release)
            self.deliver(self.authority.released(console, message))

    def introduced(self, data: bytes) -> None:
        message = _SESSION.decode(data)
        if isinstance(message, Boot):
            self.authority.introduced(message)
        elif isinstance(message, Acceptance):
            self.deliver(self.authority.answered(ROBOT, message))

    def deliver(self, answers: list[Answer]) -> None:
        for answer in answers:
            if answer.to == ROBOT:
                self.after(500 * US, self.robot.granted, answer.data)
            else:
                self.after(500 * US, self.consoles[answer.to].answered, answer.data)

    # People --------------------------------------------------------------------------------

    def add_console(
        self,
        name: str = "console1",
        *,
        script: str = "figure8",
        role: Role = Role.SCRIPT,
        rate_hz: int = 1000,
        scale: float = 0.5,
        profile: Profile = Profile.AUTO,
        arm: int = 0,
    ) -> Console:
        """A console with a link to every relay."""
        settings = OperatorSettings(
            console=name,
            robot=ROBOT,
            role=role,
            rate_hz=rate_hz,
            scale=scale,
            profile=profile,
            arm=arm,
        )
        console = self.consoles[name] = Console(self, settings, script)
        ladder = LADDERS[profile or Profile.NATIVE]
        for relay in self.relays:
            relay.relay.attach_console(name, ROBOT, ladder.hold_ns, ladder.max_loop_ns)
            relay.down[name] = Wire(self, console.arrive)
            console.paths.append(Wire(self, lambda part, relay=relay: relay.arrive(name, part)))
        return console

    def engaged(self, name: str = "console1", **console: object) -> Console:
        """A console that asked for the robot and moves it."""
        self.run(5)
        hand = self.add_console(name, **console)  # type: ignore[arg-type]
        hand.ask()
        self.until(lambda: self.state is State.ENGAGED)
        return hand

    def kill(self, process: Process) -> None:
        """kill -9."""
        process.dead = True

    # What one can ask ----------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.robot.agent.interlock.state

    def path(self) -> list[tuple[State, str]]:
        """The states entered since the last call, with their causes."""
        entered = [(t.new, t.cause.name) for t in self.robot.transitions]
        self.robot.transitions.clear()
        return entered

    def count(self, verdict: Verdict) -> int:
        return self.robot.agent.gate.counts[verdict]

    def applied(self, console: Console) -> list[Applied]:
        """What the driver took for the first time of each command of this console."""
        taken: dict[int, Applied] = {}
        for t_ns, servo in self.simulator.applied:
            if servo.seq in console.sent and servo.seq not in taken:
                age_ns = t_ns - console.sent[servo.seq]
                pose = unpack_setpoint(servo.setpoint)
                taken[servo.seq] = Applied(t_ns, servo.seq, pose, age_ns)
        return list(taken.values())
