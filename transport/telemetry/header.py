"""What stands at the start of every shared file: what it is, and how to read the rest.

Little endian:

    offset  size
     0      8     magic, which names the kind of file
     8      4     version of this layout, u32
    12      4     where the data begins, u32, a multiple of 64
    16      8     bytes of header and data together, u64
    24      4     bytes of the description, u32
    28      4     CRC-32 of the bytes 8..28 and of the description, u32
    32      ...   description: JSON, UTF-8

Rules
-----
- The magic is written last. A reader that opens a file half made finds no magic and is told so.
- A reader believes nothing before magic, version, sizes and CRC agree with the memory it has.

TelemetryError
├── WrongKind     no such magic: another file, or one that is not finished yet
├── WrongVersion  made by a build with another layout
├── Truncated     shorter than it says
├── Corrupt       its description is damaged
└── UnknownName   a counter, gauge or histogram that its board does not have
"""

from __future__ import annotations

import struct
import sys
import zlib
from typing import TypeVar

import msgspec

VERSION = 1
MAGIC_BYTES = 8
#: More than a thousand names of a board need a tenth of it.
DESCRIPTION_BYTES_MAX = 1 << 20
_ALIGN = 64  # a cache line
_FIXED = struct.Struct("<IIQI")
_CRC = struct.Struct("<I")
_DESCRIPTION_AT = MAGIC_BYTES + _FIXED.size + _CRC.size

Description = TypeVar("Description", bound=msgspec.Struct)


class TelemetryError(Exception):
    """A shared file that cannot be read, or a name that it does not have."""


class WrongKind(TelemetryError):
    """Not a file of the expected kind, or not finished yet."""


class WrongVersion(TelemetryError):
    """A file of another build."""


class Truncated(TelemetryError):
    """A file that is shorter than it says."""


class Corrupt(TelemetryError):
    """A file whose description is damaged."""


class UnknownName(TelemetryError, KeyError):
    """A name that the board does not have."""

    __str__ = Exception.__str__


def data_offset(description: msgspec.Struct) -> int:
    """Return where the data begins behind this description."""
    return -(-(_DESCRIPTION_AT + len(msgspec.json.encode(description))) // _ALIGN) * _ALIGN


def write(
    buffer: memoryview, magic: bytes, description: msgspec.Struct, data_bytes: int
) -> memoryview:
    """Clear `buffer`, write the header, return the data's part of it.

    Raises
    ------
    ValueError : the buffer is too small, or cannot be written
    """
    assert len(magic) == MAGIC_BYTES
    assert sys.byteorder == "little", "shared files are native and little endian at once"
    text = msgspec.json.encode(description)
    start = data_offset(description)
    total = start + data_bytes
    if len(text) > DESCRIPTION_BYTES_MAX:
        raise ValueError(f"a description of {len(text)} bytes, at most {DESCRIPTION_BYTES_MAX}")
    if buffer.readonly or len(buffer) < total:
        raise ValueError(f"{total} writable bytes are needed, not {len(buffer)}")
    # Clearing touches every page once, now, so that no store on a hot path is the first.
    buffer[:MAGIC_BYTES] = bytes(MAGIC_BYTES)
    buffer[MAGIC_BYTES:total] = bytes(total - MAGIC_BYTES)
    fixed = _FIXED.pack(VERSION, start, total, len(text))
    body = fixed + _CRC.pack(zlib.crc32(text, zlib.crc32(fixed))) + text
    buffer[MAGIC_BYTES : MAGIC_BYTES + len(body)] = body
    buffer[:MAGIC_BYTES] = magic
    return buffer[start:total]


def read(
    buffer: memoryview, magic: bytes, description_type: type[Description]
) -> tuple[Description, memoryview]:
    """Check the header; return the description and the data's part of `buffer`.

    Raises
    ------
    TelemetryError : which of the rules above the file breaks
    """
    assert sys.byteorder == "little", "shared files are native and little endian at once"
    if len(buffer) < _DESCRIPTION_AT:
        raise Truncated(f"{len(buffer)} bytes are less than a header")
    found = bytes(buffer[:MAGIC_BYTES])
    if found != magic:
        raise WrongKind(f"begins with {found!r}, expected {magic!r}")
    fixed = bytes(buffer[MAGIC_BYTES : MAGIC_BYTES + _FIXED.size])
    version, start, total, text_bytes = _FIXED.unpack(fixed)
    if version != VERSION:
        raise WrongVersion(f"version {version}, this build reads {VERSION}")
    if text_bytes > DESCRIPTION_BYTES_MAX or not _DESCRIPTION_AT + text_bytes <= start <= total:
        raise Corrupt(f"description of {text_bytes}, data at {start}, {total} bytes in all")
    if len(buffer) < total:
        raise Truncated(f"{len(buffer)} bytes of {total}")
    text = bytes(buffer[_DESCRIPTION_AT : _DESCRIPTION_AT + text_bytes])
    (crc,) = _CRC.unpack_from(buffer, MAGIC_BYTES + _FIXED.size)
    if crc != zlib.crc32(text, zlib.crc32(fixed)):
        raise Corrupt("the header's check sum does not agree")
    try:
        description = msgspec.json.decode(text, type=description_type)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"description: {error}") from error
    return description, buffer[start:total]
