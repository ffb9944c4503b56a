"""The tip is where the published table puts it; joints follow it, and say so where they cannot."""

import importlib
import math
import sys

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import teleop.control
from teleop.control import kinematics, pose, velocity
from teleop.control.instrument import LARGE_NEEDLE_DRIVER, Pace, Psm, Status
from teleop.control.kinematics import (
    MISS_M_MAX,
    MISS_RAD_MAX,
    clearance,
    forward,
    inverse,
    jacobian,
    points,
)
from teleop.control.velocity import joint_velocity, step_joints

PSM = LARGE_NEEDLE_DRIVER
PACE = Pace()
#: No band: what brings an instrument through its cannula.
FREE = Pace(slow_m=0.0, stop_m=0.0)
#: Another row of the table: a longer wrist that bends less (the mega needle driver's figures).
MEGA = Psm(
    pitch_to_yaw=0.0112,
    lower=(*PSM.lower[:3], math.radians(-255), math.radians(-70), PSM.lower[5]),
    upper=(*PSM.upper[:3], math.radians(255), math.radians(70), PSM.upper[5]),
)
#: The wrist is at the remote centre.
AT_CENTRE = PSM.rcc - PSM.tool
ACCURACY_M, ACCURACY_RAD = 1e-6, 1e-6
NAMES = ("YAW", "PITCH", "INSERTION", "ROLL", "WRIST_PITCH", "WRIST_YAW")
DT_S = 0.001

instruments = st.sampled_from([PSM, MEGA])


def joints(psm=PSM, insertion_min=0.0):
    """Any joint vector within limits, its insertion at least so deep."""
    spans = list(zip(psm.lower, psm.upper, strict=True))
    spans[2] = (insertion_min, psm.upper[2])
    return st.tuples(*(st.floats(low, high) for low, high in spans)).map(np.array)


def tip(q, psm=PSM):
    out = np.full(7, math.nan)
    forward(psm, np.asarray(q, float), out)
    return out


def solve(target, q_near, psm=PSM):
    out = np.full(6, math.nan)
    status = Status(inverse(psm, np.asarray(target, float), np.asarray(q_near, float), out))
    return out, status


def step(q, wish, pace=PACE, dt_s=DT_S):
    out = np.full(6, math.nan)
    return out, Status(step_joints(PSM, pace, np.asarray(q), np.asarray(wish), dt_s, out))


def feed(q, twist, pace=PACE):
    out = np.full(6, math.nan)
    return out, Status(joint_velocity(PSM, pace, np.asarray(q), np.asarray(twist), out))


def tip_jacobian(q):
    out = np.full((6, 6), math.nan)
    jacobian(PSM, q, out)
    return out


def apart(a, b):
    return math.dist(a[:3], b[:3]), pose.between(a[3:], b[3:])


def meets(a, b):
    metres, radians = apart(a, b)
    return metres <= ACCURACY_M and radians <= ACCURACY_RAD


def is_within(q, psm=PSM):
    return all(low <= v <= high for low, v, high in zip(psm.lower, q, psm.upper, strict=True))


# Forward -----------------------------------------------------------------------------------------


def table(psm, q):
    """The published table, multiplied out: alpha, a, theta, d of each joint, then the tool tip."""
    quarter = math.pi / 2
    rows = (
        (quarter, 0.0, q[0] + quarter, 0.0),
        (-quarter, 0.0, q[1] - quarter, 0.0),
        (quarter, 0.0, 0.0, q[2] - psm.rcc),
        (0.0, 0.0, q[3], psm.tool),
        (-quarter, 0.0, q[4] - quarter, 0.0),
        (-quarter, psm.pitch_to_yaw, q[5] - quarter, 0.0),
    )
    x = np.eye(4)
    for alpha, a, theta, d in rows:
        ca, sa, ct, st_ = math.cos(alpha), math.sin(alpha), math.cos(theta), math.sin(theta)
        x @= np.array(
            [
                [ct, -st_, 0.0, a],
                [st_ * ca, ct * ca, -sa, -sa * d],
                [st_ * sa, ct * sa, ca, ca * d],
                [0.0, 0.0, 0.0, 1.0],
            ]
        )
    return x @ np.array([[0, -1, 0, 0], [0, 0, 1, psm.yaw_to_tip], [-1, 0, 0, 0], [0, 0, 0, 1.0]])


