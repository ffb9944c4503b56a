"""What travels beside a picture, on its connection's data channel: which frame it is, and how old.

A picture has nothing but an RTP timestamp on its way, which browsers tell of each that they show.
So for each picture sent there is one note with that timestamp, and the viewer says back which it
showed last. Both are small, unordered and never repeated: the next picture has its own.

    note     u8 1, u32 RTP timestamp, u64 frame id, u64 age when it was sent, ns
    shown    u8 2, u64 frame id, u64 age when it was shown, ns
    ping     u8 3, u64 anything          pong    u8 4, the same
    state    u8 5, u8 what stands still on the way to the viewer (transport.media.freshness)

All little endian; a word of an unknown kind is none, so that kinds may be added. Ages need no
common clock: the way between is half of what ping and pong took.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

LABEL: Final = "frames"
_NOTE = struct.Struct("<BIQQ")
_SHOWN = struct.Struct("<BQQ")
_PING = struct.Struct("<BQ")
_STATE = struct.Struct("<BB")
NOTE, SHOWN, PING, PONG, STATE = 1, 2, 3, 4, 5


class Note(NamedTuple):
    """Which frame a picture is."""

    timestamp: int
    frame_id: int
    age_ns: int


class Shown(NamedTuple):
    """What a viewer showed last."""

    frame_id: int
    age_ns: int


class Ping(NamedTuple):
    """Asks for a pong; `token` comes back."""

    token: int


class Pong(NamedTuple):
    """Answers a ping."""

    token: int


class State(NamedTuple):
    """What stands still, as its sender sees it."""

    standstill: int


Word = Note | Shown | Ping | Pong | State


def pack(word: Word) -> bytes:
    """Write a word."""
    match word:
        case Note(timestamp, frame_id, age_ns):
            return _NOTE.pack(NOTE, timestamp, frame_id, max(0, age_ns))
        case Shown(frame_id, age_ns):
            return _SHOWN.pack(SHOWN, frame_id, max(0, age_ns))
        case Ping(token):
            return _PING.pack(PING, token)
        case Pong(token):
            return _PING.pack(PONG, token)
        case State(standstill):
            return _STATE.pack(STATE, standstill)


def unpack(data: bytes | str) -> Word | None:
    """Read a word; None when it is none."""
    if isinstance(data, str) or not data:
        return None
    kind, size = data[0], len(data)
    if kind == NOTE and size == _NOTE.size:
        return Note(*_NOTE.unpack(data)[1:])
    if kind == SHOWN and size == _SHOWN.size:
        return Shown(*_SHOWN.unpack(data)[1:])
    if kind in (PING, PONG) and size == _PING.size:
        token: int = _PING.unpack(data)[1]
        return Ping(token) if kind == PING else Pong(token)
    if kind == STATE and size == _STATE.size:
        return State(*_STATE.unpack(data)[1:])
    return None
