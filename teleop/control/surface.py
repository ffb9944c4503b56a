"""What a tip may not cross: one row of numbers for each surface that bounds it.

A fixture of a robot's settings (teleop.robot.fixture) becomes one or more of these rows; the kernel
(teleop.control.fixtures) reads nothing else. Of every kind the allowed side is where `clearance`,
the distance from the surface, is not negative.

PLANE      one side of a plane is allowed: the side that its normal points to
CAPSULE    the outside of a capsule; a sphere is one whose ends are the same point
BALL       the inside of a sphere
CONE       the inside of a cone
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

Point = tuple[float, float, float]


class Kind(IntEnum):
    """What a surface is. Up to CAPSULE the tip is kept out of something, from BALL on inside."""

    PLANE = 0
    CAPSULE = 1
    BALL = 2
    CONE = 3


class Surface(NamedTuple):
    """One row of the table, all float64: m, unit vectors, 1/s.

    Parameters
    ----------
    number : of the fixture that the surface belongs to, from 1
    kind : `Kind`
    margin_m : nearer than this the approach is slowed
    rate_hz : speed of approach that is allowed, for each metre of clearance
    ax, ay, az : a point of the plane, an end of the capsule, the ball's centre, the cone's apex
    bx, by, bz : the plane's normal, the capsule's other end, the cone's axis
    r : radius; of the cone the sine of its half angle
    c : of the cone the cosine of its half angle
    """

    number: float
    kind: float
    margin_m: float
    rate_hz: float
    ax: float
    ay: float
    az: float
    bx: float
    by: float
    bz: float
    r: float
    c: float


class Slowing(NamedTuple):
    """How surfaces of one fixture are approached: at `approach_m_s` at most, `margin_m` away."""

    number: int
    margin_m: float
    approach_m_s: float


def plane(slowing: Slowing, point: Point, normal: Point) -> Surface:
    """Allow the side of a plane that `normal` (of any length but zero) points to."""
    return _row(slowing, Kind.PLANE, point, _unit(normal), 0.0, 0.0)


def capsule(slowing: Slowing, start: Point, end: Point, radius_m: float) -> Surface:
    """Forbid all that is nearer than `radius_m` to the line from `start` to `end`."""
    return _row(slowing, Kind.CAPSULE, start, end, radius_m, 0.0)


def ball(slowing: Slowing, centre: Point, radius_m: float) -> Surface:
    """Allow only what is nearer than `radius_m` to `centre`."""
    return _row(slowing, Kind.BALL, centre, (0.0, 0.0, 0.0), radius_m, 0.0)


def cone(slowing: Slowing, apex: Point, axis: Point, half_angle_rad: float) -> Surface:
    """Allow only directions from `apex` within an angle (above 0, at most pi/2) of `axis`."""
    sine, cosine = math.sin(half_angle_rad), math.cos(half_angle_rad)
    return _row(slowing, Kind.CONE, apex, _unit(axis), sine, cosine)


def _row(slowing: Slowing, kind: Kind, a: Point, b: Point, r: float, c: float) -> Surface:
    rate_hz = slowing.approach_m_s / slowing.margin_m
    return Surface(slowing.number, kind, slowing.margin_m, rate_hz, *a, *b, r, c)


def _unit(vector: Point) -> Point:
    x, y, z = vector
    length = math.hypot(x, y, z)
    assert length > 0.0
    return x / length, y / length, z / length
