"""Slow, certain talk over CURVE: requests, grants and ceilings, beside the path of commands.

A `Listener` binds a ROUTER, a `Caller` connects a DEALER. Both speak whole messages; what they
mean is their owner's.

Rules
-----
- The caller says Clock after each handshake and twice a second; the listener answers. So a
  listener knows its callers before they ask anything, and a caller knows that it is heard.
- Every frame's key is looked up in the live keyring; a device answers on its newest connection.
- A caller that is refused, or hears nothing for two seconds, makes a new socket.
- A key that is set on a bound socket changes nothing. So a new one gets a new socket beside the
  old: a listener's at the same port (`transport.io.doorway`), until the old key is revoked; a
  caller's until its handshake is done. What is said meanwhile goes by the old.
- A signature costs a robot's loop 150 us to judge: each device has a bucket here too, and a pass
  is short, so that whoever floods waits, and not the commands beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import zmq

from transport.io import curve
from transport.io.doorway import Doorway
from transport.io.keys import Device, Identity, Keyring
from transport.io.line import PAUSE_NS_MIN, TUNING, Line, is_clock
from transport.io.process import Runtime
from transport.io.zmq import REFUSALS, Happened, Port, watch
from transport.link.bucket import TokenBucket
from transport.wire.codec import MESSAGE_BYTES_MAX, encode
from transport.wire.messages import Clock

CLOCK_NS = 500_000_000
CALLERS_MAX = 64
RATE_HZ, BURST = 100, 20  # messages of one device
PASS_MAX = 16
#: Why a listener refuses something.
CAUSES = ("handshake", "revoked", "rate", "parts", "oversized", "full")


class _Route(NamedTuple):
    """Where a device is heard."""

    port: Port
    route: bytes


class _Desk(NamedTuple):
    """A socket that proves one key."""

    key: str
    port: Port
    monitor: Port

    def close(self) -> None:
        self.monitor.close()
        self.port.close()


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
        self._routes: dict[str, _Route] = {}
        self._doorway = Doorway(endpoint)
        self._desk = self._bind(identity)
        self._older: _Desk | None = None
        self.endpoint = self._doorway.endpoint

    def poll(self) -> None:
        """Take what waits now, without waiting for the loop to come round."""
        if self._older is not None:
            self._older.port.poll()
        self._desk.port.poll()

    def send(self, device: str, data: bytes) -> bool:
        """Send to a device by name; False when it is not connected."""
        found = self._routes.get(device)
        if found is None:
            return False
        if not found.port.send_to(found.route, data):
            del self._routes[device]
            return False
        return True

    def forget_revoked(self) -> None:
        """Say nothing more to devices whose key is no longer live, nor keep their place.

        And let go of whoever was let in by a key of ours that is not.
        """
        for name in [name for name in self._routes if self._keyring.named(name) is None]:
            del self._routes[name]
        older = self._older
        if older is not None and self._keyring.device(older.key) is None:
            self._let_go(older)

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

    def broadcast(self, data: bytes) -> None:
        """Send to every device that is connected."""
        for device in list(self._routes):
            self.send(device, data)

    def close(self) -> None:
        """Stop listening. Closing twice is harmless."""
        for desk in (self._older, self._desk):
            if desk is not None:
                desk.close()
        self._doorway.close()
        self._routes.clear()

    def _bind(self, identity: Identity) -> _Desk:
        loop = self._runtime.loop
        socket = curve.server_socket(
            self._runtime.context, zmq.ROUTER, identity, self._domain, self._doorway, TUNING
        )
        monitor = watch(loop, socket, self._happened)
        port = Port(
            loop,
            socket,
            lambda frames: self._frames(port, frames),
            limit=PASS_MAX,
            on_surplus=lambda: self._refused("parts"),
        )
        return _Desk(identity.public_z85.decode(), port, monitor)

    def _let_go(self, older: _Desk) -> None:
        self._older = None
        older.close()
        self._doorway.settle()
        for name in [name for name, found in self._routes.items() if found.port is older.port]:
            del self._routes[name]

    def _happened(self, event: Happened) -> None:
        # The doorman has counted those that were refused for their key.
        if event in REFUSALS and event is not Happened.FAILED_AUTH:
            self._refused("handshake")

    def _frames(self, port: Port, frames: list[zmq.Frame]) -> None:
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
        found = self._routes.get(device.name)
        goes_over = found is not None and found.port is self._desk.port is not port
        if found is None or (found != (port, route) and not goes_over):
            if len(self._routes) >= self._callers_max and found is None:
                return self._refused("full")
            self._routes[device.name] = _Route(port, route)
            self._on_caller(device)
        if is_clock(data):
            port.send_to(route, encode(Clock(3, 0, now_ns, now_ns)))
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
        self._endpoint = endpoint
        self._on_connected = on_connected
        self._on_message = on_message
        self._keys = identity, server_z85
        self._line = self._open(identity, server_z85)
        self._fresh: Line | None = None  # with other keys, until its handshake is done
        self._before: Line | None = None  # until the listener answers on the newer one
        self._beat = runtime.loop.every(CLOCK_NS, self._say_clock)
        self._look = runtime.loop.every(PAUSE_NS_MIN, self._tick)

    @property
    def refusal(self) -> str:
        """Why we were refused last, "" since the last handshake."""
        return self._line.refusal

    def send(self, data: bytes) -> bool:
        """Send one message; False when there is no connection now."""
        port = self._line.port
        return port is not None and port.send(data)

    def rekey(self, identity: Identity, server_z85: bytes) -> None:
        """Talk with another key, or to another one, as soon as that is answered."""
        if (identity, server_z85) == self._keys:
            return
        self._keys = identity, server_z85
        if self._fresh is not None:
            self._fresh.close()
        self._fresh = self._open(identity, server_z85)

    def close(self) -> None:
        """End the connection for good."""
        self._beat.close()
        self._look.close()
        for line in (self._line, self._fresh, self._before):
            if line is not None:
                line.close()

    def _open(self, identity: Identity, server_z85: bytes) -> Line:
        return Line(
            self._runtime, identity, server_z85, self._endpoint, self._shaken, self._on_message
        )

    def _shaken(self, line: Line) -> None:
        """Go over to the line whose handshake is done."""
        if line is self._fresh:
            if self._before is not None:
                self._before.close()
            self._before, self._line, self._fresh = self._line, line, None
        if line is self._line:
            self._say_clock()
            self._on_connected()

    def _say_clock(self) -> None:
        self.send(encode(Clock(3, self._runtime.clock.now_ns(), 0, 0)))

    def _tick(self) -> None:
        self._line.look()
        if self._fresh is not None:
            self._fresh.look()
        if self._before is not None and self._line.is_heard:
            self._before.close()
            self._before = None
