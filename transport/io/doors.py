"""Where frames enter a relay: a CURVE ROUTER for each domain, and one UDP socket for all.

This is the hot path, once for each frame. What is not a frame of an attached peer goes to the
hub's slow path, behind the callbacks of `Desk`.

Rules
-----
- Identity first, from the handshake's key or the datagram's cipher, looked up in the live
  keyring; then the device's bucket; then size; then the frame is the relay's.
- A datagram must open before it costs its sender a token: a stranger cannot empty a bucket.
- A pass ends after a bounded number of frames, so that a flood at one door cannot shut another.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import zmq

from transport.io.datagram import OVERHEAD_BYTES, DatagramError, Sealer
from transport.io.keys import Keyring
from transport.io.loop import Loop
from transport.io.peer import Peer
from transport.io.udp import DATAGRAM_BYTES_MAX, PASS_MAX, is_waiting, udp_socket
from transport.io.zmq import Port, Socket
from transport.wire.messages import VOCABULARY, Attach

ATTACH_KIND = Attach.KIND
LINK_KIND_MAX = max(message.KIND for message in VOCABULARY)
#: What came first waits for the end of a pass: under a flood of 12,000 frames a second passes of
#: 256 held a command for 0.2 ms.
FRAMES_A_PASS = 16
_ARRAY16 = 0xDC  # a message of 16 fields or more: never the link's own
_MESSAGE_BYTES_MIN = 5


class Desk(NamedTuple):
    """Whom the doors call.

    Parameters
    ----------
    now_ns : the process's clock
    keyring : who is live
    refuse : counts a cause
    on_frame : takes a frame of an attached peer
    on_drained : after a pass
    on_link : takes a link message of an attached peer
    on_stranger : takes what comes from no attached peer, or with another key than the peer's:
        door, route, key (z85), bytes
    on_revoked : a peer whose key is no longer live
    """

    now_ns: Callable[[], int]
    keyring: Keyring
    refuse: Callable[[str], None]
    on_frame: Callable[[Peer, bytes], None]
    on_drained: Callable[[], None]
    on_link: Callable[[Peer, bytes, int], None]
    on_stranger: Callable[[RouterDoor, bytes, str, bytes], None]
    on_revoked: Callable[[Peer], None]


class RouterDoor:
    """The ROUTER of one domain.

    Attributes
    ----------
    peers : attached peers by routing id
    port : the socket in the loop
    key : the relay's key that it proves (z85)
    """

    def __init__(
        self, loop: Loop, socket: Socket, key: str, domain: str, frame_bytes_max: int, desk: Desk
    ) -> None:
        self.key = key
        self.domain = domain
        self.peers: dict[bytes, Peer] = {}
        self._desk = desk
        self._now_ns = desk.now_ns
        self._keyring = desk.keyring
        self._on_frame = desk.on_frame
        self._bytes_max = frame_bytes_max
        self.port = Port(
            loop,
            socket,
            self._frames,
            desk.on_drained,
            limit=FRAMES_A_PASS,
            on_surplus=lambda: desk.refuse("parts"),
        )

    def close(self) -> None:
        """Unbind."""
        self.port.close()

    def _frames(self, frames: list[zmq.Frame]) -> None:
        if len(frames) != 2:
            self._desk.refuse("parts")
            return
        route, frame = frames[0].bytes, frames[1]
        user = str(frame.get("User-Id"))
        peer = self.peers.get(route)
        if peer is None or peer.user != user or user not in self._keyring.live:
            self._strange(route, user, frame)
            return
        now_ns = self._now_ns()
        if not peer.take(now_ns):
            self._desk.refuse("rate")
            return
        data = frame.bytes
        if len(data) > self._bytes_max:
            self._desk.refuse("oversized")
            return
        peer.heard_ns = now_ns
        if peer.opener is None and is_frame(data):
            self._on_frame(peer, data)
        else:
            self._not_a_frame(peer, data, now_ns)

    def _strange(self, route: bytes, user: str, frame: zmq.Frame) -> None:
        if len(frame) > self._bytes_max:
            self._desk.refuse("oversized")
        else:
            self._desk.on_stranger(self, route, user, frame.bytes)

    def _not_a_frame(self, peer: Peer, data: bytes, now_ns: int) -> None:
        if peer.opener is not None and (len(data) < 3 or data[2] != ATTACH_KIND):
            self._desk.refuse("wrong_path")
        else:
            self._desk.on_link(peer, data, now_ns)


class DatagramDoor:
    """The UDP socket of all domains.

    Attributes
    ----------
    peers : attached peers by the four bytes of their connection
    unsent : frames that could not leave
    """

    def __init__(
        self, loop: Loop, address: str, port: int, bytes_max: dict[str, int], desk: Desk
    ) -> None:
        self.peers: dict[bytes, Peer] = {}
        self.unsent = 0
        self._loop = loop
        self._desk = desk
        self._now_ns = desk.now_ns
        self._keyring = desk.keyring
        self._on_frame = desk.on_frame
        self._bytes_max = bytes_max
        self._datagram_bytes_max = max(bytes_max.values()) + OVERHEAD_BYTES
        self._socket = udp_socket(address)
        try:
            self._socket.bind((address, port))
        except OSError:
            self._socket.close()
            raise
        self._fd = self._socket.fileno()
        self._recvfrom = self._socket.recvfrom
        self._sendto: Callable[[bytes, Any], int] = self._socket.sendto
        loop.add_reader(self._fd, self._readable)

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._socket.getsockname()[1])

    def send(self, peer: Peer, sealer: Sealer, frame: bytes) -> bool:
        """Send one frame to where the peer was heard last; False = dropped and counted."""
        try:
            self._sendto(sealer.seal(frame), peer.address)
        except (OSError, TypeError):  # full, unreachable, or no address known yet
            self.unsent += 1
            return False
        return True

    def close(self) -> None:
        """Unbind. Closing twice is harmless."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        brought = False
        for _ in range(PASS_MAX):
            try:
                datagram, address = self._recvfrom(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                break
            except OSError:  # an ICMP answer to something we sent
                continue
            peer = self.peers.get(datagram[:4])
            if peer is None:
                self._desk.refuse("connection")
            elif self._take(peer, datagram, address):
                brought = True
            if not is_waiting(self._fd):
                break
        if brought:
            self._desk.on_drained()

    def _take(self, peer: Peer, datagram: bytes, address: socket._RetAddress) -> bool:
        opener = peer.opener
        assert opener is not None, "a peer of this door has a box"
        if len(datagram) > self._datagram_bytes_max:
            self._desk.refuse("oversized")
            return False
        try:
            data = opener.open(datagram)
        except DatagramError as error:
            self._desk.refuse(error.cause)
            return False
        if peer.user not in self._keyring.live:
            self._desk.on_revoked(peer)
            return False
        now_ns = self._now_ns()
        if not peer.take(now_ns):
            self._desk.refuse("rate")
            return False
        if len(data) > self._bytes_max[peer.domain]:
            self._desk.refuse("oversized")
            return False
        if opener.newest:
            peer.address = address
        peer.heard_ns = now_ns
        if is_frame(data):
            self._on_frame(peer, data)
        else:
            self._desk.on_link(peer, data, now_ns)
        return True


def is_frame(data: bytes) -> bool:
    """Tell a frame from a message of the link's own vocabulary; what is neither is no frame."""
    return len(data) >= _MESSAGE_BYTES_MIN and (data[0] == _ARRAY16 or data[2] > LINK_KIND_MAX)
