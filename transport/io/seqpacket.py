"""Joins two processes of one machine by whole messages: AF_UNIX, SOCK_SEQPACKET.

It adds 9 us to a round trip where ZeroMQ's ipc adds 140, and every language can speak it.

Rules
-----
- One live client at a time: a robot has one driver. A second is refused, counted and closed
  while the first lives; or, where the owner says so, heard in its place: a hung tool must not
  keep the next one from the emergency stop.
- The other side must be the same user or root; the socket's file is 0600 besides.
- Nothing blocks. The send buffer holds a handful of messages, so a peer that stops reading
  cannot build a queue of old motion: when it is full, the message is dropped and counted.
- The client comes back by itself, at once and then slower, up to once a second.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from transport.io.loop import Alarm, Loop
from transport.io.udp import is_waiting

MESSAGE_BYTES_MAX = 4096
PASS_MAX = 64
PAUSE_NS_MIN, PAUSE_NS_MAX = 20_000_000, 1_000_000_000
_SEND_BUFFER_BYTES = 4096  # the kernel doubles it: about ten messages of a driver's size
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_FLAGS = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


def _nothing() -> None:
    pass


def _unsaid(_: str) -> None:
    pass


class Channel:
    """One connected socket in the loop.

    Parameters
    ----------
    on_message : called with each message
    on_drained : called after a pass that brought something
    on_closed : called once when the other side is gone; not after `close`
    refused : called with "oversized" for each message that is too long to take

    Attributes
    ----------
    sent, received, dropped, oversized : int
        Messages out; in; not sent because the other side does not read; too long to take.
    """

    def __init__(
        self,
        loop: Loop,
        connected: socket.socket,
        on_message: Callable[[bytes], None],
        on_drained: Callable[[], None],
        on_closed: Callable[[], None],
        refused: Callable[[str], None],
    ) -> None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self.sent = self.received = self.dropped = self.oversized = 0
        self._loop = loop
        self._socket = connected
        self._send = connected.send
        self._recv = connected.recv
        self._on_message = on_message
        self._on_drained = on_drained
        self._on_closed = on_closed
        self._refused = refused
        loop.add_reader(connected.fileno(), self.poll)

    def send(self, data: bytes) -> bool:
        """Send one message; False = dropped and counted."""
        try:
            self._send(data)
        except OSError:  # full, or the other side has just gone: the reader will see that
            self.dropped += 1
            return False
        self.sent += 1
        return True

    def close(self) -> None:
        """Close. Closing twice is harmless."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def poll(self) -> None:
        """Take what waits now, without waiting for the loop to come round."""
        fd = self._socket.fileno()
        if fd < 0:
            return
        taken = 0
        for _ in range(PASS_MAX):
            try:
                data = self._recv(MESSAGE_BYTES_MAX + 1)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.close()
                break
            if len(data) > MESSAGE_BYTES_MAX:
                self.oversized += 1
                self._refused("oversized")
                continue
            taken += 1
            self._on_message(data)
            if self._socket.fileno() < 0:
                return  # closed by whom we called
            if not is_waiting(fd):
                break
        self.received += taken
        if taken:
            self._on_drained()
        if self._socket.fileno() < 0:
            self._on_closed()


