"""Decides how many connections are served, and which have said nothing for too long.

A connection that was opened and never asks, that sends its question a byte at a time, or that does
not read its answer looks the same from here: nothing has begun on it for too long. So that is the
one rule, and it needs no look inside. Who has not asked anything yet has a quarter of that time.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Final, Generic, TypeVar

from teleop.web.token import S

OPEN_MAX: Final = 128
#: Of a connection, since it was opened or last asked something. Twice what an idle one is kept.
PATIENCE_NS: Final = 20 * S
#: Between a connection's acceptance and the end of its TLS handshake.
HANDSHAKE_NS: Final = 6 * S

K = TypeVar("K", bound=Hashable)


class Connections(Generic[K]):
    """The open connections of a server, by whatever stands for one."""

    def __init__(self, open_max: int = OPEN_MAX, patience_ns: int = PATIENCE_NS) -> None:
        self._open_max = open_max
        self._patience_ns = patience_ns
        self._heard_ns: dict[K, int] = {}
        self._there: set[K] = set()
        self._guests: set[K] = set()  # who has asked something

    def may_open(self) -> bool:
        """Tell whether one more is served."""
        return len(self._heard_ns) < self._open_max

    def opened(self, one: K, now_ns: int) -> None:
        """Take note of a new one."""
        self._heard_ns[one] = now_ns

    def asked(self, one: K, now_ns: int) -> None:
        """Take note that something was asked on it."""
        if one in self._heard_ns:
            self._heard_ns[one] = now_ns
            self._guests.add(one)

    def look(self, present: Collection[K], now_ns: int) -> list[K]:
        """Return which are to be ended; forget those that have ended.

        Parameters
        ----------
        present : those whose handshake is over and that are open now
        """
        here = set(present)
        for one, heard_ns in list(self._heard_ns.items()):
            went = one in self._there or now_ns - heard_ns > HANDSHAKE_NS
            if one not in here and went:
                del self._heard_ns[one]
        self._there = here & self._heard_ns.keys()
        self._guests &= self._heard_ns.keys()
        return [one for one in self._there if now_ns - self._heard_ns[one] > self._patience(one)]

    def _patience(self, one: K) -> int:
        return self._patience_ns if one in self._guests else self._patience_ns // 4
