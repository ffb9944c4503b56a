"""Says whether a process is still the one that was meant, and signals no other.

Rules
-----
- A pid alone names nobody: it is used again. Pid and start time together do.
- A pidfd is opened first and the start time read after it, so that what is signalled is what
  was looked at.
- A zombie does not live: it holds nothing but its number.
"""

from __future__ import annotations

import os
import signal
from typing import Final, NamedTuple

SESSION, START = 5, 21
"""Fields of /proc/<pid>/stat, counted from 0 (proc(5))."""
_RESIDENT: Final = 1  # field of /proc/<pid>/statm, pages
_LINE_BYTES: Final = 256  # seven numbers
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Identity(NamedTuple):
    """One process, for good.

    Parameters
    ----------
    pid : process id
    start : when it started, clock ticks since boot
    """

    pid: int
    start: int


def identity_of(pid: int) -> Identity | None:
    """Return who `pid` is now, or None when nobody lives there."""
    fields = stat_fields(pid)
    return Identity(pid, int(fields[START])) if fields else None


def lives(identity: Identity) -> bool:
    """Whether this very process lives."""
    return identity_of(identity.pid) == identity


def open_pidfd(identity: Identity) -> int | None:
    """Open a descriptor that stays with this very process; None when it is gone."""
    try:
        fd = os.pidfd_open(identity.pid)
    except OSError:
        return None
    if lives(identity):
        return fd
    os.close(fd)
    return None


def send(pidfd: int, number: signal.Signals) -> None:
    """Signal a process that may have just left."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds; 0 when it is gone."""
    try:
        fd = os.open(f"/proc/{pid}/statm", os.O_RDONLY)  # a file object costs five times as much
        try:
            return int(os.read(fd, _LINE_BYTES).split()[_RESIDENT]) * _PAGE_BYTES
        finally:
            os.close(fd)
    except (OSError, IndexError):
        return 0


def stat_fields(pid: int) -> list[bytes] | None:
    """Return the fields of /proc/<pid>/stat, the command's left empty; None when nobody lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return None
    # The second field is the command in brackets, and may itself hold brackets and spaces.
    fields = [b"", b"", *line[line.rindex(b")") + 2 :].split()]
    return None if fields[2] in (b"Z", b"X") else fields