class SeqpacketServer:
    """Listens at a path and serves one client at a time.

    Parameters
    ----------
    on_message : called with each message of the client
    on_drained : called after a pass that brought something
    on_connect, on_disconnect : called when a client is there, and gone
    on_refused : called with "second", "user" or "oversized"
    newest : a second client takes the place of the first, which is heard out and closed

    Attributes
    ----------
    refused : clients turned away: a second one, or another user's

    Raises
    ------
    OSError : the path cannot be bound
    """

    def __init__(
        self,
        loop: Loop,
        path: Path,
        on_message: Callable[[bytes], None],
        on_drained: Callable[[], None] = _nothing,
        on_connect: Callable[[], None] = _nothing,
        on_disconnect: Callable[[], None] = _nothing,
        on_refused: Callable[[str], None] = _unsaid,
        *,
        newest: bool = False,
    ) -> None:
        self.refused = 0
        self._on_refused = on_refused
        self._newest = newest
        self.channel: Channel | None = None
        self._loop = loop
        self._path = path
        self._on_message = on_message
        self._on_drained = on_drained
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._listener = socket.socket(socket.AF_UNIX, _FLAGS)
        try:
            os.fchmod(self._listener.fileno(), 0o600)  # the file is born with this mode
            self._path.unlink(missing_ok=True)
            self._listener.bind(str(self._path))
            self._listener.listen(4)
        except OSError:
            self._listener.close()
            raise
        loop.add_reader(self._listener.fileno(), self._knocked)

    def send(self, data: bytes) -> bool:
        """Send one message to the client; False = there is none, or it does not read."""
        channel = self.channel
        return channel is not None and channel.send(data)

    def poll(self) -> None:
        """Take what waits now, without waiting for the loop to come round."""
        if self.channel is not None:
            self.channel.poll()

    def close(self) -> None:
        """Stop listening, let go of the client, remove the path."""
        if self._listener.fileno() < 0:
            return
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        self._path.unlink(missing_ok=True)
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _knocked(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # gone again
            return
        if not _trusted(client):
            self._turn_away(client, "user")
            return
        if self._newest and self.channel is not None:
            self.channel.poll()
            self._let_go()
        if self.channel is not None:
            self._turn_away(client, "second")
            return
        client.setblocking(False)
        self.channel = Channel(
            self._loop,
            client,
            self._on_message,
            self._on_drained,
            self._closed,
            self._on_refused,
        )
        self._on_connect()

    def _turn_away(self, client: socket.socket, why: str) -> None:
        self.refused += 1
        self._on_refused(why)
        client.close()

    def _let_go(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self._closed()

    def _closed(self) -> None:
        self.channel = None
        self._on_disconnect()


class SeqpacketClient:
    """Connects to a path, and again whenever the connection is lost.

    Parameters are those that `SeqpacketServer` has as well.
    """

    def __init__(
        self,
        loop: Loop,
        path: Path,
        on_message: Callable[[bytes], None],
        on_drained: Callable[[], None] = _nothing,
        on_connect: Callable[[], None] = _nothing,
        on_disconnect: Callable[[], None] = _nothing,
    ) -> None:
        self.channel: Channel | None = None
        self._loop = loop
        self._path = path
        self._on_message = on_message
        self._on_drained = on_drained
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._pause_ns = PAUSE_NS_MIN
        self._retry: Alarm = self._loop.alarm(self._connect)
        self._retry.set(0)

    def send(self, data: bytes) -> bool:
        """Send one message; False = not connected, or the server does not read."""
        channel = self.channel
        return channel is not None and channel.send(data)

    def poll(self) -> None:
        """Take what waits now, without waiting for the loop to come round."""
        if self.channel is not None:
            self.channel.poll()

    def close(self) -> None:
        """Close for good. Closing twice is harmless."""
        self._retry.close()
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, _FLAGS)
        try:
            made.connect(str(self._path))
        except OSError:
            made.close()
            self._later()
            return
        if not _trusted(made):
            made.close()
            self._later()
            return
        self.channel = Channel(
            self._loop, made, self._heard, self._on_drained, self._closed, _unsaid
        )
        self._on_connect()

    def _heard(self, data: bytes) -> None:
        self._pause_ns = PAUSE_NS_MIN  # only a server that speaks is worth hurrying back to
        self._on_message(data)

    def _closed(self) -> None:
        self.channel = None
        self._later()
        self._on_disconnect()

    def _later(self) -> None:
        self._retry.set(self._loop.clock.now_ns() + self._pause_ns)
        self._pause_ns = min(2 * self._pause_ns, PAUSE_NS_MAX)


def _trusted(peer: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return _CREDENTIALS.unpack(found)[1] in (0, os.geteuid())
    return False
