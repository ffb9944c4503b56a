"""Zenoh's router between two clients, with TLS and without: forwarding in Rust, pub/sub by key.

Its project's advice for small, urgent messages, all followed: scouting off where the endpoint is
known, `express` (no batching of this publisher's messages), congestion control DROP (old motion is
worthless) and REAL_TIME priority. Its `lowlatency` transport gives up priorities and the transmit
queue, and with it what DROP promises; it is offered as a variant of its own, so that nobody can say
the faster mode was left out.

The router is a Python session in router mode: the same Rust router that `zenohd` wraps.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import zenoh

from bench.peers.certificates import CERTIFICATE, PRIVATE_KEY
from bench.peers.end import PeerEnd
from transport.io.link import LinkSettings
from transport.io.process import ProcessSettings, Runtime, main
from transport.wire.messages import Attach

COMMANDS, STATES = "trocar/command", "trocar/state"
ROBOT = "robot"
"""Device name of the robot's end; the other is a console's."""


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the router listens ("tcp/…" or "tls/…"), and the directory of its certificate."""

    process: ProcessSettings
    endpoint: str
    certificates: str = ""
    low_latency: bool = False


class Router:
    """An open session in router mode."""

    def __init__(self, settings: RouterSettings) -> None:
        self._session = zenoh.open(_router_config(settings))

    def close(self) -> None:
        """Close the router."""
        self._session.close()  # type: ignore[no-untyped-call]


class ZenohLink(PeerEnd):
    """One end: publishes one key and subscribes the other.

    Samples arrive on a thread of Zenoh's; a bounded queue and an eventfd bring them into the loop.
    """

    def __init__(
        self,
        settings: LinkSettings,
        runtime: Runtime,
        on_ready: Callable[[], None],
        low_latency: bool,
    ) -> None:
        super().__init__()
        self._loop = runtime.loop
        self._on_ready = on_ready
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._session = zenoh.open(_client_config(settings, low_latency))
        is_robot = settings.identity == ROBOT
        heard, said = (COMMANDS, STATES) if is_robot else (STATES, COMMANDS)
        self._subscriber = self._session.declare_subscriber(heard, self._arrived)
        self._publisher = self._session.declare_publisher(
            said,
            congestion_control=zenoh.CongestionControl.DROP,
            priority=zenoh.Priority.REAL_TIME,
            express=True,
        )
        self._loop.add_reader(self._event, self._readable)

    def send(self, data: bytes) -> bool:
        """Publish one frame; Zenoh itself drops under congestion, uncounted here."""
        self._publisher.put(data)
        return self.count(True)

    def close(self) -> None:
        """Close the session and the eventfd."""
        self._loop.remove_reader(self._event)
        self._session.close()  # type: ignore[no-untyped-call]
        os.close(self._event)

    def _arrived(self, sample: zenoh.Sample) -> None:
        self.inbox.append(sample.payload.to_bytes())
        os.eventfd_write(self._event, 1)

    def _readable(self) -> None:
        try:
            os.eventfd_read(self._event)
        except BlockingIOError:
            return
        self._on_ready()


def connect(
    settings: LinkSettings, attach: Attach, runtime: Runtime, on_ready: Callable[[], None]
) -> ZenohLink:
    """Reach the router. `identity` says which end this is, `keys` where the certificates lie."""
    del attach
    return ZenohLink(settings, runtime, on_ready, low_latency=False)


def build(settings: RouterSettings, runtime: Runtime) -> Router:
    """Open the router; its threads inherit the process's real-time rights."""
    router = Router(settings)
    runtime.ready()
    return router


def _router_config(settings: RouterSettings) -> zenoh.Config:
    config = _quiet("router", settings.low_latency)
    _insert(config, "listen/endpoints", [settings.endpoint])
    if settings.endpoint.startswith("tls/"):
        directory = Path(settings.certificates)
        tls = "transport/link/tls"
        _insert(config, f"{tls}/listen_certificate", str(directory / CERTIFICATE))
        _insert(config, f"{tls}/listen_private_key", str(directory / PRIVATE_KEY))
    return config


def _client_config(settings: LinkSettings, low_latency: bool) -> zenoh.Config:
    config = _quiet("client", low_latency)
    _insert(config, "listen/endpoints", [])
    _insert(config, "connect/endpoints", [settings.endpoint])
    if settings.endpoint.startswith("tls/"):
        authority = str(Path(settings.keys) / CERTIFICATE)
        _insert(config, "transport/link/tls/root_ca_certificate", authority)
    return config


def _quiet(mode: str, low_latency: bool) -> zenoh.Config:
    config = zenoh.Config()
    _insert(config, "mode", mode)
    _insert(config, "scouting/multicast/enabled", False)
    _insert(config, "scouting/gossip/enabled", False)
    # For large payloads on one host only; left on it also leaves files in /dev/shm behind.
    _insert(config, "transport/shared_memory/enabled", False)
    if low_latency:
        _insert(config, "transport/unicast/qos/enabled", False)
        _insert(config, "transport/unicast/lowlatency", True)
    return config


def _insert(config: zenoh.Config, key: str, value: Any) -> None:
    config.insert_json5(key, json.dumps(value))


if __name__ == "__main__":
    sys.exit(main(RouterSettings, build))
