"""What the picture is like: where things land in it, shadows and edges, its bytes, its number."""

import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teleop.sim import scene as scenes
from teleop.sim import world
from teleop.sim.endoscope import bodies, cones, planes, png, raster, specimen, tissue
from teleop.sim.endoscope.bodies import Kind
from teleop.sim.endoscope.camera import look
from teleop.sim.endoscope.renderer import FAR, Renderer, check
from teleop.sim.scene import Scene
from transport.media import strip
from transport.media.picture import HEAD_BYTES

VIEW = world.ENDOSCOPE
CAMERA = look(VIEW, 320, 180)
NOTHING = Scene(np.zeros((0, 5, 3)), np.zeros((0, 7)), 0)
COUNTERS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def grown():
    return tissue.grow()


@pytest.fixture(scope="module")
def renderer(grown):
    return Renderer(grown, VIEW, CAMERA)


@pytest.fixture
def scene(grown):
    return specimen.scene(np.random.default_rng(3), grown.heights)


def labels(renderer):
    renderer.label(renderer.frame.kinds, renderer.frame.numbers)
    return renderer.frame.kinds, renderer.frame.numbers


def thing(height, x=0.0, y=0.0):
    return Scene(np.zeros((0, 5, 3)), np.array([[x, y, height, 1.0, 0.0, 0.0, 0.0]]), 0)


# Tissue -------------------------------------------------------------------------------------------


def test_a_seed_grows_one_tissue_and_another_seed_another(grown):
    again = tissue.grow.__wrapped__()
    for one, other in zip(grown, again, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(tissue.heights(), grown.heights)
    assert not np.array_equal(tissue.heights(world.TISSUE_SEED + 1), grown.heights)


@pytest.mark.parametrize("seed", range(5))
def test_the_work_area_is_gentle_and_its_mean_height_is_zero(seed):
    z = tissue.heights(seed)
    axis = np.linspace(-world.TISSUE_HALF, world.TISSUE_HALF, len(z))
    inside = np.hypot(axis[None, :], axis[:, None]) < tissue.WORK_RADIUS
    assert z[inside].mean() == pytest.approx(0.0, abs=1e-12)
    assert np.abs(z[inside]).max() < 0.005
    slopes = np.hypot(*np.gradient(z, tissue.CELL))
    assert slopes[inside].max() < math.tan(math.radians(40.0))


def test_a_height_between_the_grids_points_is_between_their_heights(grown):
    z, half = grown.heights, world.TISSUE_HALF
    assert tissue.height_at(z, -half, -half) == z[0, 0]
    assert tissue.height_at(z, half, -half) == pytest.approx(z[0, -1])
    assert tissue.height_at(z, 0.003, 0.005) == pytest.approx(z[165, 163])
    middle = tissue.height_at(z, 0.0035, 0.0055)
    assert middle == pytest.approx(z[165:167, 163:165].mean())


# Camera -------------------------------------------------------------------------------------------


@given(
    u=st.floats(-100.0, 500.0), v=st.floats(-100.0, 300.0), depth=st.floats(0.01, 1.0)
)  # fmt: skip
def test_a_point_on_a_pixels_ray_lands_in_that_pixel(u, v, depth):
    focal, u0, v0 = CAMERA.lens
    p_C = depth * np.array(((u - u0) / focal, (v - v0) / focal, 1.0))
    p_W = CAMERA.R_WC @ p_C + CAMERA.p_WC
    np.testing.assert_allclose(CAMERA.project(p_W), (u, v, depth), rtol=1e-9, atol=1e-9)


def test_the_target_is_in_the_middle_and_what_is_behind_the_eye_nowhere():
    u, v, depth = CAMERA.project(np.array(VIEW.target))
    assert (u, v) == pytest.approx((159.5, 89.5))
    assert depth == pytest.approx(math.dist(VIEW.eye, VIEW.target))
    behind = CAMERA.project(2.0 * np.array(VIEW.eye) - VIEW.target)
    assert np.isnan(behind[:2]).all()
    assert behind[2] == pytest.approx(-depth)


def test_the_picture_is_level_x_to_the_right_and_y_away_is_up():
    u, v, _ = CAMERA.project(np.array(((0.0, 0.0, 0.0), (0.01, 0.0, 0.0), (0.0, 0.01, 0.0)))).T
    assert u[1] > u[0]
    assert v[1] == pytest.approx(v[0])
    assert v[2] < v[0]


def test_the_two_eyes_see_a_point_apart_by_focal_length_times_baseline_over_depth():
    half = world.BASELINE / 2.0
    point = np.array((0.01, 0.02, 0.005))
    left, right = (look(VIEW, 320, 180, x).project(point) for x in (-half, half))
    assert left[1:] == pytest.approx(right[1:])
    assert left[0] - right[0] == pytest.approx(CAMERA.lens[0] * world.BASELINE / left[2])


@pytest.mark.parametrize(
    ("eye", "target"),
    [
        ((0.0, -0.07, 0.1), (0.0, 0.0, 0.0)),
        ((0.2, 0.01, 0.0), (0.0, 0.0, 0.0)),
        ((-0.1, 0.2, -0.1), (0.0, 0.0, 0.0)),
        ((0.0, 0.1, 0.05), (0.0, -0.1, 0.2)),
        ((-0.1, 0.0, 0.01), (0.1, 0.001, 0.0)),
    ],
)
def test_the_cameras_quaternion_is_its_rotation(eye, target):
    camera = look(world.View(eye, target, 40.0), 64, 36)
    w, x, y, z = camera.quaternion()
    assert w * w + x * x + y * y + z * z == pytest.approx(1.0)
    turned = np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
    )
    np.testing.assert_allclose(turned, camera.R_WC, atol=1e-12)
    np.testing.assert_allclose(camera.R_WC.T @ camera.R_WC, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.R_WC) == pytest.approx(1.0)


