"""The simulated arm keeps a driver's rules: stale is refused, silence brakes, stops last."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.driver import VALID_FOR_US, Servo
from safety.profile import MS
from teleop.sim.arm import HOME, WATCHDOG_NS, Dynamics, Refusal, SimulatedArm
from transport.wire.vector import Setpoint, pack_setpoint

T0 = 4_000_000_000
FAR = HOME._replace(x=0.1)


def servo(now_ns, pose=FAR, tick_ns=None):
    tick_ns = now_ns if tick_ns is None else tick_ns
    return Servo(33, 0, 1, tick_ns, VALID_FOR_US, pack_setpoint(pose), bytes(48), 0, 0, False)


@pytest.fixture
def arm():
    arm = SimulatedArm(T0)
    arm.stop(None, T0)
    return arm


def drive(arm, ms, pose=FAR, start_ns=T0):
    for step in range(1, ms + 1):
        now_ns = start_ns + step * MS
        assert arm.servo(servo(now_ns, pose), now_ns) is Refusal.NONE
    return start_ns + ms * MS


def test_an_arm_is_braked_until_it_is_cleared():
    arm = SimulatedArm(T0)
    assert arm.servo(servo(T0 + MS), T0 + MS) is Refusal.BRAKED
    arm.advance(T0 + 100 * MS)
    assert arm.pose == HOME
    arm.stop(None, T0 + 100 * MS)
    assert arm.servo(servo(T0 + 101 * MS), T0 + 101 * MS) is Refusal.NONE
    arm.advance(T0 + 105 * MS)
    assert arm.pose.x > 0


@pytest.mark.parametrize(
    ("age_ns", "refusal"),
    [(0, "NONE"), (30 * MS, "NONE"), (30 * MS + 1, "STALE"), (-1, "FUTURE")],
)
def test_a_setpoint_that_answers_too_old_a_measurement_is_refused(arm, age_ns, refusal):
    now_ns = T0 + 10 * MS
    assert arm.servo(servo(now_ns, tick_ns=now_ns - age_ns), now_ns).name == refusal
    assert arm.refused[Refusal[refusal]] == 1


def test_silence_of_30_ms_stops_and_brakes(arm):
    now_ns = drive(arm, 20)
    arm.advance(now_ns + WATCHDOG_NS)
    assert arm.enabled
    stopped = arm.pose
    arm.advance(now_ns + WATCHDOG_NS + 1)
    assert not arm.enabled
    assert arm.watchdog_trips == 1
    assert math.dist(stopped[:3], arm.pose[:3]) < 1e-6
    arm.advance(now_ns + 10**9)
    assert math.dist(stopped[:3], arm.pose[:3]) < 1e-6
    late_ns = now_ns + 10**9
    assert arm.servo(servo(late_ns), late_ns) is Refusal.BRAKED


def test_a_refused_setpoint_feeds_no_watchdog(arm):
    now_ns = drive(arm, 5)
    for ms in range(1, 32):
        arm.servo(servo(now_ns + ms * MS, tick_ns=T0 - 10**9), now_ns + ms * MS)
    assert not arm.enabled


@pytest.mark.parametrize("category", [0, 1, 2])
def test_a_stop_stops_where_it_is(arm, category):
    now_ns = drive(arm, 20)
    arm.stop(category, now_ns)
    here = arm.pose
    assert arm.servo(servo(now_ns + MS), now_ns + MS) is Refusal.BRAKED
    arm.advance(now_ns + 50 * MS)
    assert arm.pose == here


def test_clear_moves_nothing_by_itself(arm):
    now_ns = drive(arm, 20)
    arm.stop(1, now_ns)
    here = arm.pose
    arm.stop(None, now_ns + 10 * MS)
    arm.advance(now_ns + 20 * MS)
    assert arm.pose == here


def test_the_tip_approaches_its_setpoint_within_its_speed(arm):
    drive(arm, 100)
    assert arm.pose.x == pytest.approx(0.05, rel=0.01)  # 0.5 m/s for 100 ms
    drive(arm, 200, start_ns=T0 + 100 * MS)
    assert arm.pose.x == pytest.approx(0.1, abs=1e-6)


@given(st.lists(st.integers(1, 5 * MS), min_size=1, max_size=30))
def test_in_steps_of_any_length_no_step_is_faster_than_the_arm(steps):
    arm = SimulatedArm(T0, Dynamics(lag_s=0.004, speed_m_s=0.5))
    arm.stop(None, T0)
    now_ns = T0
    for step_ns in steps:
        now_ns += step_ns
        before = arm.pose
        arm.servo(servo(now_ns), now_ns)
        assert math.dist(before[:3], arm.pose[:3]) <= 0.5 * step_ns * 1e-9 + 1e-12


def test_time_that_stands_still_moves_nothing(arm):
    now_ns = drive(arm, 5)
    here = arm.pose
    arm.advance(now_ns)
    assert arm.pose == here


def test_orientation_and_jaw_arrive(arm):
    q = (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0)
    drive(arm, 5, Setpoint(0.0, 0.0, -0.1, *q, 0.7))
    arm.advance(T0 + 6 * MS)
    assert arm.pose[3:] == (*q, 0.7)
