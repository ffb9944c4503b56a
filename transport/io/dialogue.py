"""Slow, certain talk over CURVE: requests, grants and ceilings, beside the path of commands.

A `Listener` binds a ROUTER, a `Caller` connects a DEALER. Both speak whole messages; what they
mean is their owner's.

Rules
-----
- The caller says Clock after each handshake and twice a second; the listener answers. So a
  listener knows its callers before they ask anything, and a caller knows that it is heard.
- Every frame's key is looked up in the live keyring; a device answers on its newest connection.
- A caller that is refused, or hears nothing for two seconds, makes a new socket.
- A key that is set on a bound socket changes nothing. So a new one gets a new socket: a caller's at
  once, a listener's as soon as libzmq has let go of the port; callers find it by themselves.
- A signature costs a robot's loop 150 us to judge: each device has a bucket here too, and a pass
  is short, so that whoever floods waits, and not the commands beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import zmq

from transport.io import curve
from transport.io.keys import Device, Identity, Keyring
from transport.io.loop import Every
from transport.io.process import Runtime
from transport.io.zmq import REFUSALS, Happened, Port, Tuning, watch
from transport.link.bucket import TokenBucket
from transport.wire.codec import MESSAGE_BYTES_MAX, encode
from transport.wire.messages import Clock

CLOCK_NS = 500_000_000
SILENCE_NS = 2_000_000_000
PAUSE_NS_MIN, PAUSE_NS_MAX = 20_000_000, 1_000_000_000
#: libzmq needs 200 ms to let go of a port (measured); so often it is asked for.
REBIND_NS = 50_000_000
CALLERS_MAX = 64
RATE_HZ, BURST = 100, 20  # messages of one device
PASS_MAX = 16
#: Why a listener refuses something.
CAUSES = ("handshake", "revoked", "rate", "parts", "oversized", "full")
#: A grant and its answer may wait behind one another: these are not commands.
TUNING = Tuning(hwm=64)

_KIND = 2  # where a fixarray message has its kind


class Listener:
    """Answers callers whose keys are let in by `domain` (the process's Doorman knows the roles).

    Parameters
    ----------
    on_caller : called when a device is heard on a new connection
    on_message : called with the device and each message but Clock
    refused : called with the cause of each refusal, one of `CAUSES`
    rate_hz, burst : what one device may send
    limits : what a device of this name may send instead
    callers_max : devices that are remembered at a time
    """

    def __init__(
        self,
        runtime: Runtime,
        keyring: Keyring,
        identity: Identity,
        domain: str,
        endpoint: str,
        on_caller: Callable[[Device], None],
        on_message: Callable[[Device, bytes], None],
        refused: Callable[[str], None],
        *,
        rate_hz: int = RATE_HZ,
        burst: int = BURST,
        limits: Mapping[str, tuple[int, int]] = {},
        callers_max: int = CALLERS_MAX,
    ) -> None:
        self._callers_max = callers_max
        self._runtime = runtime
        self._keyring = keyring
        self._domain = domain
        self._clock = runtime.clock
        self._limit = rate_hz, burst
        self._limits = limits
        self._buckets: dict[str, TokenBucket] = {}  # by key: no more than the registry has
        self._on_caller = on_caller
        self._on_message = on_message
        self._refused = refused
        self._routes: dict[str, bytes] = {}
        self._identity = identity
        self.endpoint = endpoint
        self._monitor: Port | None = None
        self._port: Port | None = None
        self._retry: Every | None = None
        self._bind()

    def poll(self) -> None:
        """Take what waits now, without waiting for the loop to come round."""
        if self._port is not None:
            self._port.poll()

    def send(self, device: str, data: bytes) -> bool:
        """Send to a device by name; False when it is not connected."""
        route = self._routes.get(device)
        if route is None or self._port is None:
            return False
        if not self._port.send_to(route, data):
            del self._routes[device]
            return False
        return True

    def forget_revoked(self) -> None:
        """Say nothing more to devices whose key is no longer live, nor keep their place."""
        for name in [name for name in self._routes if self._keyring.named(name) is None]:
            del self._routes[name]

    def rekey(self, identity: Identity) -> None:
        """Prove another key from now on; callers are let go of, and come back."""
        self._identity = identity
        self._shut()
        self._retry = self._runtime.loop.every(REBIND_NS, self._rebind)

    def broadcast(self, data: bytes) -> None:
        """Send to every device that is connected."""
        for device in list(self._routes):
            self.send(device, data)

    def close(self) -> None:
        """Stop listening."""
        self._shut()

    def _bind(self) -> None:
        runtime = self._runtime
        socket = curve.server_socket(
            runtime.context, zmq.ROUTER, self._identity, self._domain, self.endpoint, TUNING
        )
        self.endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._monitor = watch(runtime.loop, socket, self._happened)
        self._port = Port(
            runtime.loop,
            socket,
            self._frames,
            limit=PASS_MAX,
            on_surplus=lambda: self._refused("parts"),
        )

    def _rebind(self) -> None:
        """Take the port again, once it is free."""
        try:
            self._bind()
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE:
                raise
            return
        if self._retry is not None:
            self._retry.close()

    def _shut(self) -> None:
        if self._retry is not None:
            self._retry.close()
        for port in (self._monitor, self._port):
            if port is not None:
                port.close()
        self._monitor = self._port = self._retry = None
        self._routes.clear()

    def _happened(self, event: Happened) -> None:
        # The doorman has counted those that were refused for their key.
        if event in REFUSALS and event is not Happened.FAILED_AUTH:
            self._refused("handshake")

    def _frames(self, frames: list[zmq.Frame]) -> None:
        if len(frames) != 2:
            return self._refused("parts")
        route, data = frames[0].bytes, frames[1].bytes
        device = self._keyring.device(curve.sender(frames[1]))
        if device is None:
            return self._refused("revoked")
        now_ns = self._clock.now_ns()
        if not self._bucket(device).take(now_ns):
            return self._refused("rate")
        if len(data) > MESSAGE_BYTES_MAX:
            return self._refused("oversized")
        if self._routes.get(device.name) != route:
            if len(self._routes) >= self._callers_max and device.name not in self._routes:
                return self._refused("full")
            self._routes[device.name] = route
            self._on_caller(device)
        if _is_clock(data):
            assert self._port is not None
            self._port.send_to(route, encode(Clock(3, 0, now_ns, now_ns)))
            return None
        return self._on_message(device, data)

    def _bucket(self, device: Device) -> TokenBucket:
        found = self._buckets.get(device.public_z85)
        if found is None:
            limit = self._limits.get(device.name, self._limit)
            found = self._buckets[device.public_z85] = TokenBucket(*limit)
        return found


class Caller:
    """Talks to one listener, and keeps the connection alive.

    Parameters
    ----------
    server_z85 : public key that the listener must prove to have
    on_connected : called after each handshake
    on_message : called with each message but Clock
    """

    def __init__(
        self,
        runtime: Runtime,
        identity: Identity,
        server_z85: bytes,
        endpoint: str,
        on_connected: Callable[[], None],
        on_message: Callable[[bytes], None],
    ) -> None:
        self._runtime = runtime
        self._identity = identity
        self._server = server_z85
        self._endpoint = endpoint
        self._on_connected = on_connected
        self._on_message = on_message
        self.refusal = ""
        self._heard_ns = runtime.clock.now_ns()
        self._pause_ns = PAUSE_NS_MIN
        self._port: Port | None = None
        self._monitor: Port | None = None
        self._open_at_ns: int | None = None
        self._open()
        self._beat = runtime.loop.every(CLOCK_NS, self._say_clock)
        self._look = runtime.loop.every(PAUSE_NS_MIN, self._tick)

    def send(self, data: bytes) -> bool:
        """Send one message; False when there is no connection now."""
        return self._port is not None and self._port.send(data)

    def rekey(self, identity: Identity, server_z85: bytes) -> None:
        """Talk with another key, or to another one, from now on."""
        if (identity, server_z85) != (self._identity, self._server):
            self._identity, self._server = identity, server_z85
            self._pause_ns = PAUSE_NS_MIN
            self._lose()

    def close(self) -> None:
        """End the connection for good."""
        self._beat.close()
        self._look.close()
        self._shut()

    def _open(self) -> None:
        self._open_at_ns = None
        self._heard_ns = self._runtime.clock.now_ns()
        socket = curve.client_socket(
            self._runtime.context,
            zmq.DEALER,
            self._identity,
            self._server,
            self._endpoint,
            TUNING,
        )
        self._monitor = watch(self._runtime.loop, socket, self._happened)
        self._port = Port(self._runtime.loop, socket, self._frames)

    def _happened(self, event: Happened) -> None:
        if event is Happened.SUCCEEDED:
            self._heard_ns = self._runtime.clock.now_ns()
            self._pause_ns = PAUSE_NS_MIN
            self.refusal = ""
            self._say_clock()
            self._on_connected()
        elif event in REFUSALS:
            self.refusal = event.name
            self._lose()

    def _frames(self, frames: list[zmq.Frame]) -> None:
        self._heard_ns = self._runtime.clock.now_ns()
        if len(frames) == 1 and not _is_clock(frames[0].bytes):
            self._on_message(frames[0].bytes)

    def _say_clock(self) -> None:
        self.send(encode(Clock(3, self._runtime.clock.now_ns(), 0, 0)))

    def _tick(self) -> None:
        now_ns = self._runtime.clock.now_ns()
        if self._open_at_ns is not None:
            if now_ns >= self._open_at_ns:
                self._open()
        elif now_ns - self._heard_ns >= SILENCE_NS:
            self._lose()

    def _lose(self) -> None:
        if self._open_at_ns is None:
            self._open_at_ns = self._runtime.clock.now_ns() + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, PAUSE_NS_MAX)
            self._runtime.loop.call_soon(self._shut)  # we may stand in the port's own callback

    def _shut(self) -> None:
        for port in (self._monitor, self._port):
            if port is not None:
                port.close()
        self._monitor = self._port = None


def _is_clock(data: bytes) -> bool:
    return len(data) > _KIND and data[0] & 0xF0 == 0x90 and data[_KIND] == Clock.KIND
