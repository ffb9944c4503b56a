"""Bytes that are no message, each with the name under which it must be refused."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from docs.generate.story import ASKED, COMMAND, REGISTRY, SEALED_COMMAND, SESSION_ID
from safety.driver import Stop
from transport.wire.codec import VERSION, Message, encode
from transport.wire.errors import WireError


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
