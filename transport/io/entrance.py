"""The CURVE doors of a relay, one a domain, and a second beside each while its key is rotated.

Who is here stays at the older door until its key is revoked: time enough to attach at the newer
one, too, and then go over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import zmq

from transport.io import curve
from transport.io.doors import Desk, RouterDoor
from transport.io.doorway import Doorway
from transport.io.keys import Identity
from transport.io.process import Runtime
from transport.io.zmq import Happened, Port, bound_to, watch


class Entrance:
    """The doors.

    Parameters
    ----------
    endpoints : what to bind, by domain
    bytes_max : a frame's size, by domain
    on_event : called with what happens to connections

    Attributes
    ----------
    endpoints : what was bound
    """

    def __init__(
        self,
        runtime: Runtime,
        identity: Identity,
        endpoints: Mapping[str, str],
        bytes_max: Mapping[str, int],
        desk: Desk,
        on_event: Callable[[Happened], None],
    ) -> None:
        self._runtime = runtime
        self._bytes_max = bytes_max
        self._desk = desk
        self._on_event = on_event
        self._watchers: dict[RouterDoor, Port] = {}
        self._ways = {domain: Doorway(endpoint) for domain, endpoint in endpoints.items()}
        self._older: list[RouterDoor] = []
        self._unsent = 0
        self._identity = identity
        self._doors = self._open(identity)
        self.endpoints = {
            domain: bound_to(door.port.socket) for domain, door in self._doors.items()
        }

    @property
    def unsent(self) -> int:
        """Frames that could not leave."""
        ports = (door.port for door in (*self._older, *self._doors.values()))
        return self._unsent + sum(port.dropped + port.unreachable for port in ports)

    def rekey(self, identity: Identity) -> list[RouterDoor]:
        """Prove another key to whoever comes from now on; return the doors that this has shut.

        Raises
        ------
        zmq.ZMQError : a port cannot be shared
        """
        if identity == self._identity:
            return []
        gone, self._older = self._older, []
        self._shut(gone)
        doors = self._open(identity)
        self._identity, self._older, self._doors = identity, list(self._doors.values()), doors
        return gone

    def let_go(self, live: Mapping[str, object]) -> list[RouterDoor]:
        """Shut the doors whose key is no longer live; return them."""
        gone = [door for door in self._older if door.key not in live]
        self._older = [door for door in self._older if door not in gone]
        self._shut(gone)
        return gone

    def close(self) -> None:
        """Shut all doors."""
        self._shut((*self._older, *self._doors.values()))
        for way in self._ways.values():
            way.close()

    def _open(self, identity: Identity) -> dict[str, RouterDoor]:
        return {domain: self._door(domain, identity) for domain in self._ways}

    def _door(self, domain: str, identity: Identity) -> RouterDoor:
        runtime = self._runtime
        socket = curve.server_socket(
            runtime.context, zmq.ROUTER, identity, domain, self._ways[domain]
        )
        watcher = watch(runtime.loop, socket, self._on_event)
        key, bytes_max = identity.public_z85.decode(), self._bytes_max[domain]
        door = RouterDoor(runtime.loop, socket, key, domain, bytes_max, self._desk)
        self._watchers[door] = watcher
        return door

    def _shut(self, doors: list[RouterDoor] | tuple[RouterDoor, ...]) -> None:
        for door in doors:
            self._unsent += door.port.dropped + door.port.unreachable
            self._watchers.pop(door).close()
            door.close()
            self._ways[door.domain].settle()
