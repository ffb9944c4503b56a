"""The shell that needs no rights: a process between a console's datagrams and its relay's port.

A console takes the relay's address from the endpoint that it was given, and its UDP port from the
relay's answer. So this process binds the relay's own port at another address of loopback: a
console that is told that address attaches over TCP to a relay that listens there too, and sends
its datagrams here. Commands, states and pings are impaired; the CURVE connection is not.

    console --> 127.0.0.2:port (here) --> 127.0.0.1:port (relayd)
"""

from __future__ import annotations

import socket
import sys

from bench.netem.passage import Passage, ShellSettings
from bench.netem.trace import DOWN, UP
from transport.io.process import Runtime, main
from transport.io.udp import DATAGRAM_BYTES_MAX, PASS_MAX, is_waiting, udp_socket


class ProxydSettings(ShellSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it stands: the address it takes, the relay's, and the port of both."""

    listen: str
    relay: str
    port: int


class Proxyd:
    """One console's datagrams, both ways."""

    def __init__(self, settings: ProxydSettings, runtime: Runtime) -> None:
        runtime.open_board(("refused_total",))
        self._refused = runtime.board.counter("refused_total")
        self._console = _bound(settings.listen, settings.port)
        self._relay = udp_socket(settings.relay)
        self._relay.connect((settings.relay, settings.port))
        self._peer: tuple[str, int] | None = None
        self._passage = Passage(runtime, settings, self._to_relay, self._to_console)
        runtime.loop.add_reader(self._console.fileno(), self._from_console)
        runtime.loop.add_reader(self._relay.fileno(), self._from_relay)
        self._loop = runtime.loop
        runtime.ready()

    def close(self) -> None:
        """Close both sockets."""
        self._passage.close()
        for end in (self._console, self._relay):
            self._loop.remove_reader(end.fileno())
            end.close()

    def _from_console(self) -> None:
        for _ in range(PASS_MAX):
            try:
                data, self._peer = self._console.recvfrom(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:  # an ICMP answer to something we sent
                continue
            self._passage.enter(UP, data)
            if not is_waiting(self._console.fileno()):
                return

    def _from_relay(self) -> None:
        for _ in range(PASS_MAX):
            try:
                data = self._relay.recv(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue
            self._passage.enter(DOWN, data)
            if not is_waiting(self._relay.fileno()):
                return

    def _to_relay(self, data: bytes) -> None:
        try:
            self._relay.send(data)
        except OSError:  # nobody at the port, or its buffer is full: to the console it is lost
            self._refused.add()

    def _to_console(self, data: bytes) -> None:
        if self._peer is None:
            return
        try:
            self._console.sendto(data, self._peer)
        except OSError:
            self._refused.add()


def _bound(address: str, port: int) -> socket.socket:
    made = udp_socket(address)
    try:
        made.bind((address, port))
    except OSError as error:
        made.close()
        raise SystemExit(f"proxyd: UDP port {port} at {address}: {error.strerror}") from error
    return made


if __name__ == "__main__":
    sys.exit(main(ProxydSettings, Proxyd))
