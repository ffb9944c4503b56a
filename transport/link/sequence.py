"""Decides whether a numbered frame is newer than every frame accepted before it.

Rules
-----
- Newest wins: an older frame is never accepted, however useful it might look.
- `check` looks and changes nothing, `accept` acts. A caller verifies a frame's tag between the
  two, so that a forged number moves no window.
- A jump further than `jump_max` is refused and does not move the window. Otherwise one corrupt
  number near the top of the range would make every honest frame after it look old.
- A copy of an accepted frame is told from a late one: with two paths every frame comes twice,
  and only a late one says something about the network.

One window is one stream, (robot, arm) within one epoch. A new epoch gets a new window; 64-bit
numbers do not wrap in it (at 1 kHz, 585 million years). The 16- and 32-bit counters of media
protocols do, and have `serial_newer` (RFC 1982).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

SEQ_MAX = (1 << 64) - 1
#: 60 s at 1 kHz. No profile lets a grant outlive more than 5 s of silence, so an honest stream
#: never comes near it; a number beyond it is corrupt, or of another stream.
JUMP_MAX = 60_000
#: How far behind the newest a copy is still told from a late frame: 64 ms at 1 kHz, and two
#: paths that differ by more are beyond the hold of every wired profile.
_SEEN_BITS = 64
_SEEN_MASK = (1 << _SEEN_BITS) - 1


class Verdict(IntEnum):
    """What a sequence number is to its window."""

    NEW = 0
    DUPLICATE = 1  #: accepted or seen before
    OLD = 2  #: behind the newest: late, or from before the window
    FAR_FUTURE = 3  #: an impossible jump


# Looking up a member of an enum costs more than the whole comparison beside it.
_NEW, _DUPLICATE, _OLD, _FAR_FUTURE = Verdict


class SequenceCounts(NamedTuple):
    """What a window has seen; `missing - repaired` setpoints were lost to the arm.

    Parameters
    ----------
    accepted, duplicate, old, far_future : int
        Frames by verdict.
    missing : int
        Numbers jumped over by accepted frames.
    repaired : int
        Of those, the ones whose setpoint the next frame carried in its history.
    """

    accepted: int
    duplicate: int
    old: int
    far_future: int
    missing: int
    repaired: int


class SequenceWindow:
    """Newest-wins acceptance of one stream's numbers.

    Parameters
    ----------
    jump_max : int
        The largest step forward that is believed.
    after : int or None
        The number before the first: 0 where streams begin at 1. None believes whatever comes
        first, for an end that may start in the middle of a stream, as a restarted relay does.

    Attributes
    ----------
    newest : int
        The newest accepted number; -1 before the first when `after` is None.
    skipped : int
        How many numbers the last accepted frame jumped over.
    """

    __slots__ = (
        "_accepted",
        "_duplicate",
        "_far_future",
        "_jump_max",
        "_missing",
        "_old",
        "_repaired",
        "_seen",
        "newest",
        "skipped",
    )

    def __init__(self, jump_max: int = JUMP_MAX, after: int | None = None) -> None:
        assert jump_max > 0
        assert after is None or 0 <= after < SEQ_MAX
        self.newest = -1 if after is None else after
        self.skipped = 0
        self._jump_max = jump_max
        self._seen = 0 if after is None else 1  # bit i: newest - i was seen
        self._accepted = self._duplicate = self._old = self._far_future = 0
        self._missing = self._repaired = 0

    def check(self, seq: int) -> Verdict:
        """Judge `seq` and change nothing."""
        jump = seq - self.newest
        if jump > 0:
            if jump <= self._jump_max or (self.newest < 0 and seq <= SEQ_MAX):
                return _NEW
            return _FAR_FUTURE
        if jump > -_SEEN_BITS and self._seen >> -jump & 1:
            return _DUPLICATE
        return _OLD

    def accept(self, seq: int, history: int = 0) -> Verdict:
        """Judge `seq` and count it; move the window only if it is NEW.

        Parameters
        ----------
        seq : int
            A number from a frame whose tag, where there is one, is already known to be valid.
        history : int
            How many setpoints directly before `seq` the frame carries along.
        """
        if seq - self.newest == 1 and self.newest >= 0:  # nearly always: nothing to look up
            self._seen = (self._seen << 1 | 1) & _SEEN_MASK
            self.newest = seq
            self.skipped = 0
            self._accepted += 1
            return _NEW
        verdict = self.check(seq)
        if verdict is _NEW:
            self._advance(seq, history)
        elif verdict is _DUPLICATE:
            self._duplicate += 1
        elif verdict is _OLD:
            self._old += 1
            behind = self.newest - seq
            if behind < _SEEN_BITS:
                self._seen |= 1 << behind  # its copy by the other path is then a duplicate
        else:
            self._far_future += 1
        return verdict

    def counts(self) -> SequenceCounts:
        """Return what was counted so far."""
        return SequenceCounts(
            self._accepted,
            self._duplicate,
            self._old,
            self._far_future,
            self._missing,
            self._repaired,
        )

    def _advance(self, seq: int, history: int) -> None:
        jump = seq - self.newest if self.newest >= 0 else 1
        if jump < _SEEN_BITS:
            self._seen = (self._seen << jump | 1) & _SEEN_MASK
        else:
            self._seen = 1
        self.newest = seq
        self._accepted += 1
        self.skipped = skipped = jump - 1
        if skipped:
            self._missing += skipped
            self._repaired += min(skipped, history)


def serial_distance(a: int, b: int, bits: int) -> int:
    """Return how far `a` is ahead of `b`, two counters that wrap at `bits` bits.

    Source: RFC 1982. At exactly half the circle, which the RFC leaves undefined, the answer is
    minus half the circle whichever way it is asked, so that neither is the newer.
    """
    half = 1 << (bits - 1)
    return ((a - b + half) & ((half << 1) - 1)) - half


def serial_newer(a: int, b: int, bits: int) -> bool:
    """Return whether counter `a` is newer than `b`, both wrapping at `bits` bits (RFC 1982)."""
    return serial_distance(a, b, bits) > 0