@given(st.data(), instruments)
def test_the_tip_is_where_the_modified_dh_table_puts_it(data, psm):
    q = data.draw(joints(psm))
    x_bt = table(psm, q)
    found, turn = tip(q, psm), np.empty((3, 3))
    pose.to_matrix(found[3:], turn)
    assert found[:3] == pytest.approx(x_bt[:3, 3], abs=1e-14)
    assert turn == pytest.approx(x_bt[:3, :3], abs=1e-14)


def test_at_zero_the_shaft_points_down_and_the_jaw_opens_to_the_right():
    q = np.array([0.0, 0.0, 0.12, 0.0, 0.0, 0.0])
    depth = 0.12 - AT_CENTRE + PSM.pitch_to_yaw + PSM.yaw_to_tip
    assert tip(q)[:3] == pytest.approx((0.0, 0.0, -depth))
    assert pose.rotate(tip(q)[3:], (0.0, 0.0, 1.0)) == pytest.approx((0.0, 0.0, -1.0))
    assert pose.rotate(tip(q)[3:], (0.0, 1.0, 0.0)) == pytest.approx((1.0, 0.0, 0.0))
    out = np.full((6, 3), math.nan)
    points(PSM, q, math.radians(60), out)
    assert out[4, 0] == pytest.approx(PSM.yaw_to_tip * math.sin(math.radians(30)))
    assert out[3, 0] == pytest.approx(-out[4, 0])


@given(joints(), st.floats(PSM.jaw_lower, PSM.jaw_upper))
def test_what_is_drawn_is_a_chain_of_the_table_s_lengths(q, jaw):
    centre, pitch, yaw, left, right, control = (out := np.full((6, 3), math.nan))
    points(PSM, q, jaw, out)
    assert tuple(centre) == (0.0, 0.0, 0.0)
    assert math.hypot(*pitch) == pytest.approx(abs(q[2] - AT_CENTRE), abs=1e-15)
    assert math.dist(pitch, yaw) == pytest.approx(PSM.pitch_to_yaw)
    assert control == pytest.approx(tip(q)[:3])
    for end in (left, right, control):
        assert math.dist(yaw, end) == pytest.approx(PSM.yaw_to_tip)
    opening = 2.0 * PSM.yaw_to_tip * math.sin(max(0.0, jaw) / 2.0)
    assert math.dist(left, right) == pytest.approx(opening, abs=1e-15)
    assert (left + right) / 2.0 - yaw == pytest.approx(
        (control - yaw) * math.cos(max(0.0, jaw) / 2.0)
    )


# Jacobian ----------------------------------------------------------------------------------------


@given(joints())
def test_the_jacobian_is_what_central_differences_of_forward_give(q):
    found, h = tip_jacobian(q), 1e-6
    for joint in range(6):
        nudge = np.zeros(6)
        nudge[joint] = h
        ahead, behind = tip(q + nudge), tip(q - nudge)
        v = (ahead[:3] - behind[:3]) / (2 * h)
        w = pose.log(pose.multiply(ahead[3:], pose.conjugate(behind[3:])))
        assert found[:3, joint] == pytest.approx(v, abs=1e-9)
        assert found[3:, joint] == pytest.approx(np.array(w) / (2 * h), abs=1e-9)


@given(joints())
def test_two_levers_and_nothing_else_make_it_singular(q):
    reach = q[2] - AT_CENTRE
    wrist = reach * math.cos(q[4]) + PSM.pitch_to_yaw
    assert abs(np.linalg.det(tip_jacobian(q))) == pytest.approx(
        abs(reach * math.cos(q[1]) * wrist), abs=1e-15
    )


