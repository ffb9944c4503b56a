"""What each pixel shows, beside an oracle that knows neither bounds, nor s, nor the camera's frame.

The oracle shoots unit rays in W at the solids that a round cone is made of, two balls and the side
of a cone between them, and at the tissue by small steps. It is plain numpy.
"""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from teleop.sim import world
from teleop.sim.endoscope import bodies, cones, raster, specimen, tissue
from teleop.sim.endoscope.bodies import Kind
from teleop.sim.endoscope.camera import look
from teleop.sim.endoscope.renderer import Renderer
from teleop.sim.scene import Scene

VIEW = world.ENDOSCOPE
SMALL = look(VIEW, 96, 54)
SEEDS = st.integers(0, 2**32 - 1)


# The oracle ---------------------------------------------------------------------------------------


def rays(camera):
    """Unit rays of W, (h, w, 3), from the same eye; and what turns a way along them into depth."""
    focal, u0, v0 = camera.lens
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    in_camera = np.stack(((u - u0) / focal, (v - v0) / focal, np.ones(u.shape)), -1)
    length = np.linalg.norm(in_camera, axis=-1)
    return in_camera @ camera.R_WC.T / length[..., None], 1.0 / length


def first(*ways):
    """The nearest way in front of the eye, inf where there is none."""
    return np.min([np.where(way > 0.0, way, np.inf) for way in ways], axis=0)


def ball(eye, ray, centre, radius):
    along = ray @ (centre - eye)
    room = radius**2 - (centre - eye) @ (centre - eye) + along**2
    with np.errstate(invalid="ignore"):
        return np.where(room > 0.0, along - np.sqrt(room), np.inf)


def side(eye, ray, a, b, ra, rb):
    """Both crossings of the cone that touches two balls, where it lies between the two circles."""
    length = np.linalg.norm(b - a)
    axis = (b - a) / length
    sine = (ra - rb) / length
    cosine2 = 1.0 - sine**2
    height, rise = (eye - a) @ axis, ray @ axis
    c2 = cosine2 * (1.0 - rise**2) - (sine * rise) ** 2
    c1 = cosine2 * (ray @ (eye - a) - height * rise) + sine * rise * (ra - sine * height)
    c0 = cosine2 * ((eye - a) @ (eye - a) - height**2) - (ra - sine * height) ** 2
    ways = []
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(c1**2 - c2 * c0)
        for way in ((-c1 - root) / c2, (-c1 + root) / c2):
            y = height + way * rise
            between = (y >= ra * sine) & (y <= length + rb * sine)
            ways.append(np.where(between, way, np.inf))
    return ways


def is_inside(eye, a, b, ra, rb):
    s = np.linspace(0.0, 1.0, 2001)[:, None]
    return bool(np.any(np.linalg.norm(a + s * (b - a) - eye, axis=1) < (ra + s * (rb - ra))[:, 0]))


def cone(eye, ray, row):
    a, b, ra, rb = row[:3], row[3:6], row[6], row[7]
    if is_inside(eye, a, b, ra, rb):
        return np.full(ray.shape[:2], np.inf)
    ways = [ball(eye, ray, a, ra), ball(eye, ray, b, rb)]
    if np.linalg.norm(b - a) > abs(ra - rb):
        ways += side(eye, ray, a, b, ra, rb)
    return first(*ways)


def surface(heights, x, y):
    half = world.TISSUE_HALF
    u, v = (x + half) / tissue.CELL, (y + half) / tissue.CELL
    i = np.clip(np.floor(u).astype(int), 0, heights.shape[1] - 2)
    j = np.clip(np.floor(v).astype(int), 0, heights.shape[0] - 2)
    a, b = u - i, v - j
    return (
        (1 - a) * (1 - b) * heights[j, i]
        + a * (1 - b) * heights[j, i + 1]
        + (1 - a) * b * heights[j + 1, i]
        + a * b * heights[j + 1, i + 1]
    )


def ground(heights, eye, ray):
    """The way to the tissue: steps of 0.4 mm, then halves."""
    way = np.full(ray.shape[:2], np.inf)
    walking = np.ones(ray.shape[:2], bool)
    step = 0.0004
    for k in range(1, 1200):
        if not walking.any():
            break
        point = eye + ray * (k * step)
        walking &= np.all(np.abs(point[..., :2]) <= world.TISSUE_HALF, axis=-1)
        under = walking & (point[..., 2] <= surface(heights, point[..., 0], point[..., 1]))
        way[under] = k * step
        walking &= ~under
    low, high = way - step, way.copy()
    found = np.isfinite(way)
    for _ in range(40):
        middle = np.where(found, (low + high) / 2.0, 0.0)
        point = eye + ray * middle[..., None]
        under = point[..., 2] <= surface(heights, point[..., 0], point[..., 1])
        high, low = np.where(under, middle, high), np.where(under, low, middle)
    return np.where(found, high, np.inf)


