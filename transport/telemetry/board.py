"""Shows a process's counters, gauges and histograms to every other process.

A board is a file in shared memory. Its process writes it, with nothing but stores to fixed
places; whoever serves metrics, supervises or measures reads it without asking. So /metrics costs
the relay nothing, and the numbers of a process outlive it.

Rules
-----
- All names are fixed when the board is made: no name can come from the network, and memory has
  a limit from the start. The header carries them, so a reader needs nothing but the file.
- One writer. Every value is one 8-byte store, so a reader never sees half of one; it may see
  one counter moved and its neighbour not yet.
- Updating goes by a handle that is bound once: no look-up of a name for each frame.
- Updating never raises for a value: what does not fit is stored as the nearest that does.

Names are those of the Prometheus text format, labels included:

    frames_total        refused_total{cause="tag"}        rtt_ns{peer="robot",path="1"}

A family is `[a-z][a-z0-9_]*`; a label's value has no quote, backslash or control character.
`parse_name` takes a name apart. Durations are in ns and say so (`_ns`); whoever exports to
Prometheus converts to seconds.

Data, little endian: counters (u64), gauges (i64), histograms (transport.telemetry.histogram),
each in the order of the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from transport.telemetry import header, histogram
from transport.telemetry.header import Corrupt, UnknownName, WrongVersion
from transport.telemetry.histogram import Histogram

MAGIC = b"trocarBD"
NAMES_MAX = 4096
NAME_CHARS_MAX = 200

_U64_MAX = (1 << 64) - 1
_I64_MIN, _I64_MAX = -(1 << 63), (1 << 63) - 1
_LABEL = r'[a-z][a-z0-9_]*="[^"\\\x00-\x1f\x7f]*"'
_NAME = re.compile(rf"([a-z][a-z0-9_]*)(?:\{{({_LABEL}(?:,{_LABEL})*)\}})?")
_LABEL_PARTS = re.compile(r'([a-z][a-z0-9_]*)="([^"]*)"')

Handle = TypeVar("Handle")


class Name(NamedTuple):
    """A name taken apart."""

    family: str
    labels: tuple[tuple[str, str], ...]


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The description in a board's header."""

    counters: tuple[str, ...] = ()
    gauges: tuple[str, ...] = ()
    histograms: tuple[str, ...] = ()
    histogram: str = histogram.SCHEME

    @property
    def data_bytes(self) -> int:
        """The bytes behind the header."""
        words = len(self.counters) + len(self.gauges)
        return 8 * words + histogram.SIZE * len(self.histograms)


class Counter:
    """A number that only grows."""

    __slots__ = ("_index", "_words")

    def __init__(self, words: memoryview[int], index: int) -> None:
        self._words = words
        self._index = index

    def add(self, n: int = 1) -> None:
        """Count `n` more."""
        try:
            self._words[self._index] += n
        except ValueError:
            self._words[self._index] = _U64_MAX if n > 0 else 0

    @property
    def value(self) -> int:
        """What was counted."""
        return self._words[self._index]


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("_index", "_words")

    def __init__(self, words: memoryview[int], index: int) -> None:
        self._words = words
        self._index = index

    def set(self, value: int) -> None:
        """Replace the number."""
        try:
            self._words[self._index] = value
        except ValueError:
            self._words[self._index] = _I64_MAX if value > 0 else _I64_MIN

    @property
    def value(self) -> int:
        """The number that was set last, 0 before."""
        return self._words[self._index]


