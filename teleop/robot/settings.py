"""What the processes at the robot are told."""

from __future__ import annotations

import msgspec

from teleop.robot.agent import RobotSettings
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
