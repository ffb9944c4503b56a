"""Puts packets of a picture together again, and lets each picture go as soon as it is whole.

Stock receivers hold a picture until the first packet of the next one has come: one frame of delay,
33 ms at 30 a second. The marker bit says which packet is a picture's last (RFC 6184 section 5.1),
so nothing needs to be waited for.

Rules
-----
- Pictures leave in their order; what comes behind a hole waits for it, `HOLE_NS` at most.
- A hole that was given up leaves the decoder without a reference: a new whole picture is asked for,
  and nothing leaves before it, rather than a picture with an error that nobody sees.
- Sequence numbers are 16 bits and wrap; who sends far from what is expected has started anew.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MS: Final = 1_000_000
#: A retransmission takes a round trip; after this the picture is too old to wait for.
HOLE_NS: Final = 60 * MS
PACKETS_MAX: Final = 512
PICTURE_BYTES_MAX: Final = 4 << 20


class Part(NamedTuple):
    """One packet.

    Parameters
    ----------
    seq : 16 bits
    timestamp : RTP's, 32 bits, the same for all packets of a picture
    is_last : the marker bit
    is_idr : it begins a picture that stands alone
    data : of the bit stream
    """

    seq: int
    timestamp: int
    is_last: bool
    is_idr: bool
    data: bytes


class Whole(NamedTuple):
    """A picture whose packets are all there."""

    timestamp: int
    is_idr: bool
    data: bytes


class Assembly:
    """The packets of one stream.

    Attributes
    ----------
    given_up : packets that were never seen
    late : packets that came when nobody waited for them any longer, or twice
    """

    def __init__(self) -> None:
        self._parts: dict[int, Part] = {}
        self._next: int | None = None  # the first that has not left, extended beyond 16 bits
        self._highest = 0
        self._hole_ns: int | None = None
        self._is_broken = True  # until the first whole picture
        self._asks = False
        self.given_up = 0
        self.late = 0

    def add(self, part: Part, now_ns: int) -> list[Whole]:
        """Take a packet; return the pictures that are whole now."""
        number = self._number(part.seq)
        if self._next is None or abs(number - self._next) > PACKETS_MAX:
            self._start_at(number)
        assert self._next is not None
        if number < self._next or number in self._parts:
            self.late += 1
            return []
        self._parts[number] = part
        self._highest = max(self._highest, number)
        return self._leave(now_ns)

    def asks(self) -> bool:
        """Tell, once for each time, that a picture that stands alone is needed."""
        asks, self._asks = self._asks, False
        return asks

    def next_deadline_ns(self) -> int | None:
        """When the present hole is given up."""
        return None if self._hole_ns is None else self._hole_ns + HOLE_NS

    def handle_deadline(self, now_ns: int) -> list[Whole]:
        """Give the hole up whose time is over; return what waited behind it."""
        if self._hole_ns is None or now_ns < self._hole_ns + HOLE_NS:
            return []
        assert self._next is not None
        first = min(self._parts)
        self.given_up += first - self._next
        self._next = first
        self._hole_ns = None  # another hole has its own time, from now on
        self._break()
        return self._leave(now_ns)

    def _number(self, seq: int) -> int:
        """Extend a sequence number to the one nearest to what is expected (RFC 3711, app. A)."""
        if self._next is None:
            return seq
        offset = (seq - self._next + 0x8000 & 0xFFFF) - 0x8000
        return self._next + offset

    def _start_at(self, number: int) -> None:
        if self._next is not None:
            self._break()
        self._parts.clear()
        self._next = self._highest = number
        self._hole_ns = None

    def _break(self) -> None:
        """Let nothing leave before a picture that stands alone."""
        self._is_broken = True
        self._asks = True

    def _leave(self, now_ns: int) -> list[Whole]:
        """Take out every picture that is whole, in order."""
        out = []
        while (picture := self._take()) is not None:
            if picture.is_idr:
                self._is_broken = False
            if not self._is_broken:
                out.append(picture)
        waits = bool(self._parts) and self._next not in self._parts
        if not waits:
            self._hole_ns = None
        elif self._hole_ns is None:
            self._hole_ns = now_ns
        return out

    def _take(self) -> Whole | None:
        """Take the next picture, if its last packet and all before it are there."""
        assert self._next is not None
        number = self._next
        while (part := self._parts.get(number)) is not None and not part.is_last:
            number += 1
        if part is None:
            return None
        parts = [self._parts.pop(k) for k in range(self._next, number + 1)]
        self._next = number + 1
        data = b"".join(one.data for one in parts)
        if len(data) > PICTURE_BYTES_MAX:
            self._break()
            return Whole(part.timestamp, False, b"")
        return Whole(part.timestamp, any(one.is_idr for one in parts), data)
