"""Says which processes live, and whether one is still the one that we started.

Rules
-----
- A pid alone names nobody: it is used again. Pid and start time together do.
- A pidfd is opened first and the start time read after it, so that what is signalled is what
  was looked at.
- A zombie does not live: it holds nothing but its number.
- Whoever descends from a node's process carries that node's mark in its environment, whatever
  its group or session, and however often it forked.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from typing import Final, NamedTuple

MARK: Final = "TROCAR_NODE"
"""Environment variable with the run directory of the node that a process belongs to."""

_SESSION, _START = 5, 21  # fields of /proc/<pid>/stat, counted from 0 (proc(5))


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
    fields = _stat(pid)
    return Identity(pid, int(fields[_START])) if fields else None


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


def members_of(session: int) -> list[Identity]:
    """List who lives in a session, its leader aside."""
    found = []
    for pid in _pids():
        fields = _stat(pid)
        if fields and int(fields[_SESSION]) == session and pid != session:
            found.append(Identity(pid, int(fields[_START])))
    return found


def marked(run_dir: str) -> list[Identity]:
    """List who lives and carries the mark of the node at `run_dir`, ourselves aside."""
    mark = f"{MARK}={run_dir}".encode()
    found = []
    for pid in _pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                ours = mark in file.read().split(b"\0")
        except OSError:
            continue  # gone meanwhile, or another user's
        identity = identity_of(pid) if ours and pid != os.getpid() else None
        if identity is not None:
            found.append(identity)
    return found


def last_argument(identity: Identity) -> str:
    """Return the last word of a process's command line; empty when it is gone."""
    try:
        with open(f"/proc/{identity.pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0").rpartition(b"\0")[2].decode(errors="replace")
    except OSError:
        return ""


def kill(identities: Iterable[Identity], patience_ms: int) -> list[Identity]:
    """Kill these processes; return who still lives after `patience_ms`."""
    left = []
    for identity in identities:
        fd = open_pidfd(identity)
        if fd is None:
            continue
        try:
            send(fd, signal.SIGKILL)
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(patience_ms):
                left.append(identity)
        finally:
            os.close(fd)
    return left


def send(pidfd: int, number: signal.Signals) -> None:
    """Signal a process that may have just left."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return None
    # The second field is the command in brackets, and may itself hold brackets and spaces.
    fields = [b"", b"", *line[line.rindex(b")") + 2 :].split()]
    return None if fields[2] in (b"Z", b"X") else fields
