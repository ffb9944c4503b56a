"""What a message is on the wire: one MessagePack array [version, kind, fields...].

Rules it keeps
--------------
1. Size is capped before a byte is parsed: first for any message, then for its kind.
2. Version and kind are read before the rest; an unknown one is refused by name.
3. A field of the wrong type, length or range, a missing and a surplus one are refused by name.
   Messages are arrays: there are no keys that could be doubled.
4. What a relay appends stands behind the message, in the same part, and is never trusted.

A vocabulary is a tuple of `Message` classes; it lives with its owner (transport.wire.messages,
safety.messages, ...). A `Registry` decodes the vocabularies that its end understands, and
nothing else.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, TypeVar

import msgpack
import msgspec

from transport.wire.errors import BadField, Malformed, Oversized, UnknownKind, UnknownVersion

VERSION = 1
#: No message of any kind is larger; sockets are capped at it (or lower) before reading.
MESSAGE_BYTES_MAX = 4096
#: Hop records behind a message: at most eight relays in a row, about 16 bytes each.
HOPS_BYTES_MAX = 128

_ARRAY16 = 0xDC
_FIXARRAY, _FIXARRAY_LAST = 0x90, 0x9F
_INDEX = re.compile(r"\$\[(\d+)\]")

# Field types that the vocabularies share. Unsigned numbers stop at 2^63 - 1: every language
# that may speak this protocol has a signed 64-bit integer.
U8 = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
U16 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
U63 = Annotated[int, msgspec.Meta(ge=0, le=0x7FFF_FFFF_FFFF_FFFF)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
Bin8 = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
Bin16 = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Bin32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Bin48 = Annotated[bytes, msgspec.Meta(min_length=48, max_length=48)]
Bin64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]


class Message(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    gc=False,
    tag=VERSION,
):
    """A message: its class names the kind, its fields follow in order."""

    KIND: ClassVar[int] = 0
    BYTES_MAX: ClassVar[int] = 256


M = TypeVar("M", bound=Message)


class Registry:
    """Decode the messages of some vocabularies, and refuse every other byte.

    Parameters
    ----------
    vocabularies : tuples of Message classes, each with its own `KIND` (1...127)
    """

    def __init__(self, *vocabularies: tuple[type[Message], ...]) -> None:
        self.messages: dict[int, type[Message]] = {}
        self._decoders: dict[int, msgspec.msgpack.Decoder[Message]] = {}
        for message in (m for vocabulary in vocabularies for m in vocabulary):
            assert 0 < message.KIND < 128, message
            assert message.KIND not in self.messages, message
            self.messages[message.KIND] = message
            self._decoders[message.KIND] = msgspec.msgpack.Decoder(message)

    def decode(self, data: bytes) -> Message:
        """Decode one message that fills `data`.

        Raises
        ------
        WireError : one of its kinds, naming what was wrong
        """
        kind = peek_kind(data)
        decoder = self._decoders.get(kind)
        if decoder is None:
            raise UnknownKind(kind)
        message = self.messages[kind]
        if len(data) > message.BYTES_MAX:
            raise Oversized(len(data), message.BYTES_MAX)
        try:
            return decoder.decode(data)
        except msgspec.ValidationError as error:
            raise _bad_field(message, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"{message.__name__}: {error}") from None

    def expect(self, data: bytes, message: type[M]) -> M:
        """Decode one message that must be of this class."""
        decoded = self.decode(data)
        if not isinstance(decoded, message):
            raise UnknownKind(decoded.KIND)
        return decoded


_ENCODER = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Write a message as its bytes."""
    return _ENCODER.encode(message)


def peek_kind(data: bytes) -> int:
    """Read the kind of a message without parsing the rest, after size and version.

    Raises
    ------
    Oversized, Malformed, UnknownVersion
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise Oversized(len(data), MESSAGE_BYTES_MAX)
    first = data[0] if data else 0
    if _FIXARRAY <= first <= _FIXARRAY_LAST:
        start = 1
    elif first == _ARRAY16:
        start = 3
    else:
        raise Malformed(f"a message is an array of at most 65535 fields, not 0x{first:02x}")
    if len(data) < start + 2:
        raise Malformed(f"{len(data)} bytes are too few for a message")
    version, kind = data[start], data[start + 1]
    if version != VERSION:
        raise UnknownVersion(version, VERSION)
    return kind


def split(part: bytes) -> tuple[bytes, bytes]:
    """Divide a part into the message and the hop records behind it.

    Raises
    ------
    Oversized, Malformed
    """
    if len(part) > MESSAGE_BYTES_MAX + HOPS_BYTES_MAX:
        raise Oversized(len(part), MESSAGE_BYTES_MAX + HOPS_BYTES_MAX)
    unpacker = msgpack.Unpacker(max_buffer_size=MESSAGE_BYTES_MAX + HOPS_BYTES_MAX)
    unpacker.feed(part)
    try:
        unpacker.skip()
    except (msgpack.UnpackException, ValueError) as error:
        raise Malformed(f"not MessagePack: {type(error).__name__}") from None
    end = unpacker.tell()
    if len(part) - end > HOPS_BYTES_MAX:
        raise Oversized(len(part) - end, HOPS_BYTES_MAX)
    return part[:end], part[end:]


def _bad_field(message: type[Message], text: str) -> BadField:
    """Turn msgspec's words (`... - at `$[4]``) into ours, with the field's name."""
    what, _, where = text.partition(" - at ")
    found = _INDEX.search(where)
    if found is None:
        return BadField(message.__name__, "*", what)
    names = ("version", *message.__struct_fields__)
    index = int(found.group(1))
    name = names[index] if index < len(names) else f"[{index}]"
    return BadField(message.__name__, name, what)