@pytest.mark.parametrize("size", [(0, 0), (641, 360), (640, 361)])
def test_a_picture_of_an_odd_size_is_refused(size):
    with pytest.raises(ValueError, match="even sides"):
        look(VIEW, *size)


def test_a_view_straight_down_is_refused():
    with pytest.raises(ValueError, match="level"):
        look(world.View((0.0, 0.0, 0.1), (0.0, 0.0, 0.0), 40.0), 64, 36)


def test_a_finger_is_where_its_tip_is_projected(renderer, grown):
    seen = 0
    for seed in range(20):
        scene = specimen.scene(np.random.default_rng(seed), grown.heights)
        renderer.draw(scene)
        kinds, numbers = labels(renderer)
        for arm, points in enumerate(scene.instruments):
            for kind, tip in ((Kind.LEFT_FINGER, points[3]), (Kind.RIGHT_FINGER, points[4])):
                u, v, depth = CAMERA.project(tip)
                if not (0 <= round(u) < 320 and 0 <= round(v) < 180):
                    continue
                at = round(v), round(u)
                surface = renderer.frame.depth[at]
                assert surface <= depth, "a tip's centre is never before what is seen there"
                if depth - surface < world.FINGER_TIP_RADIUS * 1.2 and kinds[at] == kind:
                    assert numbers[at] == arm
                    seen += 1
    assert seen > 20


# Picture ------------------------------------------------------------------------------------------


def test_a_picture_keeps_nothing_of_the_one_before(renderer, grown, scene):
    other = specimen.scene(np.random.default_rng(4), grown.heights)
    once = renderer.draw(scene).copy()
    first = (once, renderer.frame.depth.copy(), *(layer.copy() for layer in labels(renderer)))
    renderer.draw(other)
    assert not np.array_equal(renderer.frame.rgb, once)
    renderer.draw(NOTHING)
    renderer.draw(scene)
    second = (renderer.frame.rgb, renderer.frame.depth, *labels(renderer))
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(one, two)


def test_a_picture_may_be_drawn_straight_into_other_memory(renderer, scene):
    slot = memoryview(bytearray(HEAD_BYTES + 320 * 180 * 3))
    into = np.frombuffer(slot, np.uint8, offset=HEAD_BYTES).reshape(180, 320, 3)
    assert renderer.draw(scene, into) is into
    assert np.array_equal(into, renderer.draw(scene))


def test_a_scene_that_came_through_a_ring_is_drawn_alike(renderer, scene):
    once = renderer.draw(scene).copy()
    assert np.array_equal(renderer.draw(scenes.unpack(scenes.pack(scene))), once)


def test_a_shadow_is_under_a_thing_and_nowhere_else(renderer):
    empty = renderer.draw(NOTHING).astype(int)
    low = renderer.draw(thing(0.004)).astype(int)
    kinds, _ = labels(renderer)
    change = np.where((kinds == Kind.OBJECT)[..., None], 0, low - empty)
    around = slice(70, 110), slice(130, 190)
    assert change[around].min() < -25
    far = np.ones((180, 320), bool)
    far[50:130, 110:210] = False
    assert not change[far].any()


