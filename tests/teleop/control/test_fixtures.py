"""The tip slows, stops and slides at what it may not cross, whatever the hand does."""

import importlib
import math
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import teleop.control
from teleop.control.fixtures import TOLD_M, rcm_residual, restrain, table, workspace
from teleop.robot.fixture import Box, Capsule, HalfSpace, RemoteCentre, ShapeSettings, Sphere

DT = 1e-3
#: What rounding may cost: a hundredth of an atom.
ROUNDING = 1e-12
seeds = st.integers(0, 2**32 - 1)


class Room:
    """A tip among fixtures: the kernel beside its table, scratch and place."""

    def __init__(self, *fixtures, at=(0.0, 0.0, 0.0), kernel=restrain):
        self.fixtures = fixtures
        surfaces = ShapeSettings(fixtures=fixtures).surfaces()
        self.table, self.work = table(surfaces), workspace(surfaces)
        self.at = np.array(at, dtype=float)
        self.number = 0
        self._kernel = kernel

    def ask(self, wish, dt_s=DT):
        """Give what is allowed of a wish; the tip does not move yet."""
        out = np.full(3, math.nan)
        wish = np.array(wish, dtype=float)
        self.number = self._kernel(self.table, self.at, wish, dt_s, self.work, out)
        return out

    def go(self, wish, dt_s=DT):
        self.at = self.ask(wish, dt_s)
        return self.at

    def clearance(self, point=None):
        return min(clearance(f, self.at if point is None else point) for f in self.fixtures)


def clearance(fixture, x):
    """Measure how far a point is on the allowed side, by other formulas than the kernel's."""
    x = np.array(x)
    match fixture:
        case Box():
            low, high = x - fixture.corner_m_min, fixture.corner_m_max - x
            return min(*low, *high)
        case RemoteCentre():
            v = x - fixture.pivot_m
            depth = np.linalg.norm(v)
            axis = np.array(fixture.axis) / np.linalg.norm(fixture.axis)
            off = math.atan2(np.linalg.norm(np.cross(axis, v)), axis @ v)
            side = depth * math.sin(max(fixture.half_angle_rad - off, -math.pi / 2))
            return min(side, fixture.depth_m_max - depth, depth - fixture.depth_m_min)
        case HalfSpace():
            return (x - fixture.point_m) @ fixture.normal / np.linalg.norm(fixture.normal)
        case Sphere():
            return np.linalg.norm(x - fixture.centre_m) - fixture.radius_m
        case Capsule():
            a, line = np.array(fixture.start_m), np.subtract(fixture.end_m, fixture.start_m)
            t = np.clip((x - a) @ line / max(line @ line, 1e-300), 0.0, 1.0)
            return np.linalg.norm(x - a - t * line) - fixture.radius_m
    raise AssertionError(fixture)


def random_fixture(rng, name):
    """Make one of any kind around an operating field of 10 cm about the origin."""
    slowing = {
        "name": name,
        "margin_m": 10 ** rng.uniform(-3.5, -1.5),
        "approach_m_s": 10 ** rng.uniform(-2.5, 0.5),
    }
    point, other = (tuple(rng.uniform(-0.06, 0.06, 3)) for _ in range(2))
    kinds = (
        lambda: Box(
            corner_m_min=tuple(rng.uniform(-0.08, -0.01, 3)),
            corner_m_max=tuple(rng.uniform(0.01, 0.08, 3)),
            **slowing,
        ),
        lambda: RemoteCentre(
            pivot_m=(0.0, 0.0, 0.12),
            axis=(rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), -1.0),
            half_angle_rad=rng.uniform(0.2, math.pi / 2),
            depth_m_min=rng.uniform(0.02, 0.11),
            depth_m_max=rng.uniform(0.13, 0.2),
            **slowing,
        ),
        lambda: HalfSpace(point_m=point, normal=tuple(rng.normal(size=3)), **slowing),
        lambda: Sphere(centre_m=point, radius_m=10 ** rng.uniform(-3.3, -1.7), **slowing),
        lambda: Capsule(
            start_m=point, end_m=other, radius_m=10 ** rng.uniform(-3.3, -1.7), **slowing
        ),
    )
    return kinds[rng.integers(len(kinds))]()


