"""One session, from its request to its last state, with keys that everybody knows.

Nothing here is drawn: keys are hashes of sentences, and Ed25519 signs without randomness, so
every run makes the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from docs.generate.fields import MESSAGES
from monitor.alarms.alert import Presence
from monitor.alarms.condition import Condition, Priority
from monitor.alarms.messages import Alert, AlertRow, Alive, BedRow, Holding, Page, Place, SettingRow
from monitor.alarms.wishes import Acknowledge, Ask, Done, Limit, Patient, Pause
from monitor.messages import Beat, Block, Metric, Numeric, Reading, Reason, Signal, pack
from monitor.vitals.events import Kind, Label
from safety.bedside import Bind, Override, Report, Token
from safety.clamp import Rule
from safety.driver import VALID_FOR_US, Measure, Servo, Stop
from safety.grant import (
    Acceptance,
    Boot,
    Denied,
    Grant,
    Granted,
    Release,
    Request,
    Revoke,
    Role,
    SessionKeys,
    boot_id,
    derive,
    public_point,
    sign,
)
from safety.handover import Confirm, Observe, Offer, Standing, Vouch, Withdraw
from safety.messages import (
    NO_SESSION,
    NO_TAG,
    ArmState,
    Bedside,
    Ceiling,
    Command,
    Driver,
    Event,
    Flags,
    RobotState,
)
from safety.profile import Profile
from safety.seal import seal
from safety.seat import Phase
from safety.signers import succeed
from safety.state import Cause, State
from teleop.robot.agent import RobotSettings
from transport.wire.codec import Message, Registry, encode
from transport.wire.messages import Attach, Attached, Clock, Refused, encode_hop
from transport.wire.vector import STILL, Setpoint, Twist, pack_joints, pack_setpoint, pack_twist


def secret(of: str) -> bytes:
    return hashlib.sha256(f"trocar test vector: {of}".encode()).digest()


def _p256(of: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(secret(of), "big"), ec.SECP256R1())


SIGNER = Ed25519PrivateKey.from_private_bytes(secret("signer"))
NEXT_SIGNER = Ed25519PrivateKey.from_private_bytes(secret("next signer"))
ROBOT, CONSOLE = _p256("robot"), _p256("console")
DATAGRAM_KEY = secret("datagrams")
CONNECTION = 0x0A0B0C0D
REQUEST_ID, SESSION_ID = b"request1", b"session1"
EPOCH = 7

REGISTRY = Registry(MESSAGES)

HAND = Setpoint(0.125, -0.25, 0.5, 1.0, 0.0, 0.0, 0.0, 0.75)
TIP = Setpoint(0.01, -0.02, -0.1, 1.0, 0.0, 0.0, 0.0, 0.5)
HOPS = encode_hop(1, 0x5EED, 41_000, merged=2, late=1) + encode_hop(2, 0xCAFE, 38_500)


class Example(NamedTuple):
    """A message worth having as bytes."""

    note: str
    message: Message
    data: bytes


# The session ------------------------------------------------------------------------------

GRANT = Grant(
    kind=50,
    session=SESSION_ID,
    robot="robot",
    boot=boot_id(public_point(ROBOT)),
    robot_key=public_point(ROBOT),
    console="console",
    console_key=public_point(CONSOLE),
    role=Role.SURGEON,
    epoch=EPOCH,
    limits=RobotSettings(name="psm1").digest(),
    profile=Profile.NATIVE,
    period_us=1000,
    max_loop_ms=60,
    scale=0.5,
    video_gate=False,
    bed="or-3",
    duration_s=86_400,
    signer="node",
    signature=bytes(64),
)
SIGNED_GRANT = sign(GRANT, SIGNER)
KEYS: SessionKeys = derive(SIGNED_GRANT, CONSOLE, GRANT.robot_key)

COMMAND = Command(
    kind=16,
    robot="robot",
    arm=0,
    session=SESSION_ID,
    epoch=EPOCH,
    seq=1042,
    t_tx=5_000_123_456_789,
    tick_echo=260,
    press_id=1,
    clutch_id=2,
    input_seq=1042,
    input_age=150_000,
    flags=Flags.DEADMAN,
    seen_frame_id=0,
    mode=0,
    tool=0,
    setpoint=pack_setpoint(HAND),
    previous=pack_setpoint(HAND._replace(x=0.124)),
    earlier=None,
    tag=NO_TAG,
)
MOVING = Twist(0.031, 0.0, 0.0, 0.0, 0.0, 0.1)
ARM = ArmState(
    arm=0,
    seq=1042,
    clutch_id=2,
    residence_ns=92_000,
    hops=HOPS,
    admitted=1037,
    merged=4,
    late=1,
    following=True,
    measured=pack_setpoint(TIP._replace(x=0.0099)),
    velocity=pack_twist(MOVING),
    joints=pack_joints((0.5, -0.25, 0.125)),
    setpoint=pack_setpoint(TIP),
    requested=pack_setpoint(TIP._replace(z=TIP.z - 0.004)),
    rule=Rule.FIXTURE,
    fixture=2,
    filter_us=22_000,
)
STATE = RobotState(
    kind=17,
    robot="robot",
    boot=GRANT.boot,
    tick=263,
    session=SESSION_ID,
    epoch=EPOCH,
    epoch_max=EPOCH,
    state=State.ENGAGED,
    cause=Cause.PRESSED,
    estop_seen=False,
    driver=Driver.CONNECTED | Driver.SIMULATED | Driver.ENABLED,
    arms=(ARM,),
    tag=NO_TAG,
)


def _idle(number: int) -> ArmState:
    """An arm that nobody has moved."""
    here = pack_setpoint(TIP)
    return ArmState(
        number, 0, 0, 0, b"", 0, 0, 0, False, here, pack_twist(STILL), b"", here, here, 0, 0, 0
    )


IDLE_STATE = msgspec.structs.replace(
    STATE,
    tick=1,
    session=NO_SESSION,
    epoch=0,
    state=State.IDLE,
    cause=Cause.BOOTED,
    driver=Driver(0),
    arms=(
        _idle(0),
        _idle(1),
    ),
    tag=None,
)
BOOT = Boot(
    kind=48,
    robot="robot",
    arms=1,
    boot=GRANT.boot,
    robot_key=GRANT.robot_key,
    epoch_max=EPOCH - 1,
    simulated=True,
    limits=GRANT.limits,
    session=NO_SESSION,
    bed="or-3",
    patient="p-0042",
)
ASKED = Request(
    kind=49,
    request=REQUEST_ID,
    robot="robot",
    role=Role.SURGEON,
    console_key=GRANT.console_key,
    profile=Profile.AUTO,
    period_us=1000,
    scale=0.5,
    replace=True,
    bed="or-3",
)
STANDING = Standing(
    kind=59,
    robot="robot",
    phase=Phase.HANDOVER,
    holder="console",
    epoch=EPOCH,
    held_ms=90_000,
    left_s=86_310,
    to="console2",
    confirmed=("console",),
    waiting=("console2",),
    observers=("student",),
    why="console confirms",
)
MEASURED = Measure(
    kind=32,
    driver_tick=77_000_000_000,
    instance=1,
    flags=Driver.SIMULATED | Driver.ENABLED,
    arm=0,
    joints=pack_joints((0.5, -0.25, 0.125)),
    measured=ARM.measured,
    velocity=ARM.velocity,
    rule=0,
)
SERVO = Servo(
    kind=33,
    arm=0,
    seq=1042,
    driver_tick=MEASURED.driver_tick,
    valid_for_us=VALID_FOR_US,
    setpoint=ARM.setpoint,
    velocity=ARM.velocity,
    energy=Flags.COAG,
    tool=3,
    camera=False,
)
WAVES = (
    Block(Signal.ECG_1, 250.0, 1000, np.array([0.0, 0.125, np.nan, 1.5], np.float32)),
    Block(Signal.RESP, 62.5, 250, np.array([812.5], np.float32)),
)
BOOT_MS = 1_764_064_800_000
ASYSTOLE = AlertRow(
    Condition.ASYSTOLE, Presence.ON, Priority.HIGH, BOOT_MS << 20, None, 4_060_000, 20_000
)
SEALED_COMMAND = seal(COMMAND, KEYS.to_robot)
SEALED_STATE = seal(STATE, KEYS.to_console)


def examples() -> Iterator[Example]:
    """At least one of each message, in the order in which a session says them."""
    for note, message in _plain():
        yield Example(note, message, encode(message))
    yield Example("signed", _decoded(SIGNED_GRANT), SIGNED_GRANT)
    granted = Granted(51, REQUEST_ID, SIGNED_GRANT)
    yield Example("the grant, passed on", granted, encode(granted))
    for note, data in _sealed():
        yield Example(note, _decoded(data), data)


def _plain() -> Iterator[tuple[str, Message]]:
    yield "a console", Attach(1, "robot", 20_000, 60_000, True)
    yield "with datagrams", Attached(2, 1, 0x5EED, DATAGRAM_KEY, CONNECTION, 7411)
    yield "without datagrams", Attached(2, 1, 0x5EED, None, 0, 0)
    yield "a ping", Clock(3, 5_000_000_000_000, 0, 0)
    yield "its answer", Clock(3, 5_000_000_000_000, 90_000_000_000, 90_000_041_000)
    yield "", Refused(4, "robot has too many consoles here")
    yield "free", BOOT
    yield "", ASKED
    yield "", Denied(52, REQUEST_ID, "robot is held by console")
    yield "accepted", Acceptance(53, SESSION_ID, EPOCH, True, "")
    refused = "epoch 7 is not above 7"
    yield "refused", Acceptance(53, NO_SESSION, EPOCH, False, refused)
    yield "", Release(54, SESSION_ID)
    yield "", Revoke(55, SESSION_ID, "released")
    yield "the old key names the next", succeed("node", SIGNER, NEXT_SIGNER.public_key())
    yield "", Offer(56, SESSION_ID, "console2")
    yield "", Confirm(57, "robot")
    yield "", Withdraw(58, "robot")
    yield "a hand-over, one has confirmed", STANDING
    yield "", Vouch(60, "robot", GRANT.boot, "console2")
    yield "", Observe(61, "robot")
    yield "nobody has authority: two arms, no session, no tag", IDLE_STATE
    yield (
        "a gap in the stream",
        Event(18, "robot", GRANT.boot, EPOCH, 91_000_000_000, State.ENGAGED, State.DEGRADED, 7, 1),
    )
    yield "a stale picture", Ceiling(19, "relay", "robot", State.HOLD, "picture", 500)
    yield "lifted", Ceiling(19, "relay", "robot", State.ENGAGED, "", 500)
    yield "", Bedside(20, "reset")
    yield "", Bedside(20, "estop")
    yield "a key is held", Token(21, "retract", 0, 0x5EED)
    yield "", Bind(22, "or-3", "p-0042")
    yield "", Override(23, "console2")
    yield (
        "LOCAL, while a session goes on",
        Report(
            24,
            "robot",
            State.HOLD,
            Cause.LOCAL,
            True,
            "",
            "console1",
            EPOCH,
            65_000,
            "or-3",
            "",
            "",
        ),
    )
    yield "three joints", MEASURED
    yield "coagulating", SERVO
    yield "power off", Stop(34, 0)
    yield "controlled stop, then brakes", Stop(34, 1)
    yield "standstill under power", Stop(34, 2)
    yield "clear", Stop(34, None)
    yield "two signals, one sample not taken", pack("icu/7", "monitor-3", 0x5EED, 12, 3000, WAVES)
    yield "", Reading(65, "icu/7", "thermometer", 0x5EED, 3, Metric.TEMP, 36.8, 250_000)
    yield "without a result", Reading(65, "icu/7", "cuff", 1, 4, Metric.NIBP_SYS, None, 0)
    yield "", Numeric(66, "icu/7", 801, Metric.HR, 72.4, 97, Reason.PRESENT, 61_000)
    yield "there is none", Numeric(66, "icu/7", 802, Metric.SPO2, None, 0, Reason.LEAD_OFF, 61_000)
    yield "", Beat(67, "icu/7", 77, Kind.QRS, Label.NORMAL, 98, 0.828, 214_000)
    yield from _alarms()


def _alarms() -> Iterator[tuple[str, Message]]:
    held = bytes.fromhex("0100 00 00 0000c07f 00093d0000000000".replace(" ", ""))
    yield (
        "asystole at the second bed, four seconds old",
        Holding(68, 0x0BED5EED, 0x5EED, 12, 65_000, 0, 1, held),
    )
    yield "nothing holds", Holding(68, 0x0BED5EED, 0x5EED, 13, 65_500, 0, 1, b"")
    yield "it has just begun", Alert(69, "icu/7", BOOT_MS, 41, ASYSTOLE)
    seen = msgspec.structs.replace(
        ASYSTOLE, presence=Presence.ACK, by="desk", where="nurses", acknowledged_us=900
    )
    yield "somebody has acknowledged it", Alert(69, "icu/7", BOOT_MS, 42, seen)
    over = msgspec.structs.replace(seen, presence=Presence.OFF)
    yield "it is over", Alert(69, "icu/7", BOOT_MS, 43, over)
    setting = SettingRow(Condition.HR_HIGH, 140.0, True)
    paused = BedRow("icu/7", 44, 120_000, True, (setting,), ())
    yield "its sound is paused", Place(70, BOOT_MS, "desk", paused)
    yield "", Alive(71, "alarms", BOOT_MS, 44, 20, "")
    yield "", Ask(72, 1, 0)
    beds = (msgspec.structs.replace(paused, alerts=(seen,)), BedRow("icu/8", 0, 0, True, (), ()))
    yield "two beds", Page(73, 1, 0, 2, BOOT_MS, beds)
    yield "", Acknowledge(74, 2, "icu/7", ASYSTOLE.id, "nurses")
    yield "for two minutes", Pause(75, 3, "icu/7", 120)
    yield "another limit", Limit(76, 4, "icu/7", Condition.HR_HIGH, 140.0, True)
    yield "not judged any more", Limit(76, 5, "icu/7", Condition.AF, None, False)
    yield "", Patient(77, 6, "icu/7", "discharge")
    yield "", Done(78, 6, "")
    yield "", Done(78, 5, "the bed has no such alert, or no longer")


def _sealed() -> Iterator[tuple[str, bytes]]:
    yield (
        "the first of a session",
        seal(
            msgspec.structs.replace(COMMAND, seq=1, input_seq=1, flags=0, previous=None),
            KEYS.to_robot,
        ),
    )
    yield "one step of history", SEALED_COMMAND
    most = (1 << 63) - 1
    yield (
        "the largest there can be",
        seal(
            msgspec.structs.replace(
                COMMAND,
                robot="r" * 32,
                arm=255,
                epoch=most,
                seq=most,
                t_tx=most,
                tick_echo=most,
                press_id=0xFFFF_FFFF,
                clutch_id=0xFFFF_FFFF,
                input_seq=most,
                input_age=0xFFFF_FFFF,
                flags=255,
                seen_frame_id=most,
                mode=255,
                tool=255,
                earlier=COMMAND.previous,
            ),
            KEYS.to_robot,
        ),
    )
    yield "engaged", SEALED_STATE


def _decoded(data: bytes) -> Message:
    return REGISTRY.decode(data)


#: What a worked example may show, by name.
SHOWN: dict[str, Callable[[], bytes]] = {
    "Command": lambda: SEALED_COMMAND,
    "Stop": lambda: encode(Stop(34, None)),
}