def test_clearance_stands_for_smallest_singular_value_and_condition_number():
    """In units of 0.1 m; MoveIt Servo slows from a condition number of 17 and halts at 30."""
    rng, unit = np.random.default_rng(7), 0.1
    for _ in range(2000):
        q = rng.uniform(PSM.lower, PSM.upper)
        scaled = tip_jacobian(q)
        scaled[:3] /= unit
        scaled[:, 2] *= unit
        values = np.linalg.svd(scaled, compute_uv=False)
        room = clearance(PSM, q)
        assert 0.25 < values[-1] / (room / unit) < 1.25
        assert room < PACE.slow_m or values[0] / values[-1] < 18.0
        assert room > PACE.stop_m or values[0] / values[-1] > 25.0


# Inverse -----------------------------------------------------------------------------------------


@numba.njit  # not cached: numba's cache does not see that a kernel of another file has changed
def sweep(psm, qs, q_near, poses, found, errors):
    """There and back for every row of qs; q_near is one row for all, or one for each."""
    flawed = 0
    for k in range(len(qs)):
        near = q_near[k % len(q_near)]
        forward(psm, qs[k], poses[0])
        flawed += inverse(psm, poses[0], near, found[k]) != 0
        forward(psm, found[k], poses[1])
        errors[k, 0] = math.sqrt(np.sum((poses[0][:3] - poses[1][:3]) ** 2))
        errors[k, 1] = pose.between(poses[0][3:], poses[1][3:])
    return flawed


@pytest.mark.parametrize("psm", [PSM, MEGA], ids=["large needle driver", "mega needle driver"])
def test_a_hundred_thousand_poses_of_the_whole_workspace_come_back(psm):
    n = 100_000
    qs = np.random.default_rng(20170924).uniform(psm.lower, psm.upper, (n, 6))
    found, errors = np.full((n, 6), math.nan), np.full((n, 2), math.nan)
    home = np.array([[0.0, 0.0, 0.12, 0.0, 0.0, 0.0]])
    assert sweep(psm, qs, home, np.empty((2, 7)), found, errors) == 0
    assert errors[:, 0].max() <= ACCURACY_M
    assert errors[:, 1].max() <= ACCURACY_RAD
    assert np.all(found >= psm.lower)
    assert np.all(found <= psm.upper)
    assert np.abs(found[:, 3]).max() <= math.pi + 1e-9  # the turn nearest to home's
    assert sweep(psm, qs, qs, np.empty((2, 7)), found, errors) == 0
    assert errors.max() <= 1e-6
    clear = np.array([clearance(psm, q) > 1e-4 for q in qs])
    assert clear.sum() > 0.99 * n
    assert np.abs(found - qs)[clear].max() <= 1e-9


@given(st.data(), instruments)
def test_a_pose_comes_back_from_anywhere_unless_roll_would_have_to_unwind(data, psm):
    q, near = data.draw(joints(psm)), data.draw(joints(psm))
    assume(clearance(psm, q) > 1e-6)
    found, status = solve(tip(q, psm), near, psm)
    assert is_within(found, psm)
    away = math.remainder(q[3] - near[3], 2.0 * math.pi)
    if abs(near[3] + away) < psm.upper[3] and abs(away) < 3.14:
        assert status == Status.OK
    if status == Status.OK:
        assert meets(tip(found, psm), tip(q, psm))


@given(joints(insertion_min=0.03), st.floats(0.5, 2.0))
def test_joints_come_back_from_nearby_and_a_quaternion_s_length_and_sign_do_not_matter(q, scale):
    target = tip(q)
    near = np.clip(q + 0.01, PSM.lower, PSM.upper)
    target[3:] *= -scale
    found, status = solve(target, near)
    assert status == Status.OK
    assert found == pytest.approx(q, abs=1e-9)


@given(joints(insertion_min=0.05), joints(insertion_min=0.05))
@settings(max_examples=20)
def test_along_a_path_the_joints_never_leap(start, end):
    q, h = start, 1.0 / 200
    for k in range(1, 201):
        there = start + (end - start) * k * h
        q, status = solve(tip(there), q)
        assert status == Status.OK
        assert q == pytest.approx(there, abs=1e-8)


