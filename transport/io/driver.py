"""The socket of a robot's driver: local by default, CURVE for a controller on another computer.

Rules
-----
- `unix`: AF_UNIX SEQPACKET at `<run_dir>/driver-<robot>.sock`, 0600, one driver at a time.
- `tcp://...`: a CURVE ROUTER, domain "driver"; the driver connects a DEALER with a key of role
  `driver`. Whoever measures first is the driver until it was silent for a second.
- Either way a message that cannot leave at once is dropped: the next setpoint is better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from transport.io import dialogue
from transport.io.dialogue import Listener
from transport.io.keys import Device, Identity, Keyring
from transport.io.process import Runtime
from transport.io.seqpacket import SeqpacketServer

UNIX = "unix"
SILENCE_NS = 1_000_000_000
RATE_HZ, BURST = 8000, 1000  # four arms at 1 kHz, twice over
#: What may be refused here.
CAUSES = ("second", "user", *dialogue.CAUSES)
Refuse = Callable[[str], None]


class DriverPort(Protocol):
    """Where a driver is connected, or will be."""

    def send(self, data: bytes) -> bool:
        """Send one message to the driver; False = there is none, or it does not read."""

    def rekey(self, identity: Identity) -> None:
        """Prove another key to a driver that comes from now on."""

    def close(self) -> None:
        """Close for good."""


def open_driver(
    endpoint: str,
    runtime: Runtime,
    keyring: Keyring,
    identity: Identity,
    robot: str,
    on_message: Callable[[bytes], None],
    on_gone: Callable[[], None],
    refuse: Refuse,
) -> DriverPort:
    """Open the socket that `endpoint` names ("unix", or a CURVE endpoint to bind)."""
    if endpoint == UNIX:
        path = runtime.path(f"driver-{robot}.sock")
        return _LocalDriver(
            runtime.loop, path, on_message, on_disconnect=on_gone, on_refused=refuse
        )
    return _CurveDriver(endpoint, runtime, keyring, identity, on_message, refuse)


class _LocalDriver(SeqpacketServer):
    """A driver on this computer: the kernel says who it is, and there is no key."""

    def rekey(self, _: Identity) -> None:
        """Nothing to prove."""


class _CurveDriver:
    """A driver on another computer."""

    def __init__(
        self,
        endpoint: str,
        runtime: Runtime,
        keyring: Keyring,
        identity: Identity,
        on_message: Callable[[bytes], None],
        refuse: Refuse,
    ) -> None:
        self._now_ns = runtime.clock.now_ns
        self._on_message = on_message
        self._refuse = refuse
        self._name = ""
        self._heard_ns = -SILENCE_NS
        self._listener = Listener(
            runtime,
            keyring,
            identity,
            "driver",
            endpoint,
            lambda _: None,
            self._heard,
            refuse,
            rate_hz=RATE_HZ,
            burst=BURST,
        )
        self.endpoint = self._listener.endpoint

    def send(self, data: bytes) -> bool:
        return bool(self._name) and self._listener.send(self._name, data)

    def rekey(self, identity: Identity) -> None:
        self._listener.forget_revoked()
        self._listener.rekey(identity)

    def close(self) -> None:
        self._listener.close()

    def _heard(self, device: Device, data: bytes) -> None:
        now_ns = self._now_ns()
        if device.name != self._name and now_ns - self._heard_ns < SILENCE_NS:
            self._refuse("second")
            return
        self._name, self._heard_ns = device.name, now_ns
        self._on_message(data)
