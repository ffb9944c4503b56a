"""A disk: what is on it, how long a write takes, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from safety.profile import MS

if TYPE_CHECKING:
    from tests.world.world import World

#: A sync on a virtual machine's disk, an order above what was measured.
SYNC_NS = 3 * MS

R = TypeVar("R")


class Disk(Generic[R]):
    """One record, replaced atomically, one write after another.

    Attributes
    ----------
    record : what a start would read
    is_full : writes fail, and what was there stays
    is_unreadable : a start reads nothing
    """

    def __init__(self, world: World, record: R) -> None:
        self._world = world
        self.record = record
        self.is_full = False
        self.is_unreadable = False
        self.failed = 0
        self._free_ns = 0
        self._crashes = 0

    def stall(self, duration_ns: int) -> None:
        """Let every sync from now wait for so long."""
        self._free_ns = max(self._free_ns, self._world.now_ns) + duration_ns

    def crash(self) -> None:
        """Lose the writes that are under way: who asked for them is gone."""
        self._crashes += 1

    def write(self, record: R, done: Callable[[R], object]) -> None:
        """Replace the record, and say so once it is on disk; a full disk never says so."""
        self._free_ns = max(self._free_ns, self._world.now_ns) + SYNC_NS
        self._world.at(self._free_ns, self._finish, self._crashes, record, done)

    def _finish(self, crashes: int, record: R, done: Callable[[R], object]) -> None:
        if crashes != self._crashes:
            return
        if self.is_full:
            self.failed += 1
            return
        self.record = record
        done(record)