def test_the_answer_may_be_written_over_the_question():
    q = np.array([0.2, -0.3, 0.15, 3.5, 0.5, -0.6])
    near = q + 0.1
    assert inverse(PSM, tip(q), near, near) == Status.OK
    assert near == pytest.approx(q)


# Limits ------------------------------------------------------------------------------------------


@given(
    joints(insertion_min=0.06),
    st.integers(0, 5),
    st.sampled_from([-1, 1]),
    st.floats(1e-4, 5e-3),
)
def test_a_joint_beyond_its_limit_is_clamped_and_named(q, joint, side, excess):
    q[joint] = (PSM.upper if side > 0 else PSM.lower)[joint] + side * excess
    if joint == 2 and side < 0:  # inside the cannula the other branches come near
        q[2] = PSM.upper[2] + excess
    near = np.clip(q, PSM.lower, PSM.upper)
    found, status = solve(tip(q), near)
    assert status == Status[NAMES[joint]]
    assert status & Status.JOINT_LIMIT
    assert found == pytest.approx(near, abs=1e-9)
    assert is_within(found)


@given(joints(insertion_min=0.06), joints(), st.sampled_from([0, 1, 2, 4, 5]))
def test_what_a_clamp_would_miss_by_far_is_unreachable_and_the_arm_stays(q, near, joint):
    q[joint] = PSM.upper[joint] + (0.2 if joint == 2 else 0.8)
    target = tip(q)
    found, status = solve(target, near)
    if status & Status.UNREACHABLE:
        assert found.tolist() == near.tolist()
        assert status & Status.JOINT_LIMIT
    else:  # another branch reaches it, or nearly
        metres, radians = apart(tip(found), target)
        assert metres <= MISS_M_MAX
        assert radians <= MISS_RAD_MAX


def test_far_away_is_unreachable():
    near = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    for target in ([0.0, 0.0, -0.4], [0.3, 0.0, 0.0], [0.0, 0.0, 0.2], [1e9, 0.0, 0.0]):
        found, status = solve([*target, *tip(near)[3:]], near)
        assert status & Status.UNREACHABLE
        assert found.tolist() == near.tolist()


def test_roll_goes_to_the_nearest_turn_and_never_unwinds():
    q = np.array([0.1, 0.1, 0.12, math.radians(200), 0.2, 0.2])
    assert solve(tip(q), q)[0][3] == pytest.approx(math.radians(200))
    assert solve(tip(q), q * 0.5)[0][3] == pytest.approx(math.radians(200))
    assert solve(tip(q), q * 0.0 + 0.1)[0][3] == pytest.approx(math.radians(-160))
    for degrees in range(200, 290, 5):
        q[3] = math.radians(degrees)
        found, status = solve(tip(q), [*q[:3], min(q[3], PSM.upper[3]), *q[4:]])
        assert found[3] == pytest.approx(min(q[3], PSM.upper[3]))
        assert status == (Status.ROLL if degrees > 260 else Status.OK)
    q[3] = math.radians(300)  # 40 degrees too far: nothing the hand meant
    assert solve(tip(q), [*q[:3], PSM.upper[3], *q[4:]])[1] == Status.ROLL | Status.UNREACHABLE


# Singular places ---------------------------------------------------------------------------------


@given(joints(), st.tuples(*[st.floats(-0.05, 0.05)] * 6))
def test_with_the_wrist_at_the_remote_centre_the_nearest_shaft_is_kept_and_the_pose_met(q, off):
    q *= 0.8
    q[2] = AT_CENTRE
    kept, status = solve(tip(q), q)
    assert status == Status.SINGULAR
    assert kept == pytest.approx(q, abs=1e-6)
    found, status = solve(tip(q), q + off)
    assert status == Status.SINGULAR
    assert meets(tip(found), tip(q))
    assert np.abs(found - q).max() < 1.0  # what is undetermined stays about where it was


