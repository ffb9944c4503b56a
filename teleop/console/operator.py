"""A console without a socket: it asks for a robot, speaks as a hand, and believes only its robot.

    session service <--request, release, hand-over--   operator   --command--> relays
                    ---granted, denied, standing---->             <---state---

Rules
-----
1. A state counts only when its tag is right under this session's key; its tick is then the
   newest echo. Before the grant states are looked at, never echoed.
2. Every command is newest: nothing waits, nothing is sent twice by this file.
3. The keys of a session live here and nowhere else on this machine.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.clamp import Rule
from safety.grant import (
    Denied,
    Grant,
    Granted,
    GrantError,
    Release,
    Request,
    Role,
    SessionKeys,
    derive,
    public_point,
)
from safety.handover import Confirm, Offer, Standing, Withdraw
from safety.messages import NO_SESSION, NO_TAG, Command, RobotState
from safety.profile import MS, Profile
from safety.seal import is_sealed, seal
from safety.signers import Signers
from safety.state import Cause, State
from teleop.console.hand import Device, Hand
from teleop.console.ledger import Entry, account
from transport.wire.codec import Message, Registry, encode, split
from transport.wire.errors import WireError
from transport.wire.messages import Hop, decode_hops
from transport.wire.vector import Setpoint, pack_setpoint, unpack_setpoint

#: A reading older than four seconds is written as that.
AGE_NS_MAX = 0xFFFF_FFFF
#: For so long only states without our session, and it is over.
STRANGE_NS_MAX = 200 * MS
#: Sent commands that are remembered until acknowledged: four seconds at 1 kHz.
SENT = 4096

_CAUSES = frozenset(Cause)
_RULES = frozenset(Rule)
_STATES = Registry((RobotState,))


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a console asks for.

    Parameters
    ----------
    console : its device name
    robot, arm : what it wants to move
    role : `safety.grant.Role`
    rate_hz : commands per second
    scale : instrument motion per hand motion
    profile : `safety.profile.Profile`, 0 lets the node choose
    bed : the bed that is meant, as it was bound at the robot; empty for a robot at no bed
    """

    console: str
    robot: str
    arm: int = 0
    role: int = Role.SCRIPT
    rate_hz: int = 1000
    scale: float = 0.2
    profile: int = Profile.AUTO
    bed: str = ""


class Seen(NamedTuple):
    """An event: the robot's verified state changed what a person would see."""

    state: State
    cause: Cause
    was_moving: bool


class Lost(NamedTuple):
    """An event: the robot speaks, but no longer under our session.

    `taken` when another session followed ours at once: somebody has the robot, and it is not for
    us to take it back. Else the robot ended it (its driver braked, it rebooted), and whoever came
    between came after us. Nobody has vouched for this: it decides about manners, not motion.
    """

    taken: bool


class Refused(NamedTuple):
    """An event: the session service said no."""

    reason: str


class Stood(NamedTuple):
    """An event: the session service says who holds the robot, and what has changed."""

    standing: Standing


class Tally(NamedTuple):
    """What became of the commands, as far as robot and relays have said."""

    sent: int
    admitted: int
    merged: int
    late: int

    @property
    def lost(self) -> int:
        """Commands that nobody has accounted for."""
        return max(0, self.sent - self.admitted - self.merged - self.late)


Happening = Seen | Refused | Lost | Stood | Entry