def test_a_shadow_is_darker_the_nearer_the_thing_is_to_the_tissue(renderer):
    empty = renderer.draw(NOTHING).astype(float)
    least = []
    for height in (0.003, 0.010, 0.030):
        left = renderer.draw(thing(height)) / np.maximum(empty, 1.0)
        kinds, _ = labels(renderer)
        least.append(left[(kinds == Kind.TISSUE) & (empty[..., 1] > 60.0)].min())
    assert least[0] < least[1] - 0.02
    assert least[1] < least[2] - 0.02
    assert least[2] < 0.98


def test_an_edge_pixel_is_a_mixture_of_what_meets_in_it(renderer, scene):
    smooth = renderer.draw(scene).astype(int)
    owner = renderer._owner.astype(int)
    edges = np.zeros(owner.shape, bool)
    edges[:, 1:] |= owner[:, 1:] != owner[:, :-1]
    edges[1:] |= owner[1:] != owner[:-1]
    edges[:, :-1] |= owner[:, 1:] != owner[:, :-1]
    edges[:-1] |= owner[1:] != owner[:-1]
    rough = draw_without_smoothing(renderer, scene).astype(int)
    assert np.array_equal(smooth[~edges], rough[~edges])
    changed = edges & (smooth != rough).any(-1)
    assert changed.sum() > 200
    for row, column in np.argwhere(changed)[::7]:
        near = rough[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].reshape(-1, 3)
        assert np.all(smooth[row, column] >= near.min(0) - 1)
        assert np.all(smooth[row, column] <= near.max(0) + 1)


def draw_without_smoothing(renderer, scene):
    edges, renderer._edges = renderer._edges, np.zeros(0, np.int32)
    try:
        return renderer.draw(scene).copy()
    finally:
        renderer._edges = edges


def test_when_its_room_is_full_smoothing_ends_and_nothing_else(renderer, scene):
    renderer.draw(scene)
    shapes = np.zeros((bodies.BODIES_MAX, cones.PREPARED))
    drawn = bodies.pose(scene, bodies.empty())
    cones.prepare(drawn.cones, CAMERA.R_WC, CAMERA.p_WC, shapes)
    room, colours = np.zeros(50, np.int32), np.zeros((50, 3), np.uint8)
    mixed = raster.smooth(
        shapes, CAMERA.lens, renderer._owner, renderer._extent, renderer.frame.depth,
        renderer.frame.rgb, room, colours,
    )  # fmt: skip
    assert mixed == 50


@pytest.mark.parametrize("value", [math.nan, math.inf, -2.0 * FAR])
@pytest.mark.parametrize("part", ["instruments", "objects"])
def test_a_scene_that_is_nowhere_is_refused_and_changes_nothing(renderer, scene, part, value):
    before = renderer.draw(scene).copy()
    broken = getattr(scene, part).copy()
    broken[0, ..., 1] = value
    with pytest.raises(ValueError, match="reaches"):
        renderer.draw(scene._replace(**{part: broken}))
    assert np.array_equal(renderer.frame.rgb, before)


def test_a_scene_of_too_much_is_refused(scene):
    with pytest.raises(ValueError, match="at most"):
        check(scene._replace(objects=np.zeros((33, 7))))
    with pytest.raises(ValueError, match="at most"):
        check(scene._replace(instruments=np.zeros((5, 5, 3))))


def test_the_largest_scene_is_drawn(renderer):
    rng = np.random.default_rng(0)
    objects = np.concatenate(
        (rng.uniform(-0.03, 0.03, (32, 3)), np.tile((1.0, 0.0, 0.0, 0.0), (32, 1))), 1
    )
    renderer.draw(Scene(rng.uniform(-0.05, 0.05, (4, 5, 3)), objects, 0))
    kinds, numbers = labels(renderer)
    assert set(np.unique(numbers[kinds >= Kind.SHAFT])) == {0, 1, 2, 3}
    assert numbers[kinds == Kind.OBJECT].max() > 25


# Bytes --------------------------------------------------------------------------------------------


