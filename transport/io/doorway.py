"""A TCP port whose listening socket can be followed by a newer one, while the older's guests stay.

libzmq keeps the key that a socket was bound with, and an unbound socket drops its connections. So
a server that proves another key needs a second socket at the same port beside the first:

1. The first is alone: nobody else can bind its port.
2. For a successor both are marked SO_REUSEPORT, and the kernel is told to give every new
   connection to the second (SO_ATTACH_REUSEPORT_CBPF). The first goes on with those it has.
3. When the first is let go of, the second is alone. A second node at this port by mistake is
   refused before, meanwhile and afterwards: its first socket has no mark.
4. libzmq closes the first a moment after that, in a thread of its own. A third waits for it: beside
   two others it would not be the second, and nobody would reach it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import time
from typing import Final, NamedTuple

import zmq

BACKLOG: Final = 100  # libzmq's own
#: libzmq closes what it is told to within a millisecond (measured); a robot holds after 20.
LEAVE_NS: Final = 15_000_000
_LOOK_S: Final = 0.0002
_ATTACH_CBPF: Final = 51  # SO_ATTACH_REUSEPORT_CBPF, linux/asm-generic/socket.h
#: One instruction, "return 1": the second of a group. A group of one has none, and takes its first.
_SECOND: Final = struct.pack("=HBBI", 0x06, 0, 0, 1)


class _Listening(NamedTuple):
    """A listening socket, and the caller's descriptor of it."""

    own: socket.socket
    given: int
    inode: int

    @property
    def is_given(self) -> bool:
        """Whether the caller has it open still; a number that is used again is another socket."""
        try:
            return os.fstat(self.given).st_ino == self.inode
        except OSError:
            return False


class Doorway:
    """One port, and who listens there.

    Parameters
    ----------
    endpoint : ``tcp://host:port``; port ``*`` takes a free one

    Attributes
    ----------
    endpoint : the same, as numbers
    """

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        self._host = host.strip("[]")
        self._port = 0 if port == "*" else int(port)
        self.endpoint = endpoint
        self._newest: _Listening | None = None
        self._older: list[_Listening] = []
        self._leaving: list[_Listening] = []

    def open(self) -> int:
        """Listen anew: all that comes from now on comes here. The descriptor is the caller's.

        Raises
        ------
        zmq.ZMQError : the port cannot be bound, or whoever was let go of does not leave it
        """
        self._see_off()
        try:
            fresh = self._listen()
        except OSError as error:
            code = error.errno if error.errno and error.errno > 0 else errno.ENODEV
            raise zmq.ZMQError(code) from error
        if self._newest is not None:
            self._older.append(self._newest)
        given = os.dup(fresh.fileno())
        self._newest = _Listening(fresh, given, os.fstat(given).st_ino)
        return given

    def settle(self) -> None:
        """Note that whoever listened before has let go."""
        for older in self._older:
            older.own.close()
        self._leaving += self._older
        self._older.clear()
        if self._newest is not None:
            self._newest.own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)

    def close(self) -> None:
        """Let go of the port, as far as we hold it. Closing twice is harmless."""
        for each in (*self._older, *([self._newest] if self._newest is not None else [])):
            each.own.close()
        self._newest, self._older, self._leaving = None, [], []

    def _see_off(self) -> None:
        """Wait until whoever was let go of has closed its descriptor."""
        until_ns = time.monotonic_ns() + LEAVE_NS
        while any(each.is_given for each in self._leaving):
            if time.monotonic_ns() > until_ns:
                raise zmq.ZMQError(errno.EBUSY)
            time.sleep(_LOOK_S)
        self._leaving.clear()

    def _listen(self) -> socket.socket:
        family, address = self._resolve()
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = self._newest
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if before is not None:
                for each in (before.own, made):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind((address, self._port))
            made.listen(BACKLOG)
            if before is not None:
                _steer(made)
        except OSError:
            made.close()
            raise
        self._port = int(made.getsockname()[1])
        self.endpoint = (
            f"tcp://[{address}]:{self._port}"
            if ":" in address
            else (f"tcp://{address}:{self._port}")
        )
        return made

    def _resolve(self) -> tuple[socket.AddressFamily, str]:
        """Look a host up, at the start; it is a number from then on."""
        host = None if self._host == "*" else self._host
        flags = socket.AI_PASSIVE
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=flags)
        family, address = min((each[0], str(each[4][0])) for each in found)
        self._host = address
        return family, address


def _steer(listener: socket.socket) -> None:
    """Have the kernel give new connections of a port to the second of its two listeners."""
    code = ctypes.create_string_buffer(_SECOND)
    program = struct.pack("=HxxxxxxQ", 1, ctypes.addressof(code))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_CBPF, program)
