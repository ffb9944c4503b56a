"""What a firewall must let through: read from the configuration that the node itself reads."""

from __future__ import annotations

from typing import NamedTuple

from teleop.node.sections import NodeConfig


class Opening(NamedTuple):
    """One line of a firewall.

    Parameters
    ----------
    protocol : tcp or udp
    address : what listens there, or where it is sent from
    ports : one, or a range "first-last"
    source : who connects
    what : flows through, and how it is protected
    reach : "this machine" when nothing beyond it can connect
    """

    protocol: str
    address: str
    ports: str
    source: str
    what: str
    reach: str


def openings(config: NodeConfig) -> list[Opening]:
    """List everything that listens on this node's network addresses."""
    listening = [
        _listener(config.relay.console, "consoles", "commands, states (CURVE)"),
        _listener(config.relay.datagram, "consoles", "commands, states (AES-GCM)"),
        _listener(config.relay.robot, "robots", "commands, states (CURVE)"),
        _listener(config.session.listen, "consoles", "requests, grants (CURVE)"),
        _listener(config.robot.guard, "session service, guards", "grants, ceilings (CURVE)"),
        _listener(config.robot.driver_listen, "the controller", "the driver's messages (CURVE)"),
        _listener(f"tcp://{config.metrics.listen}", "monitoring", "/metrics"),
        _listener(f"tcp://{config.web.listen}", "browsers", _pages(config)),
    ]
    if config.monitor.beds:
        monitor = config.monitor
        listening += [
            _listener(monitor.listen, "devices", "samples (CURVE)"),
            _listener(monitor.publish, "who listens", "vital signs (CURVE)"),
            _listener(config.alarms.publish, "who listens", "alarms (CURVE)"),
            _listener(config.alarms.desk, "who listens", "questions, answers (CURVE)"),
        ]
    return [*filter(None, listening), *_video(config)]


def _listener(endpoint: str, source: str, what: str) -> Opening | None:
    scheme, _, address = endpoint.partition("://")
    host, _, port = address.rpartition(":")
    if not port:
        return None
    return Opening(scheme, host, port, source, what, _reach(host))


def _video(config: NodeConfig) -> list[Opening]:
    video = config.video
    if not video.camera:
        return []
    first, last = video.udp_ports
    ports = f"{first}-{last}" if first else "any"
    return [
        Opening("udp", address, ports, "viewers", "pictures (DTLS, SRTP)", _reach(address))
        for address in video.addresses or ("*",)
    ]


def _pages(config: NodeConfig) -> str:
    return "pages, offers, answers " + ("(TLS 1.3)" if config.web.certificate else "(HTTP)")


def _reach(host: str) -> str:
    return "this machine" if host.startswith("127.") or host in ("[::1]", "localhost") else ""
