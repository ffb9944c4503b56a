"""A relay's peers: lets ends attach at its doors, answers for the link, and lets go of them.

Doors
-----
``relay.console``  CURVE ROUTER for consoles and scripts, frames up to 1024 bytes
``relay.robot``    CURVE ROUTER for robots, frames up to 3072 bytes
datagrams          one UDP socket for those of both who asked for it when they attached

Rules
-----
- Every frame's key is looked up in the live keyring: a revoked device is dropped on its next
  frame, detached within 50 ms, and never heard again.
- A device that attaches again for the same robot replaces itself. A peer silent for 2 s is
  detached, and its datagram key is forgotten with it.
- A new key of the relay's own has a second socket at each door. Who is here stays at the first,
  until the old key is revoked: time enough to attach at the second, too, and then go over.
- Attach and Clock are answered here; the relay above sees frames only, and hears `on_drained`
  once a pass, when the newest is known.
- Every refusal is counted by its name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import msgspec
import zmq

from transport.io import curve
from transport.io.datagram import KEY_BYTES, Direction, Opener, Sealer
from transport.io.doors import ATTACH_KIND, DatagramDoor, Desk, RouterDoor
from transport.io.entrance import Entrance
from transport.io.keys import Device, KeyFault, Keyring, Role
from transport.io.peer import Peer as Peer  # part of this module's face
from transport.io.process import Runtime
from transport.io.udp import resolve
from transport.io.zmq import REFUSALS, Happened
from transport.link.bucket import TokenBucket
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError
from transport.wire.messages import VOCABULARY, Attach, Attached, Clock, Refused

PEERS_MAX = 64
PEERS_OF_DEVICE_MAX = 8  # robots at once; one device must not take everybody's place
SILENCE_NS = 2_000_000_000
HOUSEKEEPING_NS = 50_000_000
RATE_HZ, BURST = 4000, 1000  # two arms at 1 kHz, twice over; half a second queued by a stall

CONSOLE, ROBOT = "relay.console", "relay.robot"
ROLES = {CONSOLE: frozenset({Role.CONSOLE, Role.SCRIPT}), ROBOT: frozenset({Role.ROBOT})}
FRAME_BYTES_MAX = {CONSOLE: 1024, ROBOT: 3072}

#: Why something was refused.
CAUSES = (
    "revoked",  # the key is not, or no longer, in the registry
    "identity",  # another key than the one that attached on this connection
    "rate",  # the device's bucket is empty
    "oversized",  # more bytes than the door lets in
    "parts",  # not one part behind the routing id
    "unattached",  # a frame before Attach
    "full",  # no room for another peer
    "rejected",  # the relay said no to an Attach
    "wrong_path",  # a frame over TCP from a peer that asked for datagrams
    "connection",  # a datagram of no connection of ours
    *("malformed", "version", "kind", "field"),  # transport.wire.errors
    *("short", "replayed", "forged"),  # transport.io.datagram
    *("unknown_key", "wrong_role", "unknown_domain", "not_curve"),  # transport.io.curve
    "handshake",  # garbage, half-open for too long, wrong server key
)
_EVENTS = ("admitted", "attached", "detached", "disconnected", "unsent")
#: What a hub needs on the board of its process.
COUNTERS = (
    *(f'hub_refused_total{{cause="{cause}"}}' for cause in CAUSES),
    *(f"hub_{event}_total" for event in _EVENTS),
)
GAUGES = ("hub_peers",)

_REGISTRY = Registry(VOCABULARY)


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A relay's doors.

    Parameters
    ----------
    keys : key directory
    identity : the relay's device in it
    path : number of this relay's path, unique among the relays of a robot
    console, robot : endpoints to bind, ``tcp://address:port``; port ``*`` takes a free one
    datagram : ``udp://address:port`` to bind, port 0 takes a free one; "" = no datagrams
    """

    keys: str
    identity: str
    path: int
    console: str
    robot: str
    datagram: str = ""


