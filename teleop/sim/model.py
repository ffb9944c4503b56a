"""Writes the operating field as a MuJoCo model: two arms, pegs, objects, tissue; text, no engine.

Lengths come from the tables that kinematics and picture read too (teleop.control.instrument.Psm,
teleop.sim.world), so the three cannot disagree. What a picture does not show is in the tables here.

Rules
-----
1. An arm is a chain of modified DH frames from the remote centre on, so the remote centre is exact.
2. Joints are driven by torque and by nothing else; the engine's own limit is the drives' limit.
3. Within an arm nothing collides; arms, objects, pegs and tissue collide with each other. But no
   shaft with the tissue: it hangs over the wall, and asking costs twenty times all else (measured).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from teleop.control.instrument import LARGE_NEEDLE_DRIVER, Psm
from teleop.sim import world

STEP_NS: Final = 1_000_000

Vector = tuple[float, float, float]


class Drive(NamedTuple):
    """One drive: its joint, and what moves with it.

    Parameters
    ----------
    name : of joint and motor
    mass : kg, of the link behind the joint
    com : m, its centre of mass in the link's DH frame
    inertia : kg m^2, about the centre of mass
    armature : kg m^2 or kg, rotor and gear seen at the joint
    damping : N m s/rad or N s/m
    torque_max : N m or N
    """

    name: str
    mass: float
    com: Vector
    inertia: Vector
    armature: float
    damping: float
    torque_max: float


#: From the remote centre to the wrist, then each of the two fingers.
#: Torques: `ftmax` of sawIntuitiveResearchKit, kinematic/psm.json and
#: tool/LARGE_NEEDLE_DRIVER_400006.json. Masses are chosen so that an arm weighs and resists like a
#: PSM: yaw and pitch links counterbalanced about the remote centre as its springs and weights leave
#: them, a carriage of 0.25 kg above it, a hollow shaft of 60 g. Armatures are chosen so that each
#: drive can brake within STOP_S of teleop.sim.drive with half its torque to spare.
DRIVES: Final = (
    Drive("yaw", 1.0, (0, 0, 0), (0.02, 0.02, 0.02), 0.030, 0.05, 4.97),
    Drive("pitch", 1.0, (0, 0, 0), (0.02, 0.02, 0.02), 0.030, 0.05, 4.97),
    Drive("insertion", 0.25, (0, 0, 0), (2e-4, 2e-4, 1e-4), 0.40, 1.0, 14.81),
    Drive("roll", 0.06, (0, 0, -0.2081), (9e-4, 9e-4, 1e-6), 6e-4, 1e-3, 0.33),
    Drive("wrist_pitch", 0.004, (0.0045, 0, 0), (4e-8, 4e-8, 4e-8), 3e-4, 5e-4, 0.25),
    Drive("wrist_yaw", 0.001, (0, 0, 0), (1e-8, 1e-8, 1e-8), 3e-4, 5e-4, 0.20),
    Drive("left_finger", 0.001, (0, 0.005, 0), (1e-8, 1e-8, 1e-8), 1e-4, 2e-4, 0.08),
    Drive("right_finger", 0.001, (0, 0.005, 0), (1e-8, 1e-8, 1e-8), 1e-4, 2e-4, 0.08),
)
JOINTS: Final = 6
DOFS: Final = len(DRIVES)

#: A closed jaw's fingers touch here, rad; both angles open outward.
FINGER_LOWER: Final = -0.01
#: A finger tapers in the picture; here it is as thick as it is half-way.
FINGER_RADIUS: Final = (world.FINGER_RADIUS + world.FINGER_TIP_RADIUS) / 2.0

#: Chosen so that contact is stable at 1 ms in the grip of a drive: seven times soft rubber.
OBJECT_MASS: Final = 0.003
#: Objects start this far above the tissue, m, and fall.
DROP: Final = 0.001

#: Contact: time constant 4 ms, four steps, below which MuJoCo's own solver would soften it; sliding
#: friction of rubber, torsion of a contact patch 3 mm wide.
SOLREF: Final = "0.004 1"
SOLIMP: Final = "0.98 0.998 0.0002"
FRICTION: Final = {
    "finger": "1.5 0.003 0.0001",
    "object": "0.9 0.002 0.0001",
    "still": "0.8 0.001 0.0001",
}

#: Groups of contact; arm n is _ARM << n. A pair touches when one of the two minds the other.
_TISSUE, _PEG, _OBJECT, _ARM = 1, 2, 4, 8


class Ground(NamedTuple):
    """The tissue as a grid of heights over a square around the origin of W.

    Parameters
    ----------
    rows : points along each side
    low, high : m, of the whole grid
    at_pegs : m, height under each of `world.PEGS`
    """

    rows: int
    low: float
    high: float
    at_pegs: tuple[float, ...]


def write(arms: int, ground: Ground, psm: Psm = LARGE_NEEDLE_DRIVER) -> str:
    """Write the MJCF text; the grid's heights themselves are set into the compiled model."""
    if not 1 <= arms <= len(world.BASES):
        raise ValueError(f"the field has room for 1 to {len(world.BASES)} arms, not {arms}")
    return "\n".join(
        (
            '<mujoco model="operating field">',
            '<compiler angle="radian" autolimits="true"/>',
            f'<option timestep="{STEP_NS * 1e-9}" integrator="implicitfast" cone="elliptic"'
            ' impratio="30" iterations="30" ls_iterations="20">',
            '<flag autoreset="disable" sleep="enable"/>',
            "</option>",
            *_asset(ground),
            "<worldbody>",
            *(line for arm in range(arms) for line in _arm(arm, psm)),
            *_objects(ground),
            *_still(ground),
            "</worldbody>",
            *_actuators(arms),
            "</mujoco>",
        )
    )


