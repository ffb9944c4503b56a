"""Coming to rest: straight on along the velocity, the stated way and time, and no further."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.brake import STOP_NS_MAX, brake
from safety.rotation import turn_between
from tests.safety.hands import MS, START
from transport.wire.vector import STILL, Twist

T0 = 3_000_000_000
M_S2, RAD_S2 = 8.0, 100.0

speeds = st.floats(-0.4, 0.4)
rates = st.floats(-4.0, 4.0)
twists = st.builds(Twist, speeds, speeds, speeds, rates, rates, rates)


def at_rest(braking):
    return braking.at(braking.ends_ns)


@given(twists)
def test_from_a_speed_v_it_goes_v2_by_2a_straight_on_and_turns_likewise(twist):
    stop, told = at_rest(brake(START, twist, T0, M_S2, RAD_S2))
    way_s = math.hypot(*twist[:3]) / (2 * M_S2)
    assert [b - a for a, b in zip(START[:3], stop[:3], strict=True)] == pytest.approx(
        [v * way_s for v in twist[:3]], abs=1e-9
    )
    sweep_s = math.hypot(*twist[3:]) / (2 * RAD_S2)
    assert turn_between(START[3:7], stop[3:7]) == pytest.approx(
        [w * sweep_s for w in twist[3:]], abs=1e-9
    )
    assert stop.jaw == START.jaw
    assert told == STILL


@given(twists, st.integers(0, 160))
def test_what_is_told_of_its_velocity_is_the_way_that_it_goes_next(twist, ms):
    braking = brake(START, twist, T0, M_S2, RAD_S2)
    here, told = braking.at(T0 + ms * MS)
    soon, _ = braking.at(T0 + ms * MS + MS // 1000)
    went = [(b - a) / 1e-6 for a, b in zip(here[:3], soon[:3], strict=True)]
    assert went == pytest.approx(list(told[:3]), abs=1e-5)
    turned = [angle / 1e-6 for angle in turn_between(here[3:7], soon[3:7])]
    assert turned == pytest.approx(list(told[3:]), abs=1e-3)


def test_it_ends_when_the_slower_of_moving_and_turning_stands():
    moving = Twist(0.8, 0.0, 0.0, 1.0, 0.0, 0.0)  # stands after 100 ms, turning after 10
    turning = Twist(0.08, 0.0, 0.0, 10.0, 0.0, 0.0)  # after 10 ms, turning after 100
    for twist in (moving, turning):
        braking = brake(START, twist, T0, M_S2, RAD_S2)
        assert braking.ends_ns == pytest.approx(T0 + 100 * MS, abs=1)
        assert braking.at(braking.ends_ns) == braking.at(braking.ends_ns + 10**12)


def test_no_stop_takes_longer_than_150_ms():
    braking = brake(START, Twist(10.0, 0.0, 0.0, 0.0, 50.0, 0.0), T0, M_S2, RAD_S2)
    assert braking.ends_ns == pytest.approx(T0 + 150 * MS, abs=1)
    assert STOP_NS_MAX == 150 * MS


def test_what_stands_has_come_to_rest_already():
    assert brake(START, STILL, T0, M_S2, RAD_S2).ends_ns == T0
