"""What a robot's shaping is set to: tremor filter, jaw, and the virtual fixtures by kind and name.

All positions are of the instrument's tip in the robot's base B. A fixture's number, as a robot's
state says it, is its place in the list, from 1. The settings are part of the hash in the grant: a
console that was granted other fixtures than the robot has loaded is refused.

box            the tip stays between two corners
remote_centre  the tip stays within a cone about a pivot, at a depth along the shaft
half_space     the tip stays on one side of a plane
sphere         the tip stays out of a sphere
capsule        the tip stays away from a line: a vessel, another instrument's shaft
"""

from __future__ import annotations

import math
import re

import msgspec

from teleop.control.surface import Point, Slowing, Surface, ball, capsule, cone, plane

#: Each costs microseconds in every command (bench/arm.py); the number on the wire is a byte.
FIXTURES_MAX = 32
#: No coordinate of an operating field is further from its robot's base.
FAR_M = 10.0
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


class _Fixture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every kind has.

    Parameters
    ----------
    name : for people
    margin_m : nearer to the surface than this the approach is slowed
    approach_m_s : how fast the tip may approach at the margin; nearer in proportion
    """

    name: str
    margin_m: float = 0.005
    approach_m_s: float = 0.05

    def __post_init__(self) -> None:
        self._expect(_NAME.fullmatch(self.name), "name", "1 to 32 of a-z 0-9 . _ -")
        self._expect(1e-4 <= self.margin_m <= 1.0, "margin_m", "0.0001 to 1")
        self._expect(1e-3 <= self.approach_m_s <= 10.0, "approach_m_s", "0.001 to 10")

    def _expect(self, good: object, key: str, words: str) -> None:
        if not good:
            value = getattr(self, key)
            raise ValueError(f"fixture {self.name!r}: {key} is {value!r}, expected {words}")

    def _expect_near(self, *keys: str) -> None:
        for key in keys:
            near = all(abs(value) <= FAR_M for value in getattr(self, key))
            self._expect(near, key, f"coordinates within {FAR_M:g} m")

    def _expect_direction(self, key: str) -> None:
        length = math.hypot(*getattr(self, key))
        self._expect(1e-6 < length < math.inf, key, "a direction, of any length but zero")

    def _slowing(self, number: int) -> Slowing:
        return Slowing(number, self.margin_m, self.approach_m_s)


class Box(_Fixture, frozen=True, kw_only=True, tag_field="kind", tag="box"):
    """The tip stays between two corners, axes parallel to B's."""

    corner_m_min: Point
    corner_m_max: Point

    def __post_init__(self) -> None:
        super().__post_init__()
        self._expect_near("corner_m_min", "corner_m_max")
        pairs = zip(self.corner_m_min, self.corner_m_max, strict=True)
        above = f"below corner_m_max, {self.corner_m_max}, in every coordinate"
        self._expect(all(low < high for low, high in pairs), "corner_m_min", above)

    def surfaces(self, number: int) -> tuple[Surface, ...]:
        """Give the rows of the table: six planes that look inwards."""
        slowing = self._slowing(number)
        normals = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        inwards = tuple(plane(slowing, self.corner_m_min, n) for n in normals)
        back = tuple(plane(slowing, self.corner_m_max, (-x, -y, -z)) for x, y, z in normals)
        return inwards + back


class RemoteCentre(_Fixture, frozen=True, kw_only=True, tag_field="kind", tag="remote_centre"):
    """The tip stays where a shaft through the pivot leads it: in a cone, between two depths."""

    pivot_m: Point = (0.0, 0.0, 0.0)
    axis: Point = (0.0, 0.0, -1.0)
    half_angle_rad: float = 1.0
    depth_m_min: float = 0.02
    depth_m_max: float = 0.26

    def __post_init__(self) -> None:
        super().__post_init__()
        self._expect_near("pivot_m")
        self._expect_direction("axis")
        self._expect(0.01 <= self.half_angle_rad <= math.pi / 2, "half_angle_rad", "0.01 to pi/2")
        self._expect(self.depth_m_max <= FAR_M, "depth_m_max", f"at most {FAR_M:g}")
        below = f"above 0 and below depth_m_max, {self.depth_m_max!r}"
        self._expect(0.0 < self.depth_m_min < self.depth_m_max, "depth_m_min", below)

    def surfaces(self, number: int) -> tuple[Surface, ...]:
        """Give the rows of the table: a cone, a ball, and the ball about the pivot left out."""
        slowing = self._slowing(number)
        return (
            cone(slowing, self.pivot_m, self.axis, self.half_angle_rad),
            ball(slowing, self.pivot_m, self.depth_m_max),
            capsule(slowing, self.pivot_m, self.pivot_m, self.depth_m_min),
        )


