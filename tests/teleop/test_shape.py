"""The instrument does what the hand does from the reference on: scaled, turned, without a leap."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.clamp import Rule
from safety.profile import MS
from teleop.control.pose import between
from teleop.control.tremor import STEPS_MAX
from teleop.robot.fixture import Box, HalfSpace, ShapeSettings, Sphere
from teleop.robot.shape import Shape, warm
from transport.wire.vector import ORIGIN, STILL, Setpoint, is_finite, is_unit

metres = st.floats(-1.0, 1.0)
scales = st.floats(0.01, 1.0)
filters = st.booleans()
FLOOR = HalfSpace(name="floor", point_m=(0, 0, 0), normal=(0, 0, 1))


@st.composite
def poses(draw):
    q = [draw(st.floats(-1, 1)) for _ in range(4)]
    norm = math.hypot(*q)
    if norm < 1e-3:
        q, norm = [1.0, 0.0, 0.0, 0.0], 1.0
    return Setpoint(
        draw(metres), draw(metres), draw(metres), *(v / norm for v in q), draw(st.floats(-1, 1))
    )


def make(scale=1.0, period_ns=MS, **options):
    return Shape(ShapeSettings(**options), scale, period_ns)


def rotation_angle(a, b):
    return between(a[3:7], b[3:7])


def near(a, b, tolerance=1e-9):
    apart = math.dist(a[:3], b[:3])
    return apart <= tolerance and rotation_angle(a, b) <= 1e-6


def turned(angle):
    return ORIGIN._replace(qw=math.cos(angle / 2), qz=math.sin(angle / 2))


# Clutch and scale --------------------------------------------------------------------------------


@given(poses(), poses(), scales, filters)
def test_at_the_reference_the_instrument_stays_exactly_where_it_is(hand, instrument, scale, tremor):
    shape = make(scale, tremor=tremor)
    shape.reference(hand, instrument, 7)
    for seq in (7, 8, 30):
        at_rest = shape.step(hand._replace(jaw=instrument.jaw), seq)
        assert at_rest == instrument
    assert shape.rule is Rule.NONE
    assert shape.velocity == STILL
    assert shape.requested == instrument


@given(poses(), poses(), scales, metres, metres, metres)
def test_position_follows_differences_scaled(hand, instrument, scale, dx, dy, dz):
    shape = make(scale)
    shape.reference(hand, instrument, 0)
    target = shape.step(hand._replace(x=hand.x + dx, y=hand.y + dy, z=hand.z + dz), 1)
    for axis, delta in enumerate((dx, dy, dz)):
        assert target[axis] == pytest.approx(instrument[axis] + scale * delta, abs=1e-12)


@given(poses(), poses(), poses())
def test_orientation_turns_as_the_hand_turns_never_scaled(hand, instrument, moved):
    shape = make(0.1)
    shape.reference(hand, instrument, 0)
    target = shape.step(moved, 1)
    assert is_unit(target)
    assert rotation_angle(target, instrument) == pytest.approx(
        rotation_angle(moved, hand), abs=1e-6
    )


@given(poses(), poses(), poses(), scales, filters)
def test_where_the_clutch_frame_has_its_origin_does_not_matter(
    hand, instrument, moved, scale, tremor
):
    here, there = make(scale, tremor=tremor), make(scale, tremor=tremor)
    here.reference(hand, instrument, 0)
    there.reference(hand._replace(x=hand.x + 5.0), instrument, 0)
    assert near(here.step(moved, 1), there.step(moved._replace(x=moved.x + 5.0), 1))


def test_a_quarter_turn_about_z():
    s = math.sqrt(0.5)
    shape = make()
    shape.reference(ORIGIN, ORIGIN._replace(qw=0.0, qx=1.0), 0)
    target = shape.step(ORIGIN._replace(qw=s, qz=s), 1)
    assert target[3:7] == pytest.approx((0.0, s, s, 0.0))


@given(st.lists(poses(), min_size=1, max_size=6), poses(), filters)
def test_a_clutch_released_anywhere_moves_the_tip_by_less_than_a_twentieth_of_a_millimetre(
    hands, instrument, tremor
):
    shape = make(0.5, tremor=tremor)
    seq = 0
    for hand in hands:
        shape.reference(hand, instrument, seq)
        held = instrument
        for _ in range(20):  # a hand at rest after it let go
            seq += 1
            assert math.dist(shape.step(hand, seq)[:3], held[:3]) < 5e-5
        for k in range(30):  # then it moves, and the clutch opens
            seq += 1
            instrument = shape.step(hand._replace(z=hand.z + 0.001 * k), seq)


def test_a_thousand_clutches_of_a_sloppy_quaternion_leave_the_instruments_a_unit():
    shape, instrument = make(), turned(0.3)
    hand = Setpoint(*[0.0] * 3, *(1.00004 * v for v in turned(1.0)[3:7]), 0.0)
    assert is_unit(hand)
    for seq in range(1_000):
        shape.reference(hand, instrument, seq)
        instrument = shape.step(hand._replace(qw=hand.qw + 1e-5), seq + 1)
    assert math.hypot(*instrument[3:7]) == pytest.approx(1.0, abs=1e-12)


@given(poses(), poses(), poses(), scales)
def test_asking_for_the_target_changes_nothing(hand, instrument, moved, scale):
    asked, untouched = (make(scale, tremor=True, fixtures=(FLOOR,)) for _ in range(2))
    for shape in (asked, untouched):
        shape.reference(hand, instrument, 0)
        shape.step(moved, 1)
    seen = asked.rule, asked.fixture, asked.velocity, asked.requested
    for probe in (moved, hand, instrument):
        asked.target(probe)
    assert seen == (asked.rule, asked.fixture, asked.velocity, asked.requested)
    assert asked.step(hand, 2) == untouched.step(hand, 2)
    plain = make(scale)
    plain.reference(hand, instrument, 0)
    assert asked.target(moved)[:7] == plain.step(moved, 1)[:7]


# Jaw ---------------------------------------------------------------------------------------------


def test_after_a_reference_the_jaw_catches_up_at_36_degrees_a_second_and_then_follows_at_720():
    shape = make()
    shape.reference(ORIGIN, ORIGIN._replace(jaw=math.radians(40)), 0)
    open_hand = ORIGIN._replace(jaw=math.radians(0))
    jaws = [shape.step(open_hand, seq).jaw for seq in range(1, 1_200)]
    assert jaws[0] == pytest.approx(math.radians(40 - 0.036), abs=1e-5)
    until = next(k for k, jaw in enumerate(jaws) if jaw <= math.radians(2.0))
    assert until == pytest.approx(38 / 0.036, abs=2)
    assert jaws[until + 4] == 0.0, "within 2 degrees it follows"
    assert shape.rule is Rule.NONE
    follows = shape.step(open_hand._replace(jaw=math.radians(30)), 1_200)
    assert follows.jaw == pytest.approx(math.radians(0.72), abs=1e-5)
    assert shape.rule is Rule.JAW


def test_a_jaw_that_catches_up_says_so_beside_what_was_requested():
    shape = make()
    shape.reference(ORIGIN, ORIGIN._replace(jaw=0.5), 0)
    shape.step(ORIGIN, 1)
    assert shape.rule is Rule.JAW
    assert shape.requested.jaw == 0.0


def test_a_reference_makes_the_jaw_catch_up_again():
    shape = make()
    shape.reference(ORIGIN, ORIGIN, 0)
    assert shape.step(ORIGIN._replace(jaw=0.01), 1).jaw == 0.01
    shape.reference(ORIGIN, ORIGIN, 1)
    assert shape.step(ORIGIN._replace(jaw=1.0), 2).jaw < 0.001


def test_lost_commands_cost_a_jaw_no_time():
    lossy, whole = make(), make()
    for shape in (lossy, whole):
        shape.reference(ORIGIN, ORIGIN._replace(jaw=1.0), 0)
    for seq in range(1, 11):
        jaw = whole.step(ORIGIN, seq).jaw
    assert lossy.step(ORIGIN, 10).jaw == pytest.approx(jaw)


# Tremor ------------------------------------------------------------------------------------------


def test_a_trembling_hand_is_steadied_when_the_robot_is_told_to():
    moved = {}
    for tremor in (False, True):
        shape = make(0.5, tremor=tremor)
        tips = [
            shape.step(ORIGIN._replace(x=1e-3 * math.sin(math.tau * 9 * seq * 1e-3)), seq).x
            for seq in range(1, 2_000)
        ]
        moved[tremor] = max(tips[1_000:])
    assert moved[False] == pytest.approx(0.5e-3, rel=1e-3)
    assert moved[True] <= moved[False] * 10 ** (-10 / 20)


def test_the_delay_of_the_filter_is_stated_and_none_without_it():
    assert make().filter_us == 0
    assert 20_000 <= make(tremor=True).filter_us <= 25_000


def test_a_stream_too_slow_for_the_filter_goes_without_and_says_so():
    slow = make(period_ns=25 * MS, tremor=True)
    assert slow.filter_us == 0
    assert slow.step(ORIGIN._replace(x=0.01), 1).x == 0.01


def test_the_filter_starts_anew_at_a_reference():
    used, fresh = make(tremor=True), make(tremor=True)
    for seq in range(1, 50):
        used.step(ORIGIN._replace(x=0.01 * seq), seq)
    used.reference(ORIGIN, ORIGIN, 50)
    for seq in range(1, 50):
        hand = ORIGIN._replace(y=0.001 * seq)
        assert used.step(hand, 50 + seq) == fresh.step(hand, seq)


def test_the_request_is_what_the_hand_asks_for_without_its_tremor():
    shape = make(tremor=True)
    step = shape.step(ORIGIN._replace(x=0.01), 1)
    assert shape.requested == step
    assert step.x < 0.01
    assert shape.rule is Rule.NONE


# Time --------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(poses(), st.integers(1, 50)), min_size=1, max_size=20), filters)
@settings(max_examples=40)
def test_the_same_commands_give_the_same_motion_bit_for_bit(stream, tremor):
    shapes = [make(0.3, tremor=tremor, fixtures=(FLOOR,)) for _ in range(2)]
    seq = 0
    for hand, gap in stream:
        seq += gap
        one, other = (shape.step(hand, seq) for shape in shapes)
        assert one == other
        assert shapes[0].velocity == shapes[1].velocity


@given(filters)
def test_a_gap_of_any_length_is_bounded_work(tremor):
    endless, bounded = (make(tremor=tremor, fixtures=(FLOOR,)) for _ in range(2))
    hand = ORIGIN._replace(x=0.01, z=0.02, jaw=1.0)
    assert endless.step(hand, 10**9) == bounded.step(hand, STEPS_MAX)
    assert endless.step(hand, 2**62) == bounded.step(hand, 2 * STEPS_MAX)


def test_a_sequence_that_does_not_advance_takes_no_time():
    shape = make(tremor=True, fixtures=(FLOOR,))
    shape.reference(ORIGIN, ORIGIN._replace(z=0.003, jaw=0.5), 10)
    first = shape.step(ORIGIN._replace(z=-0.0005), 11)
    velocity = shape.velocity
    for seq in (11, 3):
        assert shape.step(ORIGIN._replace(z=-0.0005), seq) == pytest.approx(first, abs=1e-11)
    assert shape.velocity == velocity


def test_the_feed_forward_is_the_velocity_of_what_was_given():
    shape = make(0.5)
    shape.step(ORIGIN, 1)
    for seq in range(2, 30):
        shape.step(turned(0.002 * (seq - 1))._replace(x=0.0001 * (seq - 1)), seq)
    assert shape.velocity == pytest.approx((0.05, 0, 0, 0, 0, 2.0), abs=1e-9)
    shape.step(turned(0.002 * 33)._replace(x=0.0001 * 33), 34)
    assert shape.velocity == pytest.approx((0.05, 0, 0, 0, 0, 2.0), abs=1e-9), "over a loss too"
    shape.reference(ORIGIN, ORIGIN, 34)
    assert shape.velocity == STILL


@given(poses(), poses())
def test_the_feed_forward_leads_from_the_last_pose_to_this(start, end):
    shape = make()
    shape.step(start, 1)
    before = shape.step(start, 2)
    after = shape.step(end, 3)
    for axis in range(3):
        assert before[axis] + shape.velocity[axis] * 1e-3 == pytest.approx(after[axis], abs=1e-9)
    turn = math.hypot(*shape.velocity[3:6]) * 1e-3
    assert turn == pytest.approx(rotation_angle(before, after), abs=1e-6)


# Fixtures ----------------------------------------------------------------------------------------


def at(z):
    return ORIGIN._replace(z=z)


def test_a_tip_pushed_at_a_fixture_slows_stops_and_says_which():
    far = Sphere(name="far", centre_m=(0.5, 0, 0), radius_m=0.01)
    shape = make(fixtures=(far, FLOOR))
    shape.reference(ORIGIN, at(0.02), 0)
    assert shape.step(at(-0.01), 1).z == pytest.approx(0.01)
    assert (shape.rule, shape.fixture) == (Rule.NONE, 0)
    for seq in range(2, 2_000):
        tip = shape.step(at(-0.1), seq)
        assert tip.z > 0
    assert tip.z < 1e-6
    assert (shape.rule, shape.fixture) == (Rule.FIXTURE, 2)
    assert shape.requested.z == pytest.approx(-0.08)
    assert shape.velocity.vz == pytest.approx(0.0, abs=1e-5)
    assert shape.step(at(0.0), 2_000).z == pytest.approx(0.02)
    assert (shape.rule, shape.fixture) == (Rule.NONE, 0)


def test_a_fixture_is_said_rather_than_a_jaw():
    shape = make(fixtures=(FLOOR,))
    shape.reference(ORIGIN, at(0.001), 0)
    shape.step(at(-0.1)._replace(jaw=1.0), 1)
    assert shape.rule is Rule.FIXTURE


def test_the_next_step_starts_where_the_limits_left_the_setpoint():
    shape = make(fixtures=(FLOOR,))
    shape.reference(ORIGIN, at(0.004), 0)
    for seq in range(1, 200):
        shape.step(at(-1.0), seq)
        shape.resume(at(0.004))  # the limits let nothing move
    left = shape.step(at(-1.0), 200).z
    assert left == pytest.approx(0.004 * math.exp(-10 * 1e-3))


def test_a_tip_inside_at_the_reference_is_named_and_never_leaps():
    shape = make(fixtures=(FLOOR,))
    shape.reference(ORIGIN, at(-0.01), 0)
    assert shape.step(ORIGIN, 0) == at(-0.01)
    assert (shape.rule, shape.fixture) == (Rule.FIXTURE, 1)
    assert shape.step(at(-0.005), 1) == pytest.approx(at(-0.01), abs=1e-11), "no deeper"
    assert shape.step(at(0.004), 2) == at(-0.006)


def test_orientation_and_jaw_pass_a_fixture():
    shape = make(fixtures=(FLOOR,))
    shape.reference(ORIGIN, at(0.001), 0)
    tip = shape.step(turned(0.4)._replace(z=-0.1, jaw=0.02), 1)
    assert tip[3:7] == pytest.approx(turned(0.4)[3:7])


def test_a_setpoint_that_glides_to_rest_without_a_hand_is_kept_out_too():
    box = Box(name="box", corner_m_min=(-1, -1, -1), corner_m_max=(0.01, 1, 1))
    shape = make(fixtures=(box,))
    shape.reference(ORIGIN, ORIGIN, 0)
    x = 0.0
    for _ in range(100):
        x = shape.keep_out(ORIGIN._replace(x=x + 0.0005), MS).x
        assert x < 0.01
    assert (shape.rule, shape.fixture) == (Rule.FIXTURE, 1)
    assert make().keep_out(ORIGIN._replace(x=5.0), MS).x == 5.0


# What no gate lets through -----------------------------------------------------------------------


def test_no_number_is_endless_work_and_a_reference_heals():
    shape = make(tremor=True, fixtures=(FLOOR,))
    for bad in (math.nan, math.inf, -1e300):
        shape.step(Setpoint(*[bad] * 8), 10**12)
    shape.reference(ORIGIN, at(0.01), 1)
    assert shape.step(ORIGIN, 2) == at(0.01)


def test_a_far_hand_gives_a_finite_setpoint():
    shape = make(tremor=True, fixtures=(FLOOR,))
    assert is_finite(shape.step(ORIGIN._replace(x=1e100, z=-1e100), 1))


def test_warming_touches_every_kernel():
    warm()
