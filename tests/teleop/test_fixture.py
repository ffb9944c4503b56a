"""What a robot's shaping is set to: read from TOML, refused in words, hashed into the grant."""

import math
import tomllib

import msgspec
import pytest

from teleop.robot.fixture import (
    FIXTURES_MAX,
    Box,
    Capsule,
    HalfSpace,
    RemoteCentre,
    ShapeSettings,
    Sphere,
)

COMPLETE = """
tremor = true
jaw_rad_s = 10.0

[[fixtures]]
kind = "box"
name = "field"
corner_m_min = [-0.1, -0.1, -0.2]
corner_m_max = [0.1, 0.1, 0.0]

[[fixtures]]
kind = "remote_centre"
name = "trocar"
half_angle_rad = 0.9
depth_m_min = 0.03
margin_m = 0.01

[[fixtures]]
kind = "half_space"
name = "table"
point_m = [0.0, 0.0, -0.2]
normal = [0.0, 0.0, 1.0]

[[fixtures]]
kind = "sphere"
name = "nerve"
centre_m = [0.0, 0.0, -0.1]
radius_m = 0.01
approach_m_s = 0.02

[[fixtures]]
kind = "capsule"
name = "vessel"
start_m = [0.0, 0.0, -0.1]
end_m = [0.1, 0.0, -0.1]
radius_m = 0.004
"""


def read(text):
    return msgspec.convert(tomllib.loads(text), ShapeSettings)


def test_every_kind_is_read_from_toml():
    settings = read(COMPLETE)
    kinds = [type(fixture) for fixture in settings.fixtures]
    assert kinds == [Box, RemoteCentre, HalfSpace, Sphere, Capsule]
    assert settings.tremor
    assert settings.fixtures[3].approach_m_s == 0.02


def test_settings_that_differ_anywhere_encode_differently():
    written = msgspec.msgpack.encode(read(COMPLETE))
    assert msgspec.msgpack.decode(written, type=ShapeSettings) == read(COMPLETE)
    for old, new in (("0.004", "0.0041"), ('"nerve"', '"nerves"'), ("true", "false")):
        assert msgspec.msgpack.encode(read(COMPLETE.replace(old, new))) != written


def test_surfaces_bear_the_number_of_their_fixture_from_one():
    numbers = [int(row.number) for row in read(COMPLETE).surfaces()]
    assert numbers == [1] * 6 + [2] * 3 + [3, 4, 5]


SPHERE = {"name": "s", "centre_m": (0, 0, 0), "radius_m": 0.01}
BOX = {"name": "b", "corner_m_min": (0, 0, 0), "corner_m_max": (1, 1, 1)}

# fmt: off
REFUSED = (
    (Sphere, SPHERE, {"radius_m": -0.01}, "fixture 's': radius_m is -0.01, expected above 0"),
    (Sphere, SPHERE, {"radius_m": math.nan}, "radius_m is nan"),
    (Sphere, SPHERE, {"radius_m": math.inf}, "radius_m is inf"),
    (Sphere, SPHERE, {"centre_m": (0, math.nan, 0)}, "centre_m is .*, expected coordinates"),
    (Sphere, SPHERE, {"centre_m": (0, 0, 11)}, "expected coordinates within 10 m"),
    (Sphere, SPHERE, {"margin_m": 0.0}, "margin_m is 0.0, expected 0.0001 to 1"),
    (Sphere, SPHERE, {"margin_m": math.nan}, "margin_m is nan"),
    (Sphere, SPHERE, {"approach_m_s": 0.0}, "approach_m_s is 0.0"),
    (Sphere, SPHERE, {"name": "Left Nerve"}, "'Left Nerve': name is .*, expected 1 to 32 of a-z"),
    (Capsule, {"name": "c", "start_m": (0, 0, 0), "end_m": (0, 0, 1), "radius_m": 1.0},
     {"radius_m": 0.0}, "radius_m is 0.0"),
    (Capsule, {"name": "c", "start_m": (0, 0, 0), "end_m": (0, 0, 1), "radius_m": 1.0},
     {"end_m": (0, 0, math.inf)}, "end_m is"),
    (Box, BOX, {"corner_m_min": (0, 2, 0)}, "corner_m_min is .*, expected below corner_m_max"),
    (Box, BOX, {"corner_m_max": (0, 1, 1)}, "expected below corner_m_max, .* in every coordinate"),
    (HalfSpace, {"name": "h", "point_m": (0, 0, 0), "normal": (0, 0, 1)},
     {"normal": (0, 0, 0)}, "normal is .*, expected a direction"),
    (RemoteCentre, {"name": "r"}, {"axis": (0, math.nan, 0)}, "axis is .*, expected a direction"),
    (RemoteCentre, {"name": "r"}, {"half_angle_rad": 2.0}, "half_angle_rad is 2.0"),
    (RemoteCentre, {"name": "r"}, {"half_angle_rad": 0.0}, "half_angle_rad is 0.0"),
    (RemoteCentre, {"name": "r"}, {"depth_m_min": 0.3}, "expected above 0 and below depth_m_max"),
    (RemoteCentre, {"name": "r"}, {"depth_m_max": 20.0}, "depth_m_max is 20.0"),
    (ShapeSettings, {}, {"jaw_rad_s": 0.0}, "jaw_rad_s is 0.0, expected above 0"),
    (ShapeSettings, {}, {"jaw_catch_up_rad_s": math.inf}, "jaw_catch_up_rad_s is inf"),
    (ShapeSettings, {}, {"jaw_caught_rad": -1.0}, "jaw_caught_rad is -1.0"),
    (ShapeSettings, {}, {"fixtures": (Sphere(**SPHERE),) * 2}, "two fixtures are called 's'"),
    (ShapeSettings, {}, {"fixtures": tuple(Sphere(**SPHERE | {"name": f"s{k}"})
                                           for k in range(FIXTURES_MAX + 1))},
     "33 fixtures, expected at most 32"),
)
# fmt: on


@pytest.mark.parametrize(("kind", "good", "bad", "words"), REFUSED)
def test_what_makes_no_sense_is_refused_in_words(kind, good, bad, words):
    kind(**good)
    with pytest.raises(ValueError, match=words):
        kind(**good | bad)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("radius_m = 0.01", "radius_m = -0.01"),
        ("radius_m = 0.01", "radius_mm = 10"),
        ('kind = "sphere"', 'kind = "ball"'),
        ('name = "nerve"', ""),
        ("radius_m = 0.01", 'radius_m = "thin"'),
    ],
)
def test_a_mistake_in_toml_is_said_with_its_place(old, new):
    with pytest.raises(msgspec.ValidationError, match=r"\$\.fixtures\[3\]"):
        read(COMPLETE.replace(old, new, 1))
