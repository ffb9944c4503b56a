"""Reads node.toml into typed values, or says what is wrong with it.

Rules
-----
- Complete: the repository's node.toml names every key with its default; a test holds it to that.
- Strict: an unknown key, a wrong type and a value out of range each end the start. The error
  names file, line and key, and says what was expected there.
- Nothing listens beyond loopback without keys: CURVE endpoints may, pages may by TLS, the metrics
  page may not.
- Units are in the keys. Secrets are paths.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from monitor.sensors import SENSORS
from safety.limits import Limits
from teleop.node.mistakes import ConfigError, line_of, syntax_mistake, type_mistake
from teleop.node.rundir import default_path
from teleop.robot.fixture import ShapeSettings
from teleop.settings import is_loopback
from transport.io.button import ButtonSettings

BYTES_MAX: Final = 256 * 1024

_HOST = r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.\-]+|\*)"
_PORT = r":[1-9][0-9]{0,4}"

Name = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$", description="a name, 1 to 32 of a-z 0-9 . _ -"),
]
Tcp = Annotated[
    str, Meta(pattern=rf"^tcp://{_HOST}{_PORT}$", description='an endpoint, "tcp://host:port"')
]
Udp = Annotated[
    str,
    Meta(pattern=rf"^(udp://{_HOST}{_PORT})?$", description='"udp://host:port", or "" for none'),
]
Page = Annotated[
    str, Meta(pattern=rf"^({_HOST}{_PORT})?$", description='"host:port", or "" for none')
]
Module = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
        description='a Python module, such as "transport.io.links.zmq"',
    ),
]
Driver = Annotated[
    Literal["external", "teleop.sim.simd"],
    Meta(description='"external" (a controller that connects by itself) or "teleop.sim.simd"'),
]
Policies = Annotated[
    dict[str, Literal["none", "degraded", "hold"]],
    Meta(description='sources with a policy each: "none", "degraded" or "hold"'),
]

Estops = Annotated[
    tuple[Name, ...], Meta(max_length=16, description="at most 16 names of wired emergency stops")
]
Buttons = Annotated[
    dict[str, ButtonSettings], Meta(max_length=16, description="a table with module and device")
]


Beds = Annotated[tuple[str, ...], Meta(max_length=4096, description='beds, such as "or/1"')]
_BED = re.compile(r"[a-z0-9][a-z0-9_-]{0,14}/[a-z0-9][a-z0-9_-]{0,14}")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of node.toml."""


class Node(Section, frozen=True, kw_only=True):
    """The machine's part."""

    name: Name = "node"
    state_dir: Annotated[str, Meta(min_length=1, description="a path")] = "var/node"
    run_dir: str = ""
    realtime: bool = True
    pm_qos: bool = True


class Relay(Section, frozen=True, kw_only=True):
    """Where consoles and robots connect."""

    identity: Name = "relay"
    path_id: Annotated[int, Meta(ge=1, le=255, description="a number, 1 to 255")] = 1
    console: Tcp = "tcp://127.0.0.1:7411"
    datagram: Udp = "udp://127.0.0.1:7411"
    robot: Tcp = "tcp://127.0.0.1:7412"


class Session(Section, frozen=True, kw_only=True):
    """Who is granted the robot."""

    identity: Name = "session"
    signer: Name = "node"
    listen: Tcp = "tcp://127.0.0.1:7413"


class Watchdog(Section, frozen=True, kw_only=True):
    """Who ends what hangs, and tells the robot."""

    identity: Annotated[
        str,
        Meta(pattern=r"^([a-z0-9][a-z0-9._-]{0,31})?$", description='a name, or "" for none'),
    ] = "watchdog"