@given(joints(), st.floats(-0.9, 0.9))
def test_with_the_yaw_axis_through_the_remote_centre_the_nearest_palm_is_kept(q, wrist_pitch):
    q[4] = wrist_pitch
    q[2] = AT_CENTRE - PSM.pitch_to_yaw / math.cos(wrist_pitch)
    found, status = solve(tip(q), q)
    assert status == Status.SINGULAR
    assert found == pytest.approx(q, abs=1e-6)
    assert meets(tip(found), tip(q))


@pytest.mark.parametrize("off_m", [1e-3, 1e-5, 1e-6, 2e-7, 1e-8, 1e-10, 0.0])
@pytest.mark.parametrize("centre", [AT_CENTRE, AT_CENTRE - PSM.pitch_to_yaw])
def test_near_a_singular_place_the_pose_is_still_met(centre, off_m):
    q = np.array([0.3, -0.2, centre + off_m, 0.4, 0.0, 0.5])
    for near in (q, q + 0.05, q - 0.1, np.array([0.0, 0.0, 0.05, 0.0, 0.0, 0.0])):
        found, status = solve(tip(q), near)
        assert status & ~Status.SINGULAR == Status.OK
        assert meets(tip(found), tip(q))


# Anything at all ---------------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)
anything = st.floats()


def vector(values, size):
    return st.lists(values, min_size=size, max_size=size).map(np.array)


@given(vector(finite, 7), vector(anything, 6))
def test_no_pose_at_all_gives_a_joint_that_is_no_number_or_outside(target, near):
    found, _ = solve(target, near)
    assert is_within(found)


