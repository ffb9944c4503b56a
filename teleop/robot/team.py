"""What the team at the robot may say, and what comes of it: a word, a held key, a bed, a hand.

The team needs no grant and no network; whoever may write to the robot's local socket is it.
"""

from __future__ import annotations

from collections.abc import Callable

from safety.bedside import Bind, Override, Report, Token
from safety.handover import Vouch
from safety.interlock import Act, Interlock, Transition
from safety.messages import Bedside
from safety.profile import MS
from safety.state import Cause, State
from teleop.robot.local import Local
from teleop.robot.outbox import Outbox
from teleop.robot.permission import Permission
from teleop.robot.tenure import Tenure
from transport.wire.codec import Message


class Team:
    """The team at one robot.

    Parameters
    ----------
    note : takes every transition
    tell : says a cause over the guard, when no state changes
    introduce : says over the guard who the robot is, and where it stands

    Attributes
    ----------
    bed, patient : pseudonyms of where the robot stands, and for whom
    """

    def __init__(
        self,
        robot: str,
        boot: bytes,
        interlock: Interlock,
        permission: Permission,
        tenure: Tenure,
        local: Local,
        outbox: Outbox,
        note: Callable[[Transition], None],
        tell: Callable[[Cause, int], None],
        introduce: Callable[[], None],
    ) -> None:
        self._robot = robot
        self._boot = boot
        self._tenure = tenure
        self._introduce = introduce
        self._interlock = interlock
        self._permission = permission
        self._local = local
        self._outbox = outbox
        self._note = note
        self._tell = tell
        self.bed = self.patient = ""

    def hear(self, message: Message, now_ns: int) -> bool:
        """Take what it says; False when nothing came of it."""
        if isinstance(message, Token):
            return self._local.hear(message, now_ns)
        if isinstance(message, Bind):
            return self._bind(message, now_ns)
        if isinstance(message, Override):
            self._override(message, now_ns)
            return True
        if not isinstance(message, Bedside):
            return False
        if message.verb == "take":
            return self._local.take(now_ns)
        if message.verb == "give":
            return self._local.give(now_ns)
        if message.verb == "estop":
            self._permission.lower(State.ESTOP, Cause.BEDSIDE_ESTOP, now_ns)
        elif message.verb == "stop":
            self._local.stop(now_ns)
        elif message.verb == "reset":
            return self._reset(now_ns)
        return True

    def _bind(self, message: Bind, now_ns: int) -> bool:
        """Take where the robot stands; False while a session means another bed."""
        has_session = self._permission.engagement is not None
        if has_session and (message.bed, message.patient) != (self.bed, self.patient):
            return False
        self.bed, self.patient = message.bed, message.patient
        self._tell(Cause.BOUND, now_ns)
        self._introduce()
        return True

    def _override(self, message: Override, now_ns: int) -> None:
        """Hold, and have the session service hand this robot over in its holder's stead."""
        if self._interlock.state > State.HOLD:
            self._permission.hold(Cause.BREAK_GLASS, now_ns)
        self._outbox.answer(Vouch(60, self._robot, self._boot, message.console))

    def why_not(self, verb: str, now_ns: int) -> str:
        """Say to a person why nothing came of a word."""
        state = self._interlock.state
        if verb == "reset" and (holds := self._permission.holds_down(now_ns)):
            return f"no reset yet: {holds}"
        if verb == "token" and state <= State.PROTECTIVE_STOP:
            return f"nothing moves in {state.name}: reset it first"
        if verb == "token":
            return "its press is over: press again" if self._local.is_on else "take it first"
        return f"nothing to {verb} in {state.name}"

    def report(self, why: str, now_ns: int) -> Report:
        """Say how the robot stands."""
        tenure, interlock = self._tenure, self._interlock
        return Report(
            kind=24,
            robot=self._robot,
            state=interlock.state,
            cause=interlock.cause,
            local=self._local.is_on,
            moving=self._local.moving,
            console=tenure.console,
            epoch=tenure.epoch,
            held_ms=(now_ns - tenure.since_ns) // MS if tenure.console else 0,
            bed=self.bed,
            patient=self.patient,
            why=why,
        )

    def _reset(self, now_ns: int) -> bool:
        self._permission.apply(now_ns)
        if not self._interlock.permits(Act.RESET):
            return False
        self._note(self._interlock.act(Act.RESET, Cause.BEDSIDE_RESET, now_ns))
        return True
