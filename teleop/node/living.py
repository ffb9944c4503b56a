"""Says which processes of a node live, however they hide, and makes them leave.

Whoever descends from a node's process carries that node's mark in its environment, whatever its
group or session, and however often it forked. What one process is, `transport.io.living` says.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from typing import Final

from transport.io.living import (
    SESSION,
    START,
    Identity,
    identity_of,
    open_pidfd,
    send,
    stat_fields,
)

MARK: Final = "TROCAR_NODE"
"""Environment variable with the run directory of the node that a process belongs to."""


def members_of(session: int) -> list[Identity]:
    """List who lives in a session, its leader aside."""
    found = []
    for pid in _pids():
        fields = stat_fields(pid)
        if fields and int(fields[SESSION]) == session and pid != session:
            found.append(Identity(pid, int(fields[START])))
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


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
