"""The simulator's process speaks the driver protocol with either model, and shows its scene."""

import builtins
import importlib
import sys
from pathlib import Path

import pytest

from safety.driver import Measure, Servo, Stop
from safety.messages import Driver
from teleop.settings import SimdSettings
from teleop.sim import scene, simd, world
from teleop.sim.model import JOINTS
from transport.io.process import ProcessSettings, Runtime
from transport.io.seqpacket import SeqpacketServer
from transport.io.shm_ring import RingReader
from transport.wire.codec import Registry, encode
from transport.wire.vector import is_unit, unpack_joints, unpack_setpoint

MEASURES = Registry((Measure,))
STILL = bytes(48)
_KNOWS = "import mujoco"


class Room:
    """A simulator and a robot's side that hears it, in one loop on the real clock."""

    def __init__(self, folder, model):
        self.runtime = Runtime(ProcessSettings(name="simd", run_dir=str(folder), skew_seed=4))
        self.heard = []
        self.answers = {}
        path = folder / "driver.sock"
        self.server = SeqpacketServer(self.runtime.loop, path, self._hear)
        self.runtime.keep(self.server)
        settings = SimdSettings(
            process=self.runtime.settings, driver=str(path), arms=2, model=model
        )
        simd.prepare(settings)
        self.simd = simd.Simd(settings, self.runtime)
        self.runtime.keep(self.simd)

    def run(self, done, seconds=30):
        """Let the loop run until `done()`."""

        def look():
            if done():
                self.runtime.stop()

        watch = self.runtime.loop.every(1_000_000, look)
        limit = self.runtime.loop.alarm(lambda: self.runtime.stop(1))
        limit.set(self.runtime.clock.now_ns() + seconds * 1_000_000_000)
        code = self.runtime.loop.run()
        watch.close()
        limit.close()
        assert code == 0, "it did not happen"

    def newest(self, arm):
        return next(m for m in reversed(self.heard) if m.arm == arm)

    def says(self, flag):
        return len(self.heard) > 4 and all(self.newest(arm).flags & flag for arm in (0, 1))

    def is_cleared(self):
        """Whether both arms follow; clear them if not: this machine may stall for 30 ms."""
        if not self.says(Driver.ENABLED):
            self.server.send(encode(Stop(34, None)))
        return self.says(Driver.ENABLED)

    def _hear(self, data):
        measure = MEASURES.decode(data)
        self.heard.append(measure)
        answer = self.answers.get(measure.arm)
        if answer is not None:
            self.server.send(encode(answer(measure)))


@pytest.fixture(params=["psm", "point"])
def room(request, tmp_path):
    room = Room(tmp_path, request.param)
    room.model = request.param
    yield room
    room.runtime.close()


def stand(measure):
    """Ask an arm to stand where it was when it was first heard."""
    pose = measure.measured
    return lambda m: Servo(33, m.arm, 1, m.driver_tick, 30_000, pose, STILL, 0, 0, False)


def test_it_measures_braked_follows_after_clear_and_brakes_in_silence(room):
    room.run(lambda: room.says(Driver.BRAKED))
    for arm in (0, 1):
        measure = room.newest(arm)
        assert measure.flags & Driver.SIMULATED
        assert is_unit(unpack_setpoint(measure.measured))
        joints = unpack_joints(measure.joints)
        assert len(joints) == (JOINTS + 1 if room.model == "psm" else 0)
        room.answers[arm] = stand(measure)
    room.run(room.is_cleared)
    room.answers.clear()
    room.run(lambda: room.says(Driver.BRAKED))
    assert all(arm.watchdog_trips >= 1 for arm in room.simd._arms)


def test_a_lost_robot_brakes_the_arms(room):
    room.run(lambda: room.says(Driver.BRAKED))
    for arm in (0, 1):
        room.answers[arm] = stand(room.newest(arm))
    room.run(room.is_cleared)
    room.server.close()
    room.run(lambda: all(arm.braked for arm in room.simd._arms))


def test_garbage_is_counted_and_moves_nothing(room):
    room.run(lambda: room.says(Driver.BRAKED))
    room.server.send(b"\xc1" * 40)
    room.server.send(encode(Servo(33, 9, 1, 0, 30_000, bytes(64), STILL, 0, 0, False)))
    room.run(lambda: room.simd._malformed == 1)
    assert room.says(Driver.BRAKED)


@pytest.mark.parametrize("room", ["psm"], indirect=True)
def test_the_scene_is_there_for_the_endoscope(room, tmp_path):
    reader = RingReader(tmp_path / "frames" / "scene.ring")
    frames = []

    def look():
        frame = reader.newest(frames[-1].number if frames else 0)
        frames.extend([frame] if frame else [])
        return len(frames) >= 3

    room.run(look)
    seen = scene.unpack(frames[-1].data)
    assert seen.instruments.shape == (2, scene.POINTS, 3)
    assert len(seen.objects) == world.OBJECTS
    assert frames[-1].age_ns >= 0
    reader.close()


def test_without_the_engine_the_model_with_physics_says_what_to_install(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "mujoco"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("teleop.sim.field", "teleop.sim.physics"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    honest = builtins.__import__

    def refuse(name, *rest):
        if name == "mujoco":
            raise ModuleNotFoundError("No module named 'mujoco'", name="mujoco")
        return honest(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.delattr(importlib.import_module("teleop.sim"), "field", raising=False)
    process = ProcessSettings(name="simd", run_dir=str(tmp_path))
    with pytest.raises(SystemExit, match="MuJoCo is not installed"):
        simd._field(SimdSettings(process=process, driver="", model="psm"), 0, lambda *_: None)


def test_one_file_alone_knows_the_engine():
    files = {path.name for path in Path("teleop").rglob("*.py") if _KNOWS in path.read_text()}
    assert files == {"physics.py"}
