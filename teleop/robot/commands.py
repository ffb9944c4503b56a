"""What becomes of a command: from the gate's verdict to the driver's setpoint, newest only.

    part --gate.admit--> newest --engagement--> permitted? --arm.follow--> servo

Rules
-----
1. Of several commands of one arm only the newest is applied (the others are MERGED), so a stall
   is never replayed.
2. A refused command moves nothing, but a stop that it carries counts if its tag held.
"""

from __future__ import annotations

from collections.abc import Callable

from safety.gate import Admission, Gate, Verdict
from safety.interlock import Interlock
from safety.messages import DEADMAN, ESTOP
from safety.state import Cause, State
from teleop.robot.arm import Arm, Pending
from teleop.robot.doubt import UNFIT, Doubt
from teleop.robot.outbox import Judged, Outbox
from teleop.robot.permission import Permission
from transport.wire.codec import encode


class Commands:
    """The commands of one robot, for as long as they are being judged and applied.

    Parameters
    ----------
    tell : says a cause over the guard, when no state changes
    """

    def __init__(
        self,
        gate: Gate,
        arms: tuple[Arm, ...],
        interlock: Interlock,
        permission: Permission,
        doubt: Doubt,
        outbox: Outbox,
        tell: Callable[[Cause, int], None],
    ) -> None:
        self._gate = gate
        self._arms = arms
        self._interlock = interlock
        self._permission = permission
        self._doubt = doubt
        self._outbox = outbox
        self._tell = tell

    def receive(self, part: bytes, now_ns: int) -> None:
        """Judge one part from any relay."""
        admission = self._gate.admit(part, now_ns)
        if admission.verdict is not Verdict.ADMITTED:
            self._refused(admission, now_ns)
            return
        assert admission.command is not None
        arm = self._arms[admission.command.arm]
        superseded = arm.offer(admission, now_ns)
        if superseded is not None:
            self._outbox.judged(superseded, Verdict.MERGED, now_ns)
        self._hear(arm, now_ns)

    def apply(self, now_ns: int) -> bool:
        """Let every arm follow its newest command; tell whether there was any."""
        commanded = False
        for arm in self._arms:
            pending, arm.pending = arm.pending, None
            if pending is not None:
                commanded = True
                applied = self._follow(arm, pending, now_ns)
                self._outbox.judged(pending, Verdict.ADMITTED, now_ns, applied=applied)
        return commanded

    def _hear(self, arm: Arm, now_ns: int) -> None:
        engagement = self._permission.engagement
        session = self._gate.session
        assert engagement is not None
        assert arm.pending is not None
        command, hand = arm.pending.command, arm.pending.setpoint
        self._permission.apply(now_ns)
        hole = session is not None and session.windows[arm.number].skipped > 0
        engagement.heard(command, hand, arm, now_ns, hole=hole)
        arm.see_pedals(command.flags, engaged=self._interlock.state is State.ENGAGED)

    def _refused(self, admission: Admission, now_ns: int) -> None:
        """Take from a refused command what counts all the same: lateness, a stop, suspicion."""
        verdict, command = admission.verdict, admission.command
        engagement = self._permission.engagement
        if verdict is Verdict.LATE and engagement is not None:
            assert command is not None
            self._arms[command.arm].late += 1
            engagement.late()
        if verdict in UNFIT and command is not None and command.flags & ESTOP:
            self._permission.lower(State.ESTOP, Cause.ESTOP_PRESSED, now_ns)
        if self._doubt.refused(verdict, now_ns):
            self._permission.lower(State.PROTECTIVE_STOP, Cause.NO_POSE, now_ns)
        if verdict is Verdict.TAG and self._doubt.forged(now_ns):
            self._tell(Cause.FORGERY, now_ns)
        if command is not None:
            self._outbox.record(
                Judged(now_ns, command.arm, command.seq, verdict, admission.loop_ns, False)
            )

    def _follow(self, arm: Arm, pending: Pending, now_ns: int) -> bool:
        """Let one arm follow its newest command, if motion is permitted; tell whether it is."""
        command = pending.command
        if self._interlock.state < State.DEGRADED or not command.flags & DEADMAN:
            return False
        degraded = self._interlock.state is State.DEGRADED
        step = arm.follow(command, pending.setpoint, degraded=degraded, now_ns=now_ns)
        if arm.is_braking:
            arm.glide(now_ns)
        if step is not None and step.leapt and self._doubt.leapt(now_ns):
            self._permission.lower(State.PROTECTIVE_STOP, Cause.LEAPS, now_ns)
            return False
        if step is not None and step.hold:
            self._permission.hold(step.hold, now_ns)
        energy = self._interlock.state is State.ENGAGED
        self._outbox.tell_driver(encode(arm.servo(now_ns, energy=energy)))
        return True
