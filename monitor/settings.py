"""What the monitor's processes are told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from monitor.sensors import SENSORS
from transport.io.process import ProcessSettings

BEDS_MAX = 4096


class MonitordSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `monitord`.

    Parameters
    ----------
    keys, identity : key directory, and this service's device in it
    listen : CURVE endpoint for devices
    publish : CURVE endpoint for who listens; "" = only on this machine
    beds : their places, "unit/bed"
    sensors : module paths
    leads : ECG leads of a patient
    spo2_curve : name of a row of `monitor.vitals.spo2.CURVES`
    """

    process: ProcessSettings
    keys: str
    identity: str
    listen: str
    publish: str = ""
    beds: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=BEDS_MAX)]
    sensors: tuple[str, ...] = SENSORS
    leads: Annotated[int, msgspec.Meta(ge=1, le=3)] = 3
    spo2_curve: Literal["linear", "max3010x"] = "linear"


class CoupledRobot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The robot that stands at a bed.

    Parameters
    ----------
    name, bed : robot, and where it stands
    guard : CURVE endpoint of its guard
    state : socket in the run directory at which its relay publishes its state
    policy : how far an alarm of the patient lowers what it may do (`monitor.alarms.coupling`)
    """

    name: str
    bed: str
    guard: str
    state: str
    policy: Literal["none", "degrade", "hold"]


class AlarmdSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `alarmd`.

    Parameters
    ----------
    keys, identity : key directory, and this service's device in it
    publish : CURVE endpoint for who listens; "" = only on this machine
    desk : CURVE endpoint for who asks and answers
    beds : their places, in the monitor's order
    store : file of what alarms must remember
    audit, audit_head, signer : where acts are recorded, and who signs there
    robot : which stands at one of the beds; None = none
    """

    process: ProcessSettings
    keys: str
    identity: str
    publish: str = ""
    desk: str
    beds: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=BEDS_MAX)]
    store: str
    audit: str
    audit_head: str
    signer: str
    robot: CoupledRobot | None = None


def sources(run_dir: Path | str) -> str:
    """Return where sources on this machine push their messages; the folder is its owner's alone."""
    return f"ipc://{Path(run_dir) / 'samples.ipc'}"


def vitals(run_dir: Path | str) -> str:
    """Return where the monitor publishes on this machine."""
    return f"ipc://{Path(run_dir) / 'vitals.ipc'}"


def evidence(run_dir: Path | str) -> str:
    """Return where the judge tells the alarms what holds."""
    return f"ipc://{Path(run_dir) / 'evidence.ipc'}"


def alarms(run_dir: Path | str) -> str:
    """Return where alarms are published on this machine."""
    return f"ipc://{Path(run_dir) / 'alarms.ipc'}"


def desk(run_dir: Path | str) -> str:
    """Return where alarms may be asked for on this machine, without a key."""
    return f"ipc://{Path(run_dir) / 'alarms-desk.ipc'}"
