"""One arm: what was measured, what is pending, when it follows, what its driver hears."""

import math

import pytest

from safety.clamp import Rule
from safety.driver import Measure
from safety.gate import Admission, Verdict
from safety.limits import Limits
from safety.messages import NO_TAG, Command, Flags
from safety.profile import MS
from teleop.robot.arm import Arm
from teleop.robot.fixture import ShapeSettings
from transport.wire.vector import ORIGIN, Setpoint, pack_setpoint, unpack_twist

T0 = 1_000_000_000


def tilted(degrees):
    half = math.radians(degrees) / 2
    return ORIGIN._replace(qw=math.cos(half), qy=math.sin(half))


def command(seq=1, clutch_id=1, flags=Flags.DEADMAN, hand=ORIGIN, tool=0):
    return Command(
        kind=16,
        robot="psm1",
        arm=0,
        session=bytes(8),
        epoch=1,
        seq=seq,
        t_tx=0,
        tick_echo=1,
        press_id=1,
        clutch_id=clutch_id,
        input_seq=seq,
        input_age=0,
        flags=flags,
        seen_frame_id=0,
        mode=0,
        tool=tool,
        setpoint=pack_setpoint(hand),
        previous=None,
        earlier=None,
        tag=NO_TAG,
    )


def offer(arm, now_ns=T0, hops=b"", **fields):
    said = command(**fields)
    hand = fields.get("hand", ORIGIN)
    return arm.offer(Admission(Verdict.ADMITTED, said, hand, hops, 5 * MS), now_ns)


def follow(arm, hand, now_ns, *, degraded=False, **fields):
    arm.follow(command(hand=hand, **fields), hand, degraded=degraded, now_ns=now_ns)
    arm.servo(now_ns, energy=False)


@pytest.fixture
def arm():
    arm = Arm(0, Limits(), ShapeSettings())
    arm.settle(T0)
    arm.start_session(1.0, MS, T0)
    arm.servo_ns = T0
    return arm


def measure(arm, pose, now_ns=T0, tick=7, instance=1, rule=0):
    pose = pack_setpoint(pose)
    return arm.measure(Measure(32, tick, instance, 0, 0, b"", pose, bytes(48), rule), now_ns)


def test_a_measurement_is_taken_whole_or_not_at_all(arm):
    assert measure(arm, ORIGIN._replace(x=0.1))
    assert (arm.measured.x, arm.driver_tick, arm.measured_ns) == (0.1, 7, T0)
    for bad in (ORIGIN._replace(x=math.nan), ORIGIN._replace(qw=0.9), Setpoint(*[math.inf] * 8)):
        assert not measure(arm, bad, T0 + MS)
    assert (arm.measured.x, arm.measured_ns) == (0.1, T0)


def test_a_measurement_said_again_is_no_sign_of_life(arm):
    assert measure(arm, ORIGIN)
    assert measure(arm, ORIGIN._replace(x=0.1), T0 + MS)
    assert (arm.measured.x, arm.measured_ns) == (0.0, T0)
    assert measure(arm, ORIGIN._replace(x=0.1), T0 + MS, tick=8)
    assert measure(arm, ORIGIN._replace(x=0.2), T0 + 2 * MS, tick=1, instance=2)
    assert (arm.measured.x, arm.measured_ns) == (0.2, T0 + 2 * MS), "a driver that began anew"


def test_a_measurement_that_repeats_while_the_arm_is_told_to_move_is_frozen(arm):
    follow(arm, ORIGIN, T0)
    for ms in range(60):
        now_ns = T0 + ms * MS
        follow(arm, ORIGIN._replace(x=5e-5 * ms), now_ns)
        measure(arm, ORIGIN, now_ns, tick=10 + ms)
        assert arm.is_frozen is (ms >= 40)
    measure(arm, ORIGIN._replace(x=1e-9), T0 + 60 * MS, tick=90)
    assert not arm.is_frozen


