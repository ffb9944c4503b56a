"""Predicts what a robot does behind a recorded network: the real cores, in virtual time.

Console, relay, session service and robot are the ones that run; only their shells, clocks and
sockets are not there. Each command leaves when one left in the trace, and has its fate and its
arrivals; each state has those of the state that left nearest in time. All else takes what it
takes on a quiet machine, and each process reads all that waits before it acts. So what the
prediction lacks are the stalls of the machine behind the network; those before and in it are in
the trace.

    python -m bench.netem.replay FILE
"""

from __future__ import annotations

import heapq
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.netem.channel import Fate
from bench.netem.ladder import Step, tally
from bench.netem.trace import DOWN, UP, Crossing, Trace, TraceFault, read
from safety.authority import Authority
from safety.driver import Measure, Servo, Stop
from safety.grant import VOCABULARY, Acceptance, Boot, Grant, Revoke
from safety.herald import Answer
from safety.interlock import Transition
from safety.messages import Bedside, Driver, Event
from safety.profile import LADDERS, MS, Profile
from safety.secret import Secret
from safety.state import State
from teleop.console.operator import Lost, Operator, OperatorSettings, Refused
from teleop.console.script import SCRIPTS, Person
from teleop.relay import Relay
from teleop.robot.agent import Agent, Persist, RobotSettings, To
from teleop.sim.arm import SimulatedArm
from transport.wire.codec import Registry, encode
from transport.wire.vector import STILL, pack_setpoint, pack_twist

CONSOLE, ROBOT, NODE = "console", "robot", "node"
LAN_NS = 50_000
"""Under way between relay and robot, and every message of the session service."""
WAKE_NS, FRAME_NS = 50_000, 30_000
"""Until a process that waits is running, and what it takes to read one frame: with `LAN_NS` they
make the median of the one way on a quiet machine."""
DISK_NS = 3 * MS
MEASURE_NS = 2 * MS
ASK_NS = 50 * MS
"""A console looks ten times a second whether it should ask again."""
LEAD_NS = 500 * MS
"""The robot is granted and speaks before the first command."""

_SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_SESSION = Registry(VOCABULARY, (Event,))
_DRIVER = Registry((Servo, Stop))
_STILL = pack_twist(STILL)

Act = Callable[[], None]


class Passing(NamedTuple):
    """One packet of a trace: when it entered, and how long each of its copies was under way."""

    t_ns: int
    delays_ns: tuple[int, ...]


