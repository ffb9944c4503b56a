"""An honest hand is never touched, and whatever another asks, the setpoint keeps the limits."""

import math
import random
import tomllib
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.clamp import Rule
from safety.governor import MARK_NS, SPAN_NS, STEP_NS_MAX, WINDOW_NS
from safety.limiter import Limiter
from safety.limits import Limits
from safety.rotation import rotation_angle
from safety.state import Cause
from tests.safety.hands import MS, START, Honest, arrivals
from tests.safety.test_fence import is_within
from tests.safety.test_rotation import about, poses
from transport.wire.vector import ORIGIN, STILL, is_unit

LIMITS = Limits()
STEP_S = STEP_NS_MAX * 1e-9


def limiter(limits=LIMITS, pose=START):
    arm = Limiter(limits)
    arm.reset(pose, 0)
    return arm


def follow(arm, wishes, start_ns=0, every_ns=MS, *, degraded=False):
    """One wish after another; give the steps."""
    return [
        arm.step(wish, degraded=degraded, now_ns=start_ns + n * every_ns)
        for n, wish in enumerate(wishes, 1)
    ]


# An honest hand ----------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.5, 1.5, 2.8]),
    st.sampled_from([0.0, 0.01, 0.1]),
    st.integers(0, 14),
)
def test_an_honest_hand_passes_bit_for_bit_however_its_commands_arrive(seed, jitter, loss, burst):
    rng = random.Random(seed)
    hand, arm = Honest(rng), limiter()
    for t_ns, k in arrivals(rng, 1200, jitter, loss, burst):
        wish = hand.at(k * 1e-3)
        if not is_within(wish):
            break
        step = arm.step(wish, degraded=False, now_ns=t_ns)
        assert step.rule is Rule.NONE, f"at {k} ms"
        assert step.setpoint == wish
        assert step.lag_m == 0.0


