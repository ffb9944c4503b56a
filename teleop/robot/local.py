"""LOCAL: the team at the robot has it, and may move it slowly outward while a person holds a key.

Rules
-----
1. Taking works at any time, without a network. In LOCAL every remote source has the ceiling HOLD.
2. A key that is held says a token 20 times a second; 100 ms without one end its press, and a
   press that has ended moves nothing any more: it takes a new one.
3. There are two motions: the tip towards the remote centre, the jaw open. Both go through the
   limits, at a speed of their own, without energy; the fence ends them.
4. Nothing moves below IDLE: a latched stop is reset first. From IDLE the first token of a press
   brings power; no token, no power.
5. Giving back resumes nothing: a session's hand needs a clutch cycle from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from safety.bedside import Token
from safety.interlock import Act, Interlock, Transition
from safety.profile import MS
from safety.state import Cause, State
from teleop.robot.arm import Arm
from teleop.robot.drive import Drive
from teleop.robot.permission import Permission
from transport.wire.codec import encode

#: So long after its newest token a press has ended.
TOKEN_NS_MAX: Final = 100 * MS
#: From one setpoint to the next.
STEP_NS: Final = 2 * MS

_TOLD: Final = {"retract": Cause.RETRACTING, "release": Cause.RELEASING}
_NO_PRESS: Final = -1


class Local:
    """What the team at one robot does with it.

    Parameters
    ----------
    note : takes every transition
    tell : says a cause over the guard, when no state changes

    Attributes
    ----------
    moving : the motion that a held key causes; empty for none
    """

    def __init__(
        self,
        arms: tuple[Arm, ...],
        interlock: Interlock,
        drive: Drive,
        permission: Permission,
        note: Callable[[Transition], None],
        tell: Callable[[Cause, int], None],
    ) -> None:
        self._arms = arms
        self._interlock = interlock
        self._drive = drive
        self._permission = permission
        self._note = note
        self._tell = tell
        self.moving: Literal["", "retract", "release"] = ""
        self._arm = 0
        self._press = self._ended = _NO_PRESS
        self._token_ns = self._moved_ns = 0

    @property
    def is_on(self) -> bool:
        """Whether the team has the robot."""
        return self._permission.is_local

    def take(self, now_ns: int) -> bool:
        """Take the robot from whoever has it; False when the team has it already."""
        if self.is_on:
            return False
        self._permission.is_local = True
        self._permission.apply(now_ns)
        self._withhold(Cause.LOCAL, now_ns)
        return True

    def give(self, now_ns: int) -> bool:
        """Give it back, at rest; False when the team does not have it."""
        if not self.is_on:
            return False
        self.stop(now_ns)
        self._permission.is_local = False
        if self._permission.engagement is None:
            self._permission.lower(State.IDLE, Cause.GIVEN_BACK, now_ns)
        self._permission.apply(now_ns)
        self._withhold(Cause.GIVEN_BACK, now_ns)
        return True

    def hear(self, token: Token, now_ns: int) -> bool:
        """Take a token of a key that is held; False when nothing may move by it."""
        is_new = token.press != self._press
        known = token.arm < len(self._arms)
        if not (self.is_on and known) or token.press == self._ended or not self._has_power(now_ns):
            self._ended = token.press
            return False
        if is_new:
            self._begin(token, now_ns)
        elif (token.motion, token.arm) != (self.moving, self._arm):
            self.stop(now_ns)
            return False
        self._token_ns = now_ns
        return True

    def stop(self, now_ns: int) -> None:
        """End the press, if there is one: its arm comes to rest."""
        if self._press == _NO_PRESS:
            return
        self._arms[self._arm].rest(now_ns)
        self._ended, self._press, self.moving = self._press, _NO_PRESS, ""

    def next_deadline_ns(self) -> int | None:
        """When there is another setpoint, or the press ends."""
        if self._press == _NO_PRESS:
            return None
        return min(self._moved_ns + STEP_NS, self._token_ns + TOKEN_NS_MAX)

    def to_send(self, now_ns: int) -> list[bytes]:
        """Move the arm of a held key on; give what its driver is told."""
        if self._press == _NO_PRESS or now_ns - self._moved_ns < STEP_NS:
            self._lapse(now_ns)
            return []
        elapsed_ns, self._moved_ns = now_ns - self._moved_ns, now_ns
        self._lapse(now_ns)
        if self._drive.is_silent or self._drive.is_frozen:
            self.stop(now_ns)
        if not self.moving or self._drive.is_braked:  # brakes are still being let go of
            return []
        arm = self._arms[self._arm]
        creep = arm.retract if self.moving == "retract" else arm.open
        if not creep(elapsed_ns, now_ns):
            self.stop(now_ns)
        return [encode(arm.servo(now_ns, energy=False))]

    def _lapse(self, now_ns: int) -> None:
        if now_ns - self._token_ns >= TOKEN_NS_MAX:
            self.stop(now_ns)

    def _begin(self, token: Token, now_ns: int) -> None:
        self.stop(now_ns)
        self._press, self.moving, self._arm = token.press, token.motion, token.arm
        self._moved_ns = now_ns
        self._arms[token.arm].creep_from_here(now_ns)
        self._tell(_TOLD[token.motion], now_ns)

    def _has_power(self, now_ns: int) -> bool:
        """Bring power by a person's act, where that is permitted; tell whether there is."""
        self._permission.apply(now_ns)
        if self._interlock.permits(Act.TAKE):
            self._note(self._interlock.act(Act.TAKE, Cause.LOCAL, now_ns))
        return self._interlock.state is State.HOLD and not self._drive.is_silent

    def _withhold(self, cause: Cause, now_ns: int) -> None:
        if self._permission.engagement is not None:
            self._permission.engagement.withhold(local=self.is_on)
        if self._interlock.state >= State.IDLE:
            self._interlock.explain(cause)
        self._tell(cause, now_ns)
