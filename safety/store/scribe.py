"""Writes the audit in a thread of its own: who acts never waits for a disk.

What cannot be written waits, up to a bound, and is tried again; what exceeds the bound is counted,
and the count is recorded as soon as there is room. Meanwhile `trouble` says why: nobody new is
granted anything that could not be recorded, and what runs goes on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from safety.audit import Entry, Outcome
from safety.store.audit import AuditError, AuditLog

BACKLOG: Final = 4096
#: Records that wait so long for a disk count as not written.
STALLED_S: Final = 1.0
RETRY_S: Final = 0.5


class Scribe:
    """The writer of a service's records.

    Parameters
    ----------
    log : where to
    actor : who records, for records about the records
    now_utc_ns : the wall clock

    Attributes
    ----------
    lost : entries that found no room to wait
    """

    def __init__(
        self,
        log: AuditLog,
        actor: str,
        now_utc_ns: Callable[[], int] = time.time_ns,
        retry_s: float = RETRY_S,
    ) -> None:
        self._log = log
        self._actor = actor
        self._now_utc_ns = now_utc_ns
        self._retry_s = retry_s
        self._waiting: deque[Entry] = deque()
        self._wake = threading.Condition()
        self._since_s: float | None = None  # when the oldest that waits was put
        self._error = ""
        self._unrecorded = 0
        self._closing = False
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def head_is_kept(self) -> bool:
        """Whether the second place took the newest head."""
        return self._log.head_is_kept

    @property
    def trouble(self) -> str:
        """Why records are not being written; empty while they are."""
        since_s = self._since_s
        if self._error or since_s is None or time.monotonic() - since_s < STALLED_S:
            return self._error
        return "the audit's disk does not answer"

    def put(
        self,
        act: str,
        actor: str,
        target: str,
        outcome: Outcome = Outcome.DONE,
        detail: str = "",
    ) -> None:
        """Have it recorded, after all that was put before; never waits."""
        entry = Entry(self._now_utc_ns(), actor, act, target, outcome, detail)
        with self._wake:
            if len(self._waiting) >= BACKLOG:
                self.lost += 1
                self._unrecorded += 1
                return
            self._waiting.append(entry)
            if self._since_s is None:
                self._since_s = time.monotonic()
            self._wake.notify()

    def close(self, patience_s: float = 1.0) -> None:
        """Write what waits, and end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(patience_s)

    def _run(self) -> None:
        while batch := self._take():
            try:
                self._log.append(batch)
            except AuditError as error:
                self._error = str(error)
                with self._wake:
                    self._waiting.extendleft(reversed(batch))
                    if self._closing:
                        return
                    self._wake.wait(self._retry_s)
            else:
                self._error = ""
                with self._wake:
                    self._since_s = time.monotonic() if self._waiting else None

    def _take(self) -> list[Entry]:
        """Wait for entries; none when it is time to end."""
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            batch = list(self._waiting)
            self._waiting.clear()
            if batch and self._unrecorded:
                words = f"{self._unrecorded} records found no room to wait"
                now_ns = self._now_utc_ns()
                batch.append(Entry(now_ns, self._actor, "lost", "audit", Outcome.FAILED, words))
                self._unrecorded = 0
            return batch
