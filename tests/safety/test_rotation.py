"""Orientations: the angle between two, the way between them, and a turn of one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rotation import (
    angle_chord,
    between,
    chord_angle,
    continued,
    rotation_angle,
    turn_between,
    turned,
)
from transport.wire.vector import ORIGIN, Setpoint, is_unit

metres = st.floats(-0.2, 0.2)


def about(axis, angle):
    norm = math.hypot(*axis)
    s = math.sin(angle / 2) / norm
    return (math.cos(angle / 2), *(s * a for a in axis))


def oriented(q):
    return ORIGIN._replace(qw=q[0], qx=q[1], qy=q[2], qz=q[3])


axes = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: math.hypot(*a) > 1e-3)


@st.composite
def poses(draw, place=metres):
    """Poses anywhere near; q and -q are one orientation, and both come."""
    q = about(draw(axes), draw(st.floats(-math.pi, math.pi)))
    sign = draw(st.sampled_from([1.0, -1.0]))
    xyz = (draw(place), draw(place), draw(place))
    return Setpoint(*xyz, *(sign * v for v in q), draw(st.floats(-1.5, 1.5)))


@given(poses(), st.floats(1e-6, math.pi - 1e-6))
def test_the_angle_between_orientations(pose, angle):
    other = oriented(about((0, 1, 0), angle))
    assert rotation_angle(ORIGIN, other) == pytest.approx(angle, rel=1e-6)
    assert rotation_angle(pose, pose) < 1e-7
    assert rotation_angle(pose, ORIGIN) == pytest.approx(rotation_angle(ORIGIN, pose))
    assert 0.0 <= rotation_angle(pose, other) <= math.pi + 1e-9


@given(st.floats(0.0, math.pi))
def test_a_chord_is_an_angle_and_back(angle):
    assert chord_angle(angle_chord(angle)) == pytest.approx(angle, abs=1e-9)


def test_a_chord_that_rounding_made_longer_than_a_diameter_is_a_diameter():
    assert chord_angle(math.nextafter(2.0, 3.0)) == 2.0 * math.pi


def test_half_a_turn_away_both_covers_are_as_near_and_the_given_one_stays():
    assert continued(ORIGIN, oriented((0.0, 1.0, 0.0, 0.0))).qx == 1.0


@given(poses(), poses())
def test_a_setpoint_is_said_on_the_nearer_cover(old, new):
    same = continued(old, new)
    assert rotation_angle(new, same) < 1e-6
    assert math.dist(old[3:7], same[3:7]) <= math.dist(old[3:7], new[3:7]) + 1e-12
    assert same[:3] == new[:3]
    assert math.dist(old[3:7], same[3:7]) <= math.sqrt(2) + 1e-9


@given(poses(), poses(), st.floats(0.0, 1.0))
def test_a_share_of_the_way_is_an_orientation_on_it(a, b, share):
    b = continued(a, b)
    q = between(a[3:7], b[3:7], share)
    there = oriented(q)
    assert is_unit(there)
    whole = rotation_angle(a, b)
    assert rotation_angle(a, there) + rotation_angle(there, b) == pytest.approx(whole, abs=1e-6)


@given(poses(), axes, st.floats(-3.0, 3.0))
def test_a_turn_is_found_again_and_undone(pose, axis, angle):
    norm = math.hypot(*axis)
    turn = tuple(angle * a / norm for a in axis)
    q = turned(pose[3:7], turn)
    assert is_unit(oriented(q))
    assert turn_between(pose[3:7], q) == pytest.approx(turn, abs=1e-7)
    back = turned(q, tuple(-t for t in turn))
    assert back == pytest.approx(pose[3:7], abs=1e-9)


def test_no_turn_is_none():
    q = about((1, 2, 3), 0.7)
    assert turned(q, (0.0, 0.0, 0.0)) == q
    assert turn_between(q, q) == (0.0, 0.0, 0.0)


def test_a_turn_below_a_picoradian_is_rounding_and_none():
    none, here = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
    for turn, is_none in ((0.999e-12, True), (1e-12, False)):
        assert (turned(here, (turn, 0.0, 0.0)) == here) is is_none
        assert (turn_between(here, (1.0, turn, 0.0, 0.0)) == none) is is_none  # of twice as much


def test_a_turn_is_about_the_bases_axes():
    quarter = turned(about((1, 0, 0), math.pi / 2), (0.0, 0.0, math.pi / 2))
    z_then_x = about((1, 0, 0), math.pi / 2)
    assert quarter == pytest.approx((0.5, 0.5, 0.5, 0.5), abs=1e-12), (
        f"x first, then z about the base: {z_then_x}"
    )


@given(st.floats(3.2, 6.0))
def test_beyond_half_a_turn_the_shorter_way_is_found(angle):
    q = turned((1.0, 0.0, 0.0, 0.0), (0.0, angle, 0.0))
    assert turn_between((1.0, 0.0, 0.0, 0.0), q)[1] == pytest.approx(angle - 2 * math.pi)