def test_an_arm_that_is_told_to_stand_may_measure_the_same_for_ever(arm):
    for ms in range(0, 5000, 2):
        measure(arm, ORIGIN, T0 + ms * MS, tick=10 + ms)
        assert not arm.is_frozen


def test_the_newest_offer_wins_and_says_what_it_superseded(arm):
    assert offer(arm, seq=1) is None
    assert offer(arm, seq=2).command.seq == 1
    assert arm.pending.command.seq == arm.seq == 2
    assert (arm.admitted, arm.merged) == (1, 1)


@pytest.mark.parametrize(("degrees", "aligned"), [(0, True), (4.9, True), (5.1, False)])
def test_alignment_is_within_five_degrees(arm, degrees, aligned):
    assert arm.is_aligned(tilted(degrees)) is aligned


def test_a_misaligned_hand_is_not_followed(arm):
    follow(arm, tilted(6), T0 + MS)
    assert not arm.following
    follow(arm, tilted(4), T0 + 2 * MS)
    assert arm.following
    assert arm.setpoint[:3] == ORIGIN[:3]


def test_following_takes_its_reference_first_and_leaps_nowhere(arm):
    measure(arm, ORIGIN._replace(z=-0.1))
    arm.settle(T0)
    follow(arm, ORIGIN._replace(x=3.0), T0 + MS)
    assert arm.setpoint == ORIGIN._replace(z=-0.1)
    follow(arm, ORIGIN._replace(x=3.0003), T0 + 2 * MS)
    assert arm.setpoint.x == pytest.approx(0.0003)


def test_an_open_clutch_stops_following_and_a_closed_one_takes_a_new_reference(arm):
    follow(arm, ORIGIN, T0 + MS)
    follow(arm, ORIGIN._replace(x=0.2), T0 + 2 * MS, flags=Flags.DEADMAN | Flags.CLUTCH)
    assert not arm.following
    follow(arm, ORIGIN._replace(x=0.4), T0 + 3 * MS, clutch_id=2)
    assert arm.setpoint == ORIGIN


def test_a_clutch_cycle_whose_frames_were_lost_takes_a_new_reference_too(arm):
    follow(arm, ORIGIN, T0 + MS)
    follow(arm, ORIGIN._replace(x=0.4), T0 + 2 * MS, clutch_id=2)
    assert arm.setpoint == ORIGIN


def test_what_holds_the_arm_back_is_said_beside_what_was_asked(arm):
    follow(arm, ORIGIN, T0 + MS)
    asked = ORIGIN._replace(x=0.0019)
    for ms in range(2, 21):
        follow(arm, asked, T0 + ms * MS, degraded=True)
    state = arm.state(T0 + 21 * MS)
    assert state.requested == pack_setpoint(asked)
    assert state.setpoint == pack_setpoint(arm.setpoint) != state.requested
    assert state.rule in (Rule.SPEED, Rule.ACCELERATION)
    measure(arm, ORIGIN, T0 + 41 * MS, rule=Rule.TORQUE)
    assert arm.state(T0 + 41 * MS).rule == state.rule, "ours comes first"
    arm.stop_following(T0 + 41 * MS)
    state = arm.state(T0 + 41 * MS)
    assert (state.rule, state.requested) == (Rule.TORQUE, state.setpoint)


def test_a_hand_that_lets_go_leaves_the_setpoint_to_come_to_rest(arm):
    follow(arm, ORIGIN, T0)
    for ms in range(1, 101):
        follow(arm, ORIGIN._replace(x=1e-6 * ms * ms), T0 + ms * MS)
    left = arm.setpoint.x
    arm.stop_following(T0 + 100 * MS)
    assert arm.is_braking
    assert not arm.following
    speeds = []
    for ms in range(101, 160):
        arm.glide(T0 + ms * MS)
        speeds.append(unpack_twist(arm.servo(T0 + ms * MS, energy=False).velocity).vx)
    assert not arm.is_braking
    assert 0.0 < arm.setpoint.x - left <= 0.2**2 / (2 * Limits().brake_m_s2) + 0.0005
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] == 0.0


