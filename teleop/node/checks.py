"""What must hold between several values of a node.toml, one row a rule.

A rule tells what breaks it, in words, and "" when nothing does; `expected` says what would hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple

from teleop.node.sections import NodeConfig
from teleop.settings import is_loopback

_BED: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,14}/[a-z0-9][a-z0-9_-]{0,14}")

Endpoint = Callable[[NodeConfig], str]
_DATAGRAM: Final[Endpoint] = attrgetter("relay.datagram")
#: Everything that listens on TCP, by its key.
LISTENERS: Final[dict[str, Endpoint]] = {
    key: attrgetter(key)
    for key in (
        "relay.console",
        "relay.robot",
        "session.listen",
        "robot.guard",
        "robot.driver_listen",
        "monitor.listen",
        "monitor.publish",
        "alarms.publish",
        "alarms.desk",
        "metrics.listen",
        "web.listen",
    )
}


class Check(NamedTuple):
    """A rule over several values: `found` tells what breaks it, "" when nothing does."""

    key: str
    expected: str
    found: Callable[[NodeConfig], str]


def _port(endpoint: str) -> int:
    port = endpoint.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0


def _high_port(endpoint: Endpoint, config: NodeConfig) -> str:
    port = _port(endpoint(config))
    return f"port {port}" if port > 65_535 else ""


def _twice(key: str, config: NodeConfig) -> str:
    """Tell which endpoint before `key` has its TCP port already."""
    port = _port(LISTENERS[key](config))
    for other, endpoint in LISTENERS.items():
        if other == key or not port:
            return ""
        if _port(endpoint(config)) == port:
            return f"port {port} of {other}"
    return ""


def _beyond_loopback(config: NodeConfig) -> str:
    listen = config.metrics.listen
    return "" if is_loopback(listen) else repr(listen)


def _without_tls(config: NodeConfig) -> str:
    web = config.web
    return "" if web.certificate or is_loopback(web.listen) else repr(web.listen)


def _half_a_pair(config: NodeConfig) -> str:
    web = config.web
    return "" if bool(web.certificate) == bool(web.key) else "one of the two"


def _same_device(config: NodeConfig) -> str:
    devices = (
        config.relay.identity,
        config.session.identity,
        config.session.signer,
        config.watchdog.identity,
        config.monitor.identity,
        config.robot.name,
    )
    return next((repr(name) for name in devices if devices.count(name) > 1), "")


def _two_policies(config: NodeConfig) -> str:
    robot = config.robot
    both = [name for name in robot.estops if name in robot.ceilings]
    return f"{both[0]!r} in both" if both else ""


def _stop_of_a_name(config: NodeConfig) -> str:
    estops = config.robot.estops
    others = (
        config.relay.identity,
        config.session.identity,
        config.session.signer,
        config.monitor.identity,
        config.robot.name,
    )
    return next((repr(name) for name in estops if estops.count(name) > 1 or name in others), "")


def _stop_of_nobody(config: NodeConfig) -> str:
    return next((repr(name) for name in config.estop if name not in config.robot.estops), "")


def _watchdogs_policy(config: NodeConfig) -> str:
    name, robot = config.watchdog.identity, config.robot
    return repr(name) if name in (*robot.ceilings, *robot.estops) else ""


def _simulator_elsewhere(config: NodeConfig) -> str:
    listen = config.robot.driver_listen
    return repr(listen) if config.robot.driver != "external" and listen != "unix" else ""


def _no_bed(config: NodeConfig) -> str:
    return next((repr(bed) for bed in config.monitor.beds if not _BED.fullmatch(bed)), "")


def _bed_twice(config: NodeConfig) -> str:
    beds = config.monitor.beds
    return next((repr(bed) for bed in beds if beds.count(bed) > 1), "")


def _no_room(config: NodeConfig) -> str:
    record = config.record
    return f"{record.total_mb} MB" if 0 < record.total_mb < 3 * record.file_mb else ""


def _no_range(config: NodeConfig) -> str:
    first, last = config.video.udp_ports
    is_range = 0 < first <= last <= 65535 or first == last == 0
    return "" if is_range else f"{first} to {last}"


def _robot_in_no_bed(config: NodeConfig) -> str:
    bed = config.alarms.robot_bed
    return repr(bed) if bed and bed not in config.monitor.beds else ""


def _alarm_without_right(config: NodeConfig) -> str:
    alarms = config.alarms
    is_told = bool(alarms.robot_bed) and config.monitor.identity in config.robot.ceilings
    return "" if alarms.robot_policy == "none" or is_told else repr(alarms.robot_policy)


CHECKS: Final = (
    *(
        Check(key, "a port up to 65535", partial(_high_port, endpoint))
        for key, endpoint in {**LISTENERS, "relay.datagram": _DATAGRAM}.items()
    ),
    *(Check(key, "a port of its own", partial(_twice, key)) for key in LISTENERS),
    Check(
        "robot.name", "no device name of relay, session, signer, watchdog or monitor", _same_device
    ),
    Check("robot.estops", "sources that robot.ceilings does not name", _two_policies),
    Check("robot.estops", "names of their own, each once", _stop_of_a_name),
    Check("estop", "names that robot.estops has", _stop_of_nobody),
    Check("watchdog.identity", "no source of robot.ceilings or robot.estops", _watchdogs_policy),
    Check("robot.driver_listen", '"unix" for the simulator', _simulator_elsewhere),
    Check("monitor.beds", '"unit/bed", each 1 to 15 of a-z 0-9 _ -', _no_bed),
    Check("monitor.beds", "each bed once", _bed_twice),
    Check("alarms.robot_bed", "one of monitor.beds", _robot_in_no_bed),
    Check(
        "alarms.robot_policy",
        "alarms.robot_bed, and the monitor's identity in robot.ceilings",
        _alarm_without_right,
    ),
    Check("record.total_mb", "0, or room for three files", _no_room),
    Check("video.udp_ports", "a first port not above the last, up to 65535", _no_range),
    Check("metrics.listen", "a loopback address, because the page asks no key", _beyond_loopback),
    Check("web.listen", "a loopback address, or a certificate and its key", _without_tls),
    Check("web.key", "a certificate and its key, or neither", _half_a_pair),
)
