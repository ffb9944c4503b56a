"""What one arm's part of a robot's state is in the words of CRTK, for people who know a dVRK.

CRTK is a convention of names and payloads (Su et al., "Collaborative Robotics Toolkit (CRTK): Open
Software Framework for Surgical Robotics Research", IEEE Robotic Computing, 2020); the dVRK and the
Raven II speak it. Names and payloads here are the convention's; what it has no name for stands
under `trocar`.

Rules
-----
- The meta-state is a row of `OPERATING`, lowered to DISABLED while the driver is not under power.
- What nobody says is None: no pose without a driver, no joints from a driver that keeps them.
- A number without a name gets its row's most careful meaning: whoever looks is not the gate, and
  sees states of any age from any robot. A view is never an error.
- CRTK's header has a time of day. Ours has the robot's `tick`: clocks are not compared here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

import msgspec

from safety import clamp
from safety import state as permission
from safety.clamp import Rule
from safety.messages import ArmState, Driver, RobotState
from safety.state import Cause, State
from transport.wire.vector import (
    STILL,
    Setpoint,
    Twist,
    unpack_joints,
    unpack_setpoint,
    unpack_twist,
)

FLOAT64_BYTES = 8


class OperatingState(IntEnum):
    """CRTK's meta-states; a higher one permits more motion."""

    FAULT = 0  #: a safety violation has taken the power; a person must clear it
    DISABLED = 1  #: no power
    PAUSED = 2  #: under power, and may not be moved
    ENABLED = 3  #: under power, and able to move


#: Which meta-state each of our states is. ARMED is ENABLED with an arm that does not follow, as a
#: dVRK's PSM stays ENABLED while nobody's hand is on the master.
OPERATING: dict[State, OperatingState] = {
    State.ESTOP: OperatingState.FAULT,
    State.PROTECTIVE_STOP: OperatingState.FAULT,
    State.BOOT: OperatingState.DISABLED,
    State.IDLE: OperatingState.DISABLED,
    State.HOLD: OperatingState.PAUSED,
    State.ARMED: OperatingState.ENABLED,
    State.DEGRADED: OperatingState.ENABLED,
    State.ENGAGED: OperatingState.ENABLED,
}


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that is said by its fields' names."""


class Operating(Record, frozen=True, kw_only=True):
    """CRTK's `operating_state`.

    Parameters
    ----------
    state : name of an `OperatingState`
    is_homed : whether absolute positions are known; a driver that has measured knows them
        (docs/driver.md: home before you connect)
    is_busy : whether a motion must be waited for. CRTK has servo commands leave it False, and
        Trocar moves an arm by nothing else
    """

    state: str
    is_homed: bool
    is_busy: bool = False


class Vector(Record, frozen=True, kw_only=True):
    """Three components, in the axes of the robot's base B."""

    x: float
    y: float
    z: float


class Quaternion(Record, frozen=True, kw_only=True):
    """An orientation; its components have names, so that nobody need know their order."""

    w: float
    x: float
    y: float
    z: float


class Pose(Record, frozen=True, kw_only=True):
    """Payload of `..._cp`: X_BT, tip T in the base B, m."""

    position: Vector
    orientation: Quaternion


class Velocity(Record, frozen=True, kw_only=True):
    """Payload of `..._cv`: of the tip, in the base's axes, m/s and rad/s."""

    linear: Vector
    angular: Vector


class Joints(Record, frozen=True, kw_only=True):
    """Payload of `..._js`: positions, rad or m."""

    position: tuple[float, ...]


class Jaw(Record, frozen=True, kw_only=True):
    """The jaw, a joint of its own as on the dVRK."""

    measured_js: Joints | None
    setpoint_js: Joints


class Permission(Record, frozen=True, kw_only=True):
    """What CRTK has no name for.

    Parameters
    ----------
    state, cause, why : names of `State` and `Cause`, and the cause in words
    rule, held_back_by : name of the `Rule` between hand and instrument, and the same in words
    fixture : with FIXTURE its number in the robot's table
    requested_cp : what the hand asked for, before fixtures and limits
    is_simulated : the driver says that nothing real moves
    """

    state: str
    cause: str
    why: str
    rule: str
    held_back_by: str
    fixture: int
    requested_cp: Pose
    is_simulated: bool


