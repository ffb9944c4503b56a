"""Lays the session of `story`, and what must be refused, out as vectors.json.

Each refusal is asked of the registry before it is written down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from docs.generate.refusals import refusal_of, refusals
from docs.generate.story import (
    CONNECTION,
    CONSOLE,
    DATAGRAM_KEY,
    GRANT,
    HAND,
    HOPS,
    KEYS,
    MOVING,
    SEALED_COMMAND,
    SEALED_STATE,
    SIGNED_GRANT,
    SIGNER,
    examples,
    secret,
)
from safety.messages import TAG_BYTES
from safety.seal import is_sealed
from transport.io.datagram import HEADER_BYTES, Direction, Sealer
from transport.wire.codec import VERSION, encode
from transport.wire.errors import BadField
from transport.wire.messages import Clock
from transport.wire.vector import pack_setpoint, pack_twist


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
        "velocity": {"numbers": list(MOVING), "hex": pack_twist(MOVING).hex()},
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
        "signer_private": secret("signer").hex(),
        "signer_public": SIGNER.public_key().public_bytes_raw().hex(),
        "robot_private": secret("robot").hex(),
        "robot_public": GRANT.robot_key.hex(),
        "boot": GRANT.boot.hex(),
        "console_private": secret("console").hex(),
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