def random_room(rng, *, inside=False):
    """Make a room of up to eight fixtures with the tip on the allowed side of all, or not."""
    for _ in range(1_000):
        count = int(rng.integers(1, 9))
        fixtures = [random_fixture(rng, f"f{k}") for k in range(count)]
        room = Room(*fixtures, at=rng.uniform(-0.05, 0.05, 3))
        if bool(room.clearance() < -1e-6) is inside:
            return room
    raise AssertionError("no such room")


def walk(rng, at):
    """Wish for steps of up to 5 mm, in spells of one direction; now and then for a leap."""
    heading = rng.normal(size=3)
    if rng.random() < 0.1:
        heading = rng.normal(size=3)
    step = 0.2 if rng.random() < 0.02 else 0.005
    return at + step * rng.random() * heading / np.linalg.norm(heading)


FLOOR = HalfSpace(name="floor", point_m=(0, 0, 0), normal=(0, 0, 2), margin_m=0.005)

# Slowing before stopping -------------------------------------------------------------------------


def test_the_approach_slows_in_proportion_to_the_distance_and_never_arrives():
    room = Room(FLOOR, at=(0, 0, 0.008))
    heights = [room.go((0, 0, -1.0))[2] for _ in range(3_000)]
    assert 0 < heights[0] <= 0.005, "up to the margin the way is free"
    for old, new in pairwise(heights):
        assert 0 < new <= old
        assert new < old or old < TOLD_M
        assert (old - new) / DT <= FLOOR.approach_m_s * old / FLOOR.margin_m
    assert heights[-1] < 1e-9
    assert room.number == 1


def test_far_from_a_surface_nothing_is_slowed():
    room = Room(FLOOR, at=(0, 0, 0.1))
    assert np.array_equal(room.go((0.3, 0, 0.0051)), (0.3, 0, 0.0051))
    assert room.number == 0


def test_along_a_surface_and_away_from_it_the_tip_is_free():
    room = Room(FLOOR, at=(0, 0, 1e-4))
    for wish in ((0.05, 0.02, 1e-4), (0.05, 0.02, 0.03)):
        assert np.array_equal(room.ask(wish), wish)
        assert room.number == 0


def test_a_wish_below_a_surface_slides_along_it():
    room = Room(FLOOR, at=(0, 0, 1e-4))
    x, y, z = room.go((0.004, 0.001, -0.01))
    assert (x, y) == (0.004, 0.001)
    assert 0 < z < 1e-4


def test_one_long_step_slows_like_many_short_ones():
    short, long = (Room(FLOOR, at=(0, 0, 0.004)) for _ in range(2))
    for _ in range(50):
        short.go((0, 0, -1))
    assert long.go((0, 0, -1), 50 * DT)[2] == pytest.approx(short.at[2], rel=1e-6)


def test_a_step_that_takes_no_time_comes_no_nearer():
    room = Room(FLOOR, at=(0, 0, 0.004))
    assert room.ask((0.01, 0, 0.003), 0.0)[2] == pytest.approx(0.004, abs=2 * ROUNDING)


@pytest.mark.parametrize("radius_m", [1e-4, 1e-3, 0.01])
def test_nothing_is_leapt_over_however_thin(radius_m):
    needle = Capsule(name="n", start_m=(0, -1, 0), end_m=(0, 1, 0), radius_m=radius_m)
    room = Room(needle, at=(0.02, 0, 0))
    for _ in range(20):
        assert room.go((-1.0, 0.5, 0))[0] >= radius_m


def test_a_hand_that_passes_behind_an_obstacle_is_met_on_the_other_side():
    room = Room(Sphere(name="s", centre_m=(0, 0, 0), radius_m=0.01), at=(-0.03, 0.004, 0))
    for _ in range(2_000):
        room.go((0.03, 0.004, 0))
        assert room.clearance() >= 0
    assert room.at == pytest.approx((0.03, 0.004, 0), abs=1e-6)


# Whatever the path -------------------------------------------------------------------------------


