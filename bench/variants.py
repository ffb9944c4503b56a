"""The table of what is compared: for each variant its relay process and how the two ends reach it.

Console and robot are Trocar's own in every variant; only the link module and the relay between them
differ. A variant may also carry a condition: what must be true of the machine or the installation
for it to be measured, by its name in claims.toml.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from transport.io.link import LinkSettings

CONSOLE, ROBOT, RELAY = "console", "robot", "relay"
"""Device names in the bench's key directory."""


class Place(NamedTuple):
    """Where one measurement lives: keys and certificates lie in one directory."""

    keys: Path
    console_port: int
    robot_port: int


class Wiring(NamedTuple):
    """How one variant is put between the ends: its relay's settings, and both ends' links."""

    relay: Mapping[str, object]
    console: LinkSettings
    robot: LinkSettings


class Variant(NamedTuple):
    """One row of the comparison."""

    name: str
    module: str
    wire: Callable[[Place], Wiring]
    needs: str = ""
    ours: bool = False


def _trocar(carrier: str) -> Callable[[Place], Wiring]:
    link = f"transport.io.links.{carrier}"

    def wire(place: Place) -> Wiring:
        hub = {
            "keys": str(place.keys),
            "identity": RELAY,
            "path": 1,
            "console": _tcp(place.console_port),
            "robot": _tcp(place.robot_port),
            "datagram": f"udp://127.0.0.1:{place.console_port}",
        }
        return Wiring(
            {"hub": hub},
            _end(link, _tcp(place.console_port), place.keys, CONSOLE),
            _end(link, _tcp(place.robot_port), place.keys, ROBOT),
        )

    return wire


def _proxy(place: Place) -> Wiring:
    module = "bench.peers.zmq_proxy"
    console, robot = _tcp(place.console_port), _tcp(place.robot_port)
    return Wiring(
        {"console": console, "robot": robot, "keys": str(place.keys), "identity": RELAY},
        _end(module, console, place.keys, CONSOLE),
        _end(module, robot, place.keys, ROBOT),
    )


def _plain(place: Place) -> Wiring:
    module = "bench.peers.udp_plain"
    console, robot = (f"127.0.0.1:{port}" for port in (place.console_port, place.robot_port))
    return Wiring(
        {"console": console, "robot": robot},
        _end(module, console, place.keys, CONSOLE),
        _end(module, robot, place.keys, ROBOT),
    )


def _zenoh(scheme: str, low_latency: bool = False) -> Callable[[Place], Wiring]:
    module = f"bench.peers.{'zenoh_low_latency' if low_latency else 'zenoh_router'}"

    def wire(place: Place) -> Wiring:
        endpoint = f"{scheme}/127.0.0.1:{place.console_port}"
        return Wiring(
            {
                "endpoint": endpoint,
                "certificates": str(place.keys),
                "low_latency": low_latency,
            },
            _end(module, endpoint, place.keys, CONSOLE),
            _end(module, endpoint, place.keys, ROBOT),
        )

    return wire


def _end(module: str, endpoint: str, keys: Path, identity: str) -> LinkSettings:
    return LinkSettings(
        module=module, endpoint=endpoint, keys=str(keys), identity=identity, server=RELAY
    )


def _tcp(port: int) -> str:
    return f"tcp://127.0.0.1:{port}"


_ROUTER = "bench.peers.zenoh_router"

# fmt: off
VARIANTS = (
    #       name                relay process             wiring                     needs
    Variant("trocar-zmq",       "teleop.relayd",          _trocar("zmq"),            ours=True),
    Variant("trocar-udp",       "teleop.relayd",          _trocar("udp"),            ours=True),
    Variant("proxy+curve",      "bench.peers.zmq_proxy",  _proxy),
    Variant("udp-plain",        "bench.peers.udp_plain",  _plain),
    Variant("zenoh",            _ROUTER,                  _zenoh("tcp"),             "no-zenoh"),
    Variant("zenoh+tls",        _ROUTER,                  _zenoh("tls"),             "no-zenoh"),
    Variant("zenoh-lowlatency", _ROUTER,                  _zenoh("tcp", True),       "no-zenoh"),
)
# fmt: on

BY_NAME = {variant.name: variant for variant in VARIANTS}


def has_zenoh() -> bool:
    """Say whether Zenoh's Python package is installed."""
    return importlib.util.find_spec("zenoh") is not None
