"""What a robot is: the plate on it that its processes, its grants and its recordings agree on."""

from __future__ import annotations

import hashlib

import msgspec

from safety.limits import Limits
from teleop.robot.fixture import ShapeSettings


class RobotSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a robot is.

    Parameters
    ----------
    name, arms : its name and number of arms
    state_rate_hz : how often it says its state
    limits, shape : of its arms' motion; a grant holds for exactly these
    ceilings : source name -> policy of its silence (none, degraded, hold)
    estops : sources that are wired emergency stops (safety.estop)
    watchdogs : sources whose silence lets nothing arm (safety.watchdog)
    """

    name: str
    arms: int = 1
    state_rate_hz: int = 250
    limits: Limits = Limits()
    shape: ShapeSettings = ShapeSettings()
    ceilings: dict[str, str] = {}
    estops: tuple[str, ...] = ()
    watchdogs: tuple[str, ...] = ()

    def digest(self) -> bytes:
        """SHA-256 of all that says how the arms may move, as grants carry it."""
        return hashlib.sha256(msgspec.msgpack.encode((self.limits, self.shape))).digest()
