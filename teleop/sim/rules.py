"""What every simulated driver is: the verbs that simd feeds, and which setpoint is refused.

Rules of safety.driver that are the same for every model
--------------------------------------------------------
1. Refused is, in this order: any setpoint while braked; one whose measurement is too old by the
   driver's own clock, or was not made yet; one that is no pose.
2. Only what was accepted feeds the watchdog.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, Protocol

from safety.clamp import Rule
from safety.driver import Servo
from safety.profile import MS
from transport.wire.vector import (
    Setpoint,
    Twist,
    is_finite,
    is_unit,
    unpack_setpoint,
    unpack_twist,
)

#: No accepted setpoint for this long while enabled: controlled stop, brakes (the dVRK's value).
WATCHDOG_NS: Final = 30 * MS


class Refusal(IntEnum):
    """Why a setpoint was not taken."""

    NONE = 0
    BRAKED = 1
    STALE = 2  #: it answers a measurement older than it says it is valid for
    FUTURE = 3  #: it answers a measurement that was not made yet
    NOT_FINITE = 4  #: a component of its pose or velocity is no number, or beyond all measure
    NOT_UNIT = 5  #: its orientation is no unit quaternion


class SimulatedDriver(Protocol):
    """One arm behind the driver protocol; `now_ns` is the driver's own clock.

    Attributes
    ----------
    pose, velocity : X_BT with jaw, and the tip's velocity in B, as measured
    joints : as measured, rad and m; empty where the model has none
    rule : what holds the arm back
    enabled, braked : whether it follows setpoints; whether its brakes are on, or closing
    refused : setpoints by `Refusal`
    watchdog_trips : how often silence stopped it
    """

    refused: list[int]
    watchdog_trips: int

    @property
    def pose(self) -> Setpoint: ...  # noqa: D102
    @property
    def velocity(self) -> Twist: ...  # noqa: D102
    @property
    def joints(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def rule(self) -> Rule: ...  # noqa: D102
    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def braked(self) -> bool: ...  # noqa: D102

    def servo(self, servo: Servo, now_ns: int) -> Refusal:
        """Take a setpoint, or say why not."""

    def stop(self, category: int | None, now_ns: int) -> None:
        """Stop by IEC 60204-1 category; None clears."""

    def advance(self, now_ns: int) -> None:
        """Let time pass up to `now_ns`."""


def judge(servo: Servo, now_ns: int, *, enabled: bool) -> Refusal:
    """Say whether a driver may take this setpoint."""
    if not enabled:
        return Refusal.BRAKED
    if now_ns > servo.driver_tick + servo.valid_for_us * 1000:
        return Refusal.STALE
    if servo.driver_tick > now_ns:
        return Refusal.FUTURE
    setpoint = unpack_setpoint(servo.setpoint)
    if not (is_finite(setpoint) and _is_finite(unpack_twist(servo.velocity))):
        return Refusal.NOT_FINITE
    return Refusal.NONE if is_unit(setpoint) else Refusal.NOT_UNIT


def _is_finite(twist: Twist) -> bool:
    vx, vy, vz, wx, wy, wz = twist
    return math.isfinite(vx * vx + vy * vy + vz * vz + wx * wx + wy * wy + wz * wz)