def test_without_a_driver_it_stays_where_it_is(arm):
    follow(arm, ORIGIN, T0)
    for ms in range(1, 51):
        follow(arm, ORIGIN._replace(x=2e-6 * ms * ms), T0 + ms * MS)
    left = arm.setpoint
    arm.stop_following(T0 + 50 * MS)
    arm.halt()
    arm.glide(T0 + 51 * MS)
    assert arm.setpoint == left


def test_near_is_two_millimetres_and_two_degrees_from_the_setpoint(arm):
    follow(arm, ORIGIN, T0 + MS)
    arm.stop_following(T0 + MS)
    assert arm.is_near(ORIGIN._replace(x=0.0019))
    assert not arm.is_near(ORIGIN._replace(x=0.0021))
    assert arm.is_near(tilted(1.9))
    assert not arm.is_near(tilted(2.1))


def test_a_new_session_forgets_the_last_ones_commands(arm):
    offer(arm, seq=9)
    arm.late = 3
    arm.start_session(0.5, MS, T0)
    assert (arm.seq, arm.admitted, arm.merged, arm.late) == (0, 0, 0, 0)
    assert arm.pending is None
    state = arm.state(T0)
    assert (state.seq, state.residence_ns, state.hops) == (0, 0, b"")


def test_the_servo_says_the_setpoint_and_answers_the_newest_measurement(arm):
    measure(arm, ORIGIN)
    offer(arm, seq=4, flags=Flags.CAMERA, tool=3)
    servo = arm.servo(T0 + 5, energy=True)
    assert (servo.seq, servo.driver_tick, servo.tool, servo.camera) == (4, 7, 3, True)
    assert servo.setpoint == pack_setpoint(arm.setpoint)
    assert arm.servo_ns == T0 + 5


def test_a_state_says_how_long_its_command_has_been_here(arm):
    offer(arm, T0, hops=b"\x95\x01\x02\x03\x00\x00", seq=4)
    state = arm.state(T0 + 3 * MS)
    assert (state.seq, state.residence_ns) == (4, 3 * MS)
    assert state.hops == b"\x95\x01\x02\x03\x00\x00"
    assert arm.state(T0 + 10**12).residence_ns == 0xFFFF_FFFF


# Energy ------------------------------------------------------------------------------------------


def pedal(arm, flags, *, engaged=True):
    offer(arm, seq=arm.seq + 1, flags=flags)
    arm.see_pedals(flags, engaged=engaged)
    return arm.servo(T0, energy=engaged).energy


def test_a_pedal_counts_when_it_was_pressed_while_engaged(arm):
    assert pedal(arm, 0) == 0
    assert pedal(arm, Flags.CUT) == Flags.CUT
    assert pedal(arm, Flags.CUT | Flags.COAG) == Flags.CUT | Flags.COAG
    assert pedal(arm, Flags.COAG) == Flags.COAG


def test_a_pedal_held_from_before_does_not_count_until_it_was_up(arm):
    assert pedal(arm, Flags.CUT, engaged=False) == 0
    assert pedal(arm, Flags.CUT) == 0
    assert pedal(arm, Flags.CUT | Flags.BIPOLAR) == Flags.BIPOLAR
    assert pedal(arm, 0) == 0
    assert pedal(arm, Flags.CUT) == Flags.CUT


def test_energy_that_was_cut_does_not_come_back_by_itself(arm):
    pedal(arm, 0)
    pedal(arm, Flags.CUT)
    assert arm.has_energy
    assert arm.servo(T0, energy=False).energy == 0
    assert not arm.has_energy
    assert pedal(arm, Flags.CUT) == 0


def test_flags_that_are_no_energy_never_flow(arm):
    pedal(arm, 0)
    assert pedal(arm, Flags.DEADMAN | Flags.CLUTCH | Flags.CAMERA | Flags.ESTOP) == 0