@pytest.mark.parametrize("period_ns", [MS // 4, MS, 4 * MS, 10 * MS, 20 * MS])
def test_an_honest_hand_passes_at_any_rate(period_ns):
    hand, arm = Honest(random.Random(5), speed_m_s=0.2), limiter()
    for n in range(1, 800 * MS // period_ns):
        t_ns = n * period_ns
        assert arm.step(hand.at(t_ns * 1e-9), degraded=False, now_ns=t_ns).rule is Rule.NONE


def test_in_no_time_nothing_moves():
    arm = limiter()
    assert arm.step(START._replace(x=0.01), degraded=False, now_ns=0).setpoint == START


def test_a_clock_that_steps_back_stands_still():
    arm = limiter()
    follow(arm, [START._replace(x=1e-5 * n) for n in range(1, 30)])
    here = arm.setpoint
    assert arm.step(START._replace(x=0.01), degraded=False, now_ns=MS).setpoint == here


def test_a_wish_on_the_other_cover_turns_the_short_way_and_the_setpoint_never_changes_cover():
    arm = limiter()
    q = about((0, 0, 1), 0.001)
    near = START._replace(qw=-q[0], qx=-q[1], qy=-q[2], qz=-q[3])
    step = arm.step(near, degraded=False, now_ns=MS)
    assert step.rule is Rule.NONE
    assert rotation_angle(step.setpoint, near) < 1e-7
    assert step.setpoint.qw > 0.0


# Any hand ----------------------------------------------------------------------------------------

gaps_ns = st.sampled_from([MS // 5, MS, MS, MS, 3 * MS, 10 * MS, 19 * MS])
wishes = st.lists(
    st.tuples(gaps_ns, poses(st.floats(-0.4, 0.4)), st.integers(1, 60), st.booleans()),
    min_size=1,
    max_size=8,
)


def any_path(hand, *, even=False):
    """Where the setpoint went: (when, setpoint), for a hand that asks for this and that."""
    arm, t_ns = limiter(), 0
    path = [(0, START)]
    for gap_ns, wish, times, resumes in hand:
        if resumes:
            arm.resume(t_ns)
        for _ in range(times):
            t_ns += MS if even else gap_ns
            path.append((t_ns, arm.step(wish, degraded=False, now_ns=t_ns).setpoint))
    return path


@settings(max_examples=60, deadline=None)
@given(wishes)
def test_whatever_is_asked_the_speeds_hold_over_any_time_but_for_one_step(hand):
    path = any_path(hand)
    for i, (t0, a) in enumerate(path[::5]):
        for t1, b in path[5 * i + 1 :: 3]:
            dt_s = (t1 - t0) * 1e-9 + STEP_S
            assert math.dist(a[:3], b[:3]) <= LIMITS.speed_m_s * dt_s + 1e-9
            assert rotation_angle(a, b) <= LIMITS.turn_rad_s * dt_s * 1.002 + 1e-6
            assert abs(a.jaw - b.jaw) <= LIMITS.jaw_rad_s * dt_s + 1e-9


@settings(max_examples=60, deadline=None)
@given(wishes)
def test_whatever_is_asked_the_window_the_fence_and_the_unit_sphere_hold(hand):
    path = any_path(hand)
    between_marks_s = MARK_NS * 1e-9 + STEP_S
    for i, (t0, a) in enumerate(path):
        assert is_within(a)
        assert is_unit(a)
        for t1, b in path[i + 1 :: 2]:
            if t1 - t0 > WINDOW_NS:
                break
            reach = LIMITS.window_m + LIMITS.speed_m_s * between_marks_s
            assert math.dist(a[:3], b[:3]) <= reach + 1e-9
            sweep = LIMITS.window_rad + LIMITS.turn_rad_s * between_marks_s
            assert rotation_angle(a, b) <= sweep + 1e-6


@settings(max_examples=60, deadline=None)
@given(wishes)
def test_whatever_is_asked_an_even_stream_gains_no_speed_faster_than_the_acceleration(hand):
    """The way gone in 10 ms: how much more than in the 10 ms before it."""
    path = [pose for _, pose in any_path(hand, even=True)]
    n = SPAN_NS // MS
    span_s = SPAN_NS * 1e-9
    steps = [math.dist(a[:3], b[:3]) for a, b in pairwise(path)]
    speeds = [sum(steps[i : i + n]) / span_s for i in range(len(steps) - n + 1)]
    for before, now in zip(speeds, speeds[n:], strict=False):
        # Twice: marks are up to half a span older; a fifth: what an uneven stream may err by.
        allowed = 2 * LIMITS.acceleration_m_s2 * span_s + 0.2 * max(before, now)
        assert now - before <= allowed + 1e-9


def test_from_rest_a_leap_becomes_a_ramp_and_then_the_speed():
    steps = follow(limiter(), [START._replace(x=0.09)] * 300)
    xs = [step.setpoint.x for step in steps]
    for n in (1, 5, 20, 49):
        t_s = n * 1e-3
        ramp = 0.5 * LIMITS.acceleration_m_s2 * t_s * (t_s + 1e-3)
        assert xs[n - 1] == pytest.approx(ramp, rel=1e-6)
    assert xs[80] - xs[79] == pytest.approx(LIMITS.speed_m_s * 1e-3)
    assert [steps[0].rule, steps[10].rule, steps[80].rule] == [
        Rule.STEP,
        Rule.ACCELERATION,
        Rule.SPEED,
    ]
    assert steps[-1] == (START._replace(x=0.09), 0.0, Rule.NONE, False, Cause.NONE)


def test_a_hand_that_stops_dead_stops_the_setpoint_and_is_never_overshot():
    arm = limiter()
    follow(arm, [START._replace(x=0.5e-5 * n * n) for n in range(60)])
    here = arm.setpoint
    step = arm.step(here, degraded=False, now_ns=61 * MS)
    assert (step.setpoint, step.rule) == (here, Rule.NONE)


@given(poses(st.floats(-0.2, 0.2)), st.lists(st.sampled_from([MS, 5 * MS]), min_size=1, max_size=9))
def test_every_step_lies_on_the_straight_way_to_what_the_fence_lets_of_the_wish(wish, gaps):
    arm, t_ns = limiter(), 0
    for gap_ns in gaps:
        t_ns += gap_ns
        old = arm.setpoint
        step = arm.step(wish, degraded=False, now_ns=t_ns)
        if step.hold:
            assert step.setpoint == old
            continue
        target = arm._fence.keep(old, wish)
        way = math.dist(old[:3], target[:3])
        parts = math.dist(old[:3], step.setpoint[:3]) + math.dist(step.setpoint[:3], target[:3])
        assert parts == pytest.approx(way, abs=1e-12)
        assert step.lag_m == pytest.approx(math.dist(step.setpoint[:3], target[:3]), abs=1e-12)


def test_within_250_ms_the_tip_comes_no_further_than_the_window():
    steps = follow(limiter(), [START._replace(x=0.2)] * 600)
    xs = [step.setpoint.x for step in steps]
    furthest = max(b - a for a, b in zip(xs, xs[250:], strict=False))
    assert furthest <= LIMITS.window_m + LIMITS.speed_m_s * MARK_NS * 1e-9
    assert Rule.WINDOW in {step.rule for step in steps}
    assert xs[-1] == pytest.approx(0.2), "it gets there all the same"


def test_at_the_end_of_its_window_the_tip_may_come_back():
    arm = limiter()
    steps = follow(arm, [START._replace(x=0.2)] * 240)
    assert steps[-1].rule is Rule.WINDOW
    back = follow(arm, [START._replace(x=0.0)] * 20, 240 * MS)
    assert back[-1].setpoint.x < steps[-1].setpoint.x - 1e-3


def test_no_single_step_is_longer_than_the_speed_allows_of_the_longest_time():
    arm = limiter(Limits(acceleration_m_s2=1000.0, step_m=1.0, window_m=1.0))
    step = arm.step(START._replace(x=0.012), degraded=False, now_ns=STEP_NS_MAX)
    assert step.rule is Rule.SPEED
    assert step.setpoint.x == pytest.approx(LIMITS.speed_m_s * STEP_S)


def test_turning_has_the_same_limits():
    wish = START._replace(**dict(zip(("qw", "qx", "qy", "qz"), about((0, 1, 0), 1.0), strict=True)))
    arm = limiter()
    steps = follow(arm, [wish] * 230)
    angles = [rotation_angle(START, step.setpoint) for step in steps]
    speeds = [(b - a) * 1e3 for a, b in pairwise(angles)]
    # Straight on along the chord of a radian, whose ends are passed some 3 % more slowly.
    assert angles[9] == pytest.approx(0.5 * LIMITS.turn_rad_s2 * 0.010 * 0.011, rel=0.05)
    assert max(speeds) == pytest.approx(LIMITS.turn_rad_s, rel=1e-2)
    assert steps[5].rule is Rule.ACCELERATION
    assert steps[80].rule is Rule.TURN
    assert angles[-1] == pytest.approx(1.0, abs=1e-6)
    assert all(step.setpoint[:3] == START[:3] for step in steps)


def test_a_jaw_has_its_speed():
    arm = limiter()
    steps = follow(arm, [START._replace(jaw=1.0)] * 200)
    assert steps[0].rule is Rule.JAW
    assert steps[99].setpoint.jaw == pytest.approx(LIMITS.jaw_rad_s * (0.099 + STEP_S), rel=1e-6), (
        "the allowance of one step came first"
    )
    assert steps[-1].setpoint.jaw == 1.0
    assert arm.step(START._replace(jaw=0.0), degraded=True, now_ns=201 * MS).rule is Rule.JAW


def test_a_jaw_that_hurries_within_its_allowance_uses_it_up():
    arm = limiter()
    all_of_it = START._replace(jaw=LIMITS.jaw_rad_s * STEP_NS_MAX * 1e-9)
    assert arm.step(all_of_it, degraded=False, now_ns=0) == (all_of_it, 0.0, Rule.NONE, False, 0)
    arm = limiter()
    steps = follow(arm, [START._replace(jaw=0.1 * n) for n in range(1, 51)])
    assert steps[0].rule is Rule.NONE
    assert arm.setpoint.jaw == pytest.approx(LIMITS.jaw_rad_s * (0.049 + STEP_S), rel=1e-6)


@pytest.mark.parametrize("axis", [(1, 0, 0), (1, 2, 3), (-3, 1, 2), (0.3, -0.2, 0.9)])
def test_what_keeps_the_limits_passes_bit_for_bit_beside_what_does_not(axis):
    q = tuple(1.000001 * part for part in about(axis, 0.0003))  # a unit, by the gate
    far = START._replace(x=0.05, qw=q[0], qx=q[1], qy=q[2], qz=q[3])
    step = limiter().step(far, degraded=False, now_ns=MS)
    assert step.setpoint.x < far.x
    assert step.setpoint[3:7] == q
    turned = about(axis, 1.0)
    arm = limiter()
    arm.step(START._replace(x=6.6e-7), degraded=False, now_ns=MS)
    twisted = START._replace(x=7e-6, qw=turned[0], qx=turned[1], qy=turned[2], qz=turned[3])
    step = arm.step(twisted, degraded=False, now_ns=2 * MS)
    assert step.setpoint[:3] == twisted[:3]
    assert step.setpoint[3:7] != turned


# Degraded ----------------------------------------------------------------------------------------


def test_degraded_caps_the_speed_and_rescales_nothing():
    arm = limiter(Limits(lag_m_max=0.1, step_m=0.1))
    steps = follow(arm, [START._replace(x=0.05)] * 400, degraded=True)
    xs = [step.setpoint.x for step in steps]
    assert xs[150] - xs[50] == pytest.approx(0.1 * LIMITS.degraded_speed_m_s, rel=1e-6)
    slow = START._replace(x=arm.setpoint.x + 5e-5)
    assert arm.step(slow, degraded=True, now_ns=401 * MS).setpoint == slow


def test_at_the_bedside_nothing_moves_faster_than_its_own_speed_whatever_is_wished():
    for speed_m_s in (LIMITS.local_speed_m_s, 1.0):
        arm = limiter(Limits(local_speed_m_s=speed_m_s))
        cap_m_s = min(speed_m_s, LIMITS.speed_m_s)
        for ms in range(1, 101):
            before = arm.setpoint
            wish = before._replace(x=before.x + 0.015, jaw=1.0)
            after = arm.step(wish, degraded=False, now_ns=ms * MS, local=True).setpoint
            longest_s = STEP_NS_MAX * 1e-9
            assert math.dist(before[:3], after[:3]) <= cap_m_s * longest_s + 1e-12
        assert (
            0.05 * cap_m_s <= math.dist(START[:3], arm.setpoint[:3]) <= cap_m_s * (0.1 + longest_s)
        )
        assert arm.setpoint.jaw <= 6.0 * cap_m_s / LIMITS.speed_m_s * (0.1 + longest_s) + START.jaw


def test_degraded_never_means_faster():
    odd = limiter(Limits(degraded_speed_m_s=2.0, lag_m_max=0.1))
    steps = follow(odd, [START._replace(x=0.1)] * 200, degraded=True)
    fastest = max(b.setpoint.x - a.setpoint.x for a, b in pairwise(steps))
    assert fastest <= LIMITS.speed_m_s * 1e-3 + 1e-9


def test_degraded_lowers_the_jaw_in_the_same_ratio():
    arm = limiter()
    steps = follow(arm, [START._replace(jaw=1.0)] * 200, degraded=True)
    rate = (steps[150].setpoint.jaw - steps[50].setpoint.jaw) / 0.1
    assert rate == pytest.approx(0.2 * LIMITS.jaw_rad_s, rel=1e-6)


def test_what_is_far_beyond_the_fence_is_said_before_what_trails():
    step = limiter().step(START._replace(z=0.1), degraded=True, now_ns=MS)
    assert step.lag_m > LIMITS.lag_m_max
    assert step.hold is Cause.FENCE


def test_in_degraded_a_step_that_trails_too_far_is_not_made():
    arm = limiter()
    step = arm.step(START._replace(x=0.0021), degraded=True, now_ns=MS)
    assert (step.setpoint, step.hold) == (START, Cause.LAG)
    assert step.lag_m > LIMITS.lag_m_max
    assert arm.setpoint == START


def test_the_bound_of_what_may_trail_is_exact():
    wish = START._replace(x=0.0015)
    trails_m = limiter().step(wish, degraded=True, now_ns=MS).lag_m
    for lag_m_max, hold in ((trails_m, Cause.NONE), (math.nextafter(trails_m, 0.0), Cause.LAG)):
        step = limiter(Limits(lag_m_max=lag_m_max)).step(wish, degraded=True, now_ns=MS)
        assert step.hold is hold


# The fence, leaps --------------------------------------------------------------------------------


def test_a_little_beyond_the_fence_is_at_the_fence():
    arm = limiter()
    edge = LIMITS.corner_m_max[2]
    steps = follow(arm, [START._replace(z=-0.13 + 2e-4 * n) for n in range(1, 570)])
    assert arm.setpoint.z == edge
    assert steps[-1].rule is Rule.WORKSPACE
    assert steps[-1].hold is Cause.NONE


def test_who_was_put_beyond_the_fence_comes_back_freely():
    outside = ORIGIN._replace(x=0.27, z=-0.1)
    arm = limiter(pose=outside)
    steps = follow(arm, [outside._replace(x=0.27 - 5e-6 * n * n) for n in range(1, 12)])
    assert {step.rule for step in steps} == {Rule.NONE}
    assert not is_within(steps[-1].setpoint), "it is on its way"
    assert steps[-1].setpoint.x == 0.27 - 5e-6 * 11 * 11


def test_far_beyond_the_fence_is_a_hold_at_the_fence():
    arm = limiter()
    edge = LIMITS.corner_m_max[2]
    follow(arm, [START._replace(z=-0.13 + 2e-4 * n) for n in range(1, 570)])
    step = arm.step(START._replace(z=edge + 0.0051), degraded=False, now_ns=570 * MS)
    assert (step.hold, step.setpoint.z) == (Cause.FENCE, edge)


def test_the_bound_of_what_is_far_beyond_the_fence_is_exact():
    limits = Limits(corner_m_max=(0.25, 0.25, -(2**-5)), beyond_m_max=2**-8)
    edge = START._replace(z=limits.corner_m_max[2])
    for beyond_m, hold in ((2**-8, Cause.NONE), (2**-8 + 2**-40, Cause.FENCE)):
        wish = edge._replace(z=edge.z + beyond_m)
        assert limiter(limits, edge).step(wish, degraded=False, now_ns=MS).hold is hold


def test_a_leap_is_told_once_and_a_fast_hand_after_a_gap_is_none():
    arm = limiter()
    leap = START._replace(x=0.05)
    assert [step.leapt for step in follow(arm, [START, leap, leap])] == [False, True, False]
    after_a_gap = leap._replace(x=0.05 + 0.5 * STEP_S)
    assert not arm.step(after_a_gap, degraded=False, now_ns=23 * MS).leapt


LEAP_M = LIMITS.step_m + LIMITS.speed_m_s * STEP_NS_MAX * 1e-9


@pytest.mark.parametrize(
    ("x", "leapt"), [(0.0299, False), (LEAP_M, False), (math.nextafter(LEAP_M, 1.0), True)]
)
def test_a_leap_is_more_than_a_step_beside_what_the_speed_allows(x, leapt):
    assert limiter().step(START._replace(x=x), degraded=False, now_ns=MS).leapt is leapt


def test_following_anew_begins_no_leap():
    arm = limiter()
    follow(arm, [START._replace(x=0.05)] * 3)
    arm.resume(3 * MS)
    assert not arm.step(arm.setpoint, degraded=False, now_ns=4 * MS).leapt


def test_following_anew_again_and_again_is_no_way_around_the_limits():
    arm, t_ns = limiter(), 0
    for _ in range(100):
        arm.resume(t_ns)
        for _ in range(2):
            t_ns += MS
            wish = arm.setpoint._replace(x=arm.setpoint.x + 0.004)
            arm.step(wish, degraded=False, now_ns=t_ns)
    assert arm.setpoint.x <= LIMITS.speed_m_s * (t_ns * 1e-9 + STEP_S)
    assert arm.setpoint.x <= LIMITS.window_m + 0.01


def test_who_is_followed_again_after_standing_begins_from_rest():
    arm = limiter()
    follow(arm, [START._replace(x=2e-6 * n * n) for n in range(101)])
    arm.resume(170 * MS)
    wish = arm.setpoint._replace(x=arm.setpoint.x + 0.004)
    here = arm.setpoint.x
    step = arm.step(wish, degraded=False, now_ns=171 * MS)
    assert step.rule is Rule.ACCELERATION
    assert step.setpoint.x - here < 0.5e-3


def test_who_turns_again_after_standing_begins_from_rest():
    arm = limiter()
    wishes = []
    for n in range(101):
        q = about((0, 1, 0), 3e-5 * n * n)
        wishes.append(START._replace(qw=q[0], qy=q[2]))
    assert follow(arm, wishes)[-1].rule is Rule.NONE
    arm.resume(170 * MS)
    q = about((0, 1, 0), 0.35)
    before = arm.setpoint
    step = arm.step(START._replace(qw=q[0], qy=q[2]), degraded=False, now_ns=171 * MS)
    assert step.rule is Rule.ACCELERATION
    assert rotation_angle(before, step.setpoint) < 5e-3


def test_steps_that_were_not_made_gain_no_speed():
    arm = limiter()
    beyond = START._replace(z=0.0)
    assert {step.hold for step in follow(arm, [beyond] * 50)} == {Cause.FENCE}
    step = arm.step(START._replace(z=-0.11), degraded=False, now_ns=51 * MS)
    assert step.setpoint.z - START.z <= 1.1e-5


# Coming to rest ----------------------------------------------------------------------------------


def at_speed(speed_m_s=0.2, turn_rad_s=0.0):
    """An arm that has moved evenly for 100 ms."""
    arm = limiter(Limits(acceleration_m_s2=1000.0, turn_rad_s2=1000.0, window_rad=3.0))
    for n in range(1, 101):
        q = about((0, 0, 1), turn_rad_s * n * 1e-3)
        pose = START._replace(x=speed_m_s * n * 1e-3, qw=q[0], qz=q[3])
        step = arm.step(pose, degraded=False, now_ns=n * MS)
        assert step.rule is Rule.NONE
    return arm


def glide(arm, start_ns, ms):
    """Let an arm come to rest, 1 ms by 1 ms."""
    path = []
    for n in range(1, ms + 1):
        arm.take(arm.glide(start_ns + n * MS), start_ns + n * MS)
        path.append(arm.setpoint)
    return path


@pytest.mark.parametrize("speed", [0.02, 0.1, 0.3, 0.5])
def test_a_setpoint_comes_to_rest_within_its_way_and_time_and_stays(speed):
    arm = at_speed(speed)
    begun = arm.setpoint
    arm.brake(100 * MS)
    assert arm.is_braking
    path = glide(arm, 100 * MS, 200)
    xs = [begun.x, *(pose.x for pose in path)]
    travel = xs[-1] - xs[0]
    assert travel == pytest.approx(speed**2 / (2 * LIMITS.brake_m_s2), rel=0.01)
    speeds = [b - a for a, b in pairwise(xs)]
    assert all(b <= a + 1e-12 for a, b in pairwise(speeds)), "ever slower"
    assert path[149] == path[-1]
    assert not arm.is_braking
    assert arm.velocity == STILL


def test_a_stop_that_would_take_longer_than_150_ms_brakes_harder():
    arm = Limiter(Limits(acceleration_m_s2=1000.0, brake_m_s2=1.0))
    arm.reset(START, 0)
    follow(arm, [START._replace(x=3e-4 * n) for n in range(1, 101)])
    arm.brake(100 * MS)
    path = glide(arm, 100 * MS, 151)
    assert not arm.is_braking
    assert path[-1].x - path[0].x < 0.3 * 0.15 / 2 + 1e-9


def test_a_turning_instrument_comes_to_rest_too():
    arm = at_speed(0.0, 5.0)
    begun = arm.setpoint
    arm.brake(100 * MS)
    path = glide(arm, 100 * MS, 150)
    angle = rotation_angle(begun, path[-1])
    assert angle == pytest.approx(5.0**2 / (2 * LIMITS.brake_rad_s2), rel=0.01)
    assert all(is_unit(pose) for pose in path)
    assert not arm.is_braking


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0, -1), (0.6, -0.48, 0.64)])
def test_it_comes_to_rest_the_way_that_it_was_turning(axis):
    arm = limiter(Limits(turn_rad_s2=1000.0, window_rad=3.0))
    for n in range(1, 101):
        q = about(axis, 4.0 * n * 1e-3)
        pose = START._replace(qw=q[0], qx=q[1], qy=q[2], qz=q[3])
        arm.step(pose, degraded=False, now_ns=n * MS)
    arm.brake(100 * MS)
    assert arm.velocity[3:] == pytest.approx([4.0 * a for a in axis], rel=0.01, abs=1e-6)
    path = glide(arm, 100 * MS, 150)
    travel = 4.0**2 / (2 * LIMITS.brake_rad_s2)
    assert rotation_angle(START, path[-1]) == pytest.approx(0.4 + travel, rel=0.01)


def test_who_is_put_elsewhere_or_halted_has_no_velocity_left():
    for end in (Limiter.halt, lambda arm: arm.reset(START, 106 * MS)):
        arm = at_speed(0.3)
        assert arm.velocity == STILL, "of a setpoint that is led"
        arm.brake(100 * MS)
        glide(arm, 100 * MS, 5)
        assert arm.velocity != STILL
        end(arm)
        assert arm.velocity == STILL
        assert not arm.is_braking


def test_the_velocity_on_the_way_to_rest_is_told():
    arm = at_speed(0.2)
    arm.brake(100 * MS)
    assert arm.velocity.vx == pytest.approx(0.2)
    path = glide(arm, 100 * MS, 10)
    told = arm.velocity.vx
    path += glide(arm, 110 * MS, 1)
    assert (path[-1].x - path[-2].x) * 1e3 == pytest.approx(told, rel=0.05)


def test_a_standing_setpoint_has_nothing_to_brake():
    arm = limiter()
    follow(arm, [START] * 30)
    arm.brake(30 * MS)
    assert not arm.is_braking
    assert arm.glide(31 * MS) == START


def test_a_setpoint_that_heard_nothing_for_20_ms_has_stopped_already():
    arm = at_speed(0.3)
    here = arm.setpoint
    arm.brake(120 * MS)
    assert not arm.is_braking
    assert arm.glide(121 * MS) == here


def test_braking_begun_twice_is_begun_once():
    arm = at_speed(0.3)
    arm.brake(100 * MS)
    glide(arm, 100 * MS, 10)
    arm.brake(110 * MS)
    path = glide(arm, 110 * MS, 100)
    assert path[-1].x - 0.03 == pytest.approx(0.3**2 / (2 * LIMITS.brake_m_s2), rel=0.01)


def test_after_a_pause_it_stays_where_it_was():
    arm = at_speed(0.5)
    arm.brake(100 * MS)
    before = glide(arm, 100 * MS, 5)[-1]
    assert arm.glide(125 * MS).x > before.x
    assert arm.glide(125 * MS + 1) == before
    assert not arm.is_braking


def test_at_the_nanosecond_at_which_it_stands_it_brakes_no_longer():
    arm = at_speed(0.1)
    arm.brake(100 * MS)
    glide(arm, 100 * MS, 12)
    stands_ns = arm._braking.ends_ns
    assert stands_ns == pytest.approx(112.5 * MS, abs=2)
    arm.glide(stands_ns - 1)
    assert arm.is_braking
    arm.glide(stands_ns)
    assert not arm.is_braking


def test_at_the_fence_it_comes_to_rest_at_the_fence():
    arm = limiter(Limits(acceleration_m_s2=1000.0))
    edge = LIMITS.corner_m_max[2]
    follow(arm, [START._replace(z=edge - 0.031 + 3e-4 * n) for n in range(-263, 101)])
    arm.brake(364 * MS)
    path = glide(arm, 364 * MS, 100)
    assert max(pose.z for pose in path) == edge


def test_who_is_followed_again_while_braking_goes_on_without_a_jump():
    arm = at_speed(0.3)
    arm.brake(100 * MS)
    here = glide(arm, 100 * MS, 10)[-1]
    arm.resume(110 * MS)
    assert not arm.is_braking
    wishes = [here._replace(x=here.x + 2e-4 * n) for n in range(1, 30)]
    assert all(step.rule is Rule.NONE for step in follow(arm, wishes, 110 * MS))


def test_who_braked_on_a_ramp_goes_on_from_the_speed_that_is_left():
    arm, far = limiter(), START._replace(x=0.09)
    follow(arm, [far] * 30)
    arm.brake(30 * MS)
    path = glide(arm, 30 * MS, 28)
    assert arm.is_braking
    assert path[-1].x - path[-2].x < 0.02e-3
    arm.resume(58 * MS)
    (step,) = follow(arm, [far], 58 * MS)
    assert step.setpoint.x - path[-1].x < 0.1e-3, "and not at the 0.3 m/s of the ramp"


# The limits themselves ---------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
MOST = {
    "speed_m_s": 10.0,
    "acceleration_m_s2": 1000.0,
    "reach_m": 2.0,
    "window_rad": math.pi,
    "beyond_m_max": 0.1,
}
NUMBERS = [field for field in Limits.__struct_fields__ if not field.startswith("corner")]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, 1e6])
def test_a_limit_that_limits_nothing_is_refused_when_it_is_read(field, value):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({field: value}, Limits)


