"""What the processes at the robot are told."""

from __future__ import annotations

from typing import Annotated

import msgspec

from teleop.robot.nameplate import RobotSettings
from transport.io.button import ButtonSettings
from transport.io.link import LinkSettings
from transport.io.process import ProcessSettings


class RobotdSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `robotd`.

    Parameters
    ----------
    robot : what it is
    links : one per relay
    keys, identity : key directory, and the robot's own device in it (named like the robot)
    guard : CURVE endpoint that session service and ceiling sources connect to
    signers : devices whose signing keys are pinned
    store : file of the robot's store
    driver : `unix` (a socket in run_dir), or a CURVE endpoint for a controller elsewhere
    tape : write down what the robot is fed with, for whoever records it
    """

    process: ProcessSettings
    robot: RobotSettings
    links: tuple[LinkSettings, ...]
    keys: str
    identity: str
    guard: str
    signers: tuple[str, ...]
    store: str
    driver: str = "unix"
    tape: bool = True


class EstopdSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `estopd`.

    Parameters
    ----------
    robot, guard : the robot that is stopped, and its guard's endpoint
    keys : key directory; each button is a device in it by its name: a guard
    buttons : by name, as the robot's `estops` name them
    """

    process: ProcessSettings
    robot: str
    guard: str
    keys: str
    buttons: Annotated[dict[str, ButtonSettings], msgspec.Meta(min_length=1, max_length=16)]