class Robot(Section, frozen=True, kw_only=True):
    """The robot's side."""

    name: Name = "robot"
    arms: Annotated[int, Meta(ge=1, le=4, description="a number of arms, 1 to 4")] = 1
    link: Module = "transport.io.links.zmq"
    guard: Tcp = "tcp://127.0.0.1:7414"
    driver: Driver = "external"
    driver_listen: Annotated[
        str,
        Meta(
            pattern=rf"^(unix|tcp://{_HOST}{_PORT})$",
            description='"unix", or a CURVE endpoint "tcp://host:port"',
        ),
    ] = "unix"
    state_rate_hz: Annotated[int, Meta(ge=250, le=4000, description="a rate, 250 to 4000")] = 250
    limits: Limits = Limits()
    shape: ShapeSettings = ShapeSettings()
    ceilings: Policies = {}
    estops: Estops = ()


class Sim(Section, frozen=True, kw_only=True):
    """The simulated arm, when it is the driver."""

    model: Annotated[
        Literal["psm", "point"],
        Meta(description='"psm" (joints, masses, things to grip) or "point" (a tip)'),
    ] = "psm"
    measure_rate_hz: Annotated[int, Meta(ge=100, le=4000, description="a rate, 100 to 4000")] = 500


class Endoscope(Section, frozen=True, kw_only=True):
    """The simulated endoscope, over the arm with joints."""

    width: Annotated[int, Meta(ge=80, le=4096, multiple_of=2, description="even, 80 to 4096")] = 640
    height: Annotated[int, Meta(ge=80, le=4096, multiple_of=2, description="even, 80 to 4096")] = (
        360
    )
    rate_hz: Annotated[int, Meta(ge=0, le=240, description="pictures a second; 0 for none")] = 30
    strip: bool = False


class Video(Section, frozen=True, kw_only=True):
    """The camera whose picture is sent to who watches."""

    camera: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?$",
            description='a kind of camera, "transport.io.cameras.ring", or "" for none',
        ),
    ] = ""
    url: str = "endoscope"
    width: Annotated[int, Meta(ge=16, le=4096, multiple_of=2, description="even, 16 to 4096")] = (
        1280
    )
    height: Annotated[int, Meta(ge=16, le=4096, multiple_of=2, description="even, 16 to 4096")] = (
        720
    )
    rate_hz: Annotated[int, Meta(ge=1, le=240, description="pictures a second, 1 to 240")] = 30
    bit_rate: Annotated[int, Meta(ge=200_000, le=50_000_000, description="bit/s")] = 4_000_000
    addresses: Annotated[tuple[str, ...], Meta(max_length=8, description="local addresses")] = ()
    udp_ports: Annotated[
        tuple[int, int], Meta(description="the first and the last UDP port, or [0, 0] for any")
    ] = (7420, 7439)
    public: str = ""


class Monitor(Section, frozen=True, kw_only=True):
    """The vital signs of some beds."""

    identity: Name = "monitor"
    listen: Tcp = "tcp://127.0.0.1:7418"
    publish: Annotated[
        str,
        Meta(
            pattern=rf"^(tcp://{_HOST}{_PORT})?$",
            description='"tcp://host:port", or "" for this machine only',
        ),
    ] = "tcp://127.0.0.1:7419"
    beds: Beds = ()
    sensors: Annotated[
        tuple[Module, ...], Meta(min_length=1, max_length=32, description="modules of sensors")
    ] = SENSORS
    leads: Annotated[int, Meta(ge=1, le=3, description="ECG leads of a bed, 1 to 3")] = 3
    spo2_curve: Annotated[
        Literal["linear", "max3010x"],
        Meta(description='the probe\'s curve, "linear" or "max3010x"'),
    ] = "linear"


class Alarms(Section, frozen=True, kw_only=True):
    """Who is told of alarms, and who may answer them."""

    publish: Annotated[
        str,
        Meta(
            pattern=rf"^(tcp://{_HOST}{_PORT})?$",
            description='"tcp://host:port", or "" for this machine only',
        ),
    ] = "tcp://127.0.0.1:7409"
    desk: Tcp = "tcp://127.0.0.1:7410"
    robot_bed: str = ""
    robot_policy: Annotated[
        Literal["none", "degrade", "hold"],
        Meta(description='what an alarm there does to the robot: "none", "degrade" or "hold"'),
    ] = "none"


class Metrics(Section, frozen=True, kw_only=True):
    """Numbers for the hospital's monitoring."""

    listen: Page = "127.0.0.1:7415"


