"""Drives follow smoothly and late by a constant, stop on a ramp, and hold: step by step."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teleop.sim import drive
from teleop.sim.drive import (
    AXES,
    DECELERATIONS,
    DELAY_STEPS,
    RATES,
    SETTLE_STEPS,
    STEP_S,
    STOP_S,
    TABLE,
    TAPS,
    TORQUE_MAX,
    Drives,
    Event,
    Mode,
)
from teleop.sim.model import DOFS, JOINTS

NOTHING = np.zeros(DOFS)


@pytest.fixture
def drives():
    """Drives that follow, of an arm that stands wherever its reference is."""
    drives = Drives(NOTHING)
    drives.apply(Event.CLEAR, NOTHING, NOTHING)
    return drives


def step(drives, q=NOTHING, qd=NOTHING, bias=NOTHING):
    torque = np.zeros(DOFS)
    drives.step(q, qd, bias, torque)
    return torque


def walk(drives, targets, speed=None):
    """Give one target a step; return the reference after each: (steps, AXES)."""
    path = []
    for target in targets:
        if target is not None:
            drives.aim(np.full(AXES, target), None if speed is None else np.full(JOINTS, speed))
        step(drives)
        path.append(drives.reference.copy())
    return np.array(path)


# Modes --------------------------------------------------------------------------------------------


def test_only_clear_raises():
    for mode, row in TABLE.items():
        for event, new in row.items():
            assert event is Event.CLEAR or new <= mode


def test_power_off_brakes_from_anywhere_and_every_stop_has_a_row():
    for row in TABLE.values():
        assert row[Event.POWER_OFF] is Mode.BRAKED
        assert {Event.STOP, Event.HALT, Event.CLEAR} <= set(row)


def test_an_event_without_a_row_changes_nothing(drives):
    with pytest.raises(KeyError):
        drives.apply(Event.STANDSTILL, NOTHING, NOTHING)
    assert drives.mode is Mode.FOLLOWING


@pytest.mark.parametrize(
    ("event", "during", "after"),
    [(Event.STOP, Mode.BRAKING, Mode.BRAKED), (Event.HALT, Mode.EASING, Mode.STANDING)],
)
def test_a_stop_ends_when_the_arm_has_settled(drives, event, during, after):
    drives.apply(event, NOTHING, NOTHING)
    torque = np.zeros(DOFS)
    for _ in range(SETTLE_STEPS - 1):
        assert not drives.step(NOTHING, NOTHING, NOTHING, torque)
    assert drives.mode is during
    assert drives.step(NOTHING, NOTHING, NOTHING, torque)
    drives.apply(Event.STANDSTILL, NOTHING, NOTHING)
    assert drives.mode is after


# Following ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [1, 2, 4])
@pytest.mark.parametrize("speed", [None, 0.3])
def test_a_ramp_is_followed_late_by_the_stated_delay_without_steps_in_it(drives, period, speed):
    rate = 0.3
    targets = [rate * k * STEP_S if k % period == 0 else None for k in range(120)]
    path = walk(drives, targets, speed)[80:, 0]  # by now it has caught up with its sudden start
    assert np.diff(path) == pytest.approx(rate * STEP_S, rel=1e-9)
    # A setpoint that is held for a period is late by half of what it is held beyond one step.
    held = 0.5 * (period - 1)
    expected = rate * STEP_S * (np.arange(80, 120) - DELAY_STEPS - held)
    assert path == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(st.floats(-0.002, 0.002), min_size=1, max_size=20),
    st.one_of(st.none(), st.floats(-10.0, 10.0)),
)
@settings(max_examples=40)
def test_a_frozen_setpoint_is_met_and_does_not_creep_whatever_speed_is_said(steps, speed):
    drives = Drives(NOTHING)
    drives.apply(Event.CLEAR, NOTHING, NOTHING)
    targets = list(np.cumsum(steps))
    walk(drives, targets, speed)
    walk(drives, [targets[-1]] * 400, speed)
    frozen = walk(drives, [targets[-1]] * 200, speed)
    assert frozen[0] == pytest.approx(targets[-1], abs=1e-12)
    assert (frozen == frozen[0]).all()
    assert (drives._state.fed == 0.0).all()


def test_a_speed_that_was_said_is_believed_as_far_as_the_path_bears_it_out(drives):
    walk(drives, [0.3 * k * STEP_S for k in range(100)], speed=0.33)
    assert drives._state.fed[0] == pytest.approx(0.33)
    walk(drives, [0.3 * k * STEP_S for k in range(100, 140)], speed=9.0)
    assert drives._state.fed[0] == pytest.approx(0.45)


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
@settings(max_examples=40)
def test_leaps_are_followed_within_every_axis_limits(first, second):
    drives = Drives(NOTHING)
    drives.apply(Event.CLEAR, NOTHING, NOTHING)
    path = np.vstack((walk(drives, [first] * 20), walk(drives, [second] * 6000)))
    speeds = np.diff(path, axis=0) / STEP_S
    assert (np.abs(speeds) <= np.array(RATES) * (1 + 1e-9)).all()
    change = np.array(DECELERATIONS) * STEP_S
    since = np.arange(1, 20)[:, None]
    assert (np.abs(speeds[:19]) <= change * (1.3 * since + 2.0)).all()
    assert path[-1] == pytest.approx(second, abs=1e-12)
    # A turn on the way costs the way it takes to stop; an arrival nearly nothing.
    low, high = min(0.0, first, second), max(0.0, first, second)
    way = (change * (1.3 * 20 + 2.0)) ** 2 / (2 * np.array(DECELERATIONS)) + 20 * change * STEP_S
    assert (path >= low - way).all()
    assert (path <= high + way).all()


@given(st.floats(-1.0, 1.0))
@settings(max_examples=40)
def test_a_leap_overshoots_by_no_more_than_what_it_gained_before_it_was_known_to_be_one(leap):
    drives = Drives(NOTHING)
    drives.apply(Event.CLEAR, NOTHING, NOTHING)
    path = walk(drives, [leap] * 3000) * math.copysign(1.0, leap)
    gained = np.array(DECELERATIONS) * STEP_S * (1.3 * TAPS + 2.0)
    over = np.where(abs(leap) < 0.5 * gained * TAPS * STEP_S * 4, gained**2, 0.0)
    assert (path <= abs(leap) + over / (2 * np.array(DECELERATIONS)) + 1e-12).all()
    assert path[-1] == pytest.approx(abs(leap), abs=1e-12)


def test_while_it_lags_it_says_so(drives):
    walk(drives, [1.0] * 10)
    assert drives.is_limited
    walk(drives, [1.0] * 3000)
    assert not drives.is_limited


# Stopping -----------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1.0, 1.0), min_size=AXES, max_size=AXES))
@settings(max_examples=60)
def test_a_stop_stays_on_its_path_and_stands_in_time(share):
    drives = Drives(NOTHING)
    drives.apply(Event.CLEAR, NOTHING, NOTHING)
    rate = np.array(share) * np.array(RATES)
    drives._state.rate[:] = rate
    drives.apply(Event.STOP, NOTHING, NOTHING)
    steps = 0
    while not drive.slow(drives._state):
        steps += 1
    assert steps * STEP_S <= STOP_S + STEP_S
    left_s = max(np.abs(rate) / np.array(DECELERATIONS))
    assert drives.reference == pytest.approx(0.5 * rate * left_s, abs=1e-9)
    assert (drives._state.rate == 0.0).all()


def test_clear_in_the_middle_of_a_stop_goes_on_stopping(drives):
    walk(drives, [0.3 * k * STEP_S for k in range(40)])
    drives.apply(Event.STOP, NOTHING, NOTHING)
    walk(drives, [None] * 2)
    drives.apply(Event.CLEAR, NOTHING, NOTHING)
    rest = walk(drives, [None] * 500)
    speeds = np.diff(rest[:, 0]) / STEP_S
    assert abs(speeds[0]) < 0.3
    assert (np.abs(np.diff(speeds)) <= DECELERATIONS[0] * STEP_S * 2.5).all()
    assert (rest[-1] == rest[-100]).all()


def test_clear_from_brakes_takes_where_the_arm_stands():
    drives = Drives(NOTHING)
    q = np.linspace(0.01, 0.08, DOFS)
    drives.apply(Event.CLEAR, q, NOTHING)
    torque = step(drives, q, bias=np.full(DOFS, 0.01))
    assert drives.reference[:JOINTS] == pytest.approx(q[:JOINTS])
    assert torque[:JOINTS] == pytest.approx(0.01)


# Torque -------------------------------------------------------------------------------------------


@given(
    st.sampled_from(list(Mode)),
    st.lists(st.floats(-100.0, 100.0), min_size=3 * DOFS, max_size=3 * DOFS),
)
@settings(max_examples=100)
def test_no_drive_ever_gives_more_than_it_may(mode, numbers):
    drives = Drives(NOTHING)
    drives.mode = mode
    q, qd, bias = np.array(numbers).reshape(3, DOFS)
    assert (np.abs(step(drives, q, qd, bias)) <= np.array(TORQUE_MAX)).all()


def test_brakes_close_under_the_load_they_find_and_hold_it():
    drives = Drives(NOTHING)
    drives.apply(Event.CLEAR, NOTHING, NOTHING)
    load = np.array([1.0, -1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    drives.apply(Event.POWER_OFF, NOTHING, load)
    assert step(drives)[:JOINTS] == pytest.approx(load[:JOINTS])


def test_a_brake_slips_beyond_its_strength_and_holds_where_it_slipped_to():
    drives = Drives(NOTHING)
    torn = NOTHING.copy()
    torn[0] = 0.5
    assert step(drives, torn)[0] == pytest.approx(-TORQUE_MAX[0])
    assert abs(drives._state.lock[0] - 0.5) < 0.01
    torn[0] = drives._state.lock[0]
    assert step(drives, torn)[0] == pytest.approx(0.0, abs=1e-9)


def test_a_long_saturation_is_counted_and_a_closed_jaw_is_none(drives):
    pressed = NOTHING.copy()
    pressed[JOINTS:] = 1.0
    for _ in range(20):
        step(drives, pressed)
    assert drives.saturated_steps == 0
    pressed[2] = 1.0
    for _ in range(20):
        step(drives, pressed)
    assert drives.saturated_steps == 20


# The kernels --------------------------------------------------------------------------------------


def test_the_plain_functions_give_the_same_bits_as_the_compiled_ones():
    rng = np.random.default_rng(3)
    plain, compiled = (
        drive.State(
            *(
                np.random.default_rng(4).normal(0.0, 0.01, shape)
                for shape in ((TAPS, AXES), (TAPS, AXES), *(AXES,) * 6, DOFS)
            )
        )
        for _ in range(2)
    )
    out = np.zeros(DOFS), np.zeros(DOFS)
    for _ in range(30):
        target, speed = rng.normal(0.0, 0.02, AXES), rng.normal(0.0, 0.1, JOINTS)
        q, qd, bias = rng.normal(0.0, 0.02, (3, DOFS))
        for state, py, torque in ((plain, True, out[0]), (compiled, False, out[1])):
            for kernel, arguments in (
                (drive.follow, (target, speed, True)),
                (drive.track, (q, qd, bias, torque)),
                (drive.close, (q, bias)),
                (drive.brake, (q, qd, torque)),
                (drive.slow, ()),
            ):
                (kernel.py_func if py else kernel)(state, *arguments)
        for one, other in zip((*plain, out[0]), (*compiled, out[1]), strict=True):
            assert (one == other).all()


def test_what_is_stated_follows_from_the_tables():
    middle = sum(tap * weight for tap, weight in enumerate(drive.WEIGHTS))
    assert middle == pytest.approx(DELAY_STEPS)
    assert sum(drive.WEIGHTS) == 1.0
    assert all(r / d <= STOP_S * 1.001 for r, d in zip(RATES, DECELERATIONS, strict=True))
    assert math.isclose(drive.STATED_DELAY_S, 0.003)
