"""What a robot says of itself: its state to the relays, its events and its name to the guard."""

from __future__ import annotations

from safety.gate import Session
from safety.grant import Boot
from safety.interlock import Interlock, Transition
from safety.messages import NO_SESSION, NO_TAG, Event, RobotState
from safety.profile import MS
from safety.seal import seal
from safety.state import State
from teleop.robot.arm import Arm
from transport.link.age import EchoAge
from transport.wire.codec import encode

#: A state leaves with a command that comes this much before it is due, and waits so long for one
#: if the last state left with one: without commands nothing is waited for.
SLACK_NS, WAIT_NS = MS // 2, MS


class Voice:
    """A robot's voice in one boot.

    Parameters
    ----------
    robot, arms : its name and number of arms
    boot, robot_key : id and public point of the key of this boot
    limits : SHA-256 of its limits
    ticks : told of every state that leaves
    rate_hz : states per second
    """

    def __init__(
        self,
        robot: str,
        arms: int,
        boot: bytes,
        robot_key: bytes,
        limits: bytes,
        ticks: EchoAge,
        rate_hz: int,
        now_ns: int,
    ) -> None:
        self._robot = robot
        self._arms = arms
        self._boot = boot
        self._robot_key = robot_key
        self._limits = limits
        self._ticks = ticks
        self._period_ns = 1_000_000_000 // rate_hz
        self._said_ns = now_ns
        self._wait_ns = 0
        self._tick = 0

    def hurry(self) -> None:
        """Have the next state said at once."""
        self._said_ns = 0

    def next_deadline_ns(self) -> int:
        """When a state is due that no command takes along."""
        return self._said_ns + self._period_ns + self._wait_ns

    def is_due(self, now_ns: int, *, with_command: bool) -> bool:
        """Tell whether a state shall leave now.

        It goes along with the command that it acknowledges, just before its time or at most just
        after it: an acknowledgement that waited would be taken for the network's delay.
        """
        slack_ns = -SLACK_NS if with_command else self._wait_ns
        if now_ns < self._said_ns + self._period_ns + slack_ns:
            return False
        self._wait_ns = WAIT_NS if with_command else 0
        return True

    def state(
        self,
        interlock: Interlock,
        session: Session | None,
        epoch_max: int,
        driver: int,
        arms: tuple[Arm, ...],
        now_ns: int,
    ) -> bytes:
        """Say the state, sealed for the session's console if there is one."""
        self._tick += 1
        self._said_ns = now_ns
        self._ticks.sent(self._tick, now_ns)
        state = RobotState(
            kind=17,
            robot=self._robot,
            boot=self._boot,
            tick=self._tick,
            session=session.id if session else NO_SESSION,
            epoch=session.epoch if session else 0,
            epoch_max=epoch_max,
            state=interlock.state,
            cause=interlock.cause,
            estop_seen=interlock.state is State.ESTOP,
            driver=driver,
            arms=tuple(arm.state(now_ns) for arm in arms),
            tag=NO_TAG if session else None,
        )
        return seal(state, session.keys.to_console) if session else encode(state)

    def event(self, transition: Transition, epoch: int, seq: int) -> Event:
        """Tell a transition; `seq` is the newest admitted command of arm 0."""
        return Event(
            kind=18,
            robot=self._robot,
            boot=self._boot,
            epoch=epoch,
            t_ns=transition.t_ns,
            old=transition.old,
            new=transition.new,
            cause=transition.cause,
            seq=seq,
        )

    def introduction(
        self,
        session: Session | None,
        epoch_max: int,
        *,
        simulated: bool,
        bed: str = "",
        patient: str = "",
    ) -> Boot:
        """Say to the session service who this is, where it stands, and whom it serves."""
        return Boot(
            kind=48,
            robot=self._robot,
            arms=self._arms,
            boot=self._boot,
            robot_key=self._robot_key,
            epoch_max=epoch_max,
            simulated=simulated,
            limits=self._limits,
            session=session.id if session else NO_SESSION,
            bed=bed,
            patient=patient,
        )
