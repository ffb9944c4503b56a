"""A setpoint moves no faster than the limits, by the robot's own clock; a pause is no leap."""

import math

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from safety.limits import STEP_NS_MAX, Limits, limit_step, rotation_angle
from transport.wire.vector import ORIGIN, Setpoint, is_unit

MS = 1_000_000
LIMITS = Limits()

metres = st.floats(-0.2, 0.2)
angles = st.floats(-math.pi, math.pi)


def turned(axis, angle):
    norm = math.hypot(*axis)
    s = math.sin(angle / 2) / norm
    return (math.cos(angle / 2), *(s * a for a in axis))


@st.composite
def poses(draw):
    axis = draw(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: math.hypot(*a) > 1e-3))
    q = turned(axis, draw(angles))
    sign = draw(st.sampled_from([1.0, -1.0]))  # q and -q are one orientation
    q = tuple(sign * v for v in q)
    return Setpoint(draw(metres), draw(metres), draw(metres), *q, draw(st.floats(-1.5, 1.5)))


@given(poses(), poses(), st.integers(0, 1000 * MS), st.booleans())
def test_no_step_exceeds_the_speeds(old, wish, dt_ns, degraded):
    step = limit_step(LIMITS, degraded=degraded, old=old, wish=wish, dt_ns=dt_ns)
    new, dt_s = step.setpoint, min(dt_ns, STEP_NS_MAX) * 1e-9
    speed = LIMITS.degraded_speed_m_s if degraded else LIMITS.speed_m_s
    share = speed / LIMITS.speed_m_s
    assert math.dist(old[:3], new[:3]) <= speed * dt_s + 1e-12
    assert rotation_angle(old, new) <= LIMITS.turn_rad_s * share * dt_s * 1.001 + 1e-7
    assert abs(new.jaw - old.jaw) <= LIMITS.jaw_rad_s * share * dt_s + 1e-12
    assert is_unit(new)


@given(poses(), poses(), st.integers(0, 1000 * MS))
def test_a_step_goes_towards_the_wish_and_says_how_far_it_stayed_behind(old, wish, dt_ns):
    step = limit_step(LIMITS, degraded=False, old=old, wish=wish, dt_ns=dt_ns)
    left = math.dist(step.setpoint[:3], wish[:3])
    assert step.lag_m == pytest.approx(left, abs=1e-12)
    assert left <= math.dist(old[:3], wish[:3]) + 1e-12
    assert rotation_angle(step.setpoint, wish) <= rotation_angle(old, wish) + 1e-6
    if not step.clamped:
        assert step.setpoint == wish


def test_what_is_within_reach_is_taken_bit_for_bit():
    wish = Setpoint(0.0004, 0.0, 0.0, *turned((0, 0, 1), 0.005), 0.005)
    step = limit_step(LIMITS, degraded=False, old=ORIGIN, wish=wish, dt_ns=MS)
    assert step.setpoint == wish
    assert step.lag_m == 0.0
    assert not step.clamped


def test_half_a_millimetre_a_millisecond_and_a_fifth_of_it_when_degraded():
    wish = ORIGIN._replace(x=0.1)
    full = limit_step(LIMITS, degraded=False, old=ORIGIN, wish=wish, dt_ns=MS)
    slow = limit_step(LIMITS, degraded=True, old=ORIGIN, wish=wish, dt_ns=MS)
    assert full.setpoint.x == pytest.approx(0.0005)
    assert slow.setpoint.x == pytest.approx(0.0001)
    assert full.lag_m == pytest.approx(0.0995)


def test_degraded_never_means_faster():
    odd, wish = Limits(degraded_speed_m_s=2.0), ORIGIN._replace(x=0.1)
    step = limit_step(odd, degraded=True, old=ORIGIN, wish=wish, dt_ns=MS)
    assert step.setpoint.x == pytest.approx(0.0005)


def test_a_pause_is_not_a_licence_to_leap():
    wish = ORIGIN._replace(x=1.0)
    step = limit_step(LIMITS, degraded=False, old=ORIGIN, wish=wish, dt_ns=10_000 * MS)
    assert step.setpoint.x == pytest.approx(LIMITS.speed_m_s * STEP_NS_MAX * 1e-9)


def test_in_no_time_nothing_moves():
    wish = Setpoint(0.1, 0.2, 0.3, *turned((1, 0, 0), 1.0), 1.0)
    step = limit_step(LIMITS, degraded=False, old=ORIGIN, wish=wish, dt_ns=0)
    assert step.setpoint == ORIGIN


def test_a_wish_on_the_other_cover_turns_the_short_way():
    q = turned((0, 0, 1), 0.01)
    wish = Setpoint(0.0, 0.0, 0.0, *(-v for v in q), 0.0)
    step = limit_step(LIMITS, degraded=False, old=ORIGIN, wish=wish, dt_ns=MS)
    assert rotation_angle(ORIGIN, step.setpoint) == pytest.approx(0.006, rel=1e-3)
    assert rotation_angle(step.setpoint, wish) == pytest.approx(0.004, rel=1e-3)


@given(poses(), st.floats(1e-6, math.pi - 1e-6))
def test_the_angle_between_orientations(pose, angle):
    other = Setpoint(0, 0, 0, *turned((0, 1, 0), angle), 0)
    assert rotation_angle(ORIGIN, other) == pytest.approx(angle, rel=1e-6)
    assert rotation_angle(pose, pose) < 1e-7
    assert rotation_angle(pose, ORIGIN) == pytest.approx(rotation_angle(ORIGIN, pose))
    assert 0.0 <= rotation_angle(pose, other) <= math.pi + 1e-9


@given(poses(), poses(), st.integers(1, 20))
def test_many_short_steps_reach_no_further_than_one_long_one(old, wish, parts):
    dt_ns = 20 * MS
    assume(math.dist(old[:3], wish[:3]) > 0.02)
    one = limit_step(LIMITS, degraded=False, old=old, wish=wish, dt_ns=dt_ns).setpoint
    now = old
    for _ in range(parts):
        now = limit_step(LIMITS, degraded=False, old=now, wish=wish, dt_ns=dt_ns // parts).setpoint
    assert math.dist(old[:3], now[:3]) <= math.dist(old[:3], one[:3]) + 1e-9


# The limits themselves ---------------------------------------------------------------------------


def test_any_other_limit_is_another_digest():
    digests = {Limits().digest()}
    for field in Limits.__struct_fields__:
        digests.add(Limits(**{field: 0.123}).digest())
    assert len(digests) == 1 + len(Limits.__struct_fields__)
    assert all(len(digest) == 32 for digest in digests)


@pytest.mark.parametrize("field", Limits.__struct_fields__)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, 1e6])
def test_a_limit_that_limits_nothing_is_refused_when_it_is_read(field, value):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({field: value}, Limits)
