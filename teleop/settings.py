"""What the node's processes are told; each process decodes its own slice, and nothing else.

`teleop.robot.settings` has the robot's, because the robot's side ships alone.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

import msgspec

from safety.authority import DURATION_S
from teleop.console.operator import OperatorSettings
from transport.io.camera import CameraSettings
from transport.io.hub import HubSettings
from transport.io.link import LinkSettings
from transport.io.process import ProcessSettings


class RelaydSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `relayd`: its doors; states are published on `<run_dir>/state.<path>.ipc`.

    `tape` has it write down what it is fed with, for whoever records it.
    """

    process: ProcessSettings
    hub: HubSettings
    tape: bool = True


class SessiondSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `sessiond`.

    Parameters
    ----------
    keys, identity : key directory, and this service's device in it
    signer : the node device whose key signs grants
    listen : CURVE endpoint for consoles
    robots : guard endpoint by robot name
    store : SQLite file of who holds what, and of the highest epoch
    duration_s : how long a grant lasts, on the robot's clock
    audit, audit_head : folder of the audit's records, and the second place of its newest head
    """

    process: ProcessSettings
    keys: str
    identity: str
    signer: str
    listen: str
    robots: dict[str, str]
    store: str
    duration_s: Annotated[int, msgspec.Meta(ge=1, le=0xFFFF_FFFF)] = DURATION_S
    audit: str
    audit_head: str


class SimdSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `simd`.

    Parameters
    ----------
    driver : path of robotd's driver socket
    arms : how many
    measure_rate_hz : how often it measures
    model : "psm", with joints, masses and things to grip (needs MuJoCo), or "point", a tip
    """

    process: ProcessSettings
    driver: str
    arms: int = 1
    measure_rate_hz: int = 500
    model: Literal["psm", "point"] = "point"


class EndoscopedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `endoscoped`, the simulated endoscope.

    Parameters
    ----------
    width, height : of its picture, even
    rate_hz : pictures a second
    format : of `transport.media.picture.Format`, in lower case
    camera : its number in frame ids
    strip : whether the frame's number is drawn into the picture
    right_m : the eye's place beside the endoscope's axis; of a stereo pair, the other's is minus it
    """

    process: ProcessSettings
    width: Annotated[int, msgspec.Meta(ge=80, le=4096, multiple_of=2)] = 640
    height: Annotated[int, msgspec.Meta(ge=80, le=4096, multiple_of=2)] = 360
    rate_hz: Annotated[int, msgspec.Meta(ge=1, le=240)] = 30
    format: Literal["rgb24", "i420"] = "rgb24"
    camera: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = 0
    strip: bool = True
    right_m: float = 0.0


class VideodSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `videod`, one a camera.

    Parameters
    ----------
    camera : which
    bit_rate, bit_rate_min : of its picture, bit/s
    addresses : local addresses that pictures leave from; empty = all but loopback
    port_first, port_last : UDP ports of them; 0 and 0 = any
    public : address that viewers are told instead; "" = the local one
    """

    process: ProcessSettings
    camera: CameraSettings
    bit_rate: Annotated[int, msgspec.Meta(ge=200_000, le=50_000_000)] = 4_000_000
    bit_rate_min: Annotated[int, msgspec.Meta(ge=50_000, le=50_000_000)] = 300_000
    addresses: tuple[str, ...] = ()
    port_first: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    port_last: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    public: str = ""


class WebdSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `webd`.

    Parameters
    ----------
    metrics : "host:port" of /metrics, on loopback; "" = none
    listen : "host:port" of the pages; "" = none
    name : what browsers call that host; "" = the host that it listens on
    certificate, key : PEM files of its TLS; "" = none, on loopback only
    cameras : numbers of the node's cameras
    """

    process: ProcessSettings
    metrics: str = ""
    listen: str = ""
    name: str = ""
    certificate: str = ""
    key: str = ""
    cameras: tuple[int, ...] = ()


class RecorddSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `recordd`.

    Parameters
    ----------
    folder : of the recordings
    file_mb, file_s : a file is closed when it is so large, or so old
    total_mb : all of them are no larger; the oldest go
    """

    process: ProcessSettings
    folder: str
    file_mb: int = 64
    file_s: int = 600
    total_mb: int = 4096


class NativedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `natived`, the native console's hot process.

    Parameters
    ----------
    operator : what it asks for
    script : name in `teleop.console.script.SCRIPTS`
    keys : board of a terminal's keys (`reads`, `keys`): then they are the hand, not the script
    link : the relay's
    session : CURVE endpoint of the session service
    session_server : its device in the key directory
    signers : node devices whose grants are believed
    seconds : run time from the grant on; 0 = until stopped
    patience_s : how long a refused or unanswered request is repeated
    yields : give way: replace nobody, and wait for the robot as long as it takes
    """

    process: ProcessSettings
    operator: OperatorSettings
    script: str
    keys: str = ""
    link: LinkSettings
    session: str
    session_server: str
    signers: tuple[str, ...]
    seconds: float = 0.0
    patience_s: float = 5.0
    yields: bool = False


def is_loopback(listen: str) -> bool:
    """Tell whether "host:port" cannot be reached from another machine; "" cannot."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host in ("", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
