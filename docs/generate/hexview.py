"""Shows bytes with their meaning beside them, as one reads a protocol with a finger on the line."""

from __future__ import annotations

import struct

import msgpack
import msgspec

from docs.generate.fields import rows

#: What the eight numbers of a setpoint are (transport.wire.vector).
_SETPOINT = ("x, m", "y, m", "z, m", "q w", "q x", "q y", "q z", "jaw, rad")
_WIDTH = 8


def annotate(data: bytes, message: type[msgspec.Struct]) -> str:
    """Lay out one encoded message: offset, bytes, field, value."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    count = unpacker.read_array_header()
    names = ("version", "kind", *(row.name for row in rows(message)))
    lines = list(_lines(0, data[: unpacker.tell()], "", f"array of {count}"))
    for name in names:
        start = unpacker.tell()
        value = unpacker.unpack()
        part = data[start : unpacker.tell()]
        if name == "kind":
            lines += _lines(start, part, name, f"{value}: {message.__name__}")
        elif isinstance(value, bytes) and len(value) == 8 * len(_SETPOINT):
            lines += _vector(start, part, name)
        elif isinstance(value, bytes):
            lines += _lines(start, part[:2], name, f"bin of {len(value)}")
            lines += _lines(start + 2, part[2:], "", "")
        else:
            lines += _lines(start, part, name, _shown(value))
    assert unpacker.tell() == len(data)
    return "\n".join(lines)


def plain(data: bytes) -> str:
    """Write bytes as pairs of hexadecimal digits."""
    return data.hex(" ")


def _vector(start: int, part: bytes, name: str) -> list[str]:
    lines = _lines(start, part[:2], name, "bin of 64")
    for index, what in enumerate(_SETPOINT):
        at = 2 + 8 * index
        (value,) = struct.unpack("<d", part[at : at + 8])
        lines += _lines(start + at, part[at : at + 8], "", f"{what}: {value:g}")
    return lines


def _lines(start: int, part: bytes, name: str, value: str) -> list[str]:
    lines = []
    for at in range(0, len(part), _WIDTH):
        shown = plain(part[at : at + _WIDTH])
        line = f"{start + at:04x}  {shown:<{3 * _WIDTH}} {name:<14} {value}"
        lines.append(line.rstrip())
        name = value = ""
    return lines


def _shown(value: object) -> str:
    match value:
        case None:
            return "nil"
        case str():
            return f'"{value}"'
    return str(value)