@given(seeds)
@settings(max_examples=60)
def test_no_path_penetrates_anything_not_even_between_two_steps(seed):
    rng = np.random.default_rng(seed)
    room = random_room(rng)
    hand = room.at
    for _ in range(80):
        hand = walk(rng, hand if rng.random() < 0.9 else room.at)
        before, steps = room.at, int(rng.choice([1, 1, 1, 5, 60]))
        allowed = room.ask(hand, steps * DT)
        for fixture in room.fixtures:
            rate = fixture.approach_m_s / fixture.margin_m
            near = min(clearance(fixture, before), fixture.margin_m)
            for t in (0.4, 1.0):
                left = clearance(fixture, before + t * (allowed - before))
                assert left >= near * math.exp(-rate * steps * DT) - ROUNDING
        # The limits may go a part of the way only, or none of it.
        room.at = before + rng.choice([0.0, 0.3, 1.0, 1.0]) * (allowed - before)
        assert room.clearance() >= -ROUNDING


@given(seeds)
@settings(max_examples=40)
def test_a_tip_that_starts_at_a_surface_never_goes_through_it(seed):
    rng = np.random.default_rng(seed)
    room = random_room(rng)
    first = room.fixtures[0]
    ways = room.at + 0.3 * rng.normal(size=(50, 3))
    beyond = [way for way in ways if clearance(first, way) < 0]
    assume(beyond)
    far, low, high = beyond[0], 0.0, 1.0
    for _ in range(80):  # bisect the way to where the fixture begins
        middle = (low + high) / 2
        on_the_way = clearance(first, room.at + middle * (far - room.at)) >= 0
        low, high = (middle, high) if on_the_way else (low, middle)
    start = room.at + low * (far - room.at)
    room = Room(first, at=start)
    for _ in range(100):
        room.go(walk(rng, room.at))
        assert room.clearance() >= -ROUNDING


@given(seeds)
@settings(max_examples=40)
def test_what_is_given_is_never_further_off_than_what_was_asked(seed):
    rng = np.random.default_rng(seed)
    room = random_room(rng, inside=bool(rng.integers(2)))
    for _ in range(60):
        wish = walk(rng, room.at)
        asked = np.linalg.norm(wish - room.at)
        assert np.linalg.norm(room.ask(wish) - room.at) <= asked + 1e-10
        room.go(wish)


@pytest.mark.parametrize("angle_deg", [1, 5, 20, 90, 175])
def test_the_tip_stays_in_a_wedge_however_acute(angle_deg):
    half = math.radians(angle_deg) / 2
    walls = [
        HalfSpace(
            name=f"wall{side}",
            point_m=(0, 0, 0),
            normal=(math.sin(half), side * math.cos(half), 0),
        )
        for side in (-1, 1)
    ]
    room = Room(*walls, at=(0.02, 0, 0))
    rng = np.random.default_rng(angle_deg)
    for k in range(2_000):
        into = (-0.005, 0.005 * math.sin(k / 30), 0.0005)
        room.go(room.at + (into if k % 400 < 300 else walk(rng, np.zeros(3))))
        assert room.clearance() >= -ROUNDING
    out = room.at + np.array([0.003, 0, 0])
    room.go(out)
    assert room.at == pytest.approx(out, abs=1e-9), "the way out is free"


def test_the_tip_slides_along_the_bottom_of_a_groove():
    walls = [
        HalfSpace(name=f"wall{side}", point_m=(0, 0, 0), normal=(1, side, 0)) for side in (-1, 1)
    ]
    room = Room(*walls, at=(0.0001, 0, 0))
    for k in range(100):
        room.go((-0.01, 0.002, 0.001 * k))
    assert room.at[2] == pytest.approx(0.099)
    assert room.clearance() >= 0


def test_at_the_bottom_of_an_acute_wedge_the_tip_slides_slowly_and_out_of_it_freely():
    half = math.radians(1.0)
    walls = [
        HalfSpace(
            name=f"wall{side}", point_m=(0, 0, 0), normal=(math.sin(half), side * math.cos(half), 0)
        )
        for side in (-1, 1)
    ]
    room = Room(*walls, at=(0.01, 0, 0))
    for _ in range(300):
        room.go(room.at + np.array([-0.003, 0.002, 0.003]))
        assert room.clearance() >= -ROUNDING
    assert 0.001 <= room.at[2] < 0.9, "it is asked for 0.9 m"
    out = room.at + np.array([0.003, 0, 0])
    assert np.array_equal(room.go(out), out)


