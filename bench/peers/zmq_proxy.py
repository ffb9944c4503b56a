"""The peer nearest to us: libzmq's own C proxy between two CURVE sockets, no Python on the path.

DEALER to DEALER, each end with its own key, the same socket options as ours. `zmq.proxy` runs in
one thread of its own and never takes the GIL, so this is what a relay costs that judges nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import msgspec
import zmq

from bench.peers.end import PeerEnd
from transport.io.curve import client_socket
from transport.io.keys import Keyring
from transport.io.link import LinkSettings
from transport.io.process import ProcessSettings, Runtime, main
from transport.io.zmq import Context, Port, Socket, tune
from transport.wire.messages import Attach


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the proxy binds, and whose key it shows."""

    process: ProcessSettings
    console: str
    robot: str
    keys: str
    identity: str


class Proxy:
    """The C proxy in its thread; `close` ends it by taking its context away."""

    def __init__(self, settings: ProxySettings) -> None:
        # Not the runtime's context: only the end of its own context makes zmq.proxy return.
        self._context: Context = zmq.Context(1)
        identity = Keyring.load(settings.keys).identity(settings.identity)
        ends = [
            self._bind(endpoint, identity.public_z85, identity.secret_z85)
            for endpoint in (settings.console, settings.robot)
        ]
        self._thread = threading.Thread(target=_carry, args=ends, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the proxy."""
        self._context.term()
        self._thread.join()

    def _bind(self, endpoint: str, public: bytes, secret: bytes) -> Socket:
        socket = tune(self._context.socket(zmq.DEALER))
        socket.curve_server = 1
        socket.curve_publickey = public
        socket.curve_secretkey = secret
        socket.bind(endpoint)
        return socket


class ProxyLink(PeerEnd):
    """One end's DEALER."""

    def __init__(
        self, settings: LinkSettings, runtime: Runtime, on_ready: Callable[[], None]
    ) -> None:
        super().__init__()
        keyring = Keyring.load(settings.keys)
        socket = client_socket(
            runtime.context,
            zmq.DEALER,
            keyring.identity(settings.identity),
            keyring.server(settings.server),
            settings.endpoint,
        )
        self._port = Port(runtime.loop, socket, self._take, on_ready)

    def send(self, data: bytes) -> bool:
        """Send one frame; False = dropped and counted."""
        return self.count(self._port.send(data))

    def close(self) -> None:
        """Close the socket."""
        self._port.close()

    def _take(self, frames: list[zmq.Frame]) -> None:
        self.inbox.append(frames[0].bytes)


def connect(
    settings: LinkSettings, attach: Attach, runtime: Runtime, on_ready: Callable[[], None]
) -> ProxyLink:
    """Reach the proxy. `attach` is not sent: a proxy has one console and one robot."""
    del attach
    return ProxyLink(settings, runtime, on_ready)


def build(settings: ProxySettings, runtime: Runtime) -> Proxy:
    """Start the proxy's thread, which inherits the process's real-time rights."""
    proxy = Proxy(settings)
    runtime.ready()
    return proxy


def _carry(console: Socket, robot: Socket) -> None:
    try:
        zmq.proxy(console, robot)
    except zmq.ContextTerminated:
        pass
    finally:
        console.close(0)
        robot.close(0)


if __name__ == "__main__":
    sys.exit(main(ProxySettings, build))
