"""One connection to a listener under one pair of keys, made anew when it is refused or silent.

What is said over it, and when another pair of keys takes its place, is `transport.io.dialogue`'s.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from transport.io import curve
from transport.io.keys import Identity
from transport.io.process import Runtime
from transport.io.zmq import REFUSALS, Happened, Port, Tuning, watch
from transport.wire.messages import Clock

SILENCE_NS = 2_000_000_000
PAUSE_NS_MIN, PAUSE_NS_MAX = 20_000_000, 1_000_000_000
#: A grant and its answer may wait behind one another: these are not commands.
TUNING = Tuning(hwm=64)

_KIND = 2  # where a fixarray message has its kind


class Line:
    """The connection.

    Parameters
    ----------
    on_connected : called with this line after each handshake
    on_message : called with each message but Clock

    Attributes
    ----------
    port : the socket while there is one
    is_heard : the listener has said something since the last handshake, and so knows of it
    refusal : why it was refused last
    """

    def __init__(
        self,
        runtime: Runtime,
        identity: Identity,
        server_z85: bytes,
        endpoint: str,
        on_connected: Callable[[Line], None],
        on_message: Callable[[bytes], None],
    ) -> None:
        self._runtime = runtime
        self._now_ns = runtime.clock.now_ns
        self._identity = identity
        self._server = server_z85
        self._endpoint = endpoint
        self._on_connected = on_connected
        self._on_message = on_message
        self.refusal = ""
        self.is_heard = False
        self._pause_ns = PAUSE_NS_MIN
        self.port: Port | None = None
        self._monitor: Port | None = None
        self._closed = False
        self._open()

    def look(self) -> None:
        """Open what was lost, and lose what is silent."""
        now_ns = self._now_ns()
        if self._open_at_ns is not None:
            if now_ns >= self._open_at_ns:
                self._open()
        elif now_ns - self._heard_ns >= SILENCE_NS:
            self._lose()

    def close(self) -> None:
        """Close for good."""
        self._closed = True
        self._shut()

    def _open(self) -> None:
        if self._closed:
            return
        self._open_at_ns: int | None = None
        self._heard_ns = self._now_ns()
        loop, context = self._runtime.loop, self._runtime.context
        socket = curve.client_socket(
            context, zmq.DEALER, self._identity, self._server, self._endpoint, TUNING
        )
        self._monitor = watch(loop, socket, self._happened)
        self.port = Port(loop, socket, self._frames)

    def _happened(self, event: Happened) -> None:
        if event is Happened.SUCCEEDED:
            self._heard_ns = self._now_ns()
            self._pause_ns = PAUSE_NS_MIN
            self.refusal = ""
            self.is_heard = False
            self._on_connected(self)
        elif event in REFUSALS:
            self.refusal = event.name
            self._lose()

    def _frames(self, frames: list[zmq.Frame]) -> None:
        self._heard_ns = self._now_ns()
        self.is_heard = True
        if len(frames) == 1 and not is_clock(frames[0].bytes):
            self._on_message(frames[0].bytes)

    def _lose(self) -> None:
        if self._open_at_ns is None:
            self._open_at_ns = self._now_ns() + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, PAUSE_NS_MAX)
            self._runtime.loop.call_soon(self._shut)  # we may stand in the port's own callback

    def _shut(self) -> None:
        for port in (self._monitor, self.port):
            if port is not None:
                port.close()
        self._monitor = self.port = None


def is_clock(data: bytes) -> bool:
    """Tell what keeps a line alive from what is said."""
    return len(data) > _KIND and data[0] & 0xF0 == 0x90 and data[_KIND] == Clock.KIND
