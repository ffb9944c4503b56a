"""The instrument does what the hand does from the reference on: scaled, turned, without a leap."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.limits import rotation_angle
from teleop.robot.shape import Shape
from transport.wire.vector import ORIGIN, Setpoint, is_unit

metres = st.floats(-1.0, 1.0)
scales = st.floats(0.01, 1.0)


@st.composite
def poses(draw):
    q = [draw(st.floats(-1, 1)) for _ in range(4)]
    norm = math.hypot(*q)
    if norm < 1e-3:
        q, norm = [1.0, 0.0, 0.0, 0.0], 1.0
    return Setpoint(
        draw(metres), draw(metres), draw(metres), *(v / norm for v in q), draw(st.floats(-1, 1))
    )


def near(a, b, tolerance=1e-9):
    apart = math.dist(a[:3], b[:3])
    return apart <= tolerance and rotation_angle(a, b) <= 1e-6


@given(poses(), poses(), scales)
def test_at_the_reference_the_instrument_stays_exactly_where_it_is(hand, instrument, scale):
    shape = Shape(scale)
    shape.reference(hand, instrument)
    target = shape.step(hand)
    assert target[:3] == instrument[:3]
    assert near(target, instrument)
    assert target.jaw == hand.jaw


@given(poses(), poses(), scales, metres, metres, metres)
def test_position_follows_differences_scaled(hand, instrument, scale, dx, dy, dz):
    shape = Shape(scale)
    shape.reference(hand, instrument)
    moved = hand._replace(x=hand.x + dx, y=hand.y + dy, z=hand.z + dz)
    target = shape.step(moved)
    for axis, delta in enumerate((dx, dy, dz)):
        assert target[axis] == pytest.approx(instrument[axis] + scale * delta, abs=1e-12)


@given(poses(), poses(), poses())
def test_orientation_turns_as_the_hand_turns_never_scaled(hand, instrument, moved):
    shape = Shape(0.1)
    shape.reference(hand, instrument)
    target = shape.step(moved)
    assert is_unit(target)
    assert rotation_angle(target, instrument) == pytest.approx(
        rotation_angle(moved, hand), abs=1e-6
    )


@given(poses(), poses(), poses(), scales)
def test_where_the_clutch_frame_has_its_origin_does_not_matter(hand, instrument, moved, scale):
    here, there = Shape(scale), Shape(scale)
    here.reference(hand, instrument)
    there.reference(hand._replace(x=hand.x + 5.0), instrument)
    assert near(here.step(moved), there.step(moved._replace(x=moved.x + 5.0)))


@given(st.lists(poses(), min_size=1, max_size=6), poses())
def test_a_new_reference_never_leaps(hands, instrument):
    shape = Shape(0.5)
    for hand in hands:
        shape.reference(hand, instrument)
        assert near(shape.step(hand), instrument)
        instrument = shape.step(hand._replace(z=hand.z + 0.01))


def test_a_quarter_turn_about_z():
    s = math.sqrt(0.5)
    shape = Shape(1.0)
    shape.reference(ORIGIN, ORIGIN._replace(qw=0.0, qx=1.0))
    target = shape.step(ORIGIN._replace(qw=s, qz=s))
    assert target[3:7] == pytest.approx((0.0, s, s, 0.0))
