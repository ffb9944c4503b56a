"""The shell for whatever speaks IP: two networks of its own, and every packet between them.

The console's processes run in the one, the node's in the other; their only way to each other is a
pair of TUN devices whose other ends are here. So TCP goes through unchanged, with all that it makes
of a lost segment, and so does everything else. It needs the right to make network namespaces.

    console --> 10.77.0.1 --> TUN (here) TUN --> 10.77.0.2 --> node
"""

from __future__ import annotations

import errno
import os
import sys

from bench.netem import namespace
from bench.netem.namespace import NamespaceFault
from bench.netem.passage import Passage, ShellSettings
from bench.netem.trace import DOWN, UP
from transport.io.process import Runtime, main

CONSOLE_ADDRESS, NODE_ADDRESS = "10.77.0.1", "10.77.0.2"
PACKET_BYTES_MAX = 1 << 16
PASS_MAX = 256
_IPV4 = 4


class TundSettings(ShellSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing more: its addresses are its own."""


class Tund:
    """Two namespaces and the network between them."""

    def __init__(self, settings: TundSettings, runtime: Runtime) -> None:
        board = runtime.open_board(("refused_total",), ("console_ns", "node_ns"))
        self._refused = board.counter("refused_total")
        home = namespace.own()
        try:
            console_ns, self._console = namespace.make("trocar-console", CONSOLE_ADDRESS)
            node_ns, self._node = namespace.make("trocar-node", NODE_ADDRESS)
            namespace.enter(home)
        except NamespaceFault as fault:
            raise SystemExit(f"tund: {fault}") from fault
        os.close(home)
        board.gauge("console_ns").set(console_ns)
        board.gauge("node_ns").set(node_ns)
        self._loop = runtime.loop
        self._passage = Passage(runtime, settings, self._to_node, self._to_console)
        runtime.loop.add_reader(self._console, lambda: self._pass(self._console, UP))
        runtime.loop.add_reader(self._node, lambda: self._pass(self._node, DOWN))
        runtime.ready()

    def close(self) -> None:
        """Close both devices; with them they are gone."""
        self._passage.close()
        for device in (self._console, self._node):
            self._loop.remove_reader(device)
            os.close(device)

    def _pass(self, device: int, up: int) -> None:
        for _ in range(PASS_MAX):
            try:
                packet = os.read(device, PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            if packet[0] >> 4 == _IPV4:  # the rest is neighbours of IPv6 looking for each other
                self._passage.enter(up, packet)

    def _to_node(self, packet: bytes) -> None:
        self._write(self._node, packet)

    def _to_console(self, packet: bytes) -> None:
        self._write(self._console, packet)

    def _write(self, device: int, packet: bytes) -> None:
        try:
            os.write(device, packet)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO, errno.EINVAL, errno.ENOBUFS):
                raise
            self._refused.add()


if __name__ == "__main__":
    sys.exit(main(TundSettings, Tund))
