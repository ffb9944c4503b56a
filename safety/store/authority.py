"""What a store of authority must do, whatever keeps it: one machine's file, or several machines'.

Rules
-----
- The epoch never falls, and no two grants have the same: a row that `claims` its epoch is written
  only if no other grant has reached it, whoever wrote that.
- A row is replaced only by who has seen it as it stands: else it is a conflict, `read` shows what
  is there now, and the writer may think again.
- What `write` returned from is there after a power cut. What raised has changed nothing.

    StoreError (safety.store.file)
    ├─ StoreLocked      another process has it for too long; later it may work
    ├─ StoreFull        there is no room
    ├─ StoreReadOnly    it may be read, and no more
    ├─ StoreCorrupt     it is damaged
    ├─ StoreForeign     it is something else's, or a newer Trocar's
    ├─ StoreConflict    somebody else has written meanwhile
    └─ StoreLost        it cannot be reached at all
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from safety.seat import Row
from safety.store.file import StoreError


class StoreLocked(StoreError):
    """Another process has the store for too long."""


class StoreFull(StoreError):
    """There is no room."""


class StoreReadOnly(StoreError):
    """The store may be read, and no more."""


class StoreCorrupt(StoreError):
    """The store is damaged."""


class StoreForeign(StoreError):
    """The store is something else's, or a newer Trocar's."""


class StoreConflict(StoreError):
    """Somebody else has written meanwhile."""


class StoreLost(StoreError):
    """The store cannot be reached at all."""


class Listed(NamedTuple):
    """A robot's row, and since when, until when it is held: wall-clock ns, 0 when nobody holds."""

    row: Row
    since_utc_ns: int
    until_utc_ns: int


class Kept(NamedTuple):
    """All that a store knows."""

    epoch: int
    robots: tuple[Listed, ...]


class AuthorityStore(Protocol):
    """A store of authority. Every verb may raise a `StoreError`, and may take a while."""

    def read(self) -> Kept:
        """Read everything; rows may be replaced as they were read here."""

    def write(self, row: Row, now_utc_ns: int, duration_s: int) -> None:
        """Replace a robot's row; a holder that is new there holds from now on, for so long."""

    def close(self) -> None:
        """Let go of it."""
