"""An end that is attached to a relay: who it is, and how frames reach it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from transport.io.datagram import Opener
from transport.io.keys import Device
from transport.link.bucket import TokenBucket
from transport.wire.messages import Attach

if TYPE_CHECKING:
    from transport.io.doors import RouterDoor


class Peer:
    """An end that is attached. Hashable by identity.

    Attributes
    ----------
    device : its entry in the registry
    attach : what it asked for
    kind : "zmq" or "udp"
    send : send one frame; False = dropped and counted. Never blocks
    door, domain, route, user, answer, heard_ns, take, opener, connection, address : the doors' own
    """

    __slots__ = (
        "address",
        "answer",
        "attach",
        "connection",
        "device",
        "domain",
        "door",
        "heard_ns",
        "kind",
        "opener",
        "route",
        "send",
        "take",
        "user",
    )

    def __init__(
        self,
        device: Device,
        attach: Attach,
        door: RouterDoor,
        route: bytes,
        bucket: TokenBucket,
        send: Callable[[bytes], bool],
    ) -> None:
        self.device = device
        self.attach = attach
        self.kind: Literal["zmq", "udp"] = "zmq"
        self.send = send
        self.door = door
        self.domain = door.domain
        self.route = route
        self.user = device.public_z85
        self.take = bucket.take
        self.answer = b""
        self.heard_ns = 0
        self.connection = b""
        self.opener: Opener | None = None
        self.address: Any = None

    def __repr__(self) -> str:
        return f"Peer({self.device.name!r}, {self.kind}, robot={self.attach.robot!r})"
