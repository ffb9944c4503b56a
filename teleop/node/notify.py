"""Tells systemd how the node is: started, alive, stopping (sd_notify, without its library).

Rules
-----
- Without NOTIFY_SOCKET nothing is said; nothing here ever fails a node.
- WATCHDOG=1 is said only while the watchdog's pulse moves: so systemd's watchdog watches noded,
  and through it the watchdog. It is said as soon as half of WATCHDOG_USEC has passed, at our next
  look, so that two seconds are the least that make sense (sd_watchdog_enabled(3)).
- A datagram that is not taken at once is dropped: we do not wait for anybody.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"


class Notify:
    """The way to systemd, as the environment names it.

    Parameters
    ----------
    environment : NOTIFY_SOCKET (a path, or @ and an abstract name), WATCHDOG_USEC, WATCHDOG_PID
    pid : ours
    """

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        self._pause_ns = int(usec) * 500 if usec.isdecimal() and meant else 0
        self._due_ns = 0
        self._socket: socket.socket | None = None
        if self._address.startswith(("/", "\0")):
            kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_UNIX, kind)

    def say(self, *words: str) -> None:
        """Say this, if anybody listens."""
        if self._socket is not None:
            try:
                self._socket.sendto("\n".join(words).encode(), self._address)
            except OSError:
                pass  # it is gone, or slow: it will not hear from us, and notices

    def alive(self, now_ns: int) -> None:
        """Say that the node is watched, as often as that is expected."""
        if self._pause_ns and now_ns >= self._due_ns:
            self._due_ns = now_ns + self._pause_ns
            self.say(ALIVE)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
