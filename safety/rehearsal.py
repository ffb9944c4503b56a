"""Starves a pulse on purpose, to see that a watchdog on this machine notices.

Before a watchdog says that it is ready it has seen once what it is there for: a pulse that beat for
a while, was not suspected, stopped, and was found out within its bound; by the same core, from the
same kind of memory, at the pace at which it really comes to look.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from safety.watchdog import LOOK_NS, Appeared, Fence, Look, Watchdog
from safety.watched import CONFIRM, MS, Watched

#: So many looks it is fed, then starved. With the bound that is 40 ms of a start.
FED_LOOKS: Final = 40
HANG_MS: Final = 20
#: The bound, and what confirms it; a look that was late itself counts as two at most.
STARVED_LOOKS: Final = HANG_MS * MS // LOOK_NS + CONFIRM[1]


class Outcome(IntEnum):
    """What a rehearsal has come to."""

    RUNNING = 0
    PASSED = 1
    FAILED = 2  #: suspected while it was fed, or not found out in time


class Rehearsal:
    """One rehearsal. `pid` and `start` are whoever's the pulse is: nobody is ended."""

    def __init__(self, pid: int, start: int, now_ns: int) -> None:
        watched = Watched(name="rehearsal", hang_ms=HANG_MS)
        self._watchdog = Watchdog("rehearsal", (), (watched,), (), now_ns)
        self._watchdog.receive(Appeared(0, pid, start, 0), now_ns)
        self._looks = 0
        self.outcome = Outcome.RUNNING

    @property
    def feeds(self) -> bool:
        """Whether the pulse shall beat before the next look."""
        return self._looks < FED_LOOKS

    def look(self, pulse: tuple[int, int], now_ns: int) -> Outcome:
        """Take a look at the pulse."""
        self._looks += 1
        self._watchdog.receive(Look((pulse,)), now_ns)
        found = any(isinstance(order, Fence) for order in self._watchdog.to_send(now_ns))
        starved = self._looks - FED_LOOKS
        if found:
            self.outcome = Outcome.PASSED if starved > 0 else Outcome.FAILED
        elif starved > STARVED_LOOKS:
            self.outcome = Outcome.FAILED
        return self.outcome
