"""Decides whether a datagram's counter was used before.

Rules
-----
- A counter is accepted once. One that has fallen out of the window counts as used.
- `check` before decrypting, so that a replay costs no cryptography; `accept` only after the
  datagram proved authentic, so that a forged counter moves nothing.
- Any jump forward is believed: only the holder of the key can have made it.

Unlike a sequence window, this one takes reordered datagrams: order is the business of the
streams inside. Source: the anti-replay window of RFC 4303, 3.4.3; RFC 6479 says why it must be
wide. 1024 counters are a quarter of a second of four 1 kHz streams.
"""

from __future__ import annotations

WIDTH = 1024


class ReplayWindow:
    """Remember which of the newest `width` counters were used.

    Parameters
    ----------
    width : int
        How many counters back a reordered datagram may come.

    Attributes
    ----------
    newest : int
        The highest counter accepted; -1 before the first.
    """

    __slots__ = ("_mask", "_used", "_width", "newest")

    def __init__(self, width: int = WIDTH) -> None:
        assert width > 0
        self.newest = -1
        self._width = width
        self._mask = (1 << width) - 1
        self._used = 0  # bit i: newest - i was used

    def check(self, counter: int) -> bool:
        """Return whether `counter` is fresh; change nothing."""
        behind = self.newest - counter
        if behind < 0:
            return True
        return behind < self._width and counter >= 0 and not self._used >> behind & 1

    def accept(self, counter: int) -> bool:
        """Mark `counter` used; return False and change nothing if it was not fresh."""
        behind = self.newest - counter
        if behind < 0:
            if -behind < self._width:
                self._used = (self._used << -behind | 1) & self._mask
            else:
                self._used = 1
            self.newest = counter
            return True
        if not self.check(counter):
            return False
        self._used |= 1 << behind
        return True