def test_who_reaches_behind_the_remote_centre_comes_as_near_to_it_as_the_fixture_lets():
    room = Room(RemoteCentre(name="rc", half_angle_rad=0.5), at=(0, 0, -0.1))
    assert room.go((0, 0, 0.1))[2] == pytest.approx(-0.025, abs=1e-4)


def test_fixtures_without_a_way_between_them_hold_the_tip_where_it_is():
    apart = [
        HalfSpace(name="up", point_m=(0, 0, 0), normal=(0, 0, 1)),
        HalfSpace(name="down", point_m=(0, 0, -1e-4), normal=(0, 0, -1)),
    ]
    room = Room(*apart, at=(0, 0, -5e-5))
    for wish in ((0, 0, 0.01), (0, 0, -0.01), (0, 0, 1.0)):
        assert abs(room.go(wish)[2] + 5e-5) <= ROUNDING


# Inside ------------------------------------------------------------------------------------------

INSIDE = (
    (FLOOR, (0, 0, -0.01), (0, 0, 1)),
    (Sphere(name="s", centre_m=(0, 0, 0), radius_m=0.02), (0.01, 0, 0), (1, 0, 0)),
    (
        Capsule(name="c", start_m=(0, 0, -1), end_m=(0, 0, 1), radius_m=0.02),
        (0, 0.01, 0),
        (0, 1, 0),
    ),
    (
        Box(name="b", corner_m_min=(0, 0, 0), corner_m_max=(0.1, 0.1, 0.1)),
        (-0.01, 0.05, 0.05),
        (1, 0, 0),
    ),
    (RemoteCentre(name="deep", depth_m_max=0.2), (0, 0, -0.21), (0, 0, 1)),
    (RemoteCentre(name="shallow"), (0, 0, -0.01), (0, 0, -1)),
    (RemoteCentre(name="aside", half_angle_rad=0.3), (0.05, 0, -0.1), (-1, 0, -0.3)),
)


@pytest.mark.parametrize(("fixture", "at", "out"), INSIDE, ids=[f.name for f, *_ in INSIDE])
def test_inside_the_tip_is_named_held_against_going_deeper_and_free_to_leave(fixture, at, out):
    away = Sphere(name="elsewhere", centre_m=(0.5, 0.5, 0.5), radius_m=0.01)
    room = Room(away, fixture, at=at)
    out = np.array(out) / np.linalg.norm(out)
    assert np.array_equal(room.ask(at), at), "no leap to the surface"
    assert room.number == 2
    depth = room.clearance()
    room.go(room.at - 0.003 * out)
    assert room.number == 2
    assert room.clearance() >= depth - ROUNDING
    wish = room.at + 0.002 * out
    assert np.array_equal(room.go(wish), wish)
    assert room.clearance() > depth
    assert room.number == 2, "until it has left"
    for _ in range(20):
        room.go(room.at + 0.002 * out)
    assert room.number == 0
    for _ in range(100):
        room.go(room.at - 0.002 * out)
        assert room.clearance() >= 0, "out means out"


@given(seeds)
@settings(max_examples=40)
def test_from_inside_no_path_leads_deeper(seed):
    rng = np.random.default_rng(seed)
    room = random_room(rng, inside=True)
    for _ in range(80):
        before = [clearance(fixture, room.at) for fixture in room.fixtures]
        room.go(walk(rng, room.at))
        for fixture, old in zip(room.fixtures, before, strict=True):
            assert clearance(fixture, room.at) >= min(old, 0.0) - ROUNDING
        deepest = min(before)
        assert room.number or deepest >= -2 * TOLD_M


def test_from_the_axis_of_a_capsule_every_way_leads_out():
    pipe = Capsule(name="pipe", start_m=(0, 0, -1), end_m=(0, 0, 1), radius_m=0.02)
    for wish in ((0.01, 0, 0), (0, -0.01, 0), (0, 0, 0.01)):
        room = Room(pipe)
        assert np.array_equal(room.go(wish), wish)
        assert room.number == 1


# What is said ------------------------------------------------------------------------------------


