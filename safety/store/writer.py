"""Writes records in their order, in a thread of its own: a sync may take a while, or fail.

A disk that is full fails every write; then the same record is tried again until it is there. So
nothing of its epoch is admitted meanwhile, what runs under an earlier one goes on, and a stop that
was latched is on disk as soon as there is room.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from safety.store.file import Record, RobotStore

RETRY_S = 0.5

T = TypeVar("T")


class Writer(Generic[T]):
    """A store's writer.

    Parameters
    ----------
    store : where to
    record_of : turns what is put into the record to write
    on_written, on_failed : told of each record that is on disk, of each try that failed; in the
        writer's thread
    """

    def __init__(
        self,
        store: RobotStore,
        record_of: Callable[[T], Record],
        on_written: Callable[[T], object],
        on_failed: Callable[[], object],
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = store
        self._record_of = record_of
        self._on_written = on_written
        self._on_failed = on_failed
        self._retry_s = retry_s
        self._waiting: SimpleQueue[T] = SimpleQueue()
        threading.Thread(target=self._run, name="store", daemon=True).start()

    def put(self, item: T) -> None:
        """Have it written after all that was put before."""
        self._waiting.put(item)

    def _run(self) -> None:
        while True:
            item = self._waiting.get()
            while not self._is_written(self._record_of(item)):
                self._on_failed()
                time.sleep(self._retry_s)
            self._on_written(item)

    def _is_written(self, record: Record) -> bool:
        try:
            self._store.write(record)
        except OSError:
            return False
        return True
