"""What must hold in every world at every moment, watched from outside with true time.

The witness believes no verdict of the cores. It notes what each hand really sent and what the
robot really said, and judges what the driver was told and what the arm did:

1. a command moves the robot at most once, as its hand made it, in the order of (epoch, seq),
   under a grant of that hand, and never older than the profile permits
2. what the driver hears never goes back in (epoch, seq)
3. the state rises by the rows of `safety.interlock.RAISES` alone, one transition after another
4. every rung of the silence ladder is reached at its nanosecond on the robot's clock, or at the
   moment at which a paused robot goes on; and none is missed
5. below DEGRADED the tip comes to rest within its braking distance, and stays
6. after a stop the drives are off, and nothing moves

A breach raises `Violation`, which names the seed.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from safety.driver import Servo
from safety.gate import Session, Verdict
from safety.interlock import RAISES, Transition
from safety.messages import Command, StateHead
from safety.profile import LADDERS, MS, Ladder, Profile
from safety.state import Cause, State
from transport.link.age import FLOOR_WINDOW_NS
from transport.wire.codec import Registry
from transport.wire.vector import Setpoint

if TYPE_CHECKING:
    from teleop.robot.agent import Agent, Judged
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
#: A setpoint, a stop, a measurement are on their way for this long at most, and seen each 1 ms.
SEEN_NS = 2 * MS
#: Rest, as the standstill monitor of a drive means it.
REST_M = 0.0005


class Violation(AssertionError):
    """What no world may show; the text says which, when, and how to see it again."""


class Sent(NamedTuple):
    """A command as its hand made it."""

    console: str
    tick: int
    setpoint: bytes


class Rest(NamedTuple):
    """Where an arm was when permission to move ended, and how far it may still run."""

    pose: Setpoint
    allowed_m: float


class Witness:
    """Watches one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sent: dict[tuple[int, int, int], Sent] = {}
        self._owners: dict[int, str] = {}
        self._ticks: dict[int, int] = {}
        self._agent: Agent | None = None
        self._state = State.BOOT
        self._session: Session | None = None
        self._ladder: Ladder | None = None
        self._heard_ns = self._heard_before_ns = 0
        self._loops: deque[tuple[int, int]] = deque()  # (when, loop), loops ascending
        self._moved: dict[int, tuple[int, int]] = {}  # arm -> newest (epoch, seq) that moved it
        self._driven: dict[int, tuple[int, int]] = {}  # arm -> newest (epoch, seq) it heard
        self._poses: list[Setpoint] = []
        self._speeds: list[float] = []  # m/s, over the last millisecond
        self._rests: list[Rest | None] = []
        self._lowered_ns = 0
        self.applied = 0

    # What is said --------------------------------------------------------------------------

    def commanded(self, console: str, data: bytes) -> None:
        """Note what a hand has sent."""
        command = _COMMANDS.expect(data, Command)
        key = command.epoch, command.arm, command.seq
        self._sent[key] = Sent(console, command.tick_echo, command.setpoint)
        owner = self._owners.setdefault(command.epoch, console)
        self._hold(owner == console, f"{owner} and {console} both speak in epoch {command.epoch}")

    def spoke(self, data: bytes, now_ns: int) -> None:
        """Note which state the robot has sent, and when on its clock."""
        self._ticks[_HEAD.decode(data).tick] = now_ns

    # What the robot decides ----------------------------------------------------------------

    def booted(self, agent: Agent, stored: State) -> None:
        """Begin anew with a robot that has forgotten everything but its store."""
        self._agent, self._state = agent, min(State.BOOT, stored)
        self._session = None
        self._ticks.clear()
        self._lowered_ns = self._world.now_ns

    def decided(self, records: list[Judged], transitions: list[Transition], now_ns: int) -> None:
        """Judge what became of commands, and of the state, in one pass of the robot's loop."""
        self._follow_session(now_ns)
        self._heard_before_ns = self._heard_ns
        for record in records:
            if record.loop_ns:
                self._learn(record.loop_ns, record.t_ns)
            if record.verdict in _GOOD:
                self._heard_ns = record.t_ns
        permitted = self._state
        for transition in transitions:
            self._judge_transition(transition)
            permitted = max(permitted, self._state)
        for record in records:
            if record.applied:
                self._judge(record, permitted, now_ns)

    def _follow_session(self, now_ns: int) -> None:
        session = self._agent.gate.session if self._agent else None
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
        assert self._agent is not None
        self.applied += 1
        what = f"command {record.seq} of arm {record.arm}"
        if session is None or self._ladder is None:
            raise self._violation(f"{what} moved a robot that nobody holds")
        key = session.epoch, record.seq
        sent = self._sent.get((session.epoch, record.arm, record.seq))
        if sent is None:
            raise self._violation(f"{what} moved the robot, and no hand has sent it")
        newest = self._agent.arms[record.arm]._newest
        as_made = newest is not None and newest.command.setpoint == sent.setpoint
        self._hold(as_made, f"{what} is not what its hand has made")
        last = self._moved.get(record.arm, (0, 0))
        self._hold(key > last, f"{what} of epoch {key[0]} moved the robot after {last}")
        self._moved[record.arm] = key
        loop_ns = now_ns - self._ticks.get(sent.tick, 0)
        floor_ns = self._loops[0][1]
        limit_ns = min(floor_ns + self._ladder.hold_ns, self._ladder.max_loop_ns)
        self._hold(loop_ns <= limit_ns + 1, f"{what} has a loop of {loop_ns} ns of {limit_ns}")
        self._hold(permitted >= State.DEGRADED, f"{what} moved the robot in {permitted.name}")

    def _judge_transition(self, transition: Transition) -> None:
        old, new, cause, t_ns = transition
        self._hold(old is self._state, f"a transition from {old.name} in {self._state.name}")
        rises = new > old
        self._hold(not rises or new in RAISES[old].values(), f"{old.name} rose to {new.name}")
        self._state = new
        if cause in RUNGS:
            self._judge_rung(cause, t_ns)
        if old >= State.DEGRADED > new:
            self._begin_rest()
        elif new >= State.DEGRADED:
            self._rests = [None] * len(self._world.simulator.arms)
        if new <= State.IDLE < old:
            self._lowered_ns = self._world.now_ns

    def _judge_rung(self, cause: Cause, t_ns: int) -> None:
        assert self._ladder is not None
        due_ns = getattr(self._ladder, RUNGS[cause])
        ages = {t_ns - self._heard_ns, t_ns - self._heard_before_ns}
        robot = self._world.robot
        went_on = t_ns - robot.clock.at(robot.resumed_ns) if robot.resumed_ns else MS
        exact = due_ns in ages or (0 <= went_on <= 2 and max(ages) > due_ns)
        self._hold(exact, f"{cause.name} after {sorted(ages)} ns of silence, not {due_ns}")

    # What the driver and its arms do -------------------------------------------------------

    def drove(self, servo: Servo, epoch: int) -> None:
        """Judge a setpoint that the driver has taken."""
        key, last = (epoch, servo.seq), self._driven.get(servo.arm, (0, 0))
        self._hold(key >= last, f"the driver heard {key} after {last}")
        self._driven[servo.arm] = key

    def looks_at_arms(self) -> None:
        """Judge, a thousand times a second, where the arms are and whether silence was seen."""
        arms = self._world.simulator.arms
        robot = self._world.robot
        poses = [arm.pose for arm in arms]
        if robot.runs:
            self._judge_silence(robot.now_ns())
            stopped = self._state <= State.IDLE and not self._is_fresh(self._lowered_ns)
            for number, arm in enumerate(arms):
                powered = stopped and arm.enabled
                self._hold(not powered, f"arm {number} has power in {self._state.name}")
        for number, rest in enumerate(self._rests):
            if rest is not None:
                ran_m = math.dist(rest.pose[:3], poses[number][:3])
                said = f"arm {number} ran {ran_m * 1e3:.3f} mm of {rest.allowed_m * 1e3:.3f}"
                self._hold(ran_m <= rest.allowed_m, f"{said} after motion ended")
        pairs = zip(self._poses or poses, poses, strict=True)
        self._speeds = [math.dist(a[:3], b[:3]) / 1e-3 for a, b in pairs]
        self._poses = poses

    def _is_fresh(self, since_ns: int) -> bool:
        return self._world.now_ns - since_ns <= SEEN_NS

    def _judge_silence(self, now_ns: int) -> None:
        if self._session is None or self._ladder is None or self._state < State.DEGRADED:
            return
        if self._world.now_ns == self._world.robot.resumed_ns:
            return  # it has not looked yet
        age_ns, ladder = now_ns - self._heard_ns, self._ladder
        due_ns = ladder.degraded_ns if self._state is State.ENGAGED else ladder.hold_ns
        self._hold(age_ns <= due_ns, f"{self._state.name} after {age_ns} ns of silence")

    def _begin_rest(self) -> None:
        """Allow each arm what physics needs: its braking distance, its lag, and rest."""
        world = self._world
        now_ns = world.simulator.now_ns()
        brake_m_s2 = world.brake_m_s2
        self._rests = []
        for number, arm in enumerate(world.simulator.arms):
            arm.advance(now_ns)
            speed_m_s = self._speeds[number] if self._speeds else 0.0
            lag_m = math.dist(arm.pose[:3], world.robot.agent.arms[number].setpoint[:3])
            speed_m_s = max(speed_m_s, lag_m / world.arm_lag_s)
            allowed_m = speed_m_s**2 / (2.0 * brake_m_s2) + lag_m + REST_M
            self._rests.append(Rest(arm.pose, allowed_m))

    # Verdict -------------------------------------------------------------------------------

    def _hold(self, so: bool, what: str) -> None:
        if not so:
            raise self._violation(what)

    def _violation(self, what: str) -> Violation:
        world = self._world
        return Violation(f"{what}, at {world.now_ns / MS:.6f} ms of world {world.seed}")
