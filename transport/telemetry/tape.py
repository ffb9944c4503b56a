"""Records what a process was fed with and what it said, byte for byte, in a ring that others copy.

A flight ring (transport.telemetry.flight) holds numbers; a tape holds whole messages, so that the
same core fed with the same tape does the same again.

Rules
-----
- One writer, any number of readers, no lock. Full means the oldest record goes.
- The memory survives its process: whoever has it mapped reads on after a SIGKILL.
- A reader is never given a record that was half written or overwritten while it read: each has
  its number and a check sum over all of it. What does not agree is not returned but counted.
- `append` never raises for what it is given: a record that is longer than `record_max` is left
  out, and its number is missed by whoever reads.

Data, little endian: u64 number of the newest record (they count from 1; 0: none), 56 bytes zero;
`slots` u64, where record n lies is in slot n % slots; then `capacity` bytes of records:

    u32 CRC-32 of all that follows, u32 bytes of the body, u64 number, i64 t_ns, u32 kind, body

Each begins at a multiple of 8 and lies in one piece: one that would cross the end begins anew.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple, Protocol

import msgspec

from transport.telemetry import header
from transport.telemetry.header import Corrupt

MAGIC = b"trocarTP"
CAPACITY_MIN, CAPACITY_MAX = 1 << 12, 1 << 28
SLOTS_MAX = 1 << 22
#: The mean record may be this short before slots, not bytes, decide how far back a tape goes.
BYTES_PER_SLOT = 256

_HEAD_BYTES = 64  # a cache line: readers of the newest number do not slow the records
_HEAD = struct.Struct("<IQqI")
_CRC = struct.Struct("<I")
_FIXED_BYTES = _CRC.size + _HEAD.size
_SLOT = struct.Struct("<Q")


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The description in a tape's header.

    Parameters
    ----------
    identity : of this tape among all that have had its name
    slots, capacity : how many records, and bytes of them, it goes back at most
    """

    identity: str
    slots: int
    capacity: int

    @property
    def data_bytes(self) -> int:
        """The bytes behind the header."""
        return _HEAD_BYTES + self.slots * _SLOT.size + self.capacity

    @property
    def record_max(self) -> int:
        """The longest body: a quarter of the tape, so that one record never is all of it."""
        return self.capacity // 4 - _FIXED_BYTES


class Entry(NamedTuple):
    """A record: its number, the writer's clock when it was made, its kind and body, its check sum.

    The check sum is kept, so that a copy can be told from the original at any later time.
    """

    number: int
    t_ns: int
    kind: int
    data: bytes
    crc: int

    @property
    def is_whole(self) -> bool:
        """Whether the check sum agrees with the rest."""
        return self.crc == check_sum(self.number, self.t_ns, self.kind, self.data)


class Batch(NamedTuple):
    """What a reader got.

    Parameters
    ----------
    entries : oldest first
    newest : what to pass to the next `read`, to go on from here
    lost : records that were overwritten, damaged or left out before they were read
    """

    entries: list[Entry]
    newest: int
    lost: int


class Recorder(Protocol):
    """What takes records: a `Tape`, or a list in a test."""

    def append(self, kind: int, t_ns: int, data: bytes) -> None:
        """Write one record."""


class Tape:
    """A tape's writer.

    Parameters
    ----------
    buffer : memoryview
        Shared memory of at least `size(...)` bytes; it is cleared.
    identity, capacity : see `Layout`
    """

    __slots__ = ("_at", "_capacity", "_data", "_head", "_number", "_record_max", "_slots", "layout")

    def __init__(self, buffer: memoryview, identity: str, capacity: int) -> None:
        self.layout = layout = _layout(identity, capacity)
        data = header.write(buffer, MAGIC, layout, layout.data_bytes)
        self._head: memoryview[int] = data[:8].cast("Q")
        self._slots, self._data = _parts(layout, data)
        self._capacity = layout.capacity
        self._record_max = layout.record_max
        self._number = self._at = 0

    @staticmethod
    def size(identity: str, capacity: int) -> int:
        """Return how many bytes the tape needs."""
        layout = _layout(identity, capacity)
        return header.data_offset(layout) + layout.data_bytes

    def append(self, kind: int, t_ns: int, data: bytes) -> None:
        """Write one record."""
        number = self._number = self._number + 1
        size = len(data)
        if size > self._record_max:
            return
        body = _HEAD.pack(size, number, t_ns, kind) + data
        at, end = self._at, self._at + _CRC.size + len(body)
        if end > self._capacity:
            at, end = 0, end - self._at
        _CRC.pack_into(self._data, at, zlib.crc32(body))
        self._data[at + _CRC.size : end] = body
        self._slots[number % len(self._slots)] = at
        self._at = (end + 7) & -8
        self._head[0] = number