@given(joints(), st.integers(0, 6), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_a_number_is_no_pose_and_the_arm_stays(q, at, value):
    target = tip(q)
    target[at] = value
    found, status = solve(target, q)
    assert status == Status.UNREACHABLE
    assert found.tolist() == q.tolist()


@given(joints(), st.integers(0, 5), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_joints_that_are_not_numbers_are_near_to_nothing_but_zero(q, at, value):
    near = q.copy()
    near[at] = value
    for target in (tip(q), np.full(7, math.nan)):
        assert np.array_equal(solve(target, near)[0], solve(target, np.zeros(6))[0])


@pytest.mark.parametrize("size", [0.0, 1e-200, 1e200])
def test_a_quaternion_without_direction_is_no_pose(size):
    near = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    found, status = solve([0.0, 0.0, -0.1, size, size, size, size], near)
    assert status == Status.UNREACHABLE
    assert found.tolist() == near.tolist()


@given(vector(anything, 6), vector(anything, 6), anything, st.sampled_from([PACE, FREE]))
def test_velocity_and_step_answer_numbers_with_numbers(q, other, dt_s, pace):
    rate, status = feed(q, other, pace)
    assert np.all(np.isfinite(rate))
    assert np.all(np.abs(rate) <= np.array(pace.rates) * (1 + 1e-12))
    if not (np.all(np.isfinite(q)) and np.all(np.isfinite(other))):
        assert status == Status.UNREACHABLE
        assert not rate.any()
    moved, status = step(q, other, pace, dt_s)
    if np.all(np.isfinite([*q, *other, dt_s])):
        assert np.all(np.isfinite(moved))
    else:
        assert status == Status.UNREACHABLE
        assert np.array_equal(moved, q, equal_nan=True)


# Velocity ----------------------------------------------------------------------------------------

twists = st.tuples(*[st.floats(-0.02, 0.02)] * 3, *[st.floats(-0.2, 0.2)] * 3).map(np.array)


@given(joints(insertion_min=0.08), twists)
def test_away_from_singular_places_the_tip_gets_exactly_its_twist(q, twist):
    rate, status = feed(q, twist)
    got = tip_jacobian(q) @ rate
    if status & Status.LAGGING:  # all joints alike: the same way, slower
        share = np.max(np.abs(rate) / np.array(PACE.rates))
        assert share == pytest.approx(1.0)
        got *= np.linalg.norm(twist) / np.linalg.norm(got)
    assert got == pytest.approx(twist, abs=1e-12)
    assert clearance(PSM, q) > PACE.slow_m
    assert not status & Status.SINGULAR


@given(joints(insertion_min=0.05), twists)
def test_feed_forward_is_the_derivative_of_the_inverse(q, twist):
    h, here = 1e-6, tip(q)
    ends = []
    for sign in (-1, 1):
        there = np.empty(7)
        turn = pose.exp(tuple(sign * h * twist[3:]))
        pose.store(here[:3] + sign * h * twist[:3], pose.multiply(turn, here[3:]), there)
        ends.append(solve(there, q)[0])
    rate, status = feed(q, twist, Pace(rates=(1e3,) * 6, slow_m=0.0, stop_m=0.0))
    assert status == Status.OK
    inner = is_within(q + 1e-3 * np.sign(q)) and is_within(q - 1e-3 * np.sign(q))
    assert not inner or rate == pytest.approx((ends[1] - ends[0]) / (2 * h), abs=1e-5)


@given(joints(), twists)
def test_near_a_singular_place_velocities_stay_within_what_the_damping_allows(q, twist):
    """lever / (lever^2 + lambda^2) has its maximum where both are equal; lambda falls outwards."""
    reach = 0.02 * (q[2] - AT_CENTRE)
    q[2] = AT_CENTRE + reach
    rate, status = feed(q, twist, Pace(rates=(1e9,) * 6))
    assert status == Status.SINGULAR
    gain = 1.0 / (2.0 * PACE.stop_m * math.sqrt(1.0 - (PACE.stop_m / PACE.slow_m) ** 2))
    v, w = np.abs(twist[:3]).sum(), np.abs(twist[3:]).sum()
    v += PSM.yaw_to_tip * w
    spin = gain * (v + abs(reach) * w)
    v += PSM.pitch_to_yaw * (w + spin)
    assert np.abs(rate[:2]).max() <= gain * v


def test_at_the_singular_place_itself_nothing_is_asked_of_the_undetermined_joints():
    q = np.array([0.0, 0.0, AT_CENTRE, 0.0, 0.0, 0.0])
    rate, status = feed(q, [0.1, 0.1, 0.0, 0.0, 0.0, 0.0])
    assert status & Status.SINGULAR
    assert rate[0] == rate[1] == 0.0


# Steps -------------------------------------------------------------------------------------------


@given(joints(insertion_min=0.06), joints(insertion_min=0.06))
def test_a_step_goes_straight_to_its_wish_and_no_joint_is_faster_than_it_may(q, wish):
    moved, status = step(q, wish, FREE)
    way, full = moved - q, wish - q
    assert np.all(np.abs(way) <= np.array(FREE.rates) * DT_S * (1 + 1e-9))
    if status & Status.LAGGING:
        ratio = np.max(np.abs(way) / np.array(FREE.rates)) / DT_S
        assert ratio == pytest.approx(1.0)
        assert way * np.linalg.norm(full) == pytest.approx(full * np.linalg.norm(way), abs=1e-9)
    else:
        assert status == Status.OK
        assert moved.tolist() == wish.tolist()


@given(joints(insertion_min=0.06), joints(insertion_min=0.06))
@settings(max_examples=20)
def test_steps_arrive_exactly(q, wish):
    for _ in range(3000):
        q, status = step(q, wish)
        if status == Status.OK:
            break
    assert q.tolist() == wish.tolist()


def test_a_wish_beyond_a_limit_ends_at_the_limit_and_no_time_moves_nothing():
    q = np.array([0.0, 0.0, 0.1, 0.0, 0.0, 0.0])
    wish = np.array([0.0, 0.0, 0.1, 0.0, 2.0, 0.0])
    moved, status = step(q, wish, dt_s=1.0)
    assert status == Status.WRIST_PITCH
    assert moved[4] == PSM.upper[4]
    for dt_s in (0.0, -1.0):
        moved, status = step(q, wish, dt_s=dt_s)
        assert moved.tolist() == q.tolist()
        assert status == Status.WRIST_PITCH | Status.LAGGING


def test_towards_the_remote_centre_it_slows_before_it_stops_and_never_gets_there():
    q = np.array([0.0, 0.0, 0.06, 0.0, 0.0, 0.0])
    wish = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    speeds, seen = [], Status.OK
    for _ in range(2000):
        before = clearance(PSM, q)
        q, status = step(q, wish)
        seen |= status
        speeds.append((before - clearance(PSM, q)) / DT_S)
        assert bool(status & Status.SLOWED) == (PACE.stop_m < before < PACE.slow_m)
    assert speeds[0] == pytest.approx(PACE.rates[2])
    assert np.all(np.diff(speeds) < 1e-9)
    assert seen & Status.LAGGING
    assert clearance(PSM, q) == pytest.approx(PACE.stop_m, abs=1e-6)
    assert clearance(PSM, q) >= PACE.stop_m


def test_inside_the_band_it_halts_inwards_leaves_freely_and_does_not_hop_over():
    q = np.array([0.0, 0.0, AT_CENTRE + 0.002, 0.0, 0.0, 0.0])
    for insertion in (AT_CENTRE + 0.001, AT_CENTRE - 0.013):
        moved, status = step(q, [0.0, 0.0, insertion, 0.0, 0.0, 0.0], dt_s=0.1)
        assert status == Status.HALTED | Status.LAGGING
        assert moved.tolist() == q.tolist()
    moved, status = step(q, [0.0, 0.0, 0.06, 0.0, 0.0, 0.0])
    assert status == Status.LAGGING
    assert moved[2] - q[2] == pytest.approx(PACE.rates[2] * DT_S)


def test_without_a_band_an_instrument_comes_through_its_cannula():
    q = np.zeros(6)
    for _ in range(1000):
        q, status = step(q, [0.0, 0.0, 0.1, 0.0, 0.0, 0.0], FREE)
    assert status == Status.OK
    assert q[2] == 0.1


# The same function -------------------------------------------------------------------------------


@pytest.fixture
def plain(monkeypatch):
    """The same sources with `jit` doing nothing: interpreted from top to bottom."""
    monkeypatch.setattr("transport.kernel.jit.jit", lambda function: function)
    for name in ("pose", "instrument", "kinematics", "velocity"):
        monkeypatch.delitem(sys.modules, f"teleop.control.{name}")
        monkeypatch.delattr(teleop.control, name)
    names = ("kinematics", "velocity")
    return [importlib.import_module(f"teleop.control.{name}") for name in names]


def test_the_undecorated_functions_give_the_same(plain):
    places, rates = plain
    assert not hasattr(places.inverse, "py_func")
    rng = np.random.default_rng(3)
    for k in range(300):
        q, near = rng.uniform(PSM.lower, PSM.upper, (2, 6)) * (1.0 if k % 3 else 1.2)
        if k % 5 == 0:
            q[2] = AT_CENTRE
        twist = rng.normal(size=6) * 0.05
        calls = {
            "forward": (kinematics, places, 7, (PSM, q)),
            "points": (kinematics, places, (6, 3), (PSM, q, near[5])),
            "jacobian": (kinematics, places, (6, 6), (PSM, q)),
            "inverse": (kinematics, places, 6, (PSM, tip(q), near)),
            "joint_velocity": (velocity, rates, 6, (PSM, PACE, q, twist)),
            "step_joints": (velocity, rates, 6, (PSM, PACE, q, near, 0.01)),
        }
        for name, (ours, plainly, shape, arguments) in calls.items():
            outs = np.full(shape, math.nan), np.full(shape, math.nan)
            statuses = [
                getattr(module, name)(*arguments, out)
                for module, out in zip((ours, plainly), outs, strict=True)
            ]
            assert statuses[0] == statuses[1], name
            assert outs[0] == pytest.approx(outs[1], rel=1e-13, abs=1e-14), name
        assert clearance(PSM, q) == pytest.approx(places.clearance(PSM, q))
