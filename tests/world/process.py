"""A process as its machine runs it: a clock of its own, an inbox, one alarm, and what befalls it.

The rules are those of the process files: feed all that has arrived, then drain. A process that is
paused (SIGSTOP, or a virtual machine that its host forgot) finds everything waiting when it goes
on; one that is dead hears nothing, and what waited is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.world.clock import Clock

if TYPE_CHECKING:
    from tests.world.world import World


class Process:
    """What all processes of the world are."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = Clock(world.rng)
        self.paused_until_ns = 0
        self.resumed_ns = 0  # the end of its last pause, true time
        self.dead = False
        self._inbox: list[Callable[[], object]] = []
        self._woken = False
        self._alarm = 0

    def now_ns(self) -> int:
        """What its clock shows."""
        return self.clock.at(self.world.now_ns)

    @property
    def runs(self) -> bool:
        """Whether it is neither paused nor dead."""
        return not self.dead and self.world.now_ns >= self.paused_until_ns

    # What befalls it -----------------------------------------------------------------------

    def pause(self, duration_ns: int) -> None:
        """SIGSTOP now, SIGCONT after so long."""
        self.paused_until_ns = self.world.now_ns + duration_ns
        self.resumed_ns = self.paused_until_ns
        self.world.at(self.paused_until_ns, self._wake)

    def kill(self) -> None:
        """SIGKILL."""
        self.dead = True
        self._inbox.clear()

    def revive(self) -> None:
        """Start it again, as its supervisor does; whoever inherits says what it has forgotten."""
        self.dead = False
        self.paused_until_ns = 0
        self._inbox.clear()

    # What it does --------------------------------------------------------------------------

    def post(self, feed: Callable[[], object]) -> None:
        """Something arrives at a socket; the loop wakes when it can."""
        if self.dead:
            return
        self._inbox.append(feed)
        if not self._woken:
            self._woken = True
            self.world.at(self.world.now_ns, self._wake)

    def take(self) -> None:
        """Feed everything that waits."""
        inbox, self._inbox = self._inbox, []
        self.world.events += len(inbox)
        for feed in inbox:
            feed()

    def _wake(self) -> None:
        self._woken = False
        if self.runs and self._inbox:
            self.take()
            self.drain()

    def set_alarm(self, local_ns: int) -> None:
        """Ring at this time of its clock; a later call replaces an earlier."""
        self._alarm += 1
        self.world.at(
            max(self.clock.when(local_ns), self.world.now_ns), self._ring, self._alarm, local_ns
        )

    def _ring(self, number: int, local_ns: int) -> None:
        if self.dead or number != self._alarm:
            return
        if self.world.now_ns < self.paused_until_ns:
            self.world.at(self.paused_until_ns, self._ring, number, local_ns)
            return
        self.world.events += 1
        late_ns = self.now_ns() - local_ns
        self.alarm(local_ns + late_ns if late_ns > 1 else local_ns)  # a clock may skip one

    def every(self, period_ns: int, act: Callable[[], None]) -> None:
        """Act once in each period of true time, unless paused or dead."""

        def beat() -> None:
            if self.runs:
                act()
            self.world.at(self.world.now_ns + period_ns, beat)

        self.world.at(self.world.now_ns + period_ns, beat)

    def drain(self) -> None:
        """Send and note what the core has to say."""

    def alarm(self, now_ns: int) -> None:
        """Serve the deadline that was set."""
