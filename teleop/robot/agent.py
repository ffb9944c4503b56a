"""The robot's side, without a socket: what comes in, what goes to the driver, what is said back.

    relays --command--> gate.admit -> newest -> shape -> limit --servo--> driver
    relays <---state---                                        <-measure- driver
    guard  --grant, revoke, ceiling-->      <--boot, acceptance, event--

Rules
-----
1. The shell feeds everything that has arrived, then drains: of several commands of one arm only
   the newest is applied (the others are MERGED), so a stall is never replayed.
2. Nothing of an epoch is admitted before the epoch is on disk: the agent asks with a `Persist`
   event, the shell answers with `persisted`.
3. While powered the driver hears a setpoint at least every 10 ms; what may move no longer brakes,
   and then stands. At IDLE and below the driver hears a stop instead.
4. Who serves its own deadlines late knows nothing of the time between: a hold.
5. A stranger stops nothing: forged commands are counted, and told.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.ceiling import SILENCE_POLICY, Ceilings
from safety.gate import Gate, Session, Verdict
from safety.grant import (
    Acceptance,
    Boot,
    GrantError,
    Revoke,
    SessionKeys,
    boot_id,
)
from safety.handover import Vouch
from safety.interlock import Act, Interlock, Transition
from safety.limits import Limits
from safety.messages import (
    DEADMAN,
    ESTOP,
    Bedside,
    Ceiling,
)
from safety.profile import MS, Ladder
from safety.secret import Seals
from safety.signers import Signers, Succession
from safety.state import Cause, State
from safety.supervision import Burst
from teleop.robot.acceptance import accept, ladder_of, session_of
from teleop.robot.arm import Arm, Pending
from teleop.robot.drive import Drive
from teleop.robot.engagement import Engagement
from teleop.robot.fixture import ShapeSettings
from teleop.robot.voice import Voice
from transport.link.age import EchoAge
from transport.wire.codec import Message, encode

#: Events and records that the shell has not drained are bounded; the oldest go first.
BACKLOG = 1024


#: A deadline of one's own that is served later than this, while something may move, is a hold.
SELF_LATE_NS = 10 * MS
#: So many leaps, or commands that are no pose, within a second are a PROTECTIVE_STOP.
ERRORS_MAX, ERRORS_NS = 3, 1000 * MS
#: So many forged commands within a second are told, once a second.
FORGERIES_MAX, FORGERIES_NS = 10, 1000 * MS
_NEVER = (1 << 63) - 1

#: Refused behind the tag and the sequence: nothing to follow, but its person's. A stop that such
#: a command carries counts: a bad path may be why it was pressed.
_UNFIT = frozenset(
    {Verdict.NEVER_SENT, Verdict.LATE, Verdict.MODE, Verdict.NOT_FINITE, Verdict.NOT_UNIT}
)
_NO_POSE = frozenset({Verdict.NOT_FINITE, Verdict.NOT_UNIT})


class To(IntEnum):
    """Where an outgoing message belongs."""

    DRIVER = 0
    RELAYS = 1
    GUARD = 2


class Outgoing(NamedTuple):
    """A message to send."""

    to: To
    data: bytes


class Persist(NamedTuple):
    """An event: write this to the store, then call `persisted` with it."""

    epoch: int
    state: State


class Judged(NamedTuple):
    """The record of one command: when judged, which, the verdict, its loop, whether applied."""

    t_ns: int
    arm: int
    seq: int
    verdict: Verdict
    loop_ns: int
    applied: bool


class RobotSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a robot is.

    Parameters
    ----------
    name, arms : its name and number of arms
    state_rate_hz : how often it says its state
    limits, shape : of its arms' motion; a grant holds for exactly these
    ceilings : source name -> policy of its silence (none, degraded, hold)
    estops : sources that are wired emergency stops (safety.estop)
    watchdogs : sources whose silence lets nothing arm (safety.watchdog)
    """

    name: str
    arms: int = 1
    state_rate_hz: int = 250
    limits: Limits = Limits()
    shape: ShapeSettings = ShapeSettings()
    ceilings: dict[str, str] = {}
    estops: tuple[str, ...] = ()
    watchdogs: tuple[str, ...] = ()

    def digest(self) -> bytes:
        """SHA-256 of all that says how the arms may move, as grants carry it."""
        return hashlib.sha256(msgspec.msgpack.encode((self.limits, self.shape))).digest()