class TapeReader:
    """A reader of a tape.

    Parameters
    ----------
    buffer : memoryview
        What a `Tape` writes, or wrote.

    Raises
    ------
    TelemetryError : it is not a tape, not finished, cut off, damaged, or of another build
    """

    __slots__ = ("_data", "_head", "_slots", "layout")

    def __init__(self, buffer: memoryview) -> None:
        self.layout, data = header.read(buffer, MAGIC, Layout)
        if self.layout != _expected(self.layout):
            raise Corrupt(f"no tape has {self.layout.capacity} bytes in {self.layout.slots} slots")
        if len(data) != self.layout.data_bytes:
            raise Corrupt(f"{len(data)} bytes of data, expected {self.layout.data_bytes}")
        self._head: memoryview[int] = data[:8].cast("Q")
        self._slots, self._data = _parts(self.layout, data)

    @property
    def newest(self) -> int:
        """Number of the newest record."""
        return self._head[0]

    def read(self, after: int = 0, at_most: int = SLOTS_MAX) -> Batch:
        """Return what came after record number `after`, and how much of it is gone.

        A number from the future belongs to an earlier life of the tape: everything is read.
        """
        newest = self._head[0]
        if after > newest:
            after = 0
        oldest = max(after, newest - len(self._slots)) + 1
        newest = min(newest, oldest + at_most - 1)
        entries = []
        for number in range(oldest, newest + 1):
            entry = self._entry(number)
            if entry is not None:
                entries.append(entry)
            elif number == newest:
                newest -= 1  # on some machines a number is seen before its record: next time
        return Batch(entries, newest, newest - after - len(entries))

    def _entry(self, number: int) -> Entry | None:
        at = self._slots[number % len(self._slots)]
        if at + _FIXED_BYTES > self.layout.capacity:
            return None
        size, found, t_ns, kind = _HEAD.unpack_from(self._data, at + _CRC.size)
        end = at + _FIXED_BYTES + size
        if found != number or end > self.layout.capacity:
            return None
        (crc,) = _CRC.unpack_from(self._data, at)
        body = bytes(self._data[at + _CRC.size : end])
        if zlib.crc32(body) != crc:
            return None
        return Entry(number, t_ns, kind, body[_HEAD.size :], crc)


def check_sum(number: int, t_ns: int, kind: int, data: bytes) -> int:
    """Return the check sum of a record."""
    return zlib.crc32(data, zlib.crc32(_HEAD.pack(len(data), number, t_ns, kind)))


def _parts(layout: Layout, data: memoryview) -> tuple[memoryview[int], memoryview]:
    """Cut the data behind its head into slots and records."""
    records = _HEAD_BYTES + layout.slots * _SLOT.size
    return data[_HEAD_BYTES:records].cast("Q"), data[records:]


def _expected(layout: Layout) -> Layout | None:
    try:
        return _layout(layout.identity, layout.capacity)
    except ValueError:
        return None


def _layout(identity: str, capacity: int) -> Layout:
    if not CAPACITY_MIN <= capacity <= CAPACITY_MAX or capacity % 8:
        raise ValueError(
            f"a tape has {CAPACITY_MIN} to {CAPACITY_MAX} bytes, a multiple of 8, not {capacity}"
        )
    return Layout(identity, capacity // BYTES_PER_SLOT, capacity)
