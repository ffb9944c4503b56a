"""Who may move a robot: the request, the signed grant, and the keys that follow from it.

A grant is signed (Ed25519) by a node that the robot pins. It binds a console's key of this
request to the robot's key of this boot (P-256); both sides derive the session's tag keys from
that pair (ECDH, HKDF-SHA-256 over the grant's hash, one key per direction). Relays, the session
service and the console's host never hold them. A key of an earlier boot or request opens nothing.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from transport.wire.codec import U8, U32, U63, Bin8, Bin32, Bin64, Message, Name, Text, encode

#: An uncompressed P-256 point.
Point = Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
Scale = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
#: A pseudonym that means something at the hospital alone; empty when there is none.
Pseudonym = Annotated[str, msgspec.Meta(max_length=32)]
SIGNATURE_BYTES = 64


class Role(IntEnum):
    """What a session's console is. Numbers are on the wire."""

    SURGEON = 1
    SCRIPT = 2  #: a scripted console: accepted only by a robot whose driver says `simulated`


class Boot(Message, frozen=True):
    """A robot introduces itself to the session service over the guard.

    Parameters
    ----------
    robot, arms : its name and number of arms
    boot : id of the key of this boot
    robot_key : that key's public point
    epoch_max : highest epoch that it ever accepted
    simulated : its driver says so
    limits : SHA-256 of the robot's limits
    session : the session that it serves now; zeros when none
    bed, patient : pseudonyms of where it stands and of who lies there, as bound at the bedside
    """

    KIND: ClassVar[int] = 48
    BYTES_MAX: ClassVar[int] = 768
    kind: Literal[48]
    robot: Name
    arms: U8
    boot: Bin8
    robot_key: Point
    epoch_max: U63
    simulated: bool
    limits: Bin32
    session: Bin8
    bed: Pseudonym
    patient: Pseudonym


class Request(Message, frozen=True):
    """A console asks for a robot.

    Parameters
    ----------
    request : id of this request, repeated in the answer
    robot : which
    role : `Role`
    console_key : public point of a key made for this request
    profile : `safety.profile.Profile`
    period_us : intended time between commands
    scale : instrument motion per hand motion
    replace : end the session that this same console, or a script, holds
    bed : the bed that its person means; the robot must be bound to just that one
    """

    KIND: ClassVar[int] = 49
    BYTES_MAX: ClassVar[int] = 512
    kind: Literal[49]
    request: Bin8
    robot: Name
    role: U8
    console_key: Point
    profile: U8
    period_us: Annotated[int, msgspec.Meta(ge=250, le=100_000)]
    scale: Scale
    replace: bool
    bed: Pseudonym


class Grant(Message, frozen=True):
    """Authority over a robot, signed.

    Parameters
    ----------
    session : id of the session
    robot, boot, robot_key : the robot and its key of this boot
    console, console_key : the console's device name and its key of this request
    role : `Role`
    epoch : fencing number, greater than any before it
    limits : SHA-256 of the limits that hold
    profile, period_us, max_loop_ms, scale : how commands are judged and shaped
    video_gate : whether motion requires a fresh picture
    bed : the bed that the robot stands at, empty when not bound; the robot compares
    duration_s : on the robot's clock, from acceptance
    signer : the node whose key signed
    signature : Ed25519 over all bytes before this field's value
    """

    KIND: ClassVar[int] = 50
    BYTES_MAX: ClassVar[int] = 1536
    kind: Literal[50]
    session: Bin8
    robot: Name
    boot: Bin8
    robot_key: Point
    console: Name
    console_key: Point
    role: U8
    epoch: U63
    limits: Bin32
    profile: U8
    period_us: U32
    max_loop_ms: U32
    scale: Scale
    video_gate: bool
    bed: Pseudonym
    duration_s: U32
    signer: Name
    signature: Bin64


class Granted(Message, frozen=True):
    """The answer to a request: the grant, after the robot has accepted it."""

    KIND: ClassVar[int] = 51
    BYTES_MAX: ClassVar[int] = 1664
    kind: Literal[51]
    request: Bin8
    grant: Annotated[bytes, msgspec.Meta(max_length=1536)]


class Denied(Message, frozen=True):
    """The answer to a request that was refused; `reason` is a sentence for a person."""

    KIND: ClassVar[int] = 52
    BYTES_MAX: ClassVar[int] = 1024
    kind: Literal[52]
    request: Bin8
    reason: Text


class Acceptance(Message, frozen=True):
    """A robot's answer to a grant, over the guard."""

    KIND: ClassVar[int] = 53
    BYTES_MAX: ClassVar[int] = 1024
    kind: Literal[53]
    session: Bin8
    epoch: U63
    accepted: bool
    reason: Text


class Release(Message, frozen=True):
    """A console gives its robot back."""

    KIND: ClassVar[int] = 54
    kind: Literal[54]
    session: Bin8


class Revoke(Message, frozen=True):
    """The session service ends a session, over the guard."""

    KIND: ClassVar[int] = 55
    BYTES_MAX: ClassVar[int] = 1024
    kind: Literal[55]
    session: Bin8
    reason: Text


VOCABULARY: tuple[type[Message], ...] = (
    Boot,
    Request,
    Grant,
    Granted,
    Denied,
    Acceptance,
    Release,
    Revoke,
)


class SessionKeys(NamedTuple):
    """HMAC keys of a session, one per direction, 32 bytes each."""

    to_robot: bytes
    to_console: bytes


class GrantError(ValueError):
    """A grant that must not be accepted; the text says why."""


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write the public half of a P-256 key as an uncompressed point."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def boot_id(robot_key: bytes) -> bytes:
    """Name a boot: the head of its public key's SHA-256."""
    return hashlib.sha256(robot_key).digest()[:8]


def sign(grant: Grant, key: Ed25519PrivateKey) -> bytes:
    """Encode a grant with its signature (the field's present value is ignored)."""
    body = encode(grant)[:-SIGNATURE_BYTES]
    return body + key.sign(body)


def verify(data: bytes, signer: Ed25519PublicKey) -> None:
    """Check the signature of an encoded grant.

    Raises
    ------
    GrantError
    """
    try:
        signer.verify(data[-SIGNATURE_BYTES:], data[:-SIGNATURE_BYTES])
    except InvalidSignature:
        raise GrantError("the signature is not the signer's") from None


def derive(grant: bytes, own: ec.EllipticCurvePrivateKey, peer: bytes) -> SessionKeys:
    """Derive the session's keys from one's own private and the peer's public key.

    Parameters
    ----------
    grant : the encoded, signed grant; its hash is HKDF's salt
    own : the console's key of this request, or the robot's key of this boot
    peer : the other's uncompressed point

    Raises
    ------
    GrantError : the peer's point is not on the curve
    """
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer)
    except ValueError:
        raise GrantError("a public key is not a point of P-256") from None
    secret = own.exchange(ec.ECDH(), point)
    salt = hashlib.sha256(grant).digest()
    hkdf = HKDF(algorithm=hashes.SHA256(), length=64, salt=salt, info=b"trocar session v1")
    keys = hkdf.derive(secret)
    return SessionKeys(to_robot=keys[:32], to_console=keys[32:])
