"""A whole node in virtual time: real cores, clocks that disagree, links that lose and delay.

One queue of events in true nanoseconds, which nobody in here can read: every process has a clock
of its own. One seed fixes everything: clocks, links, keys, faults. A witness watches all of it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.authority import Authority
from safety.gate import Verdict
from safety.grant import Role
from safety.limits import Limits
from safety.messages import Bedside, Ceiling
from safety.profile import MS, Profile
from safety.state import State
from teleop.console.operator import OperatorSettings
from teleop.console.script import SCRIPTS, Path
from teleop.robot.agent import RobotSettings
from tests.world.box import Box
from tests.world.console import Console
from tests.world.desk import SOURCE, Desk
from tests.world.process import Process
from tests.world.relay import RelayProcess
from tests.world.rig import NODE, ROBOT, SIGNER
from tests.world.robot import Robot
from tests.world.simulator import POINT, Model, Simulator
from tests.world.warden import Warden
from tests.world.wire import US, Wire
from tests.world.witness import Witness
from transport.wire.codec import encode
from transport.wire.vector import Setpoint, unpack_setpoint

#: One way between a session service and those it speaks with.
GUARD_NS, DESK_NS = 300 * US, 500 * US
#: The nodes that the robot pins, and their keys.
SIGNERS = {
    NODE: SIGNER,
    "node2": Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))),
}


class Applied(NamedTuple):
    """A setpoint that the driver took: when, of which command, how old that command was."""

    t_ns: int
    seq: int
    setpoint: Setpoint
    age_ns: int


class World:
    """A robot, some relays and consoles, and a session service for each node.

    Parameters
    ----------
    seed : fixes everything
    relays, arms, nodes : how many
    wired : names of wired emergency stops
    watchdogs : names of the watchdogs over the relays
    model : what kind of arm

    Attributes
    ----------
    events : what was delivered to cores so far: messages and deadlines
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        relays: int = 1,
        arms: int = 1,
        nodes: int = 1,
        simulated: bool = True,
        ceilings: dict[str, str] | None = None,
        wired: tuple[str, ...] = (),
        watchdogs: tuple[str, ...] = (),
        limits: Limits | None = None,
        model: Model = POINT,
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now_ns = 0
        self.events = 0
        self._queue: list[tuple[int, int, Callable[..., object], tuple[object, ...]]] = []
        self._count = 0
        self._keys = 100
        settings = RobotSettings(
            name=ROBOT,
            arms=arms,
            ceilings={SOURCE: "none", **(ceilings or {})},
            limits=limits or Limits(),
            estops=wired,
            watchdogs=watchdogs,
        )
        self.brake_m_s2 = settings.limits.brake_m_s2
        self.witness = Witness(self)
        self.consoles: dict[str, Console] = {}
        self.simulator = Simulator(self, arms, simulated=simulated, model=model)
        self.signers = {node: key.public_key() for node, key in SIGNERS.items()}
        self.robot = Robot(self, settings, self.signers, boot=7)
        self.desks = [Desk(self, node, SIGNERS[node]) for node in list(SIGNERS)[:nodes]]
        self.relays = [RelayProcess(self, path) for path in range(1, relays + 1)]
        self.boxes = {name: Box(self, name) for name in wired}
        self.wardens = [
            Warden(self, name, self.relays, self._line(partial(self._guarded, name), GUARD_NS))
            for name in watchdogs
        ]
        self._connect()

    def _guarded(self, source: str, data: bytes) -> None:
        self.robot.guarded(data, source)

    def _connect(self) -> None:
        robot = self.robot
        for desk in self.desks:
            robot.guard.append(self._line(desk.told, GUARD_NS))
            desk.down[ROBOT] = self._line(robot.guarded, DESK_NS)
        for relay in self.relays:
            relay.down[ROBOT] = Wire(self, robot.arrive)
            robot.up.append(Wire(self, partial(relay.arrive, ROBOT)))
        self.after(MS, robot.introduce)

    def _line(self, deliver: Callable[[bytes], object], delay_ns: int) -> Wire:
        return Wire(self, deliver, delay_ns=delay_ns, jitter_ns=0, ordered=True)

    # Time ----------------------------------------------------------------------------------

    def at(self, true_ns: int, act: Callable[..., object], *arguments: object) -> None:
        """Have something happen at a true time."""
        self._count += 1
        when_ns = true_ns if true_ns > self.now_ns else self.now_ns
        heapq.heappush(self._queue, (when_ns, self._count, act, arguments))

    def after(self, delay_ns: int, act: Callable[..., object], *arguments: object) -> None:
        """Have something happen so much later."""
        self.at(self.now_ns + delay_ns, act, *arguments)

    def run(self, ms: float) -> None:
        """Let so much true time pass."""
        end_ns = self.now_ns + round(ms * MS)
        queue, pop = self._queue, heapq.heappop
        while queue and queue[0][0] <= end_ns:
            self.now_ns, _, act, arguments = pop(queue)
            act(*arguments)
        self.now_ns = end_ns

    def until(self, so: Callable[[], object], ms: float = 1000.0) -> None:
        """Let time pass until it is so."""
        end_ns = self.now_ns + round(ms * MS)
        while not so():
            assert self.now_ns < end_ns, f"it did not come about within {ms} ms"
            self.run(0.25)

    def fresh(self) -> int:
        """Give a number that was never given before, for keys and incarnations."""
        self._keys += 1
        return self._keys

    # People --------------------------------------------------------------------------------

    def add_console(
        self,
        name: str = "console1",
        *,
        script: str | Path = "figure8",
        role: Role = Role.SCRIPT,
        rate_hz: int = 1000,
        scale: float = 0.5,
        profile: Profile = Profile.AUTO,
        arm: int = 0,
        desk: int = 0,
    ) -> Console:
        """A console with a link to every relay, and a line to one session service."""
        settings = OperatorSettings(
            console=name,
            robot=ROBOT,
            role=role,
            rate_hz=rate_hz,
            scale=scale,
            profile=profile,
            arm=arm,
        )
        path = SCRIPTS[script] if isinstance(script, str) else script
        console = self.consoles[name] = Console(self, settings, path, self.signers)
        for relay in self.relays:
            relay.attach(name, profile, Wire(self, console.arrive))
            console.paths.append(Wire(self, partial(relay.arrive, name)))
        service = self.desks[desk]
        console.desk = self._line(partial(service.asked, name), DESK_NS)
        service.down[name] = self._line(console.answered, DESK_NS)
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
        process.kill()

    def ceiling(self, source: str, max_state: State, ttl_ms: int, cause: str = "why") -> None:
        """Have a source at the robot's guard lower its ceiling."""
        message = Ceiling(19, source, ROBOT, max_state, cause, ttl_ms)
        self.after(GUARD_NS, self.robot.guarded, encode(message), source)

    def stop_at_bedside(self) -> None:
        """Press the emergency stop beside the robot."""
        if self.robot.runs:
            self.robot.bedside(Bedside(20, "estop"))

    def reset_at_bedside(self) -> bool:
        """Reset a stop beside the robot; False when there was none to reset."""
        return self.robot.bedside(Bedside(20, "reset"))

    # What one can ask ----------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the robot permits."""
        return self.robot.agent.interlock.state

    @property
    def wires(self) -> list[Wire]:
        """Every direction of every link on the control path, there before back."""
        there = [wire for console in self.consoles.values() for wire in console.paths]
        there += [relay.down[ROBOT] for relay in self.relays]
        back = [w for relay in self.relays for name, w in relay.down.items() if name != ROBOT]
        return [*there, *self.robot.up, *back]

    @property
    def authority(self) -> Authority:
        """The first session service's."""
        return self.desks[0].authority

    def path(self) -> list[tuple[State, str]]:
        """The states entered since the last call, with their causes."""
        entered = [(t.new, t.cause.name) for t in self.robot.transitions]
        self.robot.transitions.clear()
        return entered

    def count(self, verdict: Verdict) -> int:
        """How many commands have met this fate at the gate."""
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
