"""What must hold in every world at every moment, watched from outside with true time.

The witness believes no verdict of the cores. It notes what each hand really sent and what the
robot really said, and judges what the driver was told and what the arm did:

1. a command moves the robot at most once, as its hand made it, its deadman held, in the order of
   (epoch, seq), under a grant of that hand that is on disk, and no older than the profile permits
2. what the driver hears never goes back in (epoch, seq)
3. the state rises by the rows of `safety.interlock.RAISES` alone, one transition after another
4. every rung of the silence ladder is reached at its nanosecond on the robot's clock, or at the
   moment at which a paused robot goes on; and none is missed
5. arms come to rest when permission ends, and stay (tests.world.standstill)

A breach raises `Violation`, which names the seed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from safety.driver import Servo
from safety.gate import Session, Verdict
from safety.interlock import RAISES, Transition
from safety.messages import DEADMAN, Command, StateHead
from safety.profile import LADDERS, MS, Ladder, Profile
from safety.state import Cause, State
from tests.world.standstill import Standstill
from transport.link.age import FLOOR_WINDOW_NS
from transport.wire.codec import Registry

if TYPE_CHECKING:
    from teleop.robot.agent import Judged
    from tests.world.world import World

US = 1_000
_COMMANDS = Registry((Command,))
_HEAD = msgspec.msgpack.Decoder(StateHead)
_GOOD = frozenset({Verdict.ADMITTED, Verdict.MERGED})
#: Causes that silence alone has, and their rung.
RUNGS = {
    Cause.GAP: "degraded_ns",
    Cause.SILENCE: "hold_ns",
    Cause.LONG_SILENCE: "stop_ns",
}


class Violation(AssertionError):
    """What no world may show; the text says which, when, and how to see it again."""


class Sent(NamedTuple):
    """A command as its hand made it."""

    console: str
    tick: int
    setpoint: bytes
    held: bool  # the deadman


class Witness:
    """Watches one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sent: dict[tuple[int, int, int], Sent] = {}
        self._owners: dict[int, str] = {}
        self._ticks: dict[int, int] = {}
        self._state = State.BOOT
        self._session: Session | None = None
        self._ladder: Ladder | None = None
        self._heard_ns = self._heard_before_ns = 0
        self._loops: deque[tuple[int, int]] = deque()  # (when, loop), loops ascending
        self._moved: dict[int, tuple[int, int]] = {}  # arm -> newest (epoch, seq) that moved it
        self._driven: dict[int, tuple[int, int]] = {}  # arm -> newest (epoch, seq) it heard
        self.standstill = Standstill(world)
        self.applied = 0

    # What is said --------------------------------------------------------------------------

    def commanded(self, console: str, data: bytes) -> None:
        """Note what a hand has sent."""
        command = _COMMANDS.expect(data, Command)
        key = command.epoch, command.arm, command.seq
        self._sent[key] = Sent(
            console, command.tick_echo, command.setpoint, bool(command.flags & DEADMAN)
        )
        owner = self._owners.setdefault(command.epoch, console)
        if owner != console:
            raise self._violation(f"{owner} and {console} both speak in epoch {command.epoch}")

    def spoke(self, data: bytes, now_ns: int) -> None:
        """Note which state the robot has sent, and when on its clock."""
        self._ticks[_HEAD.decode(data).tick] = now_ns

    # What the robot decides ----------------------------------------------------------------

    def booted(self, stored: State) -> None:
        """Begin anew with a robot that has forgotten everything but its store."""
        self._state = min(State.BOOT, stored)
        self._session = None
        self._ticks.clear()
        self.standstill.booted(self._state)

    def decided(self, records: list[Judged], transitions: list[Transition], now_ns: int) -> None:
        """Judge what became of commands, and of the state, in one pass of the robot's loop."""
        self._follow_session(now_ns)
        self._heard_before_ns = self._heard_ns
        for record in records:
            if record.loop_ns:
                self._learn(record.loop_ns, record.t_ns)
            if record.verdict in _GOOD:
                self._heard_ns = record.t_ns
        self._judge_deadman(records)
        permitted = self._state
        for transition in transitions:
            self._judge_transition(transition)
            permitted = max(permitted, self._state)
        for record in records:
            if record.applied:
                self._judge(record, permitted, now_ns)

    def _follow_session(self, now_ns: int) -> None:
        session = self._world.robot.agent.gate.session
        if session is self._session:
            return
        self._session = session
        if session is not None:
            grant = self._world.robot.grants[session.id]
            ladder = LADDERS[Profile(grant.profile)].at_period(grant.period_us * US)
            max_loop_ns = min(ladder.max_loop_ns, grant.max_loop_ms * MS)
            self._ladder = ladder._replace(max_loop_ns=max_loop_ns)
            self._loops.clear()
            self._heard_ns = now_ns

    def _learn(self, loop_ns: int, now_ns: int) -> None:
        """Keep the smallest loops of the window, for the floor."""
        loops = self._loops
        while loops and loops[-1][1] >= loop_ns:
            loops.pop()
        loops.append((now_ns, loop_ns))
        while loops[0][0] < now_ns - FLOOR_WINDOW_NS:
            loops.popleft()

    def _judge(self, record: Judged, permitted: State, now_ns: int) -> None:
        session = self._session
        self.applied += 1
        if session is None:
            raise self._violation(f"{_named(record)} moved a robot that nobody holds")
        key = session.epoch, record.seq
        sent = self._sent.get((session.epoch, record.arm, record.seq))
        if sent is None:
            raise self._violation(f"{_named(record)} moved the robot, and no hand has sent it")
        newest = self._world.robot.agent.arms[record.arm]._newest
        if newest is None or newest.command.setpoint != sent.setpoint:
            raise self._violation(f"{_named(record)} is not what its hand has made")
        last = self._moved.get(record.arm, (0, 0))
        if key <= last:
            raise self._violation(
                f"{_named(record)} of epoch {key[0]} moved the robot after {last}"
            )
        self._moved[record.arm] = key
        if not sent.held:
            raise self._violation(f"{_named(record)} moved the robot, its deadman up")
        if session.epoch > self._world.robot.stored.epoch:
            raise self._violation(f"{_named(record)} of an epoch that is not on disk")
        if permitted < State.DEGRADED:
            raise self._violation(f"{_named(record)} moved the robot in {permitted.name}")
        self._judge_age(record, sent, now_ns)

    def _judge_deadman(self, records: list[Judged]) -> None:
        """See that a robot of one arm does not stay in motion once its deadman is up."""
        interlock = self._world.robot.agent.interlock
        if not records or records[-1].verdict is not Verdict.ADMITTED or self._session is None:
            return
        last = records[-1]
        sent = self._sent.get((self._session.epoch, last.arm, last.seq))
        alone = len(self._world.simulator.arms) == 1
        if alone and sent and not sent.held and interlock.state >= State.DEGRADED:
            raise self._violation(f"{interlock.state.name} after {_named(last)}, its deadman up")

    def _judge_age(self, record: Judged, sent: Sent, now_ns: int) -> None:
        """Judge a command by the time at which the robot said what its hand had seen."""
        assert self._ladder is not None
        loop_ns = now_ns - self._ticks.get(sent.tick, 0)
        limit_ns = min(self._loops[0][1] + self._ladder.hold_ns, self._ladder.max_loop_ns)
        if loop_ns > limit_ns:
            raise self._violation(f"{_named(record)} has a loop of {loop_ns} ns, not {limit_ns}")

    def _judge_transition(self, transition: Transition) -> None:
        old, new, cause, t_ns = transition
        if old is not self._state:
            raise self._violation(f"a transition from {old.name} in {self._state.name}")
        if new > old and new not in RAISES[old].values():
            raise self._violation(f"{old.name} rose to {new.name}")
        self._state = new
        self.standstill.entered(new)
        if cause in RUNGS:
            self._judge_rung(cause, t_ns)

    def _judge_rung(self, cause: Cause, t_ns: int) -> None:
        due_ns = getattr(self._ladder, RUNGS[cause])
        ages = {t_ns - self._heard_ns, t_ns - self._heard_before_ns}
        robot = self._world.robot
        went_on = t_ns - robot.clock.at(robot.resumed_ns) if robot.resumed_ns else MS
        if not (due_ns in ages or (0 <= went_on <= 2 and max(ages) > due_ns)):
            raise self._violation(f"{cause.name} after {sorted(ages)} ns of silence, not {due_ns}")

    # What the driver and its arms do -------------------------------------------------------

    def drove(self, servo: Servo, epoch: int) -> None:
        """Judge a setpoint that the driver has taken."""
        key, last = (epoch, servo.seq), self._driven.get(servo.arm, (0, 0))
        if key < last:
            raise self._violation(f"the driver heard {key} after {last}")
        self._driven[servo.arm] = key

    def looks(self) -> None:
        """Look at the arms and at the robot's idea of silence, a thousand times a second."""
        robot = self._world.robot
        if robot.runs and self._world.now_ns != robot.resumed_ns:  # then it has not looked yet
            self._judge_silence(robot.now_ns())
        wrong = self.standstill.looks(robot_runs=robot.runs)
        if wrong:
            raise self._violation(wrong)

    def _judge_silence(self, now_ns: int) -> None:
        if self._session is None or self._ladder is None or self._state < State.DEGRADED:
            return
        ladder, age_ns = self._ladder, now_ns - self._heard_ns
        if age_ns > (ladder.degraded_ns if self._state is State.ENGAGED else ladder.hold_ns):
            raise self._violation(f"{self._state.name} after {age_ns} ns of silence")

    def _violation(self, what: str) -> Violation:
        world = self._world
        return Violation(f"{what}, at {world.now_ns / MS:.6f} ms of world {world.seed}")


def _named(record: Judged) -> str:
    return f"command {record.seq} of arm {record.arm}"
