"""CRTK's names for one arm of a robot's state: a table, and what nobody says is None."""

import json
import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety import clamp
from safety import state as permission
from safety.clamp import Rule
from safety.messages import Driver, RobotState
from safety.state import Cause, State
from teleop.crtk import OPERATING, OperatingState, arms, operating
from tests.teleop.states import BRAKED, MEASURED, arm, robot
from transport.wire.vector import Setpoint, pack_setpoint

U8 = st.integers(0, 255)


def only(state: RobotState):
    (view,) = arms(state)
    return view


# The meta-state ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "meta"),
    [
        (State.ESTOP, "FAULT"),
        (State.PROTECTIVE_STOP, "FAULT"),
        (State.BOOT, "DISABLED"),
        (State.IDLE, "DISABLED"),
        (State.HOLD, "PAUSED"),
        (State.ARMED, "ENABLED"),
        (State.DEGRADED, "ENABLED"),
        (State.ENGAGED, "ENABLED"),
    ],
)
def test_a_state_is_its_row(state: State, meta: str):
    view = only(robot(state=state))
    assert view.operating_state.state == meta
    assert view.trocar.state == state.name


def test_every_state_has_a_row_and_more_permission_is_never_less():
    assert set(OPERATING) == set(State)
    assert all(OPERATING[low] <= OPERATING[high] for low, high in pairwise(sorted(State)))


@pytest.mark.parametrize("flags", [Driver(0), BRAKED, Driver.ENABLED])
@pytest.mark.parametrize("state", State)
def test_without_power_nothing_is_more_than_disabled(state: State, flags: Driver):
    found = operating(robot(state=state, driver=flags))
    assert found == min(OPERATING[state], OperatingState.DISABLED)


def test_a_fault_remains_one_without_power():
    assert operating(robot(state=State.ESTOP, driver=BRAKED)) is OperatingState.FAULT


def test_a_state_of_another_release_is_a_fault():
    view = only(robot(state=9, cause=99))
    assert view.operating_state.state == "FAULT"
    assert (view.trocar.state, view.trocar.cause, view.trocar.why) == ("STATE 9", "CAUSE 99", "")


@pytest.mark.parametrize("state", State)
def test_servo_motion_is_never_busy(state: State):
    assert only(robot(state=state)).operating_state.is_busy is False


def test_homed_is_whoever_has_measured():
    assert only(robot(driver=BRAKED)).operating_state.is_homed
    assert not only(robot(driver=Driver(0))).operating_state.is_homed


# Motion ------------------------------------------------------------------------------------


def test_payloads_have_the_conventions_names():
    said = json.loads(msgspec.json.encode(only(robot())))
    assert said["measured_cp"] == {
        "position": {"x": 0.01, "y": -0.02, "z": -0.1},
        "orientation": {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0},
    }
    assert said["measured_cv"] == {
        "linear": {"x": 0.031, "y": 0.0, "z": 0.0},
        "angular": {"x": 0.0, "y": 0.0, "z": 0.1},
    }
    assert said["measured_js"] == {"position": [0.5, -0.25, 0.125]}
    assert said["setpoint_cp"]["position"]["x"] == 0.011
    assert said["jaw"] == {"measured_js": {"position": [0.5]}, "setpoint_js": {"position": [0.6]}}
    assert said["operating_state"] == {"state": "ENABLED", "is_homed": True, "is_busy": False}
    assert said["trocar"]["requested_cp"]["position"]["x"] == 0.02
    assert (said["robot"], said["arm"], said["tick"]) == ("psm1", 0, 250)


def test_an_orientation_keeps_its_components():
    half = math.sqrt(0.5)
    turned = MEASURED._replace(qw=half, qx=0.0, qy=half, qz=0.0)
    view = only(robot(arm(measured=pack_setpoint(turned))))
    assert view.measured_cp is not None
    assert view.measured_cp.orientation.w == view.measured_cp.orientation.y == half


def test_without_a_driver_nothing_is_measured():
    """A robot that no driver has measured says poses all the same: of its own, made up."""
    view = only(robot(driver=Driver(0)))
    assert (view.measured_cp, view.measured_cv, view.measured_js) == (None, None, None)
    assert view.jaw.measured_js is None
    assert view.setpoint_cp.position.x == 0.011


@pytest.mark.parametrize("joints", [b"", bytes(13)], ids=["not said", "not whole"])
def test_joints_that_are_not_said_are_none(joints: bytes):
    assert only(robot(arm(joints=joints))).measured_js is None


def test_the_setpoints_velocity_is_known_while_it_stands():
    assert only(robot(arm(following=True))).setpoint_cv is None
    standing = only(robot(arm(following=False))).setpoint_cv
    assert standing is not None
    assert (standing.linear.x, standing.angular.z) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("state", "following", "clutched"),
    [
        (State.ENGAGED, True, False),
        (State.ENGAGED, False, True),
        (State.DEGRADED, False, True),
        (State.ARMED, False, False),
        (State.HOLD, False, False),
    ],
)
def test_clutched_is_free_to_move_and_not_following(state: State, following: bool, clutched: bool):
    view = only(robot(arm(following=following), state=state))
    assert (view.following, view.clutched) == (following, clutched)


# Our own words -----------------------------------------------------------------------------


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_said_in_words(cause: Cause):
    own = only(robot(cause=cause)).trocar
    assert (own.cause, own.why) == (cause.name, permission.WORDS[cause])


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_is_said_in_words(rule: Rule):
    own = only(robot(arm(rule=rule))).trocar
    assert (own.rule, own.held_back_by) == (rule.name, clamp.WORDS[rule])


def test_each_arm_has_a_view():
    views = arms(robot(arm(arm=0), arm(arm=1, rule=Rule.NONE)))
    assert [(view.arm, view.trocar.rule) for view in views] == [(0, "FIXTURE"), (1, "NONE")]


@given(
    state=U8,
    cause=U8,
    driver=U8,
    rule=U8,
    poses=st.lists(st.floats(), min_size=8, max_size=8),
    joints=st.binary(max_size=128),
)
def test_whatever_a_state_says_can_be_viewed_and_written(
    state: int, cause: int, driver: int, rule: int, poses: list[float], joints: bytes
):
    pose = pack_setpoint(Setpoint._make(poses))
    said = robot(
        arm(measured=pose, setpoint=pose, requested=pose, rule=rule, joints=joints),
        state=state,
        cause=cause,
        driver=driver,
    )
    view = json.loads(msgspec.json.encode(only(said)))
    enabled = view["operating_state"]["state"] == "ENABLED"
    assert enabled == (State.ARMED <= state <= State.ENGAGED and driver & 5 == 5)