def test_i420_is_what_bt_601_says_within_one_step():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8)
    rgb[:2, :4] = 255
    rgb[2:4, :4] = 0
    out = np.empty((30, 32), np.uint8)
    planes.i420(rgb, out)
    r, g, b = (rgb[..., k] / 255.0 for k in range(3))
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    blue, red = (b - luma) / 1.772, (r - luma) / 1.402
    halves = [x.reshape(10, 2, 16, 2).mean((1, 3)) for x in (blue, red)]
    flat = out.reshape(-1).astype(float)
    assert np.abs(flat[:640].reshape(20, 32) - (16.0 + 219.0 * luma)).max() <= 1.0
    assert np.abs(flat[640:800].reshape(10, 16) - (128.0 + 224.0 * halves[0])).max() <= 1.0
    assert np.abs(flat[800:].reshape(10, 16) - (128.0 + 224.0 * halves[1])).max() <= 1.0
    assert (flat[0], flat[64]) == (235.0, 16.0)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_png_holds_the_picture(shape):
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    data, chunks = png.encode(picture), {}
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"])[:4] == (7, 5, 8, 2 if len(shape) == 3 else 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, -1)
    assert not rows[:, 0].any()
    assert np.array_equal(rows[:, 1:].reshape(shape), picture)


# The number in the picture ------------------------------------------------------------------------


#: Only the corner is ever read, so only the corner is drawn: the rest would cost the test's time.
HEIGHT = 40
CLUTTER = np.random.default_rng(0).integers(60, 200, (HEIGHT, 640, 3), dtype=np.uint8)


def numbered(number, width=640):
    picture = np.resize(CLUTTER, (max(HEIGHT, width // 16), width, 3))
    strip.draw(picture, number)
    return picture


def blurred(picture, times):
    """Blur as a loop filter and two scalers would: a box of 3 x 3, so many times."""
    out = picture.astype(float)
    for _ in range(times):
        for axis in (0, 1):
            out = (np.roll(out, 1, axis) + out + np.roll(out, -1, axis)) / 3.0
    return out


def quantised(picture, step):
    """Quantise 8 x 8 blocks of the cosine transform coarsely, as H.264 at a low rate would."""
    k = np.arange(8)
    basis = np.sqrt(np.where(k == 0, 1.0, 2.0) / 8.0)[:, None] * np.cos(
        np.pi * (2 * k + 1) * k[:, None] / 16.0
    )
    height, width = picture.shape
    blocks = picture.reshape(height // 8, 8, width // 8, 8)
    there = np.einsum("ai,ricj,bj->racb", basis, blocks, basis)
    kept = np.round(there / step) * step
    return np.einsum("ai,racb,bj->ricj", basis, kept, basis).reshape(height, width)


def damaged(number, seed, noise=18.0, step=50.0):
    luma = numbered(number)[:, :, 1].astype(float)
    luma = np.roll(luma, (3, 3), (0, 1))  # off the transform's grid, then back
    luma = np.roll(quantised(blurred(luma, 2), step), (-3, -3), (0, 1))
    luma += np.random.default_rng(seed).normal(0.0, noise, luma.shape)
    return np.clip(luma, 16.0, 235.0).astype(np.uint8)


@given(number=COUNTERS)
def test_the_number_is_read_back(number):
    assert strip.read(numbered(number)) == number
    assert strip.read(numbered(number)[..., 0]) == number


def test_only_its_lower_32_bits_are_there():
    picture = numbered(7)
    strip.draw(picture, (3 << 48) + 7)
    assert strip.read(picture) == 7


@settings(max_examples=30)
@given(number=COUNTERS, seed=st.integers(0, 1000))
def test_blur_noise_and_coarse_coding_leave_it_readable(number, seed):
    assert strip.read(damaged(number, seed)) == number


@pytest.mark.parametrize("factor", [2, 3, 0.5])
@given(number=COUNTERS)
@settings(max_examples=10)
def test_a_scaled_copy_reads_as_well(factor, number):
    picture = numbered(number)
    if factor < 1:
        scaled = picture.reshape(HEIGHT // 2, 2, 320, 2, 3).mean((1, 3)).astype(np.uint8)
    else:
        scaled = np.repeat(np.repeat(picture, factor, 0), factor, 1)
    assert strip.read(scaled) == number


@given(number=COUNTERS, width=st.integers(80, 2000))
@settings(max_examples=30)
def test_every_width_has_room_for_it(number, width):
    assert strip.read(numbered(number, width)) == number


@settings(max_examples=60)
@given(number=COUNTERS, cell=st.integers(0, 41), level=st.integers(0, 255))
def test_a_cell_that_is_lost_costs_the_number_and_never_changes_it(number, cell, level):
    picture = numbered(number)
    row, column = divmod(cell, strip.COLUMNS)
    picture[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = level
    assert strip.read(picture) in (number, None)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_without_one_has_no_number(level):
    assert strip.read(np.full((360, 640, 3), level, np.uint8)) is None
    assert strip.read(np.full((4, 640), level, np.uint8)) is None
    assert strip.read(np.full((90, 79), level, np.uint8)) is None
