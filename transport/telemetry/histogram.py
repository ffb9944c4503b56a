"""Counts durations in fixed memory, so that any percentile can be told within 1 %.

The buckets are log-linear (as in HdrHistogram): every power of two is cut into 64 equal parts.
A bucket is told by its middle, so the error is at most half a part, 1/128 of the value (0.8 %).
Below 2048 ns buckets are 16 ns wide and the error is at most 8 ns. The top is 2^36 ns, 68.7 s;
longer durations count as that.

Rules
-----
- `record` never raises and allocates nothing that stays: a negative duration counts as 0.
- One writer, any number of readers, no lock. A reader may find the newest record in the bucket
  but not yet in the sum. Every word is written in one store, so none is ever torn.
- Two histograms merge by adding: the result is that of one which had seen both streams.

Memory, little-endian u64: sum of all durations, longest duration, then the buckets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

#: Names this layout in a board's header, so that a reader of another build notices.
SCHEME = "log-linear/64/16ns/2^36ns"
TOP_NS = 1 << 36

_PART_BITS = 6  # 2^6 parts in each power of two
_LOW_SHIFT = 4  # the finest bucket, 2^4 ns
_SIGNIFICANT_BITS = _PART_BITS + 1  # of a duration, those that choose its bucket
_SUM, _LONGEST, _FIRST = 0, 1, 2
_BUCKETS = (TOP_NS.bit_length() - _SIGNIFICANT_BITS - _LOW_SHIFT + 1) << _PART_BITS
SIZE = 8 * (_FIRST + _BUCKETS)


class Histogram:
    """Durations in ns, counted in `buffer`.

    Parameters
    ----------
    buffer : memoryview or None
        At least `SIZE` bytes, zero or a histogram's. None: memory of its own.
    """

    __slots__ = ("_words",)

    def __init__(self, buffer: memoryview | None = None) -> None:
        memory = memoryview(bytearray(SIZE)) if buffer is None else buffer
        self._words: memoryview[int] = memory[:SIZE].cast("B").cast("Q")
        assert len(self._words) == _FIRST + _BUCKETS

    def record(self, duration_ns: int) -> None:
        """Count one duration."""
        if duration_ns < 0:
            duration_ns = 0
        elif duration_ns >= TOP_NS:
            duration_ns = TOP_NS - 1
        words = self._words
        shift = duration_ns.bit_length() - _SIGNIFICANT_BITS
        if shift < _LOW_SHIFT:
            shift = _LOW_SHIFT
        words[(shift - _LOW_SHIFT << _PART_BITS) + (duration_ns >> shift) + _FIRST] += 1
        words[_SUM] += duration_ns
        if duration_ns > words[_LONGEST]:
            words[_LONGEST] = duration_ns

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self._words[_FIRST:])

    @property
    def sum_ns(self) -> int:
        """All durations together."""
        return self._words[_SUM]

    @property
    def max_ns(self) -> int:
        """The longest duration, exact up to the top; 0 when there is none."""
        return self._words[_LONGEST]

    def percentile(self, percent: float) -> int:
        """Return the duration that `percent` of all do not exceed; 0 when there is none.

        The nearest rank (numpy's ``inverted_cdf``), within 1/128 or 8 ns; 100 is exact.
        """
        return self.percentiles((percent,))[0]

    def percentiles(self, percents: Sequence[float]) -> list[int]:
        """Return several percentiles of one look at the counts."""
        counts = self._words[_FIRST:].tolist()
        total = sum(counts)
        longest = self.max_ns
        found = []
        for percent in percents:
            assert 0 <= percent <= 100
            # Scaled to integers first: 99.9 / 100 * 1000 is above 999 in floating point.
            rank = max(1, -(-round(percent * 1_000_000) * total // 100_000_000))
            found.append(longest if rank >= total else min(longest, _at_rank(counts, rank)))
        return found

    def buckets(self) -> Iterator[tuple[int, int]]:
        """Yield (end_ns, count) of every bucket that is not empty; its end is exclusive."""
        for index, count in enumerate(self._words[_FIRST:].tolist()):
            if count:
                low_ns, width_ns = _bounds_ns(index)
                yield low_ns + width_ns, count

    def merge(self, other: Histogram) -> None:
        """Add what `other` has counted."""
        words = self._words
        longest = max(words[_LONGEST], other._words[_LONGEST])
        for index, word in enumerate(other._words.tolist()):
            if word:
                words[index] += word
        words[_LONGEST] = longest

    def clear(self) -> None:
        """Forget everything. Only the writer may."""
        self._words.cast("B")[:] = bytes(SIZE)


def _at_rank(counts: list[int], rank: int) -> int:
    passed = 0
    for index, count in enumerate(counts):
        passed += count
        if passed >= rank:
            low_ns, width_ns = _bounds_ns(index)
            return low_ns + width_ns // 2
    return 0


def _bounds_ns(index: int) -> tuple[int, int]:
    """Return (start, width) of a bucket: what `record` does to a duration, backwards."""
    power = max(0, (index >> _PART_BITS) - 1)
    shift = power + _LOW_SHIFT
    return (index - (power << _PART_BITS)) << shift, 1 << shift
