"""What may be done at a robot at most, by all who hold it down: guards, driver, and the hand.

The interlock says what is permitted; here it is lowered, and nowhere raised.
"""

from __future__ import annotations

from collections.abc import Callable

from safety.ceiling import SILENCE_POLICY, Ceilings
from safety.interlock import Interlock, Transition
from safety.messages import Ceiling
from safety.profile import MS
from safety.state import Cause, State
from teleop.robot.drive import Drive
from teleop.robot.engagement import Engagement
from teleop.robot.nameplate import RobotSettings


class Permission:
    """The permission of one robot.

    Parameters
    ----------
    note : takes every transition

    Attributes
    ----------
    engagement : the judgement over the session's hand; None without a session
    is_local : the team at the robot has it: no more than HOLD for everybody else
    """

    def __init__(
        self,
        settings: RobotSettings,
        interlock: Interlock,
        drive: Drive,
        note: Callable[[Transition], None],
    ) -> None:
        self._robot = settings.name
        policies = {name: SILENCE_POLICY[word] for name, word in settings.ceilings.items()}
        self._ceilings = Ceilings(policies, settings.estops, settings.watchdogs)
        self._interlock = interlock
        self._drive = drive
        self._note = note
        self.engagement: Engagement | None = None
        self.is_local = False

    def receive(self, source: str, message: Ceiling, now_ns: int) -> bool:
        """Take a ceiling of a guard whose key is bound to `source`; False if it is not its own."""
        ours = message.robot == self._robot and message.source == source
        if not (ours and self._ceilings.allows(source)):
            return False
        ceiling = State(min(message.max_state, State.ENGAGED))
        if ceiling is State.BOOT:  # only a boot leads out of it
            ceiling = State.PROTECTIVE_STOP
        self._ceilings.set(source, ceiling, message.cause, message.ttl_ms * MS, now_ns)
        self.apply(now_ns)
        return True

    def apply(self, now_ns: int) -> None:
        """Lower to what the sources and the driver permit, and let no act exceed it."""
        ceiling, cause = self._lowest(now_ns)
        self._interlock.ceiling = ceiling
        if ceiling < self._interlock.state:
            if ceiling is State.HOLD:
                self.hold(cause, now_ns)
            else:
                self.lower(ceiling, cause, now_ns)

    def lower(self, ceiling: State, cause: Cause, now_ns: int) -> None:
        """Permit no more than this now; nothing keeps an act from raising it again."""
        transition = self._interlock.lower(ceiling, cause, now_ns)
        if transition is not None:
            self._note(transition)

    def hold(self, cause: Cause, now_ns: int) -> None:
        """Hold; with a session its engagement knows how to come back."""
        if self.engagement is not None:
            self.engagement.hold(cause, now_ns)
        else:
            self.lower(State.HOLD, cause, now_ns)

    def holds_down(self, now_ns: int) -> str:
        """Say who lets nothing be reset, and why; empty when nobody does."""
        lowest = self._ceilings.lowest(now_ns)
        return lowest.words if lowest.state < State.IDLE else ""

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """When the next ceiling lapses."""
        return self._ceilings.next_deadline_ns(now_ns)

    def _lowest(self, now_ns: int) -> tuple[State, Cause]:
        ceiling, _, is_lost, arms = self._ceilings.lowest(now_ns)
        cause = Cause.TOKEN_LOST if is_lost else Cause.CEILING
        if ceiling is State.ESTOP and self._ceilings.is_pressed:
            cause = Cause.WIRED_ESTOP
        if not arms and self._interlock.state < State.ARMED:
            ceiling = min(ceiling, State.HOLD)
        drive = self._drive
        if self.is_local and ceiling > State.HOLD:
            return State.HOLD, Cause.LOCAL
        if drive.is_silent and ceiling > State.HOLD:
            return State.HOLD, Cause.DRIVER_SILENT
        if drive.is_frozen and ceiling > State.HOLD:
            return State.HOLD, Cause.DRIVER_FROZEN
        if drive.is_astray and ceiling > State.HOLD:
            return State.HOLD, Cause.FOLLOWING_ERROR
        if drive.is_braked and ceiling > State.ARMED:
            return State.ARMED, Cause.DRIVER_BRAKED
        return ceiling, cause