class Oracle:
    """Who is seen in each pixel of a camera: kind, number, depth."""

    def __init__(self, camera, heights):
        self.eye = camera.p_WC
        self.ray, self.flatten = rays(camera)
        way = ground(heights, self.eye, self.ray)
        self.base = way, np.where(np.isfinite(way), Kind.TISSUE, Kind.BACKGROUND), 0 * way
        self.base = self.see(bodies.pegs(heights))

    def see(self, drawn):
        way, kinds, numbers = (np.array(layer) for layer in self.base)
        for row, kind, number in zip(drawn.cones, drawn.kinds, drawn.numbers, strict=True):
            new = cone(self.eye, self.ray, row)
            nearer = new < way
            way[nearer], kinds[nearer], numbers[nearer] = new[nearer], kind, number
        return way, kinds, numbers


@pytest.fixture(scope="module")
def grown():
    return tissue.grow()


@pytest.fixture(scope="module")
def small(grown):
    return Renderer(grown, VIEW, SMALL), Oracle(SMALL, grown.heights)


def compare(renderer, oracle, scene):
    renderer.draw(scene)
    kinds, numbers = renderer.frame.kinds, renderer.frame.numbers
    renderer.label(kinds, numbers)
    way, true_kinds, true_numbers = oracle.see(bodies.pose(scene, bodies.empty()))
    assert np.array_equal(kinds, true_kinds)
    assert np.array_equal(numbers, true_numbers)
    np.testing.assert_allclose(renderer.frame.depth, way * oracle.flatten, rtol=1e-9, atol=1e-11)


# Scenes -------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(seed=SEEDS)
def test_every_pixel_of_a_scene_is_the_oracles(small, grown, seed):
    compare(*small, specimen.scene(np.random.default_rng(seed), grown.heights))


