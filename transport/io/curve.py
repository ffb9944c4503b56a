"""Lets in who has the right key for the right door, and makes sockets that speak CURVE.

Rules
-----
- Every TCP socket has a key and a domain ("relay.console"); there is no plaintext mode.
- A domain names the roles it lets in. Unknown domain, unknown key, revoked key, wrong role: 400.
- This is asked once, at the handshake. A revoked key does not cut a live connection, so whoever
  receives checks `sender(frame)` against the live keyring, on every frame.
- The handler runs in the loop, without a thread, and only looks into memory: a slow answer
  would stand in the way of every other handshake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import zmq
from zmq.utils import z85

from transport.io.doorway import Doorway
from transport.io.keys import Identity, Keyring, Role
from transport.io.loop import Loop
from transport.io.zmq import TUNING, Context, Port, Socket, Tuning, tune

_ENDPOINT = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_PARTS = 12  # of a request: nine for CURVE, more for what we refuse
_HANDSHAKES_A_PASS = 8  # the control path waits for no more than these


class Doorman:
    """The process's ZAP handler (ZeroMQ RFC 27). Make it before the sockets it guards.

    Parameters
    ----------
    doors : roles let in, by domain
    count : called with the name of each decision: "admitted", "unknown_key", "wrong_role",
        "unknown_domain", "not_curve"
    """

    def __init__(
        self,
        loop: Loop,
        context: Context,
        keyring: Keyring,
        doors: Mapping[str, frozenset[Role]],
        count: Callable[[str], None],
    ) -> None:
        self._keyring = keyring
        self._doors = doors
        self._count = count
        # ROUTER, not REP: requests of several connections may wait at once, and an answer that
        # fails must not stop the next.
        socket = context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.bind(_ENDPOINT)
        self._port = Port(loop, socket, self._asked, None, _HANDSHAKES_A_PASS, _PARTS)

    def close(self) -> None:
        """Stop answering: from here on nobody is let in."""
        self._port.close()

    def _asked(self, frames: list[zmq.Frame]) -> None:
        parts = [frame.bytes for frame in frames]
        # route, "", version, request id, domain, address, identity, mechanism, credentials...
        if len(parts) < 8 or parts[2] != _VERSION:
            return
        user, verdict = self._judge(parts[4], parts[7], parts[8] if len(parts) > 8 else b"")
        self._count(verdict)
        status = (b"200", b"OK") if verdict == "admitted" else (b"400", b"refused")
        reply = [*parts[:4], *status, user, b""]
        self._port.socket.send_multipart(reply, zmq.NOBLOCK)

    def _judge(self, domain: bytes, mechanism: bytes, key: bytes) -> tuple[bytes, str]:
        if mechanism != b"CURVE" or len(key) != 32:
            return b"", "not_curve"
        roles = self._doors.get(domain.decode("utf-8", "replace"))
        if roles is None:
            return b"", "unknown_domain"
        user = z85.encode(key)
        device = self._keyring.device(user.decode())
        if device is None:
            return b"", "unknown_key"
        if device.role not in roles:
            return b"", "wrong_role"
        return user, "admitted"


def server_socket(
    context: Context,
    kind: int,
    identity: Identity,
    domain: str,
    endpoint: str | Doorway,
    tuning: Tuning = TUNING,
) -> Socket:
    """Bind a socket that only the devices of `domain` can reach.

    `endpoint` may end in ``:*``; read ``socket.last_endpoint`` for the port. At a doorway it takes
    the place of the one before, which keeps the connections that it has.

    Raises
    ------
    zmq.ZMQError : the endpoint cannot be bound
    """
    socket = tune(context.socket(kind), tuning)
    socket.curve_server = 1
    socket.curve_secretkey = identity.secret_z85
    socket.curve_publickey = identity.public_z85
    socket.zap_domain = domain.encode()
    try:
        if isinstance(endpoint, Doorway):
            socket.setsockopt(zmq.USE_FD, endpoint.open())
            endpoint = endpoint.endpoint
        socket.bind(endpoint)
    except zmq.ZMQError:
        socket.close(0)
        raise
    return socket


def client_socket(
    context: Context,
    kind: int,
    identity: Identity,
    server_z85: bytes,
    endpoint: str,
    tuning: Tuning = TUNING,
) -> Socket:
    """Connect to a server with that public key; nobody else can answer in its place."""
    socket = tune(context.socket(kind), tuning)
    socket.curve_serverkey = server_z85
    socket.curve_publickey = identity.public_z85
    socket.curve_secretkey = identity.secret_z85
    try:
        socket.connect(endpoint)
    except zmq.ZMQError:
        socket.close(0)
        raise
    return socket


def sender(frame: zmq.Frame) -> str:
    """Return the sender's public key (z85) as its handshake proved it; "" if there is none."""
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return ""
