"""Shows that a process's loop comes round, and how far each pass of it got.

A process beats when its loop has come round, and says at which stage of a pass it is: fed, drained,
sent. Whoever watches reads both from shared memory, and ages them on a clock of its own.

Rules
-----
- There is no time in it: a counter that stands still is old, whatever anybody's clock says.
- One writer, no lock. A value is one 8-byte store; nothing is ever reset but by a new file.
- Each stage has a count of its own, so whoever looks twice a millisecond still sees whether one
  was left out among a thousand: in order, a stage is as many times reached as the next one, or
  once more.
- The description names the process by pid *and* start time, so that nobody kills its successor.

- A tether (transport.io.tether) is held in it: the kernel marks its word when its holder dies.

Data, little endian: u64 `Phase`, u64 beats, 48 bytes zero, 64 bytes of tether, a u64 per stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise

import msgspec

from transport.telemetry import header
from transport.telemetry.header import Corrupt

MAGIC = b"trocarPL"
STAGES_MAX = 16
#: So often a loop beats while it is idle: one with SCHED_FIFO, and any other.
BEAT_REALTIME_NS, BEAT_NS = 4_000_000, 25_000_000

_HEAD_BYTES = 64  # a cache line
_TETHER_BYTES = 64
_PHASE, _BEATS, _TETHER = 0, 1, _HEAD_BYTES // 8
_STAGES = _TETHER + _TETHER_BYTES // 8
_OWNER_DIED = 0x4000_0000  # FUTEX_OWNER_DIED of linux/futex.h, in the tether's first 32 bits


class Phase(IntEnum):
    """What a process is about; it only grows."""

    STARTING = 0  #: it compiles, opens, collects: not to be judged yet
    WORKING = 1  #: its loop comes round
    LEAVING = 2  #: it ends in order; that it stops beating is no fault


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The description in a pulse's header.

    Parameters
    ----------
    pid, start : process, and when it started (clock ticks since boot, proc(5))
    fifo : SCHED_FIFO priority that it has, 0 for ordinary scheduling
    stages : of a pass, in order
    """

    pid: int
    start: int
    fifo: int = 0
    stages: tuple[str, ...] = ()

    @property
    def beat_ns(self) -> int:
        """How often it beats while it is idle."""
        return BEAT_REALTIME_NS if self.fifo else BEAT_NS

    @property
    def data_bytes(self) -> int:
        """The bytes behind the header."""
        return _HEAD_BYTES + _TETHER_BYTES + 8 * len(self.stages)


class Pulse:
    """The writer of a pulse.

    Parameters
    ----------
    buffer : memoryview
        At least `size` bytes, writable. What was in it is gone.
    """

    __slots__ = ("_beats", "_counts", "_words", "layout", "tether")

    def __init__(self, buffer: memoryview, layout: Layout) -> None:
        self.layout = _checked(layout)
        data = header.write(buffer, MAGIC, layout, layout.data_bytes)
        self._words: memoryview[int] = data.cast("Q")
        self.tether = data[_HEAD_BYTES : _HEAD_BYTES + _TETHER_BYTES]
        self._beats = 0
        self._counts = [0] * len(layout.stages)

    @staticmethod
    def size(layout: Layout) -> int:
        """Return how many bytes the pulse needs."""
        return header.data_offset(layout) + layout.data_bytes

    def enter(self, phase: Phase) -> None:
        """Say what the process is about from now on."""
        self._words[_PHASE] = phase

    def beat(self) -> None:
        """Say that the loop has come round."""
        self._beats = self._words[_BEATS] = self._beats + 1

    def reach(self, stage: int) -> None:
        """Say that a pass got so far; where it begins, that is a beat too."""
        counts = self._counts
        counts[stage] = self._words[_STAGES + stage] = counts[stage] + 1
        if stage == 0:
            self.beat()


class PulseReader:
    """A reader of a pulse.

    Parameters
    ----------
    buffer : memoryview
        What a `Pulse` writes, or wrote.

    Raises
    ------
    TelemetryError : it is not a pulse, not finished, cut off, damaged, or of another build
    """

    __slots__ = ("_words", "layout")

    def __init__(self, buffer: memoryview) -> None:
        self.layout, data = header.read(buffer, MAGIC, Layout)
        try:
            _checked(self.layout)
        except ValueError as error:
            raise Corrupt(str(error)) from error
        if len(data) != self.layout.data_bytes:
            raise Corrupt(f"{len(data)} bytes of data, expected {self.layout.data_bytes}")
        self._words: memoryview[int] = data.cast("Q")

    def look(self) -> tuple[int, int]:
        """Return what the process is about (`Phase`), and how often its loop has come round."""
        words = self._words
        return words[_PHASE], words[_BEATS]

    @property
    def is_torn(self) -> bool:
        """Whether whoever held the tether has died."""
        return bool(self._words[_TETHER] & _OWNER_DIED)

    @property
    def stages(self) -> tuple[int, ...]:
        """How often each stage was reached."""
        return tuple(self._words[_STAGES:])


def in_order(counts: Sequence[int]) -> bool:
    """Tell whether these counts of stages can be those of passes without a gap.

    A reader is not alone: between two counts the process may have gone on. So one look that says
    no means nothing, and several in a row mean that a stage was left out.
    """
    falls = all(before >= after for before, after in pairwise(counts))
    return not counts or (falls and counts[0] - counts[-1] <= 1)


def _checked(layout: Layout) -> Layout:
    if len(layout.stages) > STAGES_MAX or len(set(layout.stages)) != len(layout.stages):
        raise ValueError(f"at most {STAGES_MAX} different stages, not {layout.stages}")
    if layout.pid <= 0 or layout.start < 0 or not 0 <= layout.fifo <= 99:
        raise ValueError(f"no process has {layout.pid}, {layout.start}, {layout.fifo}")
    return layout