@settings(max_examples=10)
@given(seed=SEEDS)
def test_so_it_is_when_instruments_and_objects_fly_anywhere(small, seed):
    rng = np.random.default_rng(seed)
    quaternions = rng.standard_normal((6, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    places = rng.uniform((-0.06, -0.08, -0.02), (0.06, 0.06, 0.12), (6, 3))
    points = rng.uniform((-0.12, -0.12, -0.02), (0.12, 0.08, 0.16), (4, 5, 3))
    compare(*small, Scene(points, np.concatenate((places, quaternions), 1), 0))


@pytest.mark.parametrize("right_m", [-world.BASELINE / 2, world.BASELINE / 2])
@pytest.mark.parametrize("move", [(0.0, 0.0, 0.0), (0.02, -0.02, -0.04), (-0.03, 0.03, 0.03)])
def test_so_it_is_from_elsewhere_and_for_each_eye(grown, move, right_m):
    eye = tuple(a + b for a, b in zip(VIEW.eye, move, strict=True))
    view = VIEW._replace(eye=eye)
    camera = look(view, 48, 28, right_m)
    renderer, oracle = Renderer(grown, view, camera), Oracle(camera, grown.heights)
    for seed in range(3):
        compare(renderer, oracle, specimen.scene(np.random.default_rng(seed), grown.heights))


def test_a_moved_camera_sees_what_one_that_always_stood_there_sees(grown):
    scene = specimen.scene(np.random.default_rng(5), grown.heights)
    far = VIEW._replace(eye=(0.03, -0.08, 0.13))
    moved = Renderer(grown, VIEW, look(VIEW, 128, 72))
    moved.draw(scene)
    moved.move(far, look(far, 96, 54))
    there = Renderer(grown, far, look(far, 96, 54))
    assert np.array_equal(moved.draw(scene), there.draw(scene))
    assert np.array_equal(moved.frame.depth, there.frame.depth)


def test_the_default_view_is_full_of_tissue_and_has_all_pegs(small, grown):
    renderer, _ = small
    renderer.draw(Scene(np.zeros((0, 5, 3)), np.zeros((0, 7)), 0))
    renderer.label(renderer.frame.kinds, renderer.frame.numbers)
    kinds, numbers = renderer.frame.kinds, renderer.frame.numbers
    assert set(np.unique(kinds)) == {Kind.TISSUE, Kind.PEG}
    assert set(np.unique(numbers[kinds == Kind.PEG])) == set(range(len(world.PEGS)))


# Cones alone --------------------------------------------------------------------------------------


def nearest_cone(rows, camera):
    eye, (ray, _) = camera.p_WC, rays(camera)
    ways = np.array([cone(eye, ray, row) for row in rows])
    owner = np.where(np.isfinite(ways.min(0)), ways.argmin(0), cones.NOBODY)
    return owner, ways.min(0)


def fill(rows, camera):
    shapes, bounds = np.zeros((len(rows), cones.PREPARED)), np.zeros((len(rows), cones.BOUND))
    size = (camera.height, camera.width)
    depth, owner = np.full(size, np.inf), np.full(size, cones.NOBODY, np.uint8)
    along, extent = np.zeros(size, np.float32), np.zeros((camera.height, 2), np.int32)
    cones.prepare(rows, camera.R_WC, camera.p_WC, shapes)
    raster.fill(shapes, camera.lens, bounds, depth, owner, along, extent)
    for row, (low, high) in enumerate(extent):
        outside = np.ones(camera.width, bool)
        outside[low : high + 1] = False
        assert np.all(owner[row, outside] == cones.NOBODY)
    return owner, depth


def wild(rng, count=12):
    """Cones of all shapes, near the eye, behind it, across its plane; balls among them."""
    rows = np.zeros((count, 8))
    rows[:, :3] = VIEW.eye + rng.normal(0.0, 0.08, (count, 3))
    rows[:, 3:6] = rows[:, :3] + rng.normal(0.0, 1.0, (count, 3)) * rng.choice(
        (0.0, 0.003, 0.03, 0.2), (count, 1)
    )
    rows[:, 6:] = rng.choice((0.0005, 0.003, 0.02), (count, 2)) * rng.uniform(0.5, 1.5, (count, 2))
    return rows


@settings(max_examples=60)
@given(seed=SEEDS)
def test_cones_of_any_shape_anywhere_are_seen_where_they_are(seed):
    rows = wild(np.random.default_rng(seed))
    camera = look(VIEW, 64, 36)
    owner, depth = fill(rows, camera)
    true_owner, way = nearest_cone(rows, camera)
    assert np.array_equal(owner, true_owner)
    np.testing.assert_allclose(depth, way * rays(camera)[1], rtol=1e-8, atol=1e-11)


@settings(max_examples=40)
@given(
    tilt=st.floats(0.0, 0.2),
    turn=st.floats(0.0, math.tau),
    ra=st.floats(0.0005, 0.01),
    rb=st.floats(0.0005, 0.01),
    length=st.floats(0.0, 0.05),
)
@example(tilt=0.0, turn=0.0, ra=0.004, rb=0.004, length=0.03)  # along the axis, to the digit
@example(tilt=0.0, turn=0.0, ra=0.001, rb=0.009, length=0.03)
@example(tilt=0.0, turn=0.0, ra=0.009, rb=0.001, length=0.03)
@example(tilt=0.0, turn=0.0, ra=0.002, rb=0.002, length=0.0)
def test_a_cone_seen_along_its_axis_is_seen_where_it_is(tilt, turn, ra, rb, length):
    camera = look(VIEW, 64, 36)
    off = (math.sin(tilt) * math.cos(turn), math.sin(tilt) * math.sin(turn), math.cos(tilt))
    start = camera.p_WC + 0.06 * camera.R_WC[:, 2]
    rows = np.array([[*start, *(start + length * camera.R_WC @ off), ra, rb]])
    owner, depth = fill(rows, camera)
    true_owner, way = nearest_cone(rows, camera)
    assert np.array_equal(owner, true_owner)
    np.testing.assert_allclose(depth, way * rays(camera)[1], rtol=1e-7, atol=1e-11)


def test_of_two_cones_in_the_same_place_the_first_is_seen():
    camera = look(VIEW, 64, 36)
    row = [*VIEW.target, 0.01, 0.0, 0.01, 0.005, 0.003]
    owner, _ = fill(np.array([row, row]), camera)
    assert set(np.unique(owner)) == {0, cones.NOBODY}


def test_an_eye_inside_a_cone_does_not_see_it():
    camera = look(VIEW, 64, 36)
    row = [*VIEW.eye, *VIEW.target, 0.01, 0.01]
    owner, _ = fill(np.array([row]), camera)
    assert np.all(owner == cones.NOBODY)
