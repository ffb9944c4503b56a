"""Brings a node up from its configuration: refuses early, in words, what could not work."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from teleop.node.checks import LISTENERS
from teleop.node.commission import lacking
from teleop.node.errors import NodeError
from teleop.node.kernels import compile_all
from teleop.node.noded import Noded, Report, survivors
from teleop.node.rundir import RunDir
from teleop.node.sections import NodeConfig
from teleop.node.slices import rows, slices
from teleop.web.tls import TlsFault, context_of


class Unready(NodeError):
    """The node cannot start; the message has a line for each reason."""


def up(
    config: NodeConfig, file: Path, tell: Callable[[Report], None], skew_seed: int | None = None
) -> int:
    """Run the node until it is told to stop; return the exit code.

    Raises
    ------
    Busy : it runs already
    RunDirError : its run directory cannot be used
    Unready : keys, store, ports or the certificate are not there
    """
    run_dir = RunDir(config.run_dir, str(file.absolute()))
    lacks = [*lacking(config), *taken_ports(config), *unusable_certificate(config)]
    problems = [] if survivors(run_dir) else lacks
    if problems:
        run_dir.remove()
        raise Unready("\n".join(problems))
    compile_all(rows(config), tell)
    settings = {
        name: msgspec.json.encode(slice_) for name, slice_ in slices(config, skew_seed).items()
    }
    return Noded(run_dir, rows(config), settings, tell).run()


def taken_ports(config: NodeConfig) -> list[str]:
    """Say which of the node's ports cannot be listened on, one sentence each."""
    found = []
    for key, endpoint_of in LISTENERS.items():
        why = _why_not(endpoint_of(config), socket.SOCK_STREAM)
        if why:
            found.append(f"{key}: {endpoint_of(config)}: {why}")
    why = _why_not(config.relay.datagram, socket.SOCK_DGRAM)
    if why:
        found.append(f"relay.datagram: {config.relay.datagram}: {why}")
    return found


def unusable_certificate(config: NodeConfig) -> list[str]:
    """Say why pages could not be served by TLS, in one sentence or none."""
    web = config.web
    if not web.certificate:
        return []
    try:
        context_of(Path(web.certificate), Path(web.key))
    except TlsFault as fault:
        return [f"web.certificate: {fault}"]
    return []


def _why_not(endpoint: str, kind: socket.SocketKind) -> str:
    """Try to bind an endpoint; return why that failed, "" when it went well."""
    host, _, port = endpoint.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():
        return ""  # nothing listens there
    host = {"*": "0.0.0.0", "": "127.0.0.1"}.get(host, host.strip("[]"))
    try:
        family, kind_, protocol, _, address = socket.getaddrinfo(host, int(port), type=kind)[0]
        with socket.socket(family, kind_, protocol) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "another program listens there"
        return (error.strerror or str(error)).lower()
    return ""
