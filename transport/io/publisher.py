"""Says the same to everybody who listens, over CURVE; a key of its own that is rotated is followed.

While its key is rotated it says everything at two sockets of one port (`transport.io.doorway`): who
listens stays at the older until that key is revoked, who comes reaches the newer. Who listens at
both hears all twice, and nothing is missing between them.
"""

from __future__ import annotations

from typing import NamedTuple

import zmq

from transport.io import curve
from transport.io.doorway import Doorway
from transport.io.keys import Identity, Keyring
from transport.io.process import Runtime
from transport.io.zmq import TUNING, Port, Tuning


class _Desk(NamedTuple):
    """A socket that proves one key."""

    key: str
    port: Port


class Publisher:
    """A PUB socket that the devices of `domain` may subscribe to (the Doorman knows the roles).

    Parameters
    ----------
    endpoint : ``tcp://host:port``; port ``*`` takes a free one

    Attributes
    ----------
    endpoint : what was bound
    """

    def __init__(
        self,
        runtime: Runtime,
        keyring: Keyring,
        identity: Identity,
        domain: str,
        endpoint: str,
        tuning: Tuning = TUNING,
    ) -> None:
        self._runtime = runtime
        self._keyring = keyring
        self._domain = domain
        self._tuning = tuning
        self._doorway = Doorway(endpoint)
        self._desk = self._bind(identity)
        self._older: _Desk | None = None
        self.endpoint = self._doorway.endpoint

    def send_to(self, topic: bytes, data: bytes) -> None:
        """Say it to all who asked for the topic; a subscriber that is too slow misses it."""
        if self._older is not None:
            self._older.port.send_to(topic, data)
        self._desk.port.send_to(topic, data)

    def rekey(self, identity: Identity) -> None:
        """Prove another key to whoever comes from now on; those who are here stay.

        Raises
        ------
        zmq.ZMQError : the port cannot be shared; nothing has changed
        """
        if identity.public_z85.decode() == self._desk.key:
            return
        if self._older is not None:
            self._let_go(self._older)
        fresh = self._bind(identity)
        self._older, self._desk = self._desk, fresh

    def forget_revoked(self) -> None:
        """Let go of whoever was let in by a key of ours that is no longer live."""
        older = self._older
        if older is not None and self._keyring.device(older.key) is None:
            self._let_go(older)

    def close(self) -> None:
        """Say nothing more. Closing twice is harmless."""
        for desk in (self._older, self._desk):
            if desk is not None:
                desk.port.close()
        self._doorway.close()

    def _bind(self, identity: Identity) -> _Desk:
        runtime = self._runtime
        socket = curve.server_socket(
            runtime.context, zmq.PUB, identity, self._domain, self._doorway, self._tuning
        )
        return _Desk(identity.public_z85.decode(), Port(runtime.loop, socket, lambda _: None))

    def _let_go(self, older: _Desk) -> None:
        self._older = None
        older.port.close()
        self._doorway.settle()