class Operator:
    """One console with one hand.

    Parameters
    ----------
    settings : what it asks for
    signers : public keys of the nodes whose grants are believed
    device : the hand and its pedals
    """

    def __init__(
        self,
        settings: OperatorSettings,
        signers: dict[str, Ed25519PublicKey],
        device: Device,
    ) -> None:
        self.settings = settings
        self._key: EllipticCurvePrivateKey | None = None
        self._signers = Signers(signers)
        self._device = device
        self._grant: Grant | None = None
        self._keys: SessionKeys | None = None
        self._tick = 0
        self._seq = 0
        self._history: tuple[tuple[Hand, bytes] | None, ...] = (None, None)
        self._intended_ns = array("q", bytes(8 * SENT))
        self._sent_ns = array("q", bytes(8 * SENT))
        self._first = self._acknowledged = 0
        self._events: deque[Happening] = deque(maxlen=1024)
        self.state = State.BOOT
        self.cause = Cause.NONE
        self.measured: Setpoint | None = None
        self.error_m = 0.0
        self.rule = Rule.NONE
        self.fixture = 0
        self.unverified = 0
        self._strange_ns: int | None = None
        self._taken = False  # as the first strange state said
        self._past = Tally(0, 0, 0, 0)
        self._fates = (0, 0, 0)

    @property
    def is_granted(self) -> bool:
        """Whether there is a session."""
        return self._grant is not None

    @property
    def tally(self) -> Tally:
        """What became of the commands of all sessions, up to the newest acknowledged one."""
        past = self._past
        sent = past.sent + self._acknowledged - self._first
        admitted, merged, late = self._fates
        return Tally(sent, past.admitted + admitted, past.merged + merged, past.late + late)

    def request(self, request: bytes, key: EllipticCurvePrivateKey, *, replace: bool) -> bytes:
        """Make the request for the session service.

        Parameters
        ----------
        request : eight random bytes
        key : a P-256 key made for this request
        replace : end the session that this console, or a script, still holds
        """
        settings, self._key = self.settings, key
        return encode(
            Request(
                kind=49,
                request=request,
                robot=settings.robot,
                role=settings.role,
                console_key=public_point(key),
                profile=settings.profile,
                period_us=1_000_000 // settings.rate_hz,
                scale=settings.scale,
                replace=replace,
                bed=settings.bed,
            )
        )

    def offer(self, to: str) -> bytes | None:
        """Make the offer to hand the robot over; None without a session."""
        return None if self._grant is None else encode(Offer(56, self._grant.session, to))

    def confirm(self) -> bytes:
        """Make the word that confirms a hand-over, on whichever side of it this console is."""
        return encode(Confirm(57, self.settings.robot))

    def withdraw(self) -> bytes:
        """Make the word that calls a hand-over off."""
        return encode(Withdraw(58, self.settings.robot))

    def trust(self, signers: dict[str, Ed25519PublicKey]) -> None:
        """Believe these signers from now on; a session that there is goes on."""
        self._signers = Signers(signers)

    def release(self) -> bytes | None:
        """Make the message that gives the robot back; None without a session."""
        if self._grant is None:
            return None
        return encode(Release(54, self._grant.session))

    def let_go(self) -> None:
        """Have the hand let go of the deadman, for good: what comes before a release."""
        self._device.let_go()

    def answered(self, message: Message) -> None:
        """Take the session service's answer."""
        if isinstance(message, Denied):
            self._events.append(Refused(message.reason))
        elif isinstance(message, Granted):
            try:
                self._accept(message.grant)
            except (GrantError, WireError) as error:
                self._events.append(Refused(f"the grant is not good: {error}"))
        elif isinstance(message, Standing) and message.robot == self.settings.robot:
            self._events.append(Stood(message))

    def receive(self, part: bytes, now_ns: int) -> None:
        """Take one part from a relay: a state with hop records behind it."""
        try:
            sealed, hops = split(part)
            state = _STATES.expect(sealed, RobotState)
        except WireError:
            self.unverified += 1
            return
        grant, keys = self._grant, self._keys
        if not self._is_ours(state):
            self.unverified += 1
        elif grant is None or keys is None:
            self._show(state)
        elif state.session != grant.session:
            self._glance(state, now_ns)
        elif not is_sealed(sealed, keys.to_console):
            self.unverified += 1
        elif state.tick > self._tick:
            self._tick = state.tick
            self._strange_ns = None
            self._look(state, hops, now_ns)

    def to_send(self, intended_ns: int, now_ns: int) -> bytes | None:
        """Make the command for the slot `intended_ns`; None until the robot was seen."""
        grant, keys = self._grant, self._keys
        if grant is None or keys is None or self._tick == 0:
            return None
        hand = self._device.reads(now_ns)
        self._seq += 1
        setpoint = pack_setpoint(hand.setpoint)
        previous, earlier = self._history
        command = Command(
            kind=16,
            robot=grant.robot,
            arm=self.settings.arm,
            session=grant.session,
            epoch=grant.epoch,
            seq=self._seq,
            t_tx=now_ns,
            tick_echo=self._tick,
            press_id=hand.press_id,
            clutch_id=hand.clutch_id,
            input_seq=hand.input_seq,
            input_age=min(hand.input_age_ns, AGE_NS_MAX),
            flags=hand.flags,
            seen_frame_id=0,
            mode=0,
            tool=0,
            setpoint=setpoint,
            previous=_if_alike(previous, hand),
            earlier=_if_alike(earlier, hand),
            tag=NO_TAG,
        )
        self._history = ((hand, setpoint), previous)
        slot = self._seq % SENT
        self._intended_ns[slot] = intended_ns
        self._sent_ns[slot] = now_ns
        return seal(command, keys.to_robot)

    @property
    def seq(self) -> int:
        """The newest command's number."""
        return self._seq

    @property
    def hand(self) -> Hand | None:
        """The hand as the newest command of this session says it; None before any."""
        newest = self._history[0]
        return None if newest is None else newest[0]

    def next_event(self) -> Happening | None:
        """Take the oldest event."""
        return self._events.popleft() if self._events else None

    def _accept(self, data: bytes) -> None:
        grant = self._signers.read(data)
        key = self._key
        if key is None or (grant.console_key, grant.robot) != (
            public_point(key),
            self.settings.robot,
        ):
            raise GrantError("it answers another request")
        self._keys = derive(data, key, grant.robot_key)
        self._grant = grant
        self._past, self._fates = self.tally, (0, 0, 0)
        # Numbers go on from session to session, so that each names one command in all records.
        self._first = self._acknowledged = self._seq
        self._tick = 0
        self._strange_ns = None
        self._history = (None, None)

    def _is_ours(self, state: RobotState) -> bool:
        """Tell whether a state is of our robot, and in terms that are known here."""
        return (
            state.robot == self.settings.robot
            and state.state <= State.ENGAGED
            and len(state.arms) > self.settings.arm
        )

    def _glance(self, state: RobotState, now_ns: int) -> None:
        """Note a state that is not our session's. Nobody has vouched for it: it is not shown.

        It counts by time, not by number, or a relay that lies could drown what the robot says.
        """
        self.unverified += 1
        if self._strange_ns is None:
            self._strange_ns = now_ns
            self._taken = state.session != NO_SESSION
        elif now_ns - self._strange_ns >= STRANGE_NS_MAX:
            self._grant = self._keys = None
            self._events.append(Lost(self._taken))

    def _show(self, state: RobotState) -> None:
        cause = Cause(state.cause) if state.cause in _CAUSES else Cause.NONE
        if (state.state, cause) != (self.state, self.cause):
            was_moving = self.state >= State.DEGRADED
            self.state, self.cause = State(state.state), cause
            self._events.append(Seen(self.state, self.cause, was_moving))

    def _look(self, state: RobotState, hops: bytes, now_ns: int) -> None:
        self._show(state)
        arm = state.arms[self.settings.arm]
        self.measured = measured = unpack_setpoint(arm.measured)
        instrument = unpack_setpoint(arm.setpoint)
        self._device.sees(self.state, instrument, now_ns)
        dx, dy, dz = (instrument[i] - measured[i] for i in range(3))
        self.rule = Rule(arm.rule) if arm.rule in _RULES else Rule.NONE
        self.fixture = arm.fixture
        self.error_m = (dx * dx + dy * dy + dz * dz) ** 0.5
        if not self._acknowledged < arm.seq <= self._seq:
            return
        self._acknowledged = arm.seq
        up, down = _hops(arm.hops), _hops(hops)
        merged = arm.merged + sum(hop.merged for hop in up)
        late = arm.late + sum(hop.late for hop in up)
        self._fates = (arm.admitted, merged, late)
        if self._seq - arm.seq < SENT:
            slot = arm.seq % SENT
            self._events.append(
                account(
                    intended_ns=self._intended_ns[slot],
                    sent_ns=self._sent_ns[slot],
                    received_ns=now_ns,
                    up_ns=sum(hop.dwell_ns for hop in up),
                    robot_ns=arm.residence_ns,
                    down_ns=sum(hop.dwell_ns for hop in down),
                    filter_ns=arm.filter_us * 1000,
                )
            )


def _if_alike(old: tuple[Hand, bytes] | None, hand: Hand) -> bytes | None:
    """Give an earlier setpoint, if it was given under the same pedals."""
    if old is None:
        return None
    was = old[0]
    alike = (was.press_id, was.clutch_id, was.flags) == (hand.press_id, hand.clutch_id, hand.flags)
    return old[1] if alike else None


def _hops(data: bytes) -> list[Hop]:
    """Hop records, or none: they are only shown, so bad ones are no reason to stop."""
    try:
        return decode_hops(data)
    except WireError:
        return []
