"""The field's physics: the geometry of the kinematics, contact that holds, nothing that flies."""

import math

import mujoco
import numpy as np
import pytest

from teleop.control import kinematics, pose
from teleop.control.instrument import LARGE_NEEDLE_DRIVER
from teleop.sim import model, scene, task, world
from teleop.sim.drive import INERTIA
from teleop.sim.field import Field, home
from teleop.sim.model import DOFS, JOINTS
from teleop.sim.physics import Physics
from teleop.sim.task import Place
from tests.teleop.sim.hand import T0, Hand

PSM = LARGE_NEEDLE_DRIVER
#: From an object's middle to that of its side: where it is gripped.
SIDE = np.array((0.0, -world.OBJECT_SIDE / (2.0 * math.sqrt(3.0)), 0.0))
UP = np.array((0.0, 0.0, 1.0))


@pytest.fixture
def physics():
    return Physics(np.array([home(0), home(1)]))


def run(physics, steps):
    """Let the field be, its arms held against gravity and damped."""
    for _ in range(steps):
        physics.begin()
        physics.torque[:] = physics.bias - 2.0 * np.array(INERTIA) * 50.0 * physics.qd
        assert physics.finish()


def throw(physics, number, velocity):
    """Give an object a velocity: (6,), m/s and rad/s."""
    at = 2 * DOFS + 6 * number
    physics._data.qvel[at : at + 6] = velocity
    physics._data.qpos[2 * DOFS + 7 * number + 2] += 0.03


# Geometry -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", [0, 1])
def test_kinematics_and_physics_are_one_geometry(physics, arm):
    rng = np.random.default_rng(5)
    engine, data = physics._model, mujoco.MjData(physics._model)
    tip, points, turn = np.zeros(7), np.zeros((6, 3)), np.zeros(4)
    for _ in range(50):
        q, half = rng.uniform(PSM.lower, PSM.upper), rng.uniform(0.0, 0.6)
        data.qpos[DOFS * arm : DOFS * (arm + 1)] = (*q, half, half)
        mujoco.mj_kinematics(engine, data)
        kinematics.forward(PSM, q, tip)
        kinematics.points(PSM, q, 2.0 * half, points)
        site = data.site(f"tip_{arm}")
        mujoco.mju_mat2Quat(turn, site.xmat)
        # The tip's frame in the model has z along the wrist's yaw axis; T has it along the jaw.
        x, y, z = pose.to_axes(tip[3:])
        axes = site.xmat.reshape(3, 3)
        assert axes @ (0, 0, -1) == pytest.approx(x, abs=1e-12)
        assert axes @ (0, 1, 0) == pytest.approx(z, abs=1e-12)
        assert axes @ (-1, 0, 0) == pytest.approx(y, abs=1e-12)
        for row, place in (
            (1, data.body(f"wrist_pitch_{arm}").xpos),
            (2, data.body(f"wrist_yaw_{arm}").xpos),
            (3, data.site(f"left_finger_tip_{arm}").xpos),
            (4, data.site(f"right_finger_tip_{arm}").xpos),
            (5, site.xpos),
        ):
            assert place - world.BASES[arm] == pytest.approx(points[row], abs=1e-12)


def test_home_puts_the_tips_above_the_work_area():
    tip = np.zeros(7)
    for arm in (0, 1):
        kinematics.forward(PSM, np.array(home(arm)), tip)
        assert np.hypot(*(tip[:2] + world.BASES[arm][:2])) < 0.05
        assert 0.03 < tip[2] + world.BASES[arm][2] < 0.05


def test_the_drives_nominal_inertia_is_that_of_the_model(physics):
    mass = np.zeros((physics._model.nv, physics._model.nv))
    physics.begin()
    mujoco.mj_fullM(physics._model, physics._data, mass)
    assert np.diag(mass)[:DOFS] == pytest.approx(np.array(INERTIA), rel=0.35)


def test_a_field_has_room_for_two_arms():
    ground = model.Ground(3, -0.1, 0.1, (0.0,) * len(world.PEGS))
    with pytest.raises(ValueError, match="1 to 2 arms"):
        model.write(3, ground)


# Contact ------------------------------------------------------------------------------------------


def test_objects_come_to_rest_on_their_pegs_and_sleep(physics):
    run(physics, 1500)
    for number, at in enumerate(physics.objects):
        assert math.dist(at[:2], world.PEGS[number]) < task.AROUND_M
        assert abs(at[2]) < 0.005
    assert physics.contacts == 0  # what sleeps is not asked
    run(physics, 500)


@pytest.mark.parametrize(
    "velocity",
    [
        (0.0, 0.0, -0.5, 0.0, 0.0, 0.0),
        (0.5, 0.0, -0.1, 0.0, 20.0, 0.0),
        (-0.35, 0.35, -0.3, 20.0, 0.0, 20.0),
    ],
)
def test_an_object_thrown_at_half_a_metre_a_second_goes_through_nothing(physics, velocity):
    run(physics, 300)
    throw(physics, 1, velocity)
    fastest = 0.0
    for _ in range(1500):
        run(physics, 1)
        fastest = max(fastest, np.abs(physics._data.qvel[2 * DOFS :].reshape(-1, 6)[:, :3]).max())
        assert physics.objects[:, 2].min() > -0.005
    assert fastest < 1.2  # it fell 30 mm besides: 0.77 m/s
    assert physics.warnings == 0
    assert np.isfinite(physics.objects).all()