@pytest.mark.parametrize(("field", "most"), MOST.items())
def test_a_limit_up_to_its_bound_is_read_and_above_it_refused(field, most):
    for value in (0.001, most):
        assert getattr(msgspec.convert({field: value}, Limits), field) == value
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({field: math.nextafter(most, math.inf)}, Limits)


def test_a_corner_up_to_two_metres_away_is_read_and_beyond_refused():
    far = {"corner_m_min": (-2.0, -2.0, -2.0), "corner_m_max": (2.0, 2.0, 2.0)}
    assert msgspec.convert(far, Limits).corner_m_max == (2.0, 2.0, 2.0)
    for corner in ({"corner_m_min": (-2.1, -1, -1)}, {"corner_m_max": (1, 1, 2.1)}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**far, **corner}, Limits)


def test_a_limit_goes_by_its_name_and_no_other():
    with pytest.raises(msgspec.ValidationError, match="sped_m_s"):
        msgspec.convert({"sped_m_s": 0.1}, Limits)
    with pytest.raises(TypeError):
        Limits(0.1)


def test_node_toml_writes_out_the_limits_that_hold_without_it():
    written = tomllib.loads((ROOT / "node.toml").read_text())["robot"]["limits"]
    assert set(written) == set(Limits.__struct_fields__)
    assert msgspec.convert(written, Limits) == Limits()


