"""The arm with physics keeps a driver's rules: it follows late by a constant, stops, and holds."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from safety.clamp import Rule
from safety.profile import MS
from teleop.sim.arm import SimulatedArm
from teleop.sim.drive import RATES, STATED_DELAY_S, TIP_DECELERATION, TORQUE_MAX, Mode
from teleop.sim.field import CATCH_UP_NS, Field
from teleop.sim.model import JOINTS, STEP_NS
from teleop.sim.rules import WATCHDOG_NS, Refusal
from tests.teleop.sim.hand import T0, Hand, figure8, straight
from transport.wire.vector import Twist

MM = 1e-3


@pytest.fixture
def hand():
    return Hand()


def error(seen, path, delay_s):
    """Distance from a path that is late by so much, m."""
    asked = np.array([path(max(0.0, t - delay_s))[:3] for t in seen[:, 0]])
    return np.linalg.norm(seen[:, 1:] - asked, axis=1)


def rms(values):
    return math.sqrt(np.mean(np.square(values)))


# Following ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("period", "says_speed"), [(1, False), (1, True), (2, False), (4, True)])
def test_the_tip_draws_a_figure_of_eight_late_by_the_stated_delay(hand, period, says_speed):
    path = figure8(hand.asked)
    seen = hand.draw(path, 4000, period, says_speed=says_speed)
    assert rms(error(seen, path, STATED_DELAY_S)) <= 0.2 * MM
    # Said every period, a setpoint is a period old before the next: half of that on average.
    delay_s = STATED_DELAY_S + 0.5 * (period - 1) * 1e-3
    assert rms(error(seen, path, delay_s)) <= 0.02 * MM
    for wrong in (-0.001, 0.001):
        assert rms(error(seen, path, delay_s + wrong)) > rms(error(seen, path, delay_s))
    assert hand.arm.rule is Rule.NONE


def test_at_rest_the_tip_is_where_it_is_asked_to_be_gravity_or_not(hand):
    hand.draw(straight(hand.asked, -0.05), 800)
    hand.hold(300)
    assert np.linalg.norm(hand.tip - hand.asked[:3]) <= 0.1 * MM
    start = hand.tip
    hand.hold(3000)
    assert np.linalg.norm(hand.tip - start) <= 0.001 * MM


def test_what_is_measured_is_true(hand):
    path = figure8(hand.asked)
    hand.draw(path, 700)
    before = hand.tip
    hand.draw(lambda t_s: path(0.7 + t_s), 1)
    assert len(hand.arm.joints) == JOINTS + 1
    moved = (hand.tip - before) / (STEP_NS * 1e-9)
    assert np.array(hand.arm.velocity[:3]) == pytest.approx(moved, abs=0.002)


def test_both_arms_follow_their_own_setpoints_only():
    left = Hand(arms=2, arm=1)
    other = left.field.arms[0].pose
    path = figure8(left.asked)
    assert rms(error(left.draw(path, 1500), path, STATED_DELAY_S)) <= 0.2 * MM
    assert np.linalg.norm(np.array(left.field.arms[0].pose[:3]) - other[:3]) < 0.01 * MM


# Limits -------------------------------------------------------------------------------------------


def test_a_leap_of_50_mm_exceeds_no_speed_and_no_torque(hand):
    speeds, torques = [], []

    def look():
        speeds.append(np.abs(hand.field._physics.qd[0, :JOINTS]))
        torques.append(np.abs(hand.field._physics.torque[0]))
        rules.add(hand.arm.rule)

    rules = set()
    hand.sees = look
    hand.say(hand.asked._replace(x=hand.asked.x - 0.05))
    hand.hold(600)
    assert (np.max(speeds, axis=0) <= np.array(RATES[:JOINTS]) * 1.02).all()
    assert (np.max(torques, axis=0) <= np.array(TORQUE_MAX)).all()
    assert Rule.SPEED in rules
    assert hand.arm.rule is Rule.NONE
    assert np.linalg.norm(hand.tip - hand.asked[:3]) <= 0.1 * MM


def test_out_of_reach_the_arm_holds_the_last_it_could_reach_and_says_so(hand):
    hand.hold(50)
    reached = hand.tip
    hand.say(hand.asked._replace(z=hand.asked.z - 0.3, jaw=0.8))
    hand.hold(100)
    assert hand.arm.rule is Rule.UNREACHABLE
    assert hand.arm.pose.jaw == pytest.approx(0.0, abs=0.01)  # all of it is held
    assert np.linalg.norm(hand.tip - reached) < 0.01 * MM
    assert hand.arm.refused[Refusal.NONE] > 0  # it was accepted: the watchdog is fed
    hand.say(hand.asked._replace(z=hand.asked.z + 0.3, jaw=0.0))
    hand.hold(100)
    assert hand.arm.rule is Rule.NONE


def test_through_the_remote_centre_no_joint_exceeds_its_speed(hand):
    """The one singularity that a straight line can meet: the tip is drawn over the cannula."""
    speeds, rules = [], set()

    def look():
        speeds.append(np.abs(hand.field._physics.qd[0, :JOINTS]))
        rules.add(hand.arm.rule)

    hand.sees = look
    start = hand.asked
    length = math.dist(start[:3], (0, 0, 0))

    def path(t_s):
        along = max(0.1, 1.0 - 0.1 * t_s / length)
        aside = 0.004 if t_s * 0.1 > 0.85 * length else 0.0
        return start._replace(x=start.x * along + aside, y=start.y * along, z=start.z * along)

    hand.draw(path, 1600)
    assert (np.max(speeds, axis=0) <= np.array(RATES[:JOINTS]) * 1.02).all()
    assert rules & {Rule.SINGULAR, Rule.JOINT, Rule.UNREACHABLE}


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "velocity", "age_ns", "refusal"),
    [
        ({}, Twist(0, 0, 0, 0, 0, 0), 30 * MS, Refusal.NONE),
        ({}, Twist(0, 0, 0, 0, 0, 0), 30 * MS + 1, Refusal.STALE),
        ({}, Twist(0, 0, 0, 0, 0, 0), -1, Refusal.FUTURE),
        ({"x": math.nan}, Twist(0, 0, 0, 0, 0, 0), 0, Refusal.NOT_FINITE),
        ({"jaw": math.inf}, Twist(0, 0, 0, 0, 0, 0), 0, Refusal.NOT_FINITE),
        ({}, Twist(0, math.nan, 0, 0, 0, 0), 0, Refusal.NOT_FINITE),
        ({"qw": 2.0}, Twist(0, 0, 0, 0, 0, 0), 0, Refusal.NOT_UNIT),
    ],
)
@pytest.mark.parametrize("model", ["psm", "point"])
def test_each_refusal_is_counted_by_its_name(hand, model, change, velocity, age_ns, refusal):
    if model == "point":
        hand.arm = SimulatedArm(hand.now_ns)
        hand.arm.stop(None, hand.now_ns)
    before = hand.arm.pose
    assert hand.say(hand.asked._replace(**change), velocity, age_ns=age_ns) is refusal
    assert hand.arm.refused[refusal] == 1
    if refusal is not Refusal.NONE:
        hand.arm.advance(hand.now_ns + 5 * MS)
        assert np.allclose(hand.arm.pose, before, atol=1e-6)


def test_an_arm_is_braked_until_it_is_cleared():
    field = Field(1, T0)
    hand = Hand()
    hand.field, hand.arm, hand.now_ns = field, field.arms[0], T0
    assert hand.say(hand.asked) is Refusal.BRAKED
    assert field.arms[0].braked
    assert not field.arms[0].enabled


# Stopping -----------------------------------------------------------------------------------------


def moving(hand, speed_m_s=-0.1, ms=400):
    """Bring the tip to speed, and say where it is."""
    hand.draw(straight(hand.asked, speed_m_s), ms)
    return hand.tip


def test_silence_of_30_ms_is_a_controlled_stop_then_brakes(hand):
    here = moving(hand)
    said_ns = hand.now_ns
    hand.field.advance(said_ns + WATCHDOG_NS)
    assert hand.arm.enabled
    hand.field.advance(said_ns + WATCHDOG_NS + 1)
    assert not hand.arm.enabled
    assert hand.arm.watchdog_trips == 1
    assert hand.arm.braked
    hand.now_ns = said_ns + WATCHDOG_NS
    hand.wait(150)
    assert hand.arm.mode is Mode.BRAKED
    # What was asked last is reached first; the stop is added to that.
    assert np.linalg.norm(hand.tip - here) < 0.1**2 / (2 * TIP_DECELERATION) + 0.5 * MM + 0.4 * MM
    assert hand.say(hand.asked) is Refusal.BRAKED


def test_a_refused_setpoint_feeds_no_watchdog(hand):
    for _ in range(32):
        hand.now_ns += MS
        hand.say(hand.asked, age_ns=10**9)
        hand.field.advance(hand.now_ns)
    assert not hand.arm.enabled


@pytest.mark.parametrize("speed_m_s", [-0.1, -0.3, 0.1])
@pytest.mark.parametrize(
    ("category", "mode"), [(1, Mode.BRAKED), (2, Mode.STANDING)], ids=["1", "2"]
)
def test_a_stop_is_short_and_ends_in_rest(hand, category, mode, speed_m_s):
    here = moving(hand, speed_m_s, 200)
    hand.arm.stop(category, hand.now_ns)
    track = []
    hand.sees = lambda: track.append(hand.tip)
    hand.wait(150)
    assert hand.arm.mode is mode
    travel = np.linalg.norm(track[-1] - here)
    assert travel <= speed_m_s**2 / (2 * TIP_DECELERATION) + 0.5 * MM
    assert max(np.linalg.norm(p - here) for p in track) <= travel + 0.05 * MM
    assert np.linalg.norm(hand.arm.velocity[:3]) < 0.001
    assert hand.arm.braked is (category == 1)
    assert not hand.arm.enabled


@pytest.mark.parametrize("category", [0, 1, 2])
def test_it_stands_for_ten_seconds_under_brakes_and_under_power(hand, category):
    moving(hand)
    hand.arm.stop(category, hand.now_ns)
    hand.wait(150)
    stood = hand.tip
    for _ in range(100):
        hand.wait(100)
        assert np.linalg.norm(hand.tip - stood) <= 0.5 * MM


def test_power_off_brakes_at_once(hand):
    here = moving(hand)
    hand.arm.stop(0, hand.now_ns)
    assert hand.arm.mode is Mode.BRAKED
    hand.wait(150)
    assert np.linalg.norm(hand.tip - here) <= 0.1**2 / (2 * TIP_DECELERATION) + 0.5 * MM


@pytest.mark.parametrize("category", [0, 1, 2])
def test_clear_moves_nothing_and_then_it_follows(hand, category):
    moving(hand)
    hand.arm.stop(category, hand.now_ns)
    hand.wait(500)
    stood = hand.tip
    hand.arm.stop(None, hand.now_ns)
    hand.wait(29)
    assert np.linalg.norm(hand.tip - stood) <= 0.02 * MM
    hand.asked = hand.arm.pose
    hand.hold(200)
    assert np.linalg.norm(hand.tip - stood) <= 0.05 * MM
    path = straight(hand.asked, 0.02)
    assert error(hand.draw(path, 300), path, STATED_DELAY_S)[-1] <= 0.05 * MM


def test_clear_in_the_middle_of_a_stop_goes_on_stopping(hand):
    here = moving(hand)
    hand.arm.stop(1, hand.now_ns)
    hand.wait(5)
    hand.arm.stop(None, hand.now_ns)
    hand.wait(29)
    assert hand.arm.enabled
    assert np.linalg.norm(hand.tip - here) <= 0.1**2 / (2 * TIP_DECELERATION) + 0.5 * MM


# Time ---------------------------------------------------------------------------------------------


def test_after_a_pause_the_field_does_not_race_and_the_arm_has_stopped(hand):
    moving(hand)
    here = hand.tip
    hand.now_ns += 5_000 * MS
    assert hand.say(hand.asked) is Refusal.BRAKED
    assert 4_980 * MS <= hand.field.lost_ns <= 5_000 * MS
    assert hand.arm.watchdog_trips == 1
    assert np.linalg.norm(hand.tip - here) <= 0.1 * (CATCH_UP_NS * 1e-9) + 0.1 * MM
    hand.wait(150)
    assert hand.arm.mode is Mode.BRAKED


def test_a_hiccup_is_made_up_for(hand):
    hand.field.advance(hand.now_ns + CATCH_UP_NS)
    assert hand.field.lost_ns == 0


def test_the_same_messages_at_the_same_times_give_the_same_bits():
    def story(looks):
        hand = Hand(arms=2)
        hand.sees = looks(hand)
        moving(hand, ms=150)
        hand.wait(60)
        hand.arm.stop(None, hand.now_ns)
        hand.asked = hand.arm.pose
        hand.draw(figure8(hand.asked), 200, 3)
        physics = hand.field._physics
        return physics.q.tobytes() + physics.qd.tobytes() + physics.objects.tobytes()

    often = story(lambda hand: lambda: [hand.arm.advance(hand.now_ns) for _ in range(3)])
    assert story(lambda hand: lambda: None) == often


# Honesty ------------------------------------------------------------------------------------------


def test_positions_change_by_integration_alone(hand):
    """Through motion, stops, brakes and clears no joint is ever put anywhere."""
    physics = hand.field._physics
    last = [physics.q.copy()]

    def look():
        step = physics.q - last[0] - physics.qd * (STEP_NS * 1e-9)
        assert np.abs(step).max() < 1e-15
        last[0] = physics.q.copy()

    hand.sees = look
    for category in (0, 1, 2):
        hand.say(hand.asked._replace(x=hand.asked.x - 0.01))
        hand.wait(20)
        hand.arm.stop(category, hand.now_ns)
        hand.wait(150)
        hand.arm.stop(None, hand.now_ns)
        hand.asked = hand.arm.pose


def test_one_function_alone_writes_positions_and_only_before_time_begins(hand):
    writers = set()
    for path in Path("teleop").rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and "qpos" in ast.unparse(function):
                writers.add((path.name, function.name))
    assert writers == {("physics.py", "__init__")}
    physics = hand.field._physics
    for positions in (physics._q, physics._objects):
        with pytest.raises(ValueError, match="read-only"):
            positions[0] = 0.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_field_whose_numbers_are_lost_brakes_says_so_and_is_not_reset(hand):
    moving(hand)
    hand.field._physics._data.qvel[0] = math.nan
    hand.wait(2)
    assert hand.field._physics._data.time > 0.4
    assert hand.field.warnings > 0
    assert hand.arm.mode is Mode.BRAKED
    hand.arm.stop(None, hand.now_ns)
    assert not hand.arm.enabled
    hand.wait(50)
    assert hand.field._physics.is_broken
