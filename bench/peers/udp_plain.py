"""The least a Python relay can do: datagrams in, the same datagrams out; no keys, no judgement.

One `recvfrom` and one `sendto` a frame on uvloop's `add_reader`, which measured as fast as a
blocking loop. It answers to whoever sent last, so it is not a relay that anybody should run.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

import msgspec

from bench.peers.end import PeerEnd
from transport.io.link import LinkSettings
from transport.io.loop import Every, Loop
from transport.io.process import ProcessSettings, Runtime, main
from transport.io.udp import DATAGRAM_BYTES_MAX, PASS_MAX, udp_socket
from transport.wire.messages import Attach

HELLO = b"\0"
HELLO_PERIOD_NS = 50_000_000

Address = tuple[str, int]


class PlainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the relay binds: "address:port" for each side."""

    process: ProcessSettings
    console: str
    robot: str


class PlainRelay:
    """Two sockets, each sending on what the other receives."""

    def __init__(self, settings: PlainSettings, loop: Loop) -> None:
        self._loop = loop
        self._console = _Side(settings.console)
        self._robot = _Side(settings.robot)
        loop.add_reader(self._console.fd, self._console.carry_to(self._robot))
        loop.add_reader(self._robot.fd, self._robot.carry_to(self._console))

    def close(self) -> None:
        """Leave the loop and close both sockets."""
        for side in (self._console, self._robot):
            self._loop.remove_reader(side.fd)
            side.socket.close()


class _Side:
    """One socket and the address of its end."""

    def __init__(self, endpoint: str) -> None:
        self.socket = udp_socket(address(endpoint)[0])
        self.socket.bind(address(endpoint))
        self.fd = self.socket.fileno()
        self.end: Address | None = None

    def carry_to(self, other: _Side) -> Callable[[], None]:
        """Make the reader that sends this side's datagrams out of the other."""
        receive, send = self.socket.recvfrom, other.socket.sendto

        def carry() -> None:
            # One datagram a call: the descriptor is level-triggered, so none is forgotten.
            try:
                data, self.end = receive(DATAGRAM_BYTES_MAX)
            except OSError:
                return
            if other.end is not None and data != HELLO:
                with contextlib.suppress(OSError):
                    send(data, other.end)

        return carry


class PlainLink(PeerEnd):
    """One end's socket. It says hello until something comes: the relay learns where it is."""

    def __init__(
        self, settings: LinkSettings, runtime: Runtime, on_ready: Callable[[], None]
    ) -> None:
        super().__init__()
        self._loop = runtime.loop
        self._on_ready = on_ready
        self._socket = udp_socket(address(settings.endpoint)[0])
        self._socket.connect(address(settings.endpoint))
        self._fd = self._socket.fileno()
        self._loop.add_reader(self._fd, self._readable)
        self._hello: Every | None = self._loop.every(HELLO_PERIOD_NS, self._say_hello)

    def send(self, data: bytes) -> bool:
        """Send one frame; False = dropped and counted."""
        try:
            self._socket.send(data)
        except OSError:
            return self.count(False)
        return self.count(True)

    def close(self) -> None:
        """Close the socket."""
        self._quiet()
        self._loop.remove_reader(self._fd)
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(PASS_MAX):  # drained to the newest, as our own link does
            try:
                self.inbox.append(self._socket.recv(DATAGRAM_BYTES_MAX))
            except BlockingIOError:
                break
            except OSError:  # an ICMP answer to something we sent
                continue
        if self.inbox:
            self._quiet()
            self._on_ready()

    def _say_hello(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.send(HELLO)

    def _quiet(self) -> None:
        if self._hello is not None:
            self._hello.close()
            self._hello = None


def connect(
    settings: LinkSettings, attach: Attach, runtime: Runtime, on_ready: Callable[[], None]
) -> PlainLink:
    """Reach the relay. `attach` is not sent: it has one console and one robot."""
    del attach
    return PlainLink(settings, runtime, on_ready)


def build(settings: PlainSettings, runtime: Runtime) -> PlainRelay:
    """Bind both sides."""
    relay = PlainRelay(settings, runtime.loop)
    runtime.ready()
    return relay


def address(endpoint: str) -> Address:
    """Take "127.0.0.1:7000" apart."""
    host, _, port = endpoint.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main(PlainSettings, build))