@pytest.mark.parametrize(
    "corner",
    [(0.3, 0.0, -0.1), (0.25, 0.0, -0.1), (math.nan, 0.0, -0.1), (0.0, 0.0, -9.0), (0.0, 0.0)],
)
def test_a_fence_inside_out_is_refused_when_it_is_read(corner):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"corner_m_min": corner}, Limits)


def test_a_psms_reach_is_within_the_default_fence():
    for yaw in (-1.1, -0.5, 0.0, 0.9):
        for pitch in (-0.8, 0.0, 0.8):
            for depth in (0.05, 0.14, 0.2, 0.26):
                x = depth * math.sin(yaw) * math.cos(pitch)
                y = -depth * math.sin(pitch)
                z = -depth * math.cos(yaw) * math.cos(pitch)
                if z <= -0.02:
                    assert is_within(START._replace(x=x * 0.96, y=y * 0.96, z=z))


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_an_arm_follows_up_to_a_distance(axis):
    arm = limiter(pose=ORIGIN)
    assert arm.is_followed(ORIGIN)
    assert arm.is_followed(ORIGIN._replace(**{axis: -LIMITS.following_m_max}))
    assert not arm.is_followed(ORIGIN._replace(**{axis: 1.001 * LIMITS.following_m_max}))


def test_an_arm_follows_up_to_an_angle():
    def turned(angle):
        return ORIGIN._replace(qw=-math.cos(angle / 2), qx=-math.sin(angle / 2))

    arm = limiter(pose=ORIGIN)
    assert arm.is_followed(turned(0.999 * LIMITS.following_rad_max))
    assert not arm.is_followed(turned(1.001 * LIMITS.following_rad_max))


def test_the_jaw_may_stay_behind_as_it_does_when_it_holds():
    assert limiter(pose=ORIGIN).is_followed(ORIGIN._replace(jaw=1.0))