class Hub:
    """The doors of one relay and who stands in them.

    Parameters
    ----------
    runtime : its board must have `COUNTERS` and `GAUGES`
    on_attach : called with each new peer; a sentence returned refuses it and is sent to it
    on_frame : called with each frame of an attached peer
    on_detach : called once for each peer that is gone
    on_drained : called after each pass that brought something

    Attributes
    ----------
    peers : those attached
    incarnation : differs after each start
    console_endpoint, robot_endpoint, datagram_port : what was bound (port 0: no datagrams)

    Raises
    ------
    KeyFault : a key that cannot be used
    zmq.ZMQError, OSError : an endpoint that cannot be bound
    """

    def __init__(
        self,
        runtime: Runtime,
        settings: HubSettings,
        on_attach: Callable[[Peer], str | None],
        on_frame: Callable[[Peer, bytes], None],
        on_detach: Callable[[Peer], None],
        on_drained: Callable[[], None],
    ) -> None:
        self.peers: set[Peer] = set()
        self.incarnation = int.from_bytes(os.urandom(4), "big")
        self.keyring = Keyring.load(settings.keys)
        self._runtime = runtime
        self._settings = settings
        self._path = settings.path
        self._on_attach = on_attach
        self._on_detach = on_detach
        self._now_ns = runtime.clock.now_ns
        board = runtime.board
        refused = {c: board.counter(f'hub_refused_total{{cause="{c}"}}').add for c in CAUSES}
        counted = {e: board.counter(f"hub_{e}_total").add for e in _EVENTS}
        self._counters = refused | counted
        self._unsent = board.counter("hub_unsent_total")
        self._gauge = board.gauge("hub_peers")
        self._buckets: dict[str, TokenBucket] = {}
        self._open(settings, on_frame, on_drained)

    def detach(self, peer: Peer) -> None:
        """Forget a peer: nothing of it is taken any more. Detaching twice is harmless."""
        if peer not in self.peers:
            return
        self.peers.discard(peer)
        peer.door.peers.pop(peer.route, None)
        if self._datagrams is not None:
            self._datagrams.peers.pop(peer.connection, None)
        self._count("detached")
        self._gauge.set(len(self.peers))
        self._on_detach(peer)

    def close(self) -> None:
        """Close the doors. The relay is not told of the peers that were there."""
        self._housekeeping.close()
        self._entrance.close()
        if self._datagrams is not None:
            self._datagrams.close()
        self._doorman.close()

    def _open(
        self,
        settings: HubSettings,
        on_frame: Callable[[Peer, bytes], None],
        on_drained: Callable[[], None],
    ) -> None:
        runtime, loop = self._runtime, self._runtime.loop
        desk = Desk(
            now_ns=self._now_ns,
            keyring=self.keyring,
            refuse=self._count,
            on_frame=on_frame,
            on_drained=on_drained,
            on_link=self._link_message,
            on_stranger=self._stranger,
            on_revoked=self._revoked,
        )
        self._doorman = curve.Doorman(loop, runtime.context, self.keyring, ROLES, self._count)
        self._entrance = Entrance(
            runtime,
            self.keyring.identity(settings.identity),
            {CONSOLE: settings.console, ROBOT: settings.robot},
            FRAME_BYTES_MAX,
            desk,
            self._happened,
        )
        self.console_endpoint = self._entrance.endpoints[CONSOLE]
        self.robot_endpoint = self._entrance.endpoints[ROBOT]
        self._datagrams: DatagramDoor | None = None
        self.datagram_port = 0
        if settings.datagram:
            url = urlsplit(settings.datagram)
            address = resolve(url.hostname or "")
            self._datagrams = DatagramDoor(loop, address, url.port or 0, FRAME_BYTES_MAX, desk)
            self.datagram_port = self._datagrams.port
        self._housekeeping = loop.every(HOUSEKEEPING_NS, self._keep_house)

    def _stranger(self, door: RouterDoor, route: bytes, user: str, data: bytes) -> None:
        peer = door.peers.get(route)
        device = self.keyring.device(user)
        if device is None or device.role not in ROLES[door.domain]:
            if peer is not None and peer.user == user:
                self._revoked(peer)
            else:
                self._count("revoked")
        elif peer is not None:
            self._count("identity")
        elif not self._bucket(user).take(self._now_ns()):
            self._count("rate")
        elif len(data) < 3 or data[2] != ATTACH_KIND:
            self._count("unattached")
        else:
            try:
                attach = _REGISTRY.expect(data, Attach)
            except WireError as error:
                self._count(error.cause)
            else:
                self._attach(door, route, device, attach)

    def _link_message(self, peer: Peer, data: bytes, now_ns: int) -> None:
        try:
            message = _REGISTRY.decode(data)
        except WireError as error:
            self._count(error.cause)
            return
        if isinstance(message, Clock):
            peer.send(encode(Clock(3, message.t1, now_ns, self._now_ns())))
        elif not isinstance(message, Attach):
            self._count("kind")  # Attached and Refused are ours to say
        elif message == peer.attach:
            peer.door.port.send_to(peer.route, peer.answer)
        else:
            self.detach(peer)
            self._attach(peer.door, peer.route, peer.device, message)

    def _attach(self, door: RouterDoor, route: bytes, device: Device, attach: Attach) -> None:
        for old in [p for p in self.peers if _same(p, door, device, attach)]:
            self.detach(old)
        send = partial(door.port.send_to, route)
        own = sum(p.user == device.public_z85 for p in self.peers)
        if len(self.peers) >= PEERS_MAX or own >= PEERS_OF_DEVICE_MAX:
            self._count("full")
            why = f"{own} of the relay's {len(self.peers)} peers are yours: no room for more"
            send(encode(Refused(4, why)))
            return
        peer = Peer(device, attach, door, route, self._bucket(device.public_z85), send)
        reason = self._on_attach(peer)
        if reason is not None:
            self._count("rejected")
            send(encode(Refused(4, reason[:200])))
            return
        peer.heard_ns = self._now_ns()
        key = self._give_box(peer) if attach.datagrams else None
        connection = int.from_bytes(peer.connection, "big")
        port = self.datagram_port if key is not None else 0
        answer = Attached(2, self._path, self.incarnation, key, connection, port)
        peer.answer = encode(answer)
        self.peers.add(peer)
        door.peers[route] = peer
        self._count("attached")
        self._gauge.set(len(self.peers))
        send(peer.answer)

    def _give_box(self, peer: Peer) -> bytes | None:
        door = self._datagrams
        if door is None:
            return None
        connection = os.urandom(4)
        while connection in door.peers:
            connection = os.urandom(4)
        key = os.urandom(KEY_BYTES)
        sealer = Sealer(key, Direction.TO_END, int.from_bytes(connection, "big"))
        peer.kind = "udp"
        peer.connection = connection
        peer.opener = Opener(key, Direction.TO_RELAY)
        peer.send = partial(door.send, peer, sealer)
        door.peers[connection] = peer
        return key

    def _bucket(self, user: str) -> TokenBucket:
        # Bounded by the registry: only the keys of live devices come here.
        return self._buckets.setdefault(user, TokenBucket(RATE_HZ, BURST))

    def _count(self, name: str) -> None:
        self._counters[name]()

    def _happened(self, event: Happened) -> None:
        # The doorman has counted those that were refused for their key. Whoever sends a part of
        # more than `transport.io.zmq.READ_BYTES_MAX` is hung up on by libzmq, which does not say
        # why: such a refusal shows here alone.
        if event == Happened.DISCONNECTED:
            self._count("disconnected")
        elif event in REFUSALS and event != Happened.FAILED_AUTH:
            self._count("handshake")

    def _revoked(self, peer: Peer) -> None:
        self._count("revoked")
        self.detach(peer)

    def _keep_house(self) -> None:
        if self.keyring.refresh():
            for peer in [p for p in self.peers if p.user not in self.keyring.live]:
                self._revoked(peer)
            self._follow_keys()
        oldest_ns = self._now_ns() - SILENCE_NS
        for peer in [p for p in self.peers if p.heard_ns < oldest_ns]:
            self.detach(peer)
        unsent = self._entrance.unsent
        if self._datagrams is not None:
            unsent += self._datagrams.unsent
        self._unsent.add(unsent - self._unsent.value)

    def _follow_keys(self) -> None:
        """Take up a new key of ours; shut out who came by one that is revoked."""
        gone = self._entrance.let_go(self.keyring.live)
        with contextlib.suppress(KeyFault, zmq.ZMQError):  # what is in force goes on
            gone += self._entrance.rekey(self.keyring.identity(self._settings.identity))
        for peer in [p for p in self.peers if p.door in gone]:
            self.detach(peer)


def _same(peer: Peer, door: RouterDoor, device: Device, attach: Attach) -> bool:
    return (
        peer.door is door and peer.user == device.public_z85 and peer.attach.robot == attach.robot
    )