def test_the_tip_driven_into_the_tissue_stops_on_it_and_comes_back(physics):
    hand = Hand()
    fastest = 0.0

    def look():
        nonlocal fastest
        fastest = max(fastest, np.linalg.norm(hand.arm.velocity[:3]))

    hand.sees = look
    at = hand.go((0.0, 0.0, 0.03), 0.0, 0.6)
    assert at == pytest.approx((0.0, 0.0, 0.03), abs=1e-4)
    at = hand.go((0.0, 0.0, -0.02), 0.0, 0.2)
    assert -0.004 < at[2] < 0.003
    hand.hold(300)
    assert hand.arm.velocity[:3] == pytest.approx((0.0, 0.0, 0.0), abs=1e-3)
    at = hand.go((0.0, 0.0, 0.03), 0.0, 0.5)
    assert at == pytest.approx((0.0, 0.0, 0.03), abs=1e-3)
    assert fastest < 1.0
    assert hand.field.warnings == 0


# The task, by hand --------------------------------------------------------------------------------


@pytest.mark.parametrize(("arm", "number", "peg"), [(1, 0, 6), (0, 2, 8)])
def test_a_hand_lifts_an_object_carries_it_and_lays_it_over_another_peg(arm, number, peg):
    hand = Hand(arms=2, arm=arm)
    fastest = 0.0

    def look():
        nonlocal fastest
        speeds = hand.field._physics._data.qvel[2 * DOFS :].reshape(-1, 6)[:, :3]
        fastest = max(fastest, np.abs(speeds).max())

    hand.sees = look
    hand.wait(20)
    hand.hold(300)
    there = hand.field.scene().objects[number, :3]
    grip = there + SIDE
    over = np.array((*world.PEGS[peg], 0.0)) + SIDE
    hand.go(grip + 0.03 * UP, 0.55, 1.0)
    hand.go(grip + 0.0002 * UP, 0.55, 0.7)
    hand.go(grip + 0.0002 * UP, 0.0, 0.4)
    assert hand.field.score.since_ns == 0
    hand.go(grip + 0.025 * UP, 0.0, 0.7)
    assert hand.field._task.places[number] is Place.LIFTED
    gap = hand.arm.pose.jaw
    assert gap > 0.2  # something is between the fingers
    hand.go(over + 0.027 * UP, 0.0, 1.0)
    assert hand.arm.pose.jaw == pytest.approx(gap, abs=0.03)
    hand.go(over + 0.0065 * UP, 0.0, 0.7)
    hand.go(over + 0.0065 * UP, 0.55, 0.4)
    hand.go(over + 0.03 * UP, 0.55, 0.7)
    hand.hold(300)
    assert hand.field.score[:2] == (1, 0)
    assert hand.field.score.since_ns > 2_000_000_000
    assert hand.field.scene().placed == 1
    assert math.dist(hand.field.scene().objects[number, :2], world.PEGS[peg]) < task.AROUND_M
    assert fastest < 1.0


def test_a_stop_in_the_middle_of_a_carry_does_not_drop_the_object():
    hand = Hand(arms=2, arm=1)
    hand.hold(300)
    there = hand.field.scene().objects[0, :3]
    grip = there + SIDE
    hand.go(grip + 0.03 * UP, 0.55, 1.0)
    hand.go(grip + 0.0002 * UP, 0.55, 0.7)
    hand.go(grip + 0.0002 * UP, 0.0, 0.4)
    hand.go(grip + 0.025 * UP, 0.0, 0.7)
    hand.wait(1000)  # silence
    assert hand.arm.braked
    assert hand.field.scene().objects[0, 2] > 0.02
    hand.arm.stop(None, hand.now_ns)
    hand.wait(25)
    assert hand.field.scene().objects[0, 2] > 0.02


# What there is to see -----------------------------------------------------------------------------


def test_the_scene_shows_the_true_poses_and_survives_packing():
    field = Field(2, T0)
    field.advance(T0 + 5_000_000)
    seen = scene.unpack(scene.pack(field.scene()))
    assert seen.instruments.shape == (2, scene.POINTS, 3)
    assert seen.objects.shape == (world.OBJECTS, 7)
    for arm in (0, 1):
        assert seen.instruments[arm, 0] == pytest.approx(world.BASES[arm])
        tip = np.array(field.arms[arm].pose[:3]) + world.BASES[arm]
        middle = (seen.instruments[arm, 3] + seen.instruments[arm, 4]) / 2.0
        assert middle == pytest.approx(tip, abs=1e-4)
    assert (seen.objects == field._physics.objects).all()
    assert len(field.arms[0].joints) == JOINTS + 1
