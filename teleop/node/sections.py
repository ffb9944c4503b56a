"""The tables of node.toml as typed values: every key, its default, and what it may be.

A type says what one value may be, and in words what was expected; what holds between several is in
`teleop.node.checks`. Units are in the keys. Secrets are paths.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from monitor.sensors import SENSORS
from safety.limits import Limits
from teleop.robot.fixture import ShapeSettings
from transport.io.button import ButtonSettings

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
