"""A grant's time at a robot: how it begins, when it is over; nothing of it is left then."""

from __future__ import annotations

from collections.abc import Callable

from safety.gate import Gate, Session
from safety.grant import Grant, SessionKeys
from safety.interlock import Interlock, Transition
from safety.state import Cause
from teleop.robot.acceptance import ladder_of
from teleop.robot.arm import Arm
from teleop.robot.engagement import Engagement
from teleop.robot.permission import Permission


class Tenure:
    """The session in force at one robot, or none.

    Parameters
    ----------
    note : takes every transition

    Attributes
    ----------
    console : who holds the robot; empty without a session
    epoch, since_ns : of its grant, and when that began
    """

    def __init__(
        self,
        gate: Gate,
        arms: tuple[Arm, ...],
        interlock: Interlock,
        permission: Permission,
        note: Callable[[Transition], None],
    ) -> None:
        self._gate = gate
        self._arms = arms
        self._interlock = interlock
        self._permission = permission
        self._note = note
        self._expires_ns = 0
        self.console = ""
        self.epoch = self.since_ns = 0

    def begin(self, grant: Grant, keys: SessionKeys, now_ns: int) -> None:
        """Begin the session of a grant; its duration counts from now, on the robot's clock."""
        ladder, period_ns = ladder_of(grant), grant.period_us * 1000
        self._expires_ns = now_ns + grant.duration_s * 1_000_000_000
        self.console, self.epoch, self.since_ns = grant.console, grant.epoch, now_ns
        self._gate.session = Session(grant.session, grant.epoch, keys, ladder, len(self._arms))
        self._permission.engagement = Engagement(
            self._interlock, self._note, ladder, period_ns, now_ns
        )
        for arm in self._arms:
            arm.start_session(grant.scale, period_ns, now_ns)

    def end(self, now_ns: int) -> None:
        """Forget the session and its keys."""
        self._gate.session = None
        self._permission.engagement = None
        self.console, self.epoch = "", 0
        for arm in self._arms:
            arm.stop_following(now_ns)
            arm.pending = None

    def persisted(self, epoch: int) -> Session | None:
        """Note that an epoch is on disk; return the session that this puts in force."""
        session = self._gate.session
        if session is None or session.epoch != epoch or session.persisted:
            return None
        session.persisted = True
        return session

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """When `over` has something to do; None without a session."""
        engagement = self._permission.engagement
        if engagement is None:
            return None
        silence_ns = engagement.next_deadline_ns(now_ns)
        return self._expires_ns if silence_ns is None else min(self._expires_ns, silence_ns)

    def over(self, now_ns: int) -> Cause:
        """Apply what silence has come to; tell why the session is over, or NONE."""
        engagement = self._permission.engagement
        if engagement is None:
            return Cause.NONE
        engagement.handle(now_ns)
        if engagement.is_over:
            return Cause.ENDED
        return Cause.EXPIRED if now_ns >= self._expires_ns else Cause.NONE
