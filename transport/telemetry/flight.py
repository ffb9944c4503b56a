"""Records what a process decided, event by event, in a ring that others read.

The hot path writes here instead of logging: one record is a few numbers in shared memory, and
the ring survives its process. Readers copy it, alive or after a crash; the writer never waits.

Rules
-----
- One writer, any number of readers, no lock. Full means the oldest record goes.
- A reader is never given a record that was half written or overwritten while it read. Each
  record carries its number and a check sum over number and values; one that does not agree is
  not returned but counted as lost. So this holds whatever order stores become visible in.
- `append` never raises for a value: what does not fit 64 bits is stored as the nearest that
  does. A recorder must not stop what it records.

Data, little endian: u64 number of the newest record (they count from 1; 0: none), 56 bytes zero,
then `capacity` slots of

    u64 CRC-32 of the rest of the slot, u64 number of the record, i64 each field

Record n is in slot n % capacity.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from transport.telemetry import header
from transport.telemetry.header import Corrupt

MAGIC = b"trocarFR"
FIELDS_MAX = 32
CAPACITY_MAX = 1 << 24

_HEAD_BYTES = 64  # a cache line: readers of the newest number do not slow the slots
_I64_MIN, _I64_MAX = -(1 << 63), (1 << 63) - 1
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")

Record = tuple[int, ...]


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The description in a ring's header."""

    fields: tuple[str, ...]
    capacity: int

    @property
    def slot_bytes(self) -> int:
        """The bytes of a slot."""
        return 8 * (2 + len(self.fields))

    @property
    def data_bytes(self) -> int:
        """The bytes behind the header."""
        return _HEAD_BYTES + self.capacity * self.slot_bytes


class Batch(NamedTuple):
    """What a reader got.

    Parameters
    ----------
    records : list of tuple of int
        The values, in the order of the fields, oldest first.
    newest : int
        What to pass to the next `read`, to go on from here.
    lost : int
        Records that were overwritten, or damaged, before they were read.
    """

    records: list[Record]
    newest: int
    lost: int


class Flight:
    """The writer of a ring.

    Parameters
    ----------
    buffer : memoryview
        At least `size` bytes, writable. What was in it is gone.
    fields : sequence of str
        Names of the values of a record.
    capacity : int
        How many records are kept.

    Raises
    ------
    ValueError : fields that are not names, or too many; a buffer that is too small
    """

    __slots__ = (
        "_capacity",
        "_data",
        "_head",
        "_number",
        "_pack",
        "_slot",
        "_slot_bytes",
        "layout",
    )

    def __init__(self, buffer: memoryview, fields: Sequence[str], capacity: int) -> None:
        self.layout = layout = _layout(fields, capacity)
        self._data = header.write(buffer, MAGIC, layout, layout.data_bytes)
        self._head: memoryview[int] = self._data[:8].cast("Q")
        self._number = 0
        self._capacity = capacity
        self._slot_bytes = layout.slot_bytes
        self._pack = struct.Struct(f"<Q{len(layout.fields)}q").pack
        self._slot = struct.Struct(f"<Q{layout.slot_bytes - 8}s").pack_into

    @staticmethod
    def size(fields: Sequence[str], capacity: int) -> int:
        """Return how many bytes the ring needs."""
        layout = _layout(fields, capacity)
        return header.data_offset(layout) + layout.data_bytes

    def append(self, *values: int) -> None:
        """Write one record, a value for each field."""
        number = self._number + 1
        try:
            body = self._pack(number, *values)
        except struct.error:
            body = self._pack(number, *_fitting(values, len(self.layout.fields)))
        at = _HEAD_BYTES + number % self._capacity * self._slot_bytes
        self._slot(self._data, at, zlib.crc32(body), body)
        self._number = number
        self._head[0] = number


class FlightReader:
    """A reader of a ring.

    Parameters
    ----------
    buffer : memoryview
        What a `Flight` writes, or wrote.

    Raises
    ------
    TelemetryError : it is not a ring, not finished, cut off, damaged, or of another build
    """

    __slots__ = ("_data", "_head", "_slot", "capacity", "fields")

    def __init__(self, buffer: memoryview) -> None:
        layout, self._data = header.read(buffer, MAGIC, Layout)
        try:
            _layout(layout.fields, layout.capacity)
        except ValueError as error:
            raise Corrupt(str(error)) from error
        if len(self._data) != layout.data_bytes:
            raise Corrupt(f"{len(self._data)} bytes of data, expected {layout.data_bytes}")
        self.fields = layout.fields
        self.capacity = layout.capacity
        self._head: memoryview[int] = self._data[:8].cast("Q")
        self._slot = struct.Struct(f"<QQ{len(layout.fields)}q")

    def records(self) -> list[Record]:
        """Return everything that the ring still holds, oldest first."""
        return self.read().records

    def read(self, after: int = 0) -> Batch:
        """Return what came after record number `after`, and what of it was lost.

        A number from the future belongs to an earlier life of the ring: everything is read.
        """
        newest = self._head[0]
        if after > newest:
            after = 0
        oldest = max(after, newest - self.capacity) + 1
        records = []
        for number in range(oldest, newest + 1):
            record = self._record(number)
            if record is not None:
                records.append(record)
            elif number == newest:
                newest -= 1  # on some machines a number is seen before its record: next time
        return Batch(records, newest, newest - after - len(records))

    def _record(self, number: int) -> Record | None:
        at = _HEAD_BYTES + number % self.capacity * self._slot.size
        slot = bytes(self._data[at : at + self._slot.size])
        crc, found, *values = self._slot.unpack(slot)
        if found != number or crc != zlib.crc32(slot[8:]):
            return None
        return tuple(values)


def _layout(fields: Sequence[str], capacity: int) -> Layout:
    if not 0 < len(fields) <= FIELDS_MAX or len(set(fields)) != len(fields):
        raise ValueError(f"1 to {FIELDS_MAX} different fields are needed, not {fields}")
    for field in fields:
        if _FIELD.fullmatch(field) is None:
            raise ValueError(f"{field!r} is not a field's name")
    if not 0 < capacity <= CAPACITY_MAX:
        raise ValueError(f"a ring has 1 to {CAPACITY_MAX} records, not {capacity}")
    return Layout(tuple(fields), capacity)


def _fitting(values: tuple[int, ...], expected: int) -> Record:
    assert len(values) == expected, f"{len(values)} values for {expected} fields"
    return tuple(min(max(value, _I64_MIN), _I64_MAX) for value in values)