class Timeline:
    """What happens next, in virtual time."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._queue: list[tuple[int, int, Act]] = []
        self._count = 0

    def at(self, t_ns: int, act: Act) -> None:
        """Do something then, or now if that has passed; of one instant in the order asked."""
        self._count += 1
        heapq.heappush(self._queue, (max(t_ns, self.now_ns), self._count, act))

    def after(self, delay_ns: int, act: Act) -> None:
        """Do something later."""
        self.at(self.now_ns + delay_ns, act)

    def run(self, end_ns: int) -> None:
        """Let everything happen that happens before `end_ns`."""
        while self._queue and self._queue[0][0] < end_ns:
            self.now_ns, _, act = heapq.heappop(self._queue)
            act()


class Inbox:
    """A process that reads while anything waits, and only then acts: of a clump the newest counts.

    Parameters
    ----------
    feed : takes one part
    act : when nothing waits any more
    """

    def __init__(self, time: Timeline, feed: Callable[[str, bytes], None], act: Act) -> None:
        self._time = time
        self._feed = feed
        self._act = act
        self._waiting: list[tuple[str, bytes]] = []
        self._awake = False

    def post(self, peer: str, part: bytes) -> None:
        """Have a part arrive now."""
        self._waiting.append((peer, part))
        if not self._awake:
            self._awake = True
            self._time.after(WAKE_NS, self._pass)

    def take(self) -> int:
        """Feed what waits now; return how many that were."""
        waiting, self._waiting = self._waiting, []
        for peer, part in waiting:
            self._feed(peer, part)
        return len(waiting)

    def _pass(self) -> None:
        taken = self.take()
        if taken:
            self._time.after(taken * FRAME_NS, self._pass)
        else:
            self._awake = False
            self._act()


class Replay:
    """One console, one relay, one robot and one session service behind a trace."""

    def __init__(self, trace: Trace) -> None:
        head = trace.head
        commands = trace.messages(UP)
        if not commands:
            raise TraceFault("no command in this trace")
        # Whatever the trace's clock shows, here it is a moment after zero when the world begins.
        self._zero_ns = zero_ns = commands[0].t_in_ns - LEAD_NS - 1
        up = passings(commands, zero_ns)
        self._down = passings(trace.messages(DOWN), zero_ns)
        self._time = time = Timeline(1)
        self.steps: list[Step] = []
        self._keys = 0
        self._alarms = 0
        signers = {NODE: _SIGNER.public_key()}
        profile = Profile(head.ladder)
        operator = OperatorSettings(console=CONSOLE, robot=ROBOT, scale=head.scale, profile=profile)
        self._operator = Operator(operator, signers, Person(SCRIPTS[head.script], time.now_ns))
        self._relay: Relay[str] = Relay(1, 1)
        ladder = LADDERS[profile]
        self._relay.attach_robot(ROBOT, ROBOT)
        self._relay.attach_console(CONSOLE, ROBOT, ladder.hold_ns, ladder.max_loop_ns)
        self._authority = Authority(NODE, _SIGNER, 0)
        self._agent = Agent(
            RobotSettings(name=ROBOT), Secret(self._key()), signers, 0, State.BOOT, time.now_ns
        )
        self._relays = Inbox(time, self._at_relay, self._relayed)
        self._robots = Inbox(time, self._at_robot, self._drain)
        self._arm = SimulatedArm(time.now_ns)
        time.at(time.now_ns, self._measure)
        self._introduce()
        time.after(10 * MS, self._ask)
        for passing in up:
            time.at(passing.t_ns, partial(self._command, passing))
        for t_ns in head.resets_ns:
            time.at(t_ns - zero_ns, self._reset)

    def run(self, end_ns: int) -> list[Step]:
        """Let time pass to `end_ns` of the trace; return the robot's transitions until then."""
        self._time.run(end_ns - self._zero_ns)
        return self.steps

    # The console ---------------------------------------------------------------------------------

    def _ask(self) -> None:
        request = self._keys.to_bytes(8, "big")
        data = self._operator.request(request, self._key(), replace=True)
        self._time.after(LAN_NS, partial(self._asked, data))

    def _command(self, passing: Passing) -> None:
        data = self._operator.to_send(self._time.now_ns, self._time.now_ns)
        if data is not None:
            for delay_ns in passing.delays_ns:
                self._time.after(delay_ns, partial(self._relays.post, CONSOLE, data))

    def _hears(self, part: bytes) -> None:
        self._operator.receive(part, self._time.now_ns)
        while (event := self._operator.next_event()) is not None:
            if isinstance(event, Lost):
                self._time.after(ASK_NS, self._ask)

    def _answered(self, data: bytes) -> None:
        self._operator.answered(_SESSION.decode(data))
        while (event := self._operator.next_event()) is not None:
            if isinstance(event, Refused):
                self._time.after(5 * ASK_NS, self._ask)

    # The relay -----------------------------------------------------------------------------------

    def _at_relay(self, peer: str, part: bytes) -> None:
        self._relay.receive(peer, part, self._time.now_ns)

    def _relayed(self) -> None:
        now_ns = self._time.now_ns
        for outgoing in self._relay.to_send(now_ns):
            self._time.after(LAN_NS, partial(self._robots.post, outgoing.peer, outgoing.part))
        for spoken in self._relay.states(now_ns):
            for delay_ns in nearest(self._down, now_ns).delays_ns:
                self._time.after(delay_ns, partial(self._hears, spoken.part))
        self._relay.take_records()

    # The session service -------------------------------------------------------------------------

    def _asked(self, data: bytes) -> None:
        message = _SESSION.decode(data)
        session = (1 << 32 | self._keys).to_bytes(8, "big")
        now_ns = self._time.now_ns
        self._deliver(self._authority.request(CONSOLE, "script", message, session, now_ns))  # type: ignore[arg-type]

    def _told(self, data: bytes) -> None:
        message = _SESSION.decode(data)
        if isinstance(message, Boot):
            self._authority.introduced(message, self._time.now_ns)
        elif isinstance(message, Acceptance):
            self._deliver(self._authority.answered(ROBOT, message, self._time.now_ns))

    def _deliver(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            to = self._guarded if answer.to == ROBOT else self._answered
            self._time.after(LAN_NS, partial(to, answer.data))

    # The robot -----------------------------------------------------------------------------------

    def _introduce(self) -> None:
        self._time.after(LAN_NS, partial(self._told, encode(self._agent.introduction())))

    def _at_robot(self, _: str, part: bytes) -> None:
        self._agent.receive(part, self._time.now_ns)

    def _guarded(self, data: bytes) -> None:
        message, now_ns = _SESSION.decode(data), self._time.now_ns
        if isinstance(message, Grant):
            self._agent.receive_grant(data, now_ns)
        elif isinstance(message, Revoke):
            self._agent.receive_guard("session", message, now_ns)
        self._drain()

    def _reset(self) -> None:
        self._agent.bedside(Bedside(20, "reset"), self._time.now_ns)
        self._drain()

    def _alarm(self, number: int) -> None:
        if number == self._alarms:
            self._robots.take()  # what waits in a socket came before this was looked at
            self._agent.handle_deadline(self._time.now_ns)
            self._drain()

    def _written(self, record: Persist) -> None:
        self._agent.persisted(record)
        self._drain()

    def _measure(self) -> None:
        now_ns, arm = self._time.now_ns, self._arm
        arm.advance(now_ns)
        power = Driver.ENABLED if arm.enabled else Driver.BRAKED
        measure = Measure(
            kind=32,
            driver_tick=now_ns,
            instance=1,
            flags=Driver.SIMULATED | power,
            arm=0,
            joints=b"",
            measured=pack_setpoint(arm.pose),
            velocity=_STILL,
            rule=0,
        )
        self._agent.receive_driver(measure, now_ns)
        if self._agent.has_output:
            self._drain()
        self._time.after(MEASURE_NS, self._measure)

    def _drain(self) -> None:
        agent, now_ns = self._agent, self._time.now_ns
        while True:
            for to, data in agent.to_send(now_ns):
                self._say(to, data)
            agent.take_records()
            while (event := agent.next_event()) is not None:
                if isinstance(event, Transition):
                    t_ns = event.t_ns + self._zero_ns
                    self.steps.append(Step(t_ns, event.old, event.new, event.cause))
                else:
                    self._time.after(DISK_NS, partial(self._written, event))
            if not agent.has_output:
                break
        self._alarms += 1
        self._time.at(agent.next_deadline_ns(now_ns), partial(self._alarm, self._alarms))

    def _say(self, to: To, data: bytes) -> None:
        if to is To.RELAYS:
            self._time.after(LAN_NS, partial(self._relays.post, ROBOT, data))
        elif to is To.GUARD:
            self._time.after(LAN_NS, partial(self._told, data))
        else:
            asked = _DRIVER.decode(data)
            if isinstance(asked, Servo):
                self._arm.servo(asked, self._time.now_ns)
            elif isinstance(asked, Stop):
                self._arm.stop(asked.category, self._time.now_ns)

    def _key(self) -> ec.EllipticCurvePrivateKey:
        self._keys += 1
        return ec.derive_private_key(self._keys, ec.SECP256R1())


def passings(crossings: Sequence[Crossing], zero_ns: int) -> list[Passing]:
    """Gather the crossings of each packet, its times from `zero_ns` on; a lost one has no delay."""
    found = []
    for _, group in groupby(crossings, lambda c: c.packet):
        copies = list(group)
        came = tuple(c.t_out_ns - c.t_in_ns for c in copies if c.fate == Fate.CARRIED)
        found.append(Passing(copies[0].t_in_ns - zero_ns, came))
    return found


def nearest(passing: Sequence[Passing], t_ns: int) -> Passing:
    """Find what left nearest to `t_ns` in a row that ascends; if there is none, it is lost."""
    at = bisect_left(passing, (t_ns,))
    near = passing[max(0, at - 1) : at + 1]
    return min(near, key=lambda p: abs(p.t_ns - t_ns), default=Passing(t_ns, ()))


def main(argv: Sequence[str]) -> int:
    """Replay a file and say what the robot would do."""
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        trace = read(Path(argv[0]))
        steps = Replay(trace).run(trace.head.end_ns)
    except TraceFault as fault:
        print(fault, file=sys.stderr)
        return 2
    for field, value in tally(steps, trace.head.start_ns, trace.head.end_ns).items():
        print(f"{field:12} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
