"""What the monitor's process is told."""

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


def sources(run_dir: Path | str) -> str:
    """Return where sources on this machine push their messages; the folder is its owner's alone."""
    return f"ipc://{Path(run_dir) / 'samples.ipc'}"


def vitals(run_dir: Path | str) -> str:
    """Return where the monitor publishes on this machine."""
    return f"ipc://{Path(run_dir) / 'vitals.ipc'}"
