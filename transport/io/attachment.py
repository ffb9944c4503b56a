"""An end's CURVE connection to a relay: keeps it attached, and makes it anew when it must.

Rules
-----
- The first message after every handshake is `Attach`; it is repeated until it is answered.
- libzmq never retries after a refused handshake. So its monitor is watched, and a refused
  socket is replaced after a pause that doubles from 20 ms to 1 s.
- A ping goes out every 100 ms. Ten in a row with nothing heard since mean a new socket: the
  relay may have died, or forgotten us. Pings are counted, not time: a process that was stopped
  for a second has asked nothing, and must not blame the relay for its own silence.
- After such a pause of our own, Attach is said again: the relay may have let go of us.
- Nothing is ever sent for the sake of an old connection: libzmq's queue goes with it.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from transport.io import curve
from transport.io.keys import Keyring
from transport.io.link import LinkSettings, LinkStats
from transport.io.process import Runtime
from transport.io.zmq import REFUSALS, Happened, Port, watch
from transport.link.rtt import MinFilter
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError
from transport.wire.messages import VOCABULARY, Attach, Attached, Clock, Refused

PING_NS = 100_000_000
UNANSWERED_MAX = 10
STALL_NS = 1_000_000_000
PAUSE_NS_MIN, PAUSE_NS_MAX = 20_000_000, 1_000_000_000
TICK_NS = 20_000_000

_REGISTRY = Registry(VOCABULARY)
_ARRAY16 = 0xDC
_LINK_KIND_MAX = max(message.KIND for message in VOCABULARY)


class Attachment:
    """The connection. The link that owns it carries frames, here or beside it.

    Parameters
    ----------
    on_attached : called with each answer of the relay
    on_frame : called with each frame that is not the link's own
    on_drained : called after a pass that brought something
    ping : carries a ping to the relay; by default this connection

    Attributes
    ----------
    attached : the relay's newest answer, None while there is none
    refusal : why we were refused last
    """

    def __init__(
        self,
        settings: LinkSettings,
        attach: Attach,
        runtime: Runtime,
        stats: LinkStats,
        *,
        on_attached: Callable[[Attached], None],
        on_frame: Callable[[bytes], None],
        on_drained: Callable[[], None],
        ping: Callable[[bytes], bool] | None = None,
    ) -> None:
        keyring = Keyring.load(settings.keys)
        self._identity = keyring.identity(settings.identity)
        self._server = keyring.server(settings.server)
        self._endpoint = settings.endpoint
        self._attach = encode(attach)
        self._runtime = runtime
        self._now_ns = runtime.clock.now_ns
        self._on_attached = on_attached
        self._on_frame = on_frame
        self._on_drained = on_drained
        self._ping = self.send if ping is None else ping
        self.stats = stats
        self.rtt = MinFilter()
        self.attached: Attached | None = None
        self.refusal = ""
        self._port: Port | None = None
        self._monitor: Port | None = None
        self._pause_ns = PAUSE_NS_MIN
        self._unanswered = 0
        self._asked_ns = self._ticked_ns = self._now_ns()
        self._open_at_ns: int | None = None
        self._open()
        self._ticks = runtime.loop.every(TICK_NS, self._tick)

    def send(self, data: bytes) -> bool:
        """Send over the CURVE connection; False = there is none, or it is full."""
        port = self._port
        return port is not None and port.send(data)

    def poll(self) -> None:
        """Take what waits now, without waiting for the loop to come round."""
        if self._port is not None:
            self._port.poll()

    def take(self, data: bytes) -> bool:
        """Consume `data` if it is the link's own; note in any case that the relay lives.

        Only for bytes that are proven to be the relay's.
        """
        self._unanswered = 0
        if len(data) < 3 or data[0] == _ARRAY16 or data[2] > _LINK_KIND_MAX:
            return False
        try:
            message = _REGISTRY.decode(data)
        except WireError as error:
            self._refused(f"the relay's answer: {error}")
            return True
        if isinstance(message, Clock):
            self.rtt.add(message.t1, message.t2, message.t3, self._now_ns())
        elif isinstance(message, Attached):
            self.attached = message
            self._pause_ns = PAUSE_NS_MIN
            self._on_attached(message)
        elif isinstance(message, Refused):
            self._refused(message.reason)
            self._lose()
        return True

    def ping(self) -> None:
        """Ask the relay's clock now; the answer is a sign of life and a round trip."""
        self._asked()
        self._ping(encode(Clock(3, self._asked_ns, 0, 0)))

    def close(self) -> None:
        """Close for good."""
        self._ticks.close()
        self._shut()

    def _open(self) -> None:
        self._open_at_ns = None
        self._unanswered = 0
        runtime = self._runtime
        socket = curve.client_socket(
            runtime.context, zmq.DEALER, self._identity, self._server, self._endpoint
        )
        self._monitor = watch(runtime.loop, socket, self._happened)
        self._port = Port(runtime.loop, socket, self._frames, self._on_drained)

    def _frames(self, frames: list[zmq.Frame]) -> None:
        data = frames[0].bytes
        if len(frames) == 1 and not self.take(data):
            self._on_frame(data)

    def _happened(self, event: Happened) -> None:
        if event == Happened.SUCCEEDED:
            self._unanswered = 0
            self._ask()
        elif event in REFUSALS:
            self._refused(f"handshake: {event.name}")
            self._lose()

    def _tick(self) -> None:
        now_ns = self._now_ns()
        stalled = now_ns - self._ticked_ns > STALL_NS
        self._ticked_ns = now_ns
        if self._open_at_ns is not None:
            if now_ns >= self._open_at_ns:
                self._open()
        elif now_ns - self._asked_ns >= PING_NS:
            if self._unanswered >= UNANSWERED_MAX:
                self._lose()
            elif self.attached is None or stalled:
                self._ask()
            else:
                self.ping()

    def _ask(self) -> None:
        self._asked()
        self.send(self._attach)

    def _asked(self) -> None:
        self._asked_ns = self._now_ns()
        self._unanswered += 1

    def _refused(self, reason: str) -> None:
        self.stats.refused += 1
        self.refusal = reason

    def _lose(self) -> None:
        # Not here and now: we may stand inside a callback of the very port.
        if self._open_at_ns is None:
            self._open_at_ns = self._now_ns() + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, PAUSE_NS_MAX)
            self.attached = None
            self.stats.reopened += 1
            self._runtime.loop.call_soon(self._shut)

    def _shut(self) -> None:
        self.attached = None
        for port in (self._monitor, self._port):
            if port is not None:
                port.close()
        self._monitor = self._port = None