class Agent:
    """One robot.

    Parameters
    ----------
    settings : what it is
    seals : the secrets of this boot; a replay has none, and says what was said
    signers : pinned signers of grants, by name
    epoch_max, stored : from the store; `stored` is a latched state or BOOT
    """

    def __init__(
        self,
        settings: RobotSettings,
        seals: Seals,
        signers: Mapping[str, Ed25519PublicKey],
        epoch_max: int,
        stored: State,
        now_ns: int,
    ) -> None:
        self.settings = settings
        self._seals = seals
        self._signers = Signers(signers)
        self.bed = self.patient = ""  # pseudonyms, as bound at the bedside
        self.robot_key = seals.point
        self.boot = boot_id(self.robot_key)
        self.epoch_max = epoch_max
        self.interlock = Interlock(stored)
        self._stored = stored
        ticks = EchoAge()
        self.gate = Gate(settings.name, settings.arms, ticks, seals.holds)
        self._limits_hash = settings.digest()
        self._voice = Voice(
            settings.name,
            settings.arms,
            self.boot,
            self.robot_key,
            self._limits_hash,
            ticks,
            settings.state_rate_hz,
            now_ns,
        )
        policies = {name: SILENCE_POLICY[word] for name, word in settings.ceilings.items()}
        self._ceilings = Ceilings(policies, settings.estops, settings.watchdogs)
        self.arms = tuple(
            Arm(number, settings.limits, settings.shape) for number in range(settings.arms)
        )
        self.drive = Drive(self.arms)
        self._engagement: Engagement | None = None
        self._expires_ns = 0
        self._due_ns = _NEVER  # the deadline that the shell was told last
        self._leaps = Burst(ERRORS_MAX, ERRORS_NS)
        self._no_poses = Burst(ERRORS_MAX, ERRORS_NS)
        self._forgeries = Burst(FORGERIES_MAX, FORGERIES_NS)
        self._alarmed_ns = now_ns - FORGERIES_NS
        self._out: list[Outgoing] = []
        self._events: deque[Transition | Persist] = deque(maxlen=BACKLOG)
        self._records: list[Judged] = []
        if self.interlock.permits(Act.BOOT):
            self._note(self.interlock.act(Act.BOOT, Cause.BOOTED, now_ns))

    # What comes in -----------------------------------------------------------------------

    def receive(self, part: bytes, now_ns: int) -> None:
        """Take one part from any relay, by any path."""
        self._judge_itself(now_ns)
        admission = self.gate.admit(part, now_ns)
        command = admission.command
        if admission.verdict is Verdict.ADMITTED:
            assert command is not None
            superseded = self.arms[command.arm].offer(admission, now_ns)
            if superseded is not None:
                self._record(superseded, Verdict.MERGED, now_ns)
            self._hear(command.arm, now_ns)
        elif admission.verdict is Verdict.LATE and self._engagement is not None:
            assert command is not None
            self.arms[command.arm].late += 1
            self._engagement.late()
        if admission.verdict in _UNFIT and command is not None and command.flags & ESTOP:
            self._lower(State.ESTOP, Cause.ESTOP_PRESSED, now_ns)
        if admission.verdict in _NO_POSE and self._no_poses.add(now_ns):
            self._lower(State.PROTECTIVE_STOP, Cause.NO_POSE, now_ns)
        if admission.verdict is Verdict.TAG:
            self._forged(now_ns)
        if command is not None and admission.verdict is not Verdict.ADMITTED:
            self._records.append(
                Judged(
                    now_ns, command.arm, command.seq, admission.verdict, admission.loop_ns, False
                )
            )

    def receive_grant(self, data: bytes, now_ns: int) -> bool:
        """Take a signed grant from the session service; False when it does not hold here."""
        try:
            grant = accept(
                data,
                signers=self._signers,
                robot=self.settings.name,
                boot=self.boot,
                epoch_max=self.epoch_max,
                limits=self._limits_hash,
                simulated=self.drive.is_simulated,
                bed=self.bed,
            )
            keys = self._seals.open(data, grant.console_key)
        except GrantError as error:
            # By its own name: somebody else's forged grant is not the refusal of a true one.
            self._answer(Acceptance(53, session_of(data), self.epoch_max, False, str(error)))
            return False
        self._end(Cause.ENDED, now_ns)
        self.epoch_max = grant.epoch
        self._expires_ns = now_ns + grant.duration_s * 1_000_000_000
        self._open(grant.session, grant.epoch, keys, ladder_of(grant), grant.period_us, now_ns)
        for arm in self.arms:
            arm.start_session(grant.scale, grant.period_us * 1000, now_ns)
        self._events.append(Persist(grant.epoch, self._stored))
        return True

    def receive_guard(self, source: str, message: Message, now_ns: int) -> bool:
        """Take a message of a guard whose key is bound to `source`; False if it may not send it."""
        if isinstance(message, Succession):
            return self._signers.follow(message)
        if isinstance(message, Revoke):
            session = self.gate.session
            if session is None or message.session != session.id:
                return False
            self._end(Cause.REVOKED, now_ns)
            return True
        if isinstance(message, Ceiling):
            ours = message.robot == self.settings.name and message.source == source
            if not (ours and self._ceilings.allows(source)):
                return False
            ceiling = State(min(message.max_state, State.ENGAGED))
            if ceiling is State.BOOT:  # only a boot leads out of it
                ceiling = State.PROTECTIVE_STOP
            self._ceilings.set(source, ceiling, message.cause, message.ttl_ms * MS, now_ns)
            self._apply_ceilings(now_ns)
            return True
        return False

    def receive_driver(self, message: Message, now_ns: int) -> None:
        """Take a measurement from the driver."""
        self._judge_itself(now_ns)
        powered = self.interlock.state >= State.HOLD
        if self.drive.measured(message, now_ns, powered=powered):
            # Power comes back only with a new epoch (or a reset): a driver that restarts under
            # a session has lost it.
            self._end(Cause.DRIVER_LOST, now_ns)
            self._tell_driver(self.drive.power(now_ns, on=False))
            self._announce()
        elif self.drive.has_braked(now_ns):
            self._end(Cause.DRIVER_BRAKED, now_ns)
        elif self.drive.is_frozen:
            self._apply_ceilings(now_ns)

    def driver_gone(self, now_ns: int) -> None:
        """Note that the driver's connection ended."""
        self.drive.gone()
        self._end(Cause.DRIVER_LOST, now_ns)

    def bedside(self, message: Bedside, now_ns: int) -> bool:
        """Take what the team at the robot says; False when it changes nothing."""
        if message.verb == "estop":
            self._lower(State.ESTOP, Cause.BEDSIDE_ESTOP, now_ns)
            return True
        self._apply_ceilings(now_ns)
        if not self.interlock.permits(Act.RESET):
            return False
        self._note(self.interlock.act(Act.RESET, Cause.BEDSIDE_RESET, now_ns))
        return True

    def bind(self, bed: str, patient: str) -> bool:
        """Take where the robot stands, and for whom; False while a session means another bed."""
        if self.gate.session is not None and (bed, patient) != (self.bed, self.patient):
            return False
        self.bed, self.patient = bed, patient
        self._announce()
        return True

    def vouch(self, console: str, now_ns: int) -> None:
        """Hold, and have the session service hand this robot to `console` in its holder's stead."""
        if self.interlock.state > State.HOLD:
            self._hold(Cause.BREAK_GLASS, now_ns)
        self._answer(Vouch(60, self.settings.name, self.boot, console))

    def pin(self, signer: str, key: Ed25519PublicKey | None) -> None:
        """Take a person's word about who signs grants; None: nobody of this name any more."""
        self._signers.pin(signer, key)

    def persisted(self, record: Persist) -> None:
        """Note that a record is on disk; the grant of its epoch is then in force."""
        session = self.gate.session
        if session is not None and session.epoch == record.epoch and not session.persisted:
            session.persisted = True
            self._answer(Acceptance(53, session.id, session.epoch, True, ""))

    # What goes out -----------------------------------------------------------------------

    def next_event(self) -> Transition | Persist | None:
        """Take the oldest event."""
        return self._events.popleft() if self._events else None

    def to_send(self, now_ns: int) -> list[Outgoing]:
        """Apply the newest commands and give everything that is to be sent, driver first."""
        commanded = False
        for arm in self.arms:
            pending, arm.pending = arm.pending, None
            if pending is not None:
                commanded = True
                self._apply(arm, pending, now_ns)
        state = self.interlock.state
        if state >= State.HOLD:
            for data in self.drive.keep_alive(now_ns, engaged=state is State.ENGAGED):
                self._tell_driver(data)
        if self._voice.is_due(now_ns, with_command=commanded):
            said = self._voice.state(
                self.interlock,
                self.gate.session,
                self.epoch_max,
                self.drive.flags,
                self.arms,
                now_ns,
            )
            self._out.append(Outgoing(To.RELAYS, said))
        out, self._out = self._out, []
        return out

    @property
    def has_output(self) -> bool:
        """Whether something waits for `to_send` or `next_event`, besides the periodic state."""
        return bool(self._out or self._events)

    def take_records(self) -> list[Judged]:
        """Take the records of the commands judged since the last call."""
        records, self._records = self._records, []
        return records

    def next_deadline_ns(self, now_ns: int) -> int:
        """When `handle_deadline` has something to do at the latest."""
        deadline = self._voice.next_deadline_ns()
        lapse = self._ceilings.next_deadline_ns(now_ns)
        if lapse is not None:
            deadline = min(deadline, lapse)
        if self._engagement is not None:
            powered = self.interlock.state >= State.HOLD
            drive = self.drive.next_deadline_ns(powered=powered)
            deadline = min(deadline, drive, self._expires_ns)
            silence = self._engagement.next_deadline_ns(now_ns)
            if silence is not None:
                deadline = min(deadline, silence)
        self._due_ns = max(deadline, now_ns)
        return deadline

    def handle_deadline(self, now_ns: int) -> None:
        """Apply what time has come to: silence, ceilings, a silent driver, an expired grant."""
        self._judge_itself(now_ns)
        self.drive.falls_silent(now_ns)
        self._apply_ceilings(now_ns)
        if self._engagement is None:
            return
        self._engagement.handle(now_ns)
        if self._engagement.is_over:
            self._end(Cause.ENDED, now_ns)
        elif now_ns >= self._expires_ns:
            self._end(Cause.EXPIRED, now_ns)

    def introduction(self) -> Boot:
        """Say what the robot tells the session service about itself."""
        return self._voice.introduction(
            self.gate.session,
            self.epoch_max,
            simulated=self.drive.is_simulated,
            bed=self.bed,
            patient=self.patient,
        )

    # Inside ------------------------------------------------------------------------------

    def _hear(self, number: int, now_ns: int) -> None:
        engagement, arm = self._engagement, self.arms[number]
        assert engagement is not None
        assert arm.pending is not None
        command, hand = arm.pending.command, arm.pending.setpoint
        self._apply_ceilings(now_ns)
        session = self.gate.session
        hole = session is not None and session.windows[number].skipped > 0
        engagement.heard(command, hand, arm, now_ns, hole=hole)
        arm.see_pedals(command.flags, engaged=self.interlock.state is State.ENGAGED)

    def _apply(self, arm: Arm, pending: Pending, now_ns: int) -> None:
        """Let one arm follow its newest command, if motion is permitted."""
        command = pending.command
        if self.interlock.state >= State.DEGRADED and command.flags & DEADMAN:
            degraded = self.interlock.state is State.DEGRADED
            step = arm.follow(command, pending.setpoint, degraded=degraded, now_ns=now_ns)
            if arm.is_braking:
                arm.glide(now_ns)
            if step is not None and step.leapt and self._leaps.add(now_ns):
                self._lower(State.PROTECTIVE_STOP, Cause.LEAPS, now_ns)
                return self._record(pending, Verdict.ADMITTED, now_ns)
            if step is not None and step.hold:
                self._hold(step.hold, now_ns)
            energy = self.interlock.state is State.ENGAGED
            self._tell_driver(encode(arm.servo(now_ns, energy=energy)))
            return self._record(pending, Verdict.ADMITTED, now_ns, applied=True)
        return self._record(pending, Verdict.ADMITTED, now_ns)

    def _record(
        self, pending: Pending, verdict: Verdict, now_ns: int, *, applied: bool = False
    ) -> None:
        command = pending.command
        self._records.append(
            Judged(now_ns, command.arm, command.seq, verdict, pending.loop_ns, applied)
        )

    def _open(
        self,
        session: bytes,
        epoch: int,
        keys: SessionKeys,
        ladder: Ladder,
        period_us: int,
        now_ns: int,
    ) -> None:
        self.gate.session = Session(session, epoch, keys, ladder, len(self.arms))
        self._engagement = Engagement(self.interlock, self._note, ladder, period_us * 1000, now_ns)

    def _end(self, cause: Cause, now_ns: int) -> None:
        """End the session, if there is one: its keys are gone with it."""
        if self.gate.session is None:
            return
        self._lower(State.IDLE, cause, now_ns)
        self.gate.session = None
        self._engagement = None
        for arm in self.arms:
            arm.stop_following(now_ns)
            arm.pending = None
        self._announce()

    def _hold(self, cause: Cause, now_ns: int) -> None:
        if self._engagement is not None:
            self._engagement.hold(cause, now_ns)
        else:
            self._lower(State.HOLD, cause, now_ns)

    def _lower(self, ceiling: State, cause: Cause, now_ns: int) -> None:
        transition = self.interlock.lower(ceiling, cause, now_ns)
        if transition is not None:
            self._note(transition)

    def _apply_ceilings(self, now_ns: int) -> None:
        """Lower to what the sources and the driver permit, and let no act exceed it."""
        ceiling, _, is_lost, arms = self._ceilings.lowest(now_ns)
        cause = Cause.TOKEN_LOST if is_lost else Cause.CEILING
        if not arms and self.interlock.state < State.ARMED:
            ceiling = min(ceiling, State.HOLD)
        if self.drive.is_silent and ceiling > State.HOLD:
            ceiling, cause = State.HOLD, Cause.DRIVER_SILENT
        elif self.drive.is_frozen and ceiling > State.HOLD:
            ceiling, cause = State.HOLD, Cause.DRIVER_FROZEN
        elif self.drive.is_braked and ceiling > State.ARMED:
            ceiling, cause = State.ARMED, Cause.DRIVER_BRAKED
        self.interlock.ceiling = ceiling
        if ceiling < self.interlock.state:
            if ceiling is State.HOLD:
                self._hold(cause, now_ns)
            else:
                self._lower(ceiling, cause, now_ns)

    def _note(self, transition: Transition) -> None:
        """Follow a transition with what it means for arms, driver, store and listeners."""
        old, new = transition.old, transition.new
        if new < State.DEGRADED:
            for arm in self.arms:
                arm.stop_following(transition.t_ns)
        latched = new if new <= State.PROTECTIVE_STOP else State.BOOT
        if latched is not self._stored and new is not State.BOOT:
            self._stored = latched
            self._events.append(Persist(self.epoch_max, latched))
        if (old >= State.HOLD) != (new >= State.HOLD):
            self._tell_driver(self.drive.power(transition.t_ns, on=new >= State.HOLD))
        self._events.append(transition)
        self._voice.hurry()
        seq = self.arms[0].seq
        self._answer(self._voice.event(transition, self.epoch_max, seq))

    def _judge_itself(self, now_ns: int) -> None:
        """Hold if the deadline that was told last should have been served long ago."""
        if now_ns - self._due_ns > SELF_LATE_NS:
            self._due_ns = _NEVER
            if self.interlock.state >= State.DEGRADED:
                self._hold(Cause.SELF_LATE, now_ns)

    def _forged(self, now_ns: int) -> None:
        """Count a command whose tag is wrong; a burst of them is told over the guard."""
        if self._forgeries.add(now_ns) and now_ns - self._alarmed_ns >= FORGERIES_NS:
            self._alarmed_ns = now_ns
            state = self.interlock.state
            alarm = Transition(state, state, Cause.FORGERY, now_ns)
            self._answer(self._voice.event(alarm, self.epoch_max, self.arms[0].seq))

    def _announce(self) -> None:
        self._answer(self.introduction())

    def _answer(self, message: Message) -> None:
        self._out.append(Outgoing(To.GUARD, encode(message)))

    def _tell_driver(self, data: bytes) -> None:
        self._out.append(Outgoing(To.DRIVER, data))