class Web(Section, frozen=True, kw_only=True):
    """Pages for who watches in a browser."""

    listen: Page = "127.0.0.1:7417"
    name: str = ""
    certificate: str = ""
    key: str = ""


class Audit(Section, frozen=True, kw_only=True):
    """Who did what."""

    second: str = ""


class Record(Section, frozen=True, kw_only=True):
    """What the node keeps of itself on disk, to explain afterwards why a robot stopped."""

    total_mb: Annotated[int, Meta(ge=0, le=1 << 24, description="megabytes; 0 for none")] = 4096
    file_mb: Annotated[int, Meta(ge=1, le=1024, description="megabytes, 1 to 1024")] = 64
    file_s: Annotated[int, Meta(ge=1, le=86_400, description="seconds, 1 to 86400")] = 600


class NodeConfig(Section, frozen=True, kw_only=True):
    """All of node.toml."""

    node: Node = Node()
    relay: Relay = Relay()
    session: Session = Session()
    watchdog: Watchdog = Watchdog()
    robot: Robot = Robot()
    estop: Buttons = {}
    sim: Sim = Sim()
    endoscope: Endoscope = Endoscope()
    record: Record = Record()
    video: Video = Video()
    monitor: Monitor = Monitor()
    alarms: Alarms = Alarms()
    metrics: Metrics = Metrics()
    web: Web = Web()
    audit: Audit = Audit()

    @property
    def keys_dir(self) -> Path:
        """Return the directory of this node's keys."""
        return Path(self.node.state_dir) / "keys"

    @property
    def run_dir(self) -> Path:
        """Return the directory on tmpfs that lives as long as the node."""
        return Path(self.node.run_dir)


def load(path: Path) -> NodeConfig:
    """Read a node.toml; its paths come back absolute, its run directory filled in.

    Raises
    ------
    ConfigError
    """
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(str(path), 1, "file", "a readable node.toml", reason) from error
    if len(data) > BYTES_MAX:
        raise ConfigError(str(path), 1, "file", f"at most {BYTES_MAX} bytes", "more")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), line, "file", "UTF-8", repr(data[error.start])) from error
    return resolve(parse(text, str(path)), path.absolute().parent)


def parse(text: str, file: str = "node.toml") -> NodeConfig:
    """Turn the text of a node.toml into a configuration.

    Raises
    ------
    ConfigError : the first thing that is wrong
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise syntax_mistake(text, file, str(error)) from error
    try:
        config = msgspec.convert(raw, NodeConfig)
    except msgspec.ValidationError as error:
        raise type_mistake(text, file, raw, NodeConfig, str(error)) from error
    for check in CHECKS:
        if found := check.found(config):
            line = line_of(text, check.key)
            raise ConfigError(file, line, check.key, check.expected, found)
    return config


def resolve(config: NodeConfig, folder: Path) -> NodeConfig:
    """Make the paths of a configuration absolute: `folder` is where its file lies."""
    node, web = config.node, config.web
    run_dir = folder / node.run_dir if node.run_dir else default_path(node.name)
    paths = {"state_dir": str(folder / node.state_dir), "run_dir": str(run_dir)}
    second = config.audit.second or f"{paths['state_dir']}/audit-head"
    return msgspec.structs.replace(
        config,
        node=msgspec.structs.replace(node, **paths),
        audit=msgspec.structs.replace(config.audit, second=str(folder / second)),
        web=msgspec.structs.replace(
            config.web,
            certificate=str(folder / web.certificate) if web.certificate else "",
            key=str(folder / web.key) if web.key else "",
        ),
    )


# What types cannot say

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


def _robot_in_no_bed(config: NodeConfig) -> str:
    bed = config.alarms.robot_bed
    return repr(bed) if bed and bed not in config.monitor.beds else ""


def _alarm_without_right(config: NodeConfig) -> str:
    alarms = config.alarms
    is_told = bool(alarms.robot_bed) and config.monitor.identity in config.robot.ceilings
    return "" if alarms.robot_policy == "none" or is_told else repr(alarms.robot_policy)


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