class Board:
    """A process's board. Make it with `create` (its writer) or `attach` (its readers)."""

    __slots__ = ("_counters", "_gauges", "_histograms", "layout")

    def __init__(self, layout: Layout, data: memoryview) -> None:
        self.layout = layout
        gauges_at = 8 * len(layout.counters)
        histograms_at = gauges_at + 8 * len(layout.gauges)
        unsigned: memoryview[int] = data[:gauges_at].cast("Q")
        signed: memoryview[int] = data[gauges_at:histograms_at].cast("q")
        self._counters = {name: Counter(unsigned, i) for i, name in enumerate(layout.counters)}
        self._gauges = {name: Gauge(signed, i) for i, name in enumerate(layout.gauges)}
        self._histograms = {
            name: Histogram(data[histograms_at + i * histogram.SIZE :][: histogram.SIZE])
            for i, name in enumerate(layout.histograms)
        }

    @staticmethod
    def size(
        counters: Sequence[str] = (), gauges: Sequence[str] = (), histograms: Sequence[str] = ()
    ) -> int:
        """Return how many bytes the board needs."""
        layout = _layout(counters, gauges, histograms)
        return header.data_offset(layout) + layout.data_bytes

    @classmethod
    def create(
        cls,
        buffer: memoryview,
        counters: Sequence[str] = (),
        gauges: Sequence[str] = (),
        histograms: Sequence[str] = (),
    ) -> Board:
        """Make a board in `buffer`, all values zero.

        Raises
        ------
        ValueError : a name that is not one, or twice there; a buffer that is too small
        """
        layout = _layout(counters, gauges, histograms)
        return cls(layout, header.write(buffer, MAGIC, layout, layout.data_bytes))

    @classmethod
    def attach(cls, buffer: memoryview) -> Board:
        """Read the board in `buffer`, as its writer goes on.

        Raises
        ------
        TelemetryError : it is not a board, not finished, cut off, damaged, or of another build
        """
        layout, data = header.read(buffer, MAGIC, Layout)
        if layout.histogram != histogram.SCHEME:
            raise WrongVersion(f"histograms {layout.histogram}, expected {histogram.SCHEME}")
        try:
            _layout(layout.counters, layout.gauges, layout.histograms)
        except ValueError as error:
            raise Corrupt(str(error)) from error
        if len(data) != layout.data_bytes:
            raise Corrupt(f"{len(data)} bytes of data, the names need {layout.data_bytes}")
        return cls(layout, data)

    def counter(self, name: str) -> Counter:
        """Return the handle of a counter; KeyError (UnknownName) if the board has none such."""
        return _find(self._counters, name, "counter")

    def gauge(self, name: str) -> Gauge:
        """Return the handle of a gauge; KeyError (UnknownName) if the board has none such."""
        return _find(self._gauges, name, "gauge")

    def histogram(self, name: str) -> Histogram:
        """Return a histogram; KeyError (UnknownName) if the board has none such."""
        return _find(self._histograms, name, "histogram")

    def counters(self) -> Iterator[tuple[str, int]]:
        """Yield every counter's name and value."""
        return ((name, counter.value) for name, counter in self._counters.items())

    def gauges(self) -> Iterator[tuple[str, int]]:
        """Yield every gauge's name and value."""
        return ((name, gauge.value) for name, gauge in self._gauges.items())

    def histograms(self) -> Iterator[tuple[str, Histogram]]:
        """Yield every histogram with its name."""
        return iter(self._histograms.items())


def parse_name(name: str) -> Name:
    """Take a name apart.

    Raises
    ------
    ValueError : it is not a name, or a label is twice there
    """
    match = _NAME.fullmatch(name)
    if match is None or len(name) > NAME_CHARS_MAX:
        raise ValueError(f'{name!r} is not a name such as refused_total{{cause="tag"}}')
    labels = tuple(_LABEL_PARTS.findall(match[2] or ""))
    if len(dict(labels)) != len(labels):
        raise ValueError(f"{name!r} has a label twice")
    return Name(match[1], labels)


def _layout(counters: Sequence[str], gauges: Sequence[str], histograms: Sequence[str]) -> Layout:
    names = [*counters, *gauges, *histograms]
    if len(names) > NAMES_MAX:
        raise ValueError(f"{len(names)} names, at most {NAMES_MAX}")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is twice there")
    for name in names:
        parse_name(name)
    return Layout(tuple(counters), tuple(gauges), tuple(histograms))


def _find(handles: dict[str, Handle], name: str, kind: str) -> Handle:
    try:
        return handles[name]
    except KeyError:
        raise UnknownName(f"the board has no {kind} {name!r}") from None
