"""The endoscope's process in virtual time: scenes come, stop, come anew; pictures and ages."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teleop.settings import EndoscopedSettings
from teleop.sim import endoscoped, world
from teleop.sim.endoscope import planes, specimen, tissue
from teleop.sim.endoscope.camera import look
from teleop.sim.endoscope.renderer import Renderer
from teleop.sim.endoscoped import LOOK_NS, Endoscoped
from teleop.sim.scene import BYTES_MAX, pack
from transport.io.process import ProcessSettings
from transport.io.shm_ring import RingReader, RingWriter
from transport.media import strip
from transport.media.picture import Format, parts, unpack
from transport.telemetry.board import Board

MS = 1_000_000
PERIOD_NS = 1_000_000_000 // 30
WIDTH, HEIGHT = 160, 90


class Runtime:
    """A process whose clock stands until it is told to run; its boards and rings are real."""

    def __init__(self, folder):
        self.clock = self.loop = self
        self._folder, self._now_ns, self._timers = folder, 7_000 * MS, []
        self.is_ready, self._kept = False, []

    def now_ns(self):
        return self._now_ns

    def every(self, period_ns, on_tick):
        self._timers.append([self._now_ns + period_ns, period_ns, on_tick])

    def open_board(self, counters, gauges, histograms):
        names = tuple(counters), tuple(gauges), tuple(histograms)
        self.board = Board.create(memoryview(bytearray(Board.size(*names))), *names)
        return self.board

    def path(self, name):
        return self._folder / name

    def keep(self, thing):
        self._kept.append(thing)
        return thing

    def ready(self):
        self.is_ready = True

    def run(self, until_ns):
        """Let time pass to `until_ns`, every timer firing at its nanosecond."""
        while (due := min(self._timers))[0] <= until_ns:
            self._now_ns = due[0]
            due[0] += due[1]
            due[2]()
        self._now_ns = until_ns


class Theatre:
    """An endoscope, a simulator that feeds it, and somebody who watches."""

    def __init__(self, folder, **asked):
        self.runtime = Runtime(folder)
        process = ProcessSettings(name="endoscoped", run_dir=str(folder))
        self.endoscope = Endoscoped(
            EndoscopedSettings(process=process, **{"width": WIDTH, "height": HEIGHT, **asked}),
            self.runtime,
        )
        self.pictures = RingReader(folder / "frames" / "endoscope.ring")
        self.simulator = None
        self._seen = 0

    def start_simulator(self):
        self.simulator = RingWriter(self.runtime.path("frames") / "scene.ring", 4, BYTES_MAX)

    def say(self, scene, age_ns=0):
        data = scene if isinstance(scene, bytes) else pack(scene)
        self.simulator.publish(data, 1, age_ns)

    def wait(self, ns):
        self.runtime.run(self.runtime.now_ns() + ns)

    def picture(self):
        """The newest picture, if there is one not seen yet."""
        frame = self.pictures.newest(self._seen)
        if frame is not None:
            self._seen = frame.number
        return frame

    def count(self, name):
        return self.runtime.board.counter(name).value


@pytest.fixture(scope="module")
def grown():
    return tissue.grow()


@pytest.fixture
def theatre(tmp_path, monkeypatch, grown):
    monkeypatch.setattr(endoscoped.tissue, "grow", lambda: grown)
    return lambda **asked: Theatre(tmp_path, **asked)


@pytest.fixture
def scene(grown):
    return specimen.scene(np.random.default_rng(1), grown.heights)


@pytest.fixture
def other(grown):
    return specimen.scene(np.random.default_rng(2), grown.heights)


def test_without_a_scene_there_is_no_picture_and_that_is_counted(theatre):
    here = theatre()
    assert here.runtime.is_ready
    here.wait(1000 * MS)
    assert here.picture() is None
    assert here.count("no_scene_total") == 30
    assert here.count("frames_total") == 0


def test_a_scene_becomes_a_picture_of_it_with_its_name_and_its_place(theatre, scene, grown):
    here = theatre(camera=7)
    here.start_simulator()
    here.say(scene)
    here.wait(PERIOD_NS)
    frame = here.picture()
    camera, _, counter = parts(frame.frame_id)
    assert (camera, counter) == (7, 0)
    shown = unpack(frame.data)
    seen = look(world.ENDOSCOPE, WIDTH, HEIGHT)
    expected = Renderer(grown, world.ENDOSCOPE, seen).draw(scene)
    strip.draw(expected, 0)
    assert shown.format is Format.RGB24
    assert np.array_equal(shown.pixels, expected)
    assert shown.camera.pose == pytest.approx((*world.ENDOSCOPE.eye, *seen.quaternion()))
    assert shown.camera.fovy_rad == pytest.approx(seen.fovy_rad)


def test_frames_are_counted_in_their_names_and_in_the_pictures_themselves(theatre, scene):
    here = theatre()
    here.start_simulator()
    here.say(scene)
    incarnations = set()
    for counter in range(5):
        here.wait(PERIOD_NS)
        frame = here.picture()
        assert parts(frame.frame_id)[2] == counter == strip.read(unpack(frame.data).pixels)
        incarnations.add(parts(frame.frame_id)[1])
    assert len(incarnations) == 1
    assert here.count("frames_total") == 5


def test_the_number_can_be_left_out_of_the_picture(theatre, scene):
    here = theatre(strip=False)
    here.start_simulator()
    here.say(scene)
    here.wait(PERIOD_NS)
    assert strip.read(unpack(here.picture().data).pixels) is None


def test_planes_for_an_encoder_are_those_of_the_same_picture(theatre, scene, grown):
    here = theatre(format="i420", strip=False)
    here.start_simulator()
    here.say(scene)
    here.wait(PERIOD_NS)
    shown = unpack(here.picture().data)
    seen = look(world.ENDOSCOPE, WIDTH, HEIGHT)
    expected = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
    planes.i420(Renderer(grown, world.ENDOSCOPE, seen).draw(scene), expected)
    assert shown.format is Format.I420
    assert np.array_equal(shown.pixels, expected)


def test_an_eye_beside_the_axis_says_so_and_sees_another_picture(theatre, scene):
    shown = []
    for right_m in (-world.BASELINE / 2, world.BASELINE / 2):
        here = theatre(right_m=right_m)
        here.start_simulator()
        here.say(scene)
        here.wait(PERIOD_NS)
        shown.append(unpack(here.picture().data))
    left, right = shown
    assert right.camera.pose[0] - left.camera.pose[0] == pytest.approx(world.BASELINE)
    assert not np.array_equal(left.pixels, right.pixels)


def test_when_the_simulator_stops_its_last_scene_is_shown_ever_older(theatre, scene):
    here = theatre(strip=False)
    here.start_simulator()
    here.say(scene, age_ns=3 * MS)
    ages, pixels = [], []
    for _ in range(60):
        here.wait(PERIOD_NS)
        frame = here.picture()
        ages.append(frame.age_ns)
        pixels.append(unpack(frame.data).pixels)
    assert all(b - a == PERIOD_NS for a, b in pairwise(ages))
    assert ages[-1] > 1900 * MS
    assert all(np.array_equal(pixels[0], later) for later in pixels)


def test_a_simulator_that_starts_anew_is_seen_again(theatre, scene, other):
    here = theatre(strip=False)
    here.start_simulator()
    here.say(scene)
    here.wait(500 * MS)
    old = unpack(here.picture().data).pixels
    here.simulator.close()
    here.start_simulator()
    here.wait(PERIOD_NS)
    assert here.picture().age_ns > 500 * MS, "an empty ring makes nothing younger"
    here.say(other)
    here.wait(2 * PERIOD_NS)
    frame = here.picture()
    assert frame.age_ns < 3 * PERIOD_NS
    assert not np.array_equal(unpack(frame.data).pixels, old)


@pytest.mark.parametrize("what", ["no scene", "nowhere"])
def test_a_scene_that_is_none_is_counted_and_makes_nothing_younger(theatre, scene, what):
    here = theatre(strip=False)
    here.start_simulator()
    here.say(scene)
    here.wait(PERIOD_NS)
    before = here.picture()
    instruments = np.full((1, 5, 3), np.nan)
    here.say(b"junk" if what == "no scene" else scene._replace(instruments=instruments))
    here.wait(PERIOD_NS)
    after = here.picture()
    assert here.count("malformed_total") == 1
    assert after.age_ns == before.age_ns + PERIOD_NS
    assert unpack(after.data).pixels.tobytes() == unpack(before.data).pixels.tobytes()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gaps=st.lists(st.integers(0, 80 * MS), min_size=1, max_size=8), age_ns=st.integers(0, 50 * MS)
)
def test_a_picture_is_never_younger_than_it_says_nor_much_older(theatre, scene, gaps, age_ns):
    here = theatre(strip=False)
    here.start_simulator()
    for gap in gaps:
        here.wait(gap)
        here.say(scene, age_ns)
    said_ns = here.runtime.now_ns()
    here.wait(PERIOD_NS)
    frame = here.picture()
    truly_ns = here.runtime.now_ns() - said_ns + age_ns
    drawn_ns = here.runtime.now_ns() - frame_instant(here)
    assert truly_ns - drawn_ns <= frame.age_ns <= truly_ns - drawn_ns + LOOK_NS


def frame_instant(here):
    """When the newest picture was drawn: a virtual picture takes no time."""
    since = (here.runtime.now_ns() - 7_000 * MS) % PERIOD_NS
    return here.runtime.now_ns() - since


def test_how_long_a_picture_takes_and_how_old_it_is_stand_on_the_board(theatre, scene):
    here = theatre()
    here.start_simulator()
    here.say(scene, 5 * MS)
    here.wait(3 * PERIOD_NS)
    assert here.runtime.board.histogram("render_ns").count == 3
    assert here.runtime.board.histogram("age_ns").count == 3
    assert here.runtime.board.histogram("age_ns").max_ns >= 5 * MS + 2 * PERIOD_NS
