"""Writes who holds what in a thread of its own, and tells what became of it: no loop waits for it.

What cannot be written is not tried again here: a grant that is not in the store is denied, and its
console asks again. So a store that is locked, full, read-only or damaged stops new grants alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from safety.seat import Row
from safety.store.authority import AuthorityStore, StoreConflict
from safety.store.file import StoreError


class Failed(NamedTuple):
    """A row that is not in the store, why, and the epoch that is there as far as it is known."""

    row: Row
    why: str
    epoch: int


class Registrar:
    """The writer of a store of authority.

    Parameters
    ----------
    store : where to
    duration_s : of every grant
    on_written : told of the rows that are there, and of those that are not; in this thread
    """

    def __init__(
        self,
        store: AuthorityStore,
        duration_s: int,
        on_written: Callable[[int, list[Failed]], object],
        now_utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._duration_s = duration_s
        self._on_written = on_written
        self._now_utc_ns = now_utc_ns
        self._waiting: SimpleQueue[tuple[int, Sequence[Row]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="authority", daemon=True)
        self._thread.start()

    def put(self, number: int, rows: Sequence[Row]) -> None:
        """Have rows written after all that was put before; `number` comes back with the answer."""
        self._waiting.put((number, rows))

    def close(self, patience_s: float = 1.0) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(patience_s)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            number, rows = item
            self._on_written(number, [failed for row in rows if (failed := self._write(row))])
        self._store.close()

    def _write(self, row: Row) -> Failed | None:
        try:
            self._store.write(row, self._now_utc_ns(), self._duration_s)
        except StoreConflict as error:
            return Failed(row, str(error), self._epoch())
        except StoreError as error:
            return Failed(row, str(error), 0)
        return None

    def _epoch(self) -> int:
        """Look at what is there now: the next write is then no conflict any more."""
        try:
            return self._store.read().epoch
        except StoreError:
            return 0
