"""One session, from its request to its datagrams, with keys that everybody knows: test vectors.

Nothing here is drawn: keys are hashes of sentences, Ed25519 signs without randomness, so every
run writes the same bytes. Each refusal is asked of the registry before it is written down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from docs.generate.fields import MESSAGES
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
from safety.limits import Limits
from safety.messages import (
    NO_SESSION,
    NO_TAG,
    TAG_BYTES,
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
from safety.seal import is_sealed, seal
from safety.state import Cause, State
from transport.io.datagram import HEADER_BYTES, Direction, Sealer
from transport.wire.codec import VERSION, Message, Registry, encode
from transport.wire.errors import BadField, WireError
from transport.wire.messages import Attach, Attached, Clock, Refused, encode_hop
from transport.wire.vector import Setpoint, pack_joints, pack_setpoint

REGISTRY = Registry(MESSAGES)


def _secret(of: str) -> bytes:
    return hashlib.sha256(f"trocar test vector: {of}".encode()).digest()


def _p256(of: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(_secret(of), "big"), ec.SECP256R1())


SIGNER = Ed25519PrivateKey.from_private_bytes(_secret("signer"))
ROBOT, CONSOLE = _p256("robot"), _p256("console")
DATAGRAM_KEY = _secret("datagrams")
CONNECTION = 0x0A0B0C0D
REQUEST_ID, SESSION_ID = b"request1", b"session1"
EPOCH = 7

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
    limits=Limits().digest(),
    profile=Profile.NATIVE,
    period_us=1000,
    max_loop_ms=60,
    scale=0.5,
    video_gate=False,
    bed="",
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
    setpoint=pack_setpoint(TIP),
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
IDLE_STATE = msgspec.structs.replace(
    STATE,
    tick=1,
    session=NO_SESSION,
    epoch=0,
    state=State.IDLE,
    cause=Cause.BOOTED,
    driver=Driver(0),
    arms=(
        ArmState(0, 0, 0, 0, b"", 0, 0, 0, False, pack_setpoint(TIP), pack_setpoint(TIP)),
        ArmState(1, 0, 0, 0, b"", 0, 0, 0, False, pack_setpoint(TIP), pack_setpoint(TIP)),
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
)
MEASURED = Measure(
    kind=32,
    driver_tick=77_000_000_000,
    instance=1,
    flags=Driver.SIMULATED | Driver.ENABLED,
    arm=0,
    joints=pack_joints((0.5, -0.25, 0.125)),
    measured=ARM.measured,
)
SERVO = Servo(
    kind=33,
    arm=0,
    seq=1042,
    driver_tick=MEASURED.driver_tick,
    valid_for_us=VALID_FOR_US,
    setpoint=ARM.setpoint,
    energy=Flags.COAG,
    tool=3,
    camera=False,
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
    yield "nobody has authority: two arms, no session, no tag", IDLE_STATE
    yield (
        "a gap in the stream",
        Event(18, "robot", GRANT.boot, EPOCH, 91_000_000_000, State.ENGAGED, State.DEGRADED, 7, 1),
    )
    yield "a stale picture", Ceiling(19, "relay", "robot", State.HOLD, "picture", 500)
    yield "lifted", Ceiling(19, "relay", "robot", State.ENGAGED, "", 500)
    yield "", Bedside(20, "reset")
    yield "", Bedside(20, "estop")
    yield "three joints", MEASURED
    yield "coagulating", SERVO
    yield "power off", Stop(34, 0)
    yield "controlled stop, then brakes", Stop(34, 1)
    yield "standstill under power", Stop(34, 2)
    yield "clear", Stop(34, None)


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


# What must be refused -----------------------------------------------------------------------


def refusals() -> Iterator[tuple[str, str, bytes]]:
    """Bytes that are no message: why not, the name of the refusal, and they."""
    stop, command = encode(Stop(34, 1)), SEALED_COMMAND
    yield "nothing", "malformed", b""
    yield "cut after the kind", "field", b"\x92\x01\x22"
    yield "a field too many", "field", b"\x94\x01\x22\x01\x01"
    yield "something behind the message", "malformed", stop + b"\x00"
    yield "cut short", "malformed", command[:-1]
    yield "a map", "malformed", b"\x81" + stop[1:]
    yield "an array32", "malformed", b"\xdd\x00\x00\x00\x03" + stop[1:]
    yield "another version", "version", b"\x93\x02\x22\x01"
    yield "the version in two bytes", "version", b"\x93\xcc\x01\x22\x01"
    yield "an unknown kind", "kind", b"\x93\x01\x63\x01"
    yield "no such category", "field", b"\x93\x01\x22\x03"
    yield "a float where an integer stands", "field", b"\x93\x01\x22\xcb" + bytes(8)
    yield "a boolean where an integer stands", "field", b"\x93\x01\x22\xc3"
    yield "text where bytes stand", "field", b"\x93\x01\x36\xa8" + SESSION_ID
    yield "a session of seven bytes", "field", b"\x93\x01\x36\xc4\x07" + SESSION_ID[:7]
    yield "text that is not UTF-8", "malformed", b"\x93\x01\x14\xa5re\xffet"
    yield "no such verb", "field", b"\x93\x01\x14\xa5pause"
    yield "a name of 33", "field", _with(COMMAND, "robot", "r" * 33)
    yield "no name", "field", _with(COMMAND, "robot", "")
    yield "arm 256", "field", _with(COMMAND, "arm", 256)
    yield "a negative number", "field", _with(COMMAND, "seq", -1)
    yield "beyond 2^63 - 1", "field", _with(COMMAND, "seq", 1 << 63)
    yield "a setpoint of 63 bytes", "field", _with(COMMAND, "setpoint", COMMAND.setpoint[:-1])
    yield "scale 0", "field", _with(ASKED, "scale", 0.0)
    yield "a scale that is no number", "field", _with(ASKED, "scale", float("nan"))
    yield "a hundred arrays in one another", "field", b"\x93\x01\x14" + b"\x91" * 100 + b"\xc0"
    yield "larger than its kind may be", "oversized", command + bytes(512)
    yield "10,000 arrays in one another", "oversized", b"\x91" * 10_000 + b"\xc0"


def _with(message: Message, field: str, value: object) -> bytes:
    """Encode a message with a value that its type does not allow."""
    fields = [getattr(message, name) for name in message.__struct_fields__]
    fields[message.__struct_fields__.index(field)] = value
    return msgspec.msgpack.encode([VERSION, *fields])


def refusal_of(data: bytes) -> WireError:
    """Have the registry refuse these bytes."""
    try:
        REGISTRY.decode(data)
    except WireError as error:
        return error
    raise AssertionError(f"not refused: {data.hex()}")


# The file -----------------------------------------------------------------------------------


def build() -> dict[str, Any]:
    """Return the whole of vectors.json."""
    return {
        "about": "Written by `make docs`; explained in protocol.md. bin is given as hexadecimal.",
        "version": VERSION,
        "messages": [
            {
                "name": type(example.message).__name__,
                "kind": example.message.KIND,
                "note": example.note,
                "fields": in_fields(example.message),
                "hex": example.data.hex(),
            }
            for example in examples()
        ],
        "refused": [_refusal(*row) for row in refusals()],
        "setpoint": {"numbers": list(HAND), "hex": pack_setpoint(HAND).hex()},
        "part": _part(),
        "session": _session(),
        "sealed": [
            _seal("to_robot", KEYS.to_robot, SEALED_COMMAND, "as the console sent it"),
            _seal("to_console", KEYS.to_console, SEALED_STATE, "as the robot sent it"),
            _seal("to_robot", KEYS.to_robot, _flip(SEALED_COMMAND, -30), "one bit was changed"),
            _seal("to_robot", KEYS.to_robot, _flip(SEALED_COMMAND, -1), "a bit of the tag was"),
            _seal("to_robot", KEYS.to_console, SEALED_COMMAND, "the other direction's key"),
        ],
        "datagrams": [
            *_datagrams(Direction.TO_RELAY, [encode(Clock(3, 1000, 0, 0)), SEALED_COMMAND]),
            *_datagrams(Direction.TO_END, [encode(Clock(3, 1000, 2000, 3000))]),
        ],
    }


def in_fields(value: Any) -> Any:
    """Write a message as JSON: field by name, bin as hexadecimal."""
    match value:
        case msgspec.Struct():
            names = [name for name in value.__struct_fields__ if name != "kind"]
            return {name: in_fields(getattr(value, name)) for name in names}
        case tuple():
            return [in_fields(item) for item in value]
        case bytes():
            return value.hex()
        case bool() | float() | str() | None:
            return value
    return int(value)  # of an IntEnum too


def _refusal(why: str, cause: str, data: bytes) -> dict[str, Any]:
    error = refusal_of(data)
    assert error.cause == cause, (why, error)
    row: dict[str, Any] = {"why": why, "error": cause}
    if isinstance(error, BadField):
        row["field"] = error.field
    return row | {"hex": data.hex()}


def _part() -> dict[str, Any]:
    dwell = {"path": 1, "incarnation": 0x5EED, "dwell_ns": 41_000, "merged": 2, "late": 1}
    second = {"path": 2, "incarnation": 0xCAFE, "dwell_ns": 38_500, "merged": 0, "late": 0}
    return {
        "note": "a message with the hop records of two relays behind it",
        "hex": (SEALED_COMMAND + HOPS).hex(),
        "message_bytes": len(SEALED_COMMAND),
        "hops": [dwell, second],
    }


def _session() -> dict[str, str]:
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), GRANT.robot_key)
    return {
        "signer_private": _secret("signer").hex(),
        "signer_public": SIGNER.public_key().public_bytes_raw().hex(),
        "robot_private": _secret("robot").hex(),
        "robot_public": GRANT.robot_key.hex(),
        "boot": GRANT.boot.hex(),
        "console_private": _secret("console").hex(),
        "console_public": GRANT.console_key.hex(),
        "grant": SIGNED_GRANT.hex(),
        "grant_sha256": hashlib.sha256(SIGNED_GRANT).hexdigest(),
        "ecdh_x": CONSOLE.exchange(ec.ECDH(), point).hex(),
        "to_robot": KEYS.to_robot.hex(),
        "to_console": KEYS.to_console.hex(),
    }


def _seal(direction: str, key: bytes, data: bytes, note: str) -> dict[str, Any]:
    return {
        "note": note,
        "direction": direction,
        "key": key.hex(),
        "hex": data.hex(),
        "tag": data[-TAG_BYTES:].hex(),
        "valid": is_sealed(data, key),
    }


def _flip(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def _datagrams(direction: Direction, frames: list[bytes]) -> Iterator[dict[str, Any]]:
    sealer = Sealer(DATAGRAM_KEY, direction, CONNECTION)
    info = b"trocar datagram 1 " + direction.name.lower().encode()
    key = HKDF(SHA256(), 32, salt=None, info=info).derive(DATAGRAM_KEY)
    for counter, frame in enumerate(frames):
        datagram = sealer.seal(frame)
        yield {
            "key": DATAGRAM_KEY.hex(),
            "direction": direction.name.lower(),
            "direction_key": key.hex(),
            "connection": CONNECTION,
            "counter": counter,
            "nonce": (int(direction).to_bytes(4, "big") + datagram[4:HEADER_BYTES]).hex(),
            "aad": datagram[:HEADER_BYTES].hex(),
            "plaintext": frame.hex(),
            "ciphertext": datagram[HEADER_BYTES:].hex(),
            "hex": datagram.hex(),
        }


#: What a worked example may show, by name.
SHOWN: dict[str, Callable[[], bytes]] = {
    "Command": lambda: SEALED_COMMAND,
    "Stop": lambda: encode(Stop(34, None)),
}
