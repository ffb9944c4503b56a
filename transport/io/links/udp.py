"""Carries an end's frames in sealed datagrams: nothing waits for what was lost.

Rules
-----
- The key, the connection's number and the port come over CURVE (`transport.io.attachment`),
  which stays open: a relay that restarts hands out new ones there.
- A datagram that does not open is refused and counted; it says nothing about the relay's life.
- The kernel's errors about a datagram are a lost datagram. Silence is judged elsewhere.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from transport.io.attachment import Attachment
from transport.io.datagram import DatagramError, Direction, Opener, Sealer
from transport.io.inbox import Inbox
from transport.io.link import LinkFault, LinkSettings, LinkStats
from transport.io.process import Runtime
from transport.io.udp import DATAGRAM_BYTES_MAX, PASS_MAX, is_waiting, resolve, udp_socket
from transport.link.rtt import MinFilter
from transport.wire.messages import Attach, Attached


class UdpLink:
    """A link over UDP with AEAD. See `transport.io.link.Link`."""

    def __init__(
        self,
        settings: LinkSettings,
        attach: Attach,
        runtime: Runtime,
        on_ready: Callable[[], None],
    ) -> None:
        host = urlsplit(settings.endpoint).hostname
        if host is None:
            raise LinkFault(f"endpoint {settings.endpoint!r}: expected tcp://host:port")
        try:
            self._address = resolve(host)
        except OSError as error:
            raise LinkFault(f"endpoint {settings.endpoint!r}: {error.strerror}") from error
        self.stats = LinkStats()
        self._loop = runtime.loop
        self._inbox = Inbox(self._readable, on_ready)
        self._socket: socket.socket | None = None
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None
        self._fd = -1
        self._connection = b""
        self._key: bytes | None = None
        self._attachment = Attachment(
            settings,
            msgspec.structs.replace(attach, datagrams=True),
            runtime,
            self.stats,
            on_attached=self._attached,
            on_frame=self._misdirected,
            on_drained=lambda: None,
            ping=self._transmit,
        )
        self.rtt: MinFilter = self._attachment.rtt

    @property
    def attached(self) -> bool:
        """Whether the relay carries our frames now."""
        return self._attachment.attached is not None

    @property
    def refusal(self) -> str:
        """Why we were refused last, "" if never."""
        return self._attachment.refusal

    def send(self, data: bytes) -> bool:
        """Send one frame; False = dropped and counted."""
        if self._attachment.attached is not None and self._transmit(data):
            self.stats.sent += 1
            return True
        self.stats.dropped_send += 1
        return False

    def receive(self) -> list[bytes]:
        """Return all frames that wait, oldest first."""
        frames = self._inbox.receive()
        self.stats.received += len(frames)
        return frames

    def close(self) -> None:
        """Close for good."""
        self._attachment.close()
        self._shut()

    def _attached(self, answer: Attached) -> None:
        key = answer.datagram_key
        if key is None or answer.port == 0:
            self.stats.refused += 1  # a relay without datagrams: the silence rule goes on trying
            return
        if key != self._key:  # the relay repeats its answer; counters must go on then
            self._shut()
            self._key = key
            self._connection = answer.connection.to_bytes(4, "big")
            self._sealer = Sealer(key, Direction.TO_RELAY, answer.connection)
            self._opener = Opener(key, Direction.TO_END)
            self._socket = udp_socket(self._address)
            self._socket.connect((self._address, answer.port))
            self._fd = self._socket.fileno()
            self._loop.add_reader(self._fd, self._readable)
        self._attachment.ping()  # the relay learns our address from the first datagram

    def _transmit(self, data: bytes) -> bool:
        if self._socket is None or self._sealer is None:
            return False
        try:
            self._socket.send(self._sealer.seal(data))
        except OSError:
            return False
        return True

    def _readable(self) -> None:
        for _ in range(PASS_MAX):
            if self._socket is None or self._opener is None:
                break
            try:
                datagram = self._socket.recv(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                break
            except OSError:  # an ICMP answer to something we sent
                continue
            self._take(self._opener, datagram)
            if not is_waiting(self._fd):
                break
        self._inbox.drained()

    def _take(self, opener: Opener, datagram: bytes) -> None:
        try:
            if datagram[:4] != self._connection:
                raise DatagramError
            frame = opener.open(datagram)
        except DatagramError:
            self.stats.refused += 1
            return
        if not self._attachment.take(frame):
            self._inbox.put(frame)

    def _misdirected(self, _: bytes) -> None:
        self.stats.refused += 1  # a frame over TCP, when we asked for datagrams

    def _shut(self) -> None:
        self._key = None
        if self._socket is not None:
            self._loop.remove_reader(self._fd)
            self._socket.close()
            self._socket = None


def connect(
    settings: LinkSettings, attach: Attach, runtime: Runtime, on_ready: Callable[[], None]
) -> UdpLink:
    """Open the link; see `transport.io.link.open_link`."""
    return UdpLink(settings, attach, runtime, on_ready)