# Private: arms ------------------------------------------------------------------------------------


class _Frame(NamedTuple):
    """One row of a modified DH table: Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d)."""

    alpha: float
    a: float
    theta: float
    d: float


def _frames(psm: Psm) -> tuple[_Frame, ...]:
    right = math.pi / 2.0
    return (
        _Frame(right, 0.0, right, 0.0),
        _Frame(-right, 0.0, -right, 0.0),
        _Frame(right, 0.0, 0.0, -psm.rcc),
        _Frame(0.0, 0.0, 0.0, psm.tool),
        _Frame(-right, 0.0, -right, 0.0),
        _Frame(-right, psm.pitch_to_yaw, -right, 0.0),
    )


def _arm(arm: int, psm: Psm) -> Iterator[str]:
    yield f'<body name="base_{arm}" pos="{_numbers(world.BASES[arm])}">'
    for number, frame in enumerate(_frames(psm)):
        yield f'<body name="{DRIVES[number].name}_{arm}" {_placed(frame)}>'
        kind = "slide" if DRIVES[number].name == "insertion" else "hinge"
        yield from _joint(arm, number, kind, "0 0 1", psm.lower[number], psm.upper[number])
        yield from _links(arm, number, psm)
    yield f'<site name="tip_{arm}" pos="0 {psm.yaw_to_tip} 0"/>'
    for number, axis in ((6, "0 0 -1"), (7, "0 0 1")):
        yield f'<body name="{DRIVES[number].name}_{arm}">'
        yield from _joint(arm, number, "hinge", axis, FINGER_LOWER, psm.jaw_upper / 2.0)
        end = f"0 0 0 0 {psm.yaw_to_tip} 0"
        yield _capsule(end, FINGER_RADIUS, "finger", _ARM << arm, _around_arm(arm) | _TISSUE)
        yield f'<site name="{DRIVES[number].name}_tip_{arm}" pos="0 {psm.yaw_to_tip} 0"/>'
        yield "</body>"
    yield "</body>" * (JOINTS + 1)


def _joint(
    arm: int, number: int, kind: str, axis: str, lower: float, upper: float
) -> Iterator[str]:
    drive = DRIVES[number]
    yield (
        f'<joint name="{drive.name}_{arm}" type="{kind}" axis="{axis}" range="{lower} {upper}"'
        f' armature="{drive.armature}" damping="{drive.damping}" solreflimit="0.004 1"/>'
    )
    yield (
        f'<inertial pos="{_numbers(drive.com)}" mass="{drive.mass}"'
        f' diaginertia="{_numbers(drive.inertia)}"/>'
    )