def test_of_several_fixtures_the_one_that_is_violated_most_is_said():
    low = HalfSpace(name="low", point_m=(0, 0, -0.001), normal=(0, 0, 1))
    side = HalfSpace(name="side", point_m=(0, 0, 0), normal=(1, 0, 0))
    room = Room(side, low, FLOOR, at=(0.001, 0, 0.001))
    room.ask((-0.001, 0, -0.01))
    assert room.number == 3
    room.ask((-0.01, 0, -0.001))
    assert room.number == 1


def test_a_fixture_of_many_surfaces_has_one_number():
    box = Box(name="box", corner_m_min=(-1, -1, -1), corner_m_max=(1, 1, 1))
    room = Room(Sphere(name="s", centre_m=(5, 5, 5), radius_m=0.1), box, at=(0.9999, 0, 0))
    room.ask((2, 0, 0))
    assert room.number == 2


# What no gate lets through -----------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@given(seed=seeds)
@settings(max_examples=15)
def test_a_wish_that_is_no_place_leaves_the_tip_where_it_is(bad, seed):
    rng = np.random.default_rng(seed)
    room = random_room(rng)
    wish = room.at.copy()
    wish[rng.integers(3)] = bad
    before = room.at
    allowed = room.ask(wish)
    assert np.array_equal(allowed, before)


@given(seeds)
@settings(max_examples=30)
def test_a_wish_at_the_end_of_the_numbers_is_bounded_work_and_leads_nowhere_forbidden(seed):
    rng = np.random.default_rng(seed)
    room = random_room(rng)
    before = room.at
    for exponent in (3, 30, 150):
        allowed = room.ask(rng.normal(size=3) * 10.0**exponent)
        reach = np.linalg.norm(allowed - before)
        if reach > 0.01:  # what limits make of it: a part of the way
            allowed = before + 0.01 / reach * (allowed - before)
        assert room.clearance(allowed) >= -1e-9


# Remote centre -----------------------------------------------------------------------------------


@given(seeds)
@settings(max_examples=30)
def test_the_residual_is_the_distance_of_the_pivot_from_the_line_of_the_shaft(seed):
    rng = np.random.default_rng(seed)
    pivot, shaft = rng.uniform(-0.2, 0.2, 3), rng.normal(size=3)
    aside = np.cross(shaft, rng.normal(size=3))
    aside *= 0.003 / np.linalg.norm(aside)
    for t in (-0.3, 0.0, 0.2):
        tip = pivot + aside + t * shaft
        assert rcm_residual(tip, shaft, pivot) == pytest.approx(0.003, abs=1e-12)
        assert rcm_residual(tip - aside, shaft, pivot) == pytest.approx(0.0, abs=1e-12)


def test_without_a_direction_the_residual_is_the_distance_of_the_tip():
    assert rcm_residual(np.array([0.003, 0, 0.004]), np.zeros(3), np.zeros(3)) == 0.005


# The source --------------------------------------------------------------------------------------


@pytest.fixture
def plain(monkeypatch):
    """The same sources with `jit` doing nothing: interpreted from top to bottom."""
    monkeypatch.setattr("transport.kernel.jit.jit", lambda function: function)
    for name in ("pose", "fixtures"):
        monkeypatch.delitem(sys.modules, f"teleop.control.{name}")
        monkeypatch.delattr(teleop.control, name)
    module = importlib.import_module("teleop.control.fixtures")
    return SimpleNamespace(restrain=module.restrain, rcm_residual=module.rcm_residual)


def test_the_undecorated_functions_give_the_same(plain):
    assert not hasattr(plain.restrain, "py_func")
    rng = np.random.default_rng(11)
    for k in range(40):
        room = random_room(rng, inside=k % 4 == 0)
        interpreted = Room(*room.fixtures, at=room.at, kernel=plain.restrain)
        for _ in range(30):
            wish = walk(rng, room.at)
            assert interpreted.ask(wish) == pytest.approx(room.ask(wish), abs=1e-13)
            assert interpreted.number == room.number
            interpreted.at = room.go(wish)
    line = rng.normal(size=(3, 3))
    assert plain.rcm_residual(*line) == pytest.approx(rcm_residual(*line), rel=1e-12)
