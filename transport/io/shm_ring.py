"""Hands large frames (pictures) to other processes through memory: the newest, whole, or none.

One producer writes, any number of consumers copy. Nobody waits for anybody: a slow consumer
misses frames, a dead one leaves nothing behind, a producer killed in the middle of a write
leaves the frame before it as the newest.

Rules
-----
- A slot's number is zero while it is written and the frame's number afterwards. A consumer reads
  the number, copies, and reads it again: unequal means torn, and the copy is thrown away.
- Sizes come from memory that another process wrote, so they are checked against the slot.
- A frame carries its age when it was published, never a time: clocks are each process's own.
- A producer that starts anew makes a new file; `replaced` tells a consumer to open that.

Data, little endian: u64 number of the newest frame (from 1; 0: none), 56 bytes zero, then the
slots: u64 number, u64 frame id, u64 age in ns, u64 size, 32 bytes zero, then the frame.
The order of stores is the processor's: x86 keeps it, and on others the interpreter's thousands
of instructions between two of ours stand in for the barrier that Python does not have.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import msgspec

from transport.io.mapping import Mapping
from transport.telemetry import header
from transport.telemetry.header import Corrupt

MAGIC = b"trocarSR"
SLOTS_MIN, SLOTS_MAX = 3, 64  # two may be torn for one consumer: the one written, the one lapped
FRAME_BYTES_MAX = 64 << 20
_HEAD_BYTES = _SLOT_HEAD_BYTES = 64
_ALIGN = 64
_NUMBER = struct.Struct("<Q")
_SLOT_HEAD = struct.Struct("<QQQQ")
_FIELDS = struct.Struct("<QQQ")
_ATTEMPTS_MAX = 4


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The description in a ring's header."""

    slots: int
    frame_bytes_max: int

    @property
    def slot_bytes(self) -> int:
        """The bytes of a slot with its head."""
        return _SLOT_HEAD_BYTES + -(-self.frame_bytes_max // _ALIGN) * _ALIGN

    @property
    def data_bytes(self) -> int:
        """The bytes behind the header."""
        return _HEAD_BYTES + self.slots * self.slot_bytes


class Frame(NamedTuple):
    """A copy of a frame.

    Parameters
    ----------
    number : of this ring, from 1; what to pass to the next `newest`
    frame_id : the producer's name for it (camera, incarnation, counter)
    age_ns : how old the picture was when it was published
    data : the frame
    """

    number: int
    frame_id: int
    age_ns: int
    data: bytes


class RingWriter:
    """The producer's side: makes the file anew.

    Raises
    ------
    ValueError : sizes beyond their limits
    OSError : no room, no right
    """

    def __init__(self, path: Path, slots: int, frame_bytes_max: int) -> None:
        layout = _layout(slots, frame_bytes_max)
        size = header.data_offset(layout) + layout.data_bytes
        self.layout = layout
        self._number = 0
        self._mapping = Mapping.create(path, size, self._prepare)

    def claim(self) -> memoryview:
        """Return the memory of the next frame, to draw or copy into; `commit` publishes it."""
        at = self._next()
        _NUMBER.pack_into(self._data, at, 0)
        start = at + _SLOT_HEAD_BYTES
        return self._data[start : start + self.layout.frame_bytes_max]

    def commit(self, size: int, frame_id: int, age_ns: int) -> int:
        """Publish the first `size` bytes of what `claim` gave; return the frame's number."""
        if not 0 <= size <= self.layout.frame_bytes_max:
            raise ValueError(f"{size} bytes, a slot holds {self.layout.frame_bytes_max}")
        at = self._next()
        self._number += 1
        _FIELDS.pack_into(self._data, at + 8, frame_id, age_ns, size)
        _NUMBER.pack_into(self._data, at, self._number)
        _NUMBER.pack_into(self._data, 0, self._number)
        return self._number

    def publish(self, data: bytes | memoryview, frame_id: int, age_ns: int) -> int:
        """Copy and publish a frame; return its number.

        Raises
        ------
        ValueError : it is larger than a slot
        """
        if len(data) > self.layout.frame_bytes_max:
            raise ValueError(f"{len(data)} bytes, a slot holds {self.layout.frame_bytes_max}")
        self.claim()[: len(data)] = data
        return self.commit(len(data), frame_id, age_ns)

    def close(self) -> None:
        """Unmap. Consumers keep what they have open."""
        self._data.release()
        self._mapping.close()

    def _prepare(self, view: memoryview) -> None:
        self._data = header.write(view, MAGIC, self.layout, self.layout.data_bytes)

    def _next(self) -> int:
        return _HEAD_BYTES + (self._number + 1) % self.layout.slots * self.layout.slot_bytes


class RingReader:
    """A consumer's side.

    Raises
    ------
    OSError : no such file, no right
    TelemetryError : it is not a ring, or not finished, or of another build
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = os.stat(path).st_ino  # before opening: the file may be replaced between
        self._mapping = Mapping.open(path)
        try:
            self.layout, self._data = header.read(self._mapping.view, MAGIC, Layout)
            if len(self._data) != self.layout.data_bytes:
                raise Corrupt(f"{len(self._data)} bytes of data do not match the description")
            _layout(self.layout.slots, self.layout.frame_bytes_max)
        except ValueError as error:
            self._mapping.close()
            raise Corrupt(str(error)) from error
        except header.TelemetryError:
            self._mapping.close()
            raise
        self.torn = 0

    def newest(self, after: int = 0) -> Frame | None:
        """Return the newest frame if its number differs from `after`, None otherwise."""
        for _ in range(_ATTEMPTS_MAX):
            (number,) = _NUMBER.unpack_from(self._data, 0)
            if number in (0, after):
                return None
            frame = self._copy(number)
            if frame is not None:
                return frame
            self.torn += 1
        return None

    def replaced(self) -> bool:
        """Tell whether the producer has started anew: then open the path again."""
        try:
            return os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Unmap."""
        self._data.release()
        self._mapping.close()

    def _copy(self, number: int) -> Frame | None:
        at = _HEAD_BYTES + number % self.layout.slots * self.layout.slot_bytes
        before, frame_id, age_ns, size = _SLOT_HEAD.unpack_from(self._data, at)
        if before != number or size > self.layout.frame_bytes_max:
            return None
        start = at + _SLOT_HEAD_BYTES
        data = bytes(self._data[start : start + size])
        if _NUMBER.unpack_from(self._data, at)[0] != number:
            return None
        return Frame(number, frame_id, age_ns, data)


def _layout(slots: int, frame_bytes_max: int) -> Layout:
    if not SLOTS_MIN <= slots <= SLOTS_MAX:
        raise ValueError(f"a ring has {SLOTS_MIN} to {SLOTS_MAX} slots, not {slots}")
    if not 0 < frame_bytes_max <= FRAME_BYTES_MAX:
        raise ValueError(f"a frame has 1 to {FRAME_BYTES_MAX} bytes, not {frame_bytes_max}")
    return Layout(slots, frame_bytes_max)
