"""Decides whether a sender may send one more, by a token bucket.

Rules
-----
- Over any time t at most `burst + rate * t` are let through, exactly: the level is kept in
  billionths of a token, an integer, so rounding gives nothing away and takes nothing.
- A bucket starts full. A clock that steps back takes out what it had filled in.
"""

from __future__ import annotations

_TOKEN = 1_000_000_000  # of the level's units: what flows in during 1 ns is then rate_hz of them


class TokenBucket:
    """Let `rate_hz` through on average, and `burst` at once.

    Parameters
    ----------
    rate_hz : int
        Tokens that flow in each second.
    burst : int
        Tokens that the bucket holds.

    Attributes
    ----------
    refused : int
        How many calls of `take` were refused.
    """

    __slots__ = ("_full", "_last_ns", "_level", "_rate_hz", "refused")

    def __init__(self, rate_hz: int, burst: int) -> None:
        assert rate_hz > 0 and burst > 0
        self.refused = 0
        self._rate_hz = rate_hz
        self._full = self._level = burst * _TOKEN
        self._last_ns = 0

    def take(self, now_ns: int, tokens: int = 1) -> bool:
        """Take `tokens` and return True, or take none and return False."""
        self._level = min(self._full, self._level + (now_ns - self._last_ns) * self._rate_hz)
        self._last_ns = now_ns
        cost = tokens * _TOKEN
        if self._level < cost:
            self.refused += 1
            return False
        self._level -= cost
        return True