class HalfSpace(_Fixture, frozen=True, kw_only=True, tag_field="kind", tag="half_space"):
    """The tip stays on the side of a plane that its normal points to."""

    point_m: Point
    normal: Point

    def __post_init__(self) -> None:
        super().__post_init__()
        self._expect_near("point_m")
        self._expect_direction("normal")

    def surfaces(self, number: int) -> tuple[Surface, ...]:
        """Give the row of the table."""
        return (plane(self._slowing(number), self.point_m, self.normal),)


class Sphere(_Fixture, frozen=True, kw_only=True, tag_field="kind", tag="sphere"):
    """The tip stays out of a sphere."""

    centre_m: Point
    radius_m: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._expect_near("centre_m")
        self._expect(0.0 < self.radius_m <= FAR_M, "radius_m", f"above 0, at most {FAR_M:g}")

    def surfaces(self, number: int) -> tuple[Surface, ...]:
        """Give the row of the table: a capsule of no length."""
        return (capsule(self._slowing(number), self.centre_m, self.centre_m, self.radius_m),)


class Capsule(_Fixture, frozen=True, kw_only=True, tag_field="kind", tag="capsule"):
    """The tip stays away from the line between two points."""

    start_m: Point
    end_m: Point
    radius_m: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._expect_near("start_m", "end_m")
        self._expect(0.0 < self.radius_m <= FAR_M, "radius_m", f"above 0, at most {FAR_M:g}")

    def surfaces(self, number: int) -> tuple[Surface, ...]:
        """Give the row of the table."""
        return (capsule(self._slowing(number), self.start_m, self.end_m, self.radius_m),)


Fixture = Box | RemoteCentre | HalfSpace | Sphere | Capsule


class ShapeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a robot shapes its hands' motion.

    Parameters
    ----------
    tremor : whether tremor is filtered out, at the cost of its delay (teleop.control.tremor)
    jaw_rad_s : how fast a jaw follows the hand's, 720 deg/s
    jaw_catch_up_rad_s : how fast it comes to the hand's after a reference, 36 deg/s
    jaw_caught_rad : once so near it has caught up, 2 deg
    fixtures : where the tip may go
    """

    tremor: bool = False
    jaw_rad_s: float = 12.56
    jaw_catch_up_rad_s: float = 0.628
    jaw_caught_rad: float = 0.0349
    fixtures: tuple[Fixture, ...] = ()

    def __post_init__(self) -> None:
        for key, most in (("jaw_rad_s", 100.0), ("jaw_catch_up_rad_s", 10.0)):
            if not 0.0 < getattr(self, key) <= most:
                raise ValueError(f"{key} is {getattr(self, key)!r}, expected above 0 to {most:g}")
        if not 0.0 <= self.jaw_caught_rad <= 1.0:
            raise ValueError(f"jaw_caught_rad is {self.jaw_caught_rad!r}, expected 0 to 1")
        if len(self.fixtures) > FIXTURES_MAX:
            raise ValueError(f"{len(self.fixtures)} fixtures, expected at most {FIXTURES_MAX}")
        names = [fixture.name for fixture in self.fixtures]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two fixtures are called {name!r}, expected a name for each")

    def surfaces(self) -> tuple[Surface, ...]:
        """Give the rows of the fixtures' table, in order."""
        numbered = enumerate(self.fixtures, 1)
        return tuple(row for number, fixture in numbered for row in fixture.surfaces(number))