class Arm(Record, frozen=True, kw_only=True):
    """One arm, as CRTK names it.

    Parameters
    ----------
    robot, arm, tick : whose, which, and the number of the state that this is of
    setpoint_cv : zero while the setpoint stands; None while it moves, since a state does not say
        how fast
    following : the setpoint follows the hand
    clutched : motion is permitted and this arm is not following: its clutch is pressed, or its hand
        is not aligned since it was released
    """

    robot: str
    arm: int
    tick: int
    operating_state: Operating
    measured_cp: Pose | None
    measured_cv: Velocity | None
    measured_js: Joints | None
    setpoint_cp: Pose
    setpoint_cv: Velocity | None
    jaw: Jaw
    following: bool
    clutched: bool
    trocar: Permission


def arms(state: RobotState) -> list[Arm]:
    """View every arm of a robot's state."""
    return [view(state, arm) for arm in state.arms]


def view(state: RobotState, arm: ArmState) -> Arm:
    """View one arm of a robot's state. Bytes are taken as they are said: no seal is checked."""
    has_driver = bool(state.driver & Driver.CONNECTED)
    measured, setpoint = unpack_setpoint(arm.measured), unpack_setpoint(arm.setpoint)
    moving = state.state >= State.DEGRADED
    return Arm(
        robot=state.robot,
        arm=arm.arm,
        tick=state.tick,
        operating_state=Operating(state=operating(state).name, is_homed=has_driver),
        measured_cp=_pose(measured) if has_driver else None,
        measured_cv=_velocity(unpack_twist(arm.velocity)) if has_driver else None,
        measured_js=_joints(arm.joints) if has_driver else None,
        setpoint_cp=_pose(setpoint),
        setpoint_cv=None if arm.following else _velocity(STILL),
        jaw=Jaw(
            measured_js=Joints(position=(measured.jaw,)) if has_driver else None,
            setpoint_js=Joints(position=(setpoint.jaw,)),
        ),
        following=arm.following,
        clutched=moving and not arm.following,
        trocar=_permission(state, arm),
    )


def operating(state: RobotState) -> OperatingState:
    """Give a robot's meta-state: its row, and no more than DISABLED without power."""
    known = _member(State, state.state)
    row = OperatingState.FAULT if known is None else OPERATING[known]
    powered = state.driver & Driver.CONNECTED and state.driver & Driver.ENABLED
    return row if powered else min(row, OperatingState.DISABLED)


def why(state: RobotState) -> str:
    """Say in words why a robot's state is what it is; "" where there are none."""
    cause = _member(Cause, state.cause)
    return "" if cause is None else permission.WORDS[cause]


def _permission(state: RobotState, arm: ArmState) -> Permission:
    rule = _member(Rule, arm.rule)
    return Permission(
        state=name_of(State, state.state),
        cause=name_of(Cause, state.cause),
        why=why(state),
        rule=name_of(Rule, arm.rule),
        held_back_by="" if rule is None else clamp.WORDS[rule],
        fixture=arm.fixture,
        requested_cp=_pose(unpack_setpoint(arm.requested)),
        is_simulated=bool(state.driver & Driver.SIMULATED),
    )


N = TypeVar("N", bound=IntEnum)


def name_of(names: type[N], number: int) -> str:
    """Name a number of the wire; one that has no name yet is said as itself: "STATE 9"."""
    member = _member(names, number)
    return f"{names.__name__.upper()} {number}" if member is None else member.name


def _member(names: type[N], number: int) -> N | None:
    try:
        return names(number)
    except ValueError:
        return None


def _pose(setpoint: Setpoint) -> Pose:
    x, y, z, qw, qx, qy, qz, _ = setpoint
    return Pose(position=Vector(x=x, y=y, z=z), orientation=Quaternion(w=qw, x=qx, y=qy, z=qz))


def _velocity(twist: Twist) -> Velocity:
    vx, vy, vz, wx, wy, wz = twist
    return Velocity(linear=Vector(x=vx, y=vy, z=vz), angular=Vector(x=wx, y=wy, z=wz))


def _joints(data: bytes) -> Joints | None:
    """Read joint positions; None where none are said, or the bytes are not whole numbers."""
    if not data or len(data) % FLOAT64_BYTES:
        return None
    return Joints(position=unpack_joints(data))
