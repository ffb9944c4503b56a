"""The robot's side, without a socket: what comes in, what goes to the driver, what is said back.

    relays --command--> gate.admit -> newest -> shape -> limit --servo--> driver
    relays <---state---                                        <-measure- driver
    guard  --grant, revoke, ceiling-->      <--boot, acceptance, event--

Rules
-----
1. The shell feeds everything that has arrived, then drains: only the newest command is applied.
2. Nothing of an epoch is admitted before the epoch is on disk: the agent asks with a `Persist`
   event, the shell answers with `persisted`.
3. While powered the driver hears a setpoint at least every 10 ms; what may move no longer brakes,
   and then stands. At IDLE and below the driver hears a stop instead.
4. Who serves its own deadlines late knows nothing of the time between: a hold.
5. A stranger stops nothing: forged commands are counted, and told.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.bedside import Report
from safety.gate import Gate
from safety.grant import Acceptance, Boot, GrantError, Revoke, boot_id
from safety.interlock import Act, Interlock, Transition
from safety.messages import Ceiling, Event
from safety.secret import Seals
from safety.signers import Signers, Succession
from safety.state import Cause, State
from teleop.robot.acceptance import accept, session_of
from teleop.robot.arm import Arm
from teleop.robot.commands import Commands
from teleop.robot.doubt import Doubt
from teleop.robot.drive import Drive
from teleop.robot.local import Local
from teleop.robot.nameplate import RobotSettings
from teleop.robot.outbox import Judged, Outbox, Outgoing, Persist, To
from teleop.robot.permission import Permission
from teleop.robot.team import Team
from teleop.robot.tenure import Tenure
from teleop.robot.voice import Voice
from transport.link.age import EchoAge
from transport.wire.codec import Message

__all__ = ["Agent", "Judged", "Outgoing", "Persist", "RobotSettings", "To"]


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
        self.arms = tuple(
            Arm(number, settings.limits, settings.shape) for number in range(settings.arms)
        )
        self.drive = Drive(self.arms)
        self._permission = Permission(settings, self.interlock, self.drive, self._note)
        self._doubt = Doubt(now_ns)
        self._outbox = Outbox()
        self._tenure = Tenure(self.gate, self.arms, self.interlock, self._permission, self._note)
        self._local = Local(
            self.arms, self.interlock, self.drive, self._permission, self._note, self._tell
        )
        self._team = Team(
            settings.name,
            self.boot,
            self.interlock,
            self._permission,
            self._tenure,
            self._local,
            self._outbox,
            self._note,
            self._tell,
            self._introduce,
        )
        self._commands = Commands(
            self.gate,
            self.arms,
            self.interlock,
            self._permission,
            self._doubt,
            self._outbox,
            self._tell,
        )
        if self.interlock.permits(Act.BOOT):
            self._note(self.interlock.act(Act.BOOT, Cause.BOOTED, now_ns))

    # What comes in -----------------------------------------------------------------------

    def receive(self, part: bytes, now_ns: int) -> None:
        """Take one part from any relay, by any path."""
        self._judge_itself(now_ns)
        self._commands.receive(part, now_ns)

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
                bed=self._team.bed,
            )
            keys = self._seals.open(data, grant.console_key)
        except GrantError as error:
            # By its own name: somebody else's forged grant is not the refusal of a true one.
            refusal = Acceptance(53, session_of(data), self.epoch_max, False, str(error))
            self._outbox.answer(refusal)
            return False
        self._end(Cause.ENDED, now_ns)
        self.epoch_max = grant.epoch
        self._tenure.begin(grant, keys, now_ns)
        self._outbox.happened(Persist(grant.epoch, self._stored))
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
            return self._permission.receive(source, message, now_ns)
        return False

    def receive_driver(self, message: Message, now_ns: int) -> None:
        """Take a measurement from the driver."""
        self._judge_itself(now_ns)
        powered = self.interlock.state >= State.HOLD
        if self.drive.measured(message, now_ns, powered=powered):
            # Power comes back only with a new epoch (or a reset): a driver that restarts under
            # a session has lost it.
            self._end(Cause.DRIVER_LOST, now_ns)
            self._outbox.tell_driver(self.drive.power(now_ns, on=False))
            self._introduce()
        elif self.drive.has_braked(now_ns):
            self._end(Cause.DRIVER_BRAKED, now_ns)
        elif self.drive.is_frozen:
            self._permission.apply(now_ns)
        elif self.drive.is_astray:
            self._judge_the_arms(now_ns)

    def driver_gone(self, now_ns: int) -> None:
        """Note that the driver's connection ended."""
        self.drive.gone()
        self._end(Cause.DRIVER_LOST, now_ns)

    def bedside(self, message: Message, now_ns: int) -> bool:
        """Take what the team at the robot says; False when it changes nothing."""
        self._judge_itself(now_ns)
        return self._team.hear(message, now_ns)

    def why_not(self, verb: str, now_ns: int) -> str:
        """Say at the bedside why nothing came of a word."""
        return self._team.why_not(verb, now_ns)

    def report(self, why: str, now_ns: int) -> Report:
        """Say at the bedside how the robot stands."""
        return self._team.report(why, now_ns)

    def pin(self, signer: str, key: Ed25519PublicKey | None) -> None:
        """Take a person's word about who signs grants; None: nobody of this name any more."""
        self._signers.pin(signer, key)

    def persisted(self, record: Persist) -> None:
        """Note that a record is on disk; the grant of its epoch is then in force."""
        session = self._tenure.persisted(record.epoch)
        if session is not None:
            self._outbox.answer(Acceptance(53, session.id, session.epoch, True, ""))

    # What goes out -----------------------------------------------------------------------

    def next_event(self) -> Transition | Persist | None:
        """Take the oldest event."""
        return self._outbox.next_event()

    def to_send(self, now_ns: int) -> list[Outgoing]:
        """Apply the newest commands and give everything that is to be sent, driver first."""
        commanded = self._commands.apply(now_ns)
        for data in self._local.to_send(now_ns):
            self._outbox.tell_driver(data)
        state = self.interlock.state
        if state >= State.HOLD:
            for data in self.drive.keep_alive(now_ns, engaged=state is State.ENGAGED):
                self._outbox.tell_driver(data)
        if self._voice.is_due(now_ns, with_command=commanded):
            said = self._voice.state(
                self.interlock,
                self.gate.session,
                self.epoch_max,
                self.drive.flags,
                self.arms,
                now_ns,
            )
            self._outbox.tell_relays(said)
        return self._outbox.take()

    @property
    def has_output(self) -> bool:
        """Whether something waits for `to_send` or `next_event`, besides the periodic state."""
        return self._outbox.has_output

    def take_records(self) -> list[Judged]:
        """Take the records of the commands judged since the last call."""
        return self._outbox.take_records()

    def next_deadline_ns(self, now_ns: int) -> int:
        """When `handle_deadline` has something to do at the latest."""
        deadline = self._voice.next_deadline_ns()
        lapse = self._permission.next_deadline_ns(now_ns)
        if lapse is not None:
            deadline = min(deadline, lapse)
        creep = self._local.next_deadline_ns()
        if creep is not None:
            deadline = min(deadline, creep)
        over = self._tenure.next_deadline_ns(now_ns)
        powered = self.interlock.state >= State.HOLD
        if over is not None:
            deadline = min(deadline, over)
        if over is not None or powered:
            deadline = min(deadline, self.drive.next_deadline_ns(powered=powered))
        self._doubt.due_ns = max(deadline, now_ns)
        return deadline

    def handle_deadline(self, now_ns: int) -> None:
        """Apply what time has come to: silence, ceilings, a silent driver, an expired grant."""
        self._judge_itself(now_ns)
        self.drive.falls_silent(now_ns)
        self._permission.apply(now_ns)
        over = self._tenure.over(now_ns)
        if over:
            self._end(over, now_ns)

    def introduction(self) -> Boot:
        """Say what the robot tells the session service about itself."""
        return self._voice.introduction(
            self.gate.session,
            self.epoch_max,
            simulated=self.drive.is_simulated,
            bed=self._team.bed,
            patient=self._team.patient,
        )

    def standing(self, now_ns: int) -> Event:
        """Say how the robot stands, as an event that changes nothing."""
        return self._unchanged(self.interlock.cause, now_ns)

    # Inside ------------------------------------------------------------------------------

    def _end(self, cause: Cause, now_ns: int) -> None:
        """End the session, if there is one: its keys are gone with it; power too, but in LOCAL."""
        stays = self._local.is_on and cause not in (Cause.DRIVER_LOST, Cause.DRIVER_BRAKED)
        self._permission.lower(State.HOLD if stays else State.IDLE, cause, now_ns)
        if self.gate.session is None:
            return
        self._tenure.end(now_ns)
        self._introduce()

    def _note(self, transition: Transition) -> None:
        """Follow a transition with what it means for arms, driver, store and listeners."""
        old, new = transition.old, transition.new
        if new < State.DEGRADED:
            for arm in self.arms:
                arm.stop_following(transition.t_ns)
        if new < State.HOLD:
            self._local.stop(transition.t_ns)
        latched = new if new <= State.PROTECTIVE_STOP else State.BOOT
        if latched is not self._stored and new is not State.BOOT:
            self._stored = latched
            self._outbox.happened(Persist(self.epoch_max, latched))
        if (old >= State.HOLD) != (new >= State.HOLD):
            self._outbox.tell_driver(self.drive.power(transition.t_ns, on=new >= State.HOLD))
        self._outbox.happened(transition)
        self._voice.hurry()
        self._outbox.answer(self._voice.event(transition, self.epoch_max, self.arms[0].seq))

    def _judge_itself(self, now_ns: int) -> None:
        """Hold if the deadline that was told last should have been served long ago."""
        if self._doubt.is_late(now_ns):
            self._local.stop(now_ns)
            if self.interlock.state >= State.DEGRADED:
                self._permission.hold(Cause.SELF_LATE, now_ns)

    def _judge_the_arms(self, now_ns: int) -> None:
        """Hold one that does not follow, and stop one that does not stand."""
        cause = Cause.FOLLOWING_ERROR
        if self._local.moving:
            self._local.stop(now_ns)
            self._tell(cause, now_ns)
        if self.drive.is_displaced:
            self._permission.lower(State.PROTECTIVE_STOP, cause, now_ns)
        self._permission.apply(now_ns)

    def _introduce(self) -> None:
        self._outbox.answer(self.introduction())

    def _tell(self, cause: Cause, now_ns: int) -> None:
        """Say something over the guard that changes no state."""
        self._outbox.answer(self._unchanged(cause, now_ns))

    def _unchanged(self, cause: Cause, now_ns: int) -> Event:
        state = self.interlock.state
        event = Transition(state, state, cause, now_ns)
        return self._voice.event(event, self.epoch_max, self.arms[0].seq)