def _links(arm: int, number: int, psm: Psm) -> Iterator[str]:
    """Write what of the arm can touch: the shaft, and the wrist between its two axes."""
    if DRIVES[number].name == "roll":
        end = f"0 0 {-psm.tool} 0 0 0"
        yield _capsule(end, world.SHAFT_RADIUS, "still", _ARM << arm, _around_arm(arm))
    if DRIVES[number].name == "wrist_pitch":
        end = f"0 0 0 {psm.pitch_to_yaw} 0 0"
        minds = _around_arm(arm) | _TISSUE
        yield _capsule(end, world.WRIST_RADIUS, "still", _ARM << arm, minds)


def _around_arm(arm: int) -> int:
    others = sum(_ARM << other for other in range(len(world.BASES)) if other != arm)
    return _PEG | _OBJECT | others


def _actuators(arms: int) -> Iterator[str]:
    yield "<actuator>"
    for arm in range(arms):
        for drive in DRIVES:
            limit = drive.torque_max
            yield (
                f'<motor name="{drive.name}_{arm}" joint="{drive.name}_{arm}"'
                f' ctrlrange="{-limit} {limit}"/>'
            )
    yield "</actuator>"


# Private: what lies and stands --------------------------------------------------------------------


def _asset(ground: Ground) -> Iterator[str]:
    half = world.TISSUE_HALF
    yield "<asset>"
    yield (
        f'<hfield name="tissue" nrow="{ground.rows}" ncol="{ground.rows}"'
        f' size="{half} {half} {ground.high - ground.low} 0.005"/>'
    )
    yield "</asset>"


def _objects(ground: Ground) -> Iterator[str]:
    corners = world.OBJECT_CORNERS
    for number in range(world.OBJECTS):
        x, y = world.PEGS[number]
        z = ground.at_pegs[number] + world.OBJECT_RADIUS + DROP
        yield f'<body name="object_{number}" pos="{x} {y} {z}">'
        yield "<freejoint/>"
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            ends, mass = f"{_numbers(start)} {_numbers(end)}", OBJECT_MASS / 3.0
            minds = _TISSUE | _PEG | _OBJECT
            yield _capsule(ends, world.OBJECT_RADIUS, "object", _OBJECT, minds, mass)
        yield "</body>"


def _still(ground: Ground) -> Iterator[str]:
    yield (
        f'<geom name="tissue" type="hfield" hfield="tissue" pos="0 0 {ground.low}"'
        f" {_touching('still', _TISSUE, 0)}/>"
    )
    for peg, z in zip(world.PEGS, ground.at_pegs, strict=True):
        ends = f"{peg.x} {peg.y} {z} {peg.x} {peg.y} {z + world.PEG_HEIGHT}"
        yield _capsule(ends, world.PEG_RADIUS, "still", _PEG, 0)


# Private: text ------------------------------------------------------------------------------------


def _capsule(
    ends: str, radius: float, surface: str, group: int, minds: int, mass: float = 0.0
) -> str:
    touching = _touching(surface, group, minds)
    return f'<geom type="capsule" fromto="{ends}" size="{radius}" mass="{mass}" {touching}/>'


def _touching(surface: str, group: int, minds: int) -> str:
    return (
        f'condim="4" friction="{FRICTION[surface]}" solref="{SOLREF}" solimp="{SOLIMP}"'
        f' contype="{group}" conaffinity="{minds}"'
    )


def _placed(frame: _Frame) -> str:
    """Write a frame's place in the one before it: theta and d are about the same z."""
    s, c = math.sin(frame.alpha), math.cos(frame.alpha)
    position = (frame.a, -s * frame.d, c * frame.d)
    cx, sx = math.cos(frame.alpha / 2.0), math.sin(frame.alpha / 2.0)
    cz, sz = math.cos(frame.theta / 2.0), math.sin(frame.theta / 2.0)
    quaternion = (cx * cz, sx * cz, -sx * sz, cx * sz)
    return f'pos="{_numbers(position)}" quat="{_numbers(quaternion)}"'


def _numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in values)
