"""The endoscope's process: the newest scene of the simulator becomes a picture, at a steady rate.

When the simulator stops, the last scene is drawn on, ever older: the picture's age says so. A
scene carries its age at its publication; how long it then waited in the ring is not known, so it
counts as all the time since the last look. A picture is thus never younger than it says.
"""

from __future__ import annotations

import secrets
import sys

import numpy as np

from teleop.settings import EndoscopedSettings
from teleop.sim import world
from teleop.sim.endoscope import camera, planes, renderer, tissue
from teleop.sim.scene import Scene, unpack
from transport.io.process import Runtime, main
from transport.io.shm_ring import RingReader, RingWriter
from transport.media import picture, strip
from transport.media.picture import Format
from transport.telemetry.header import TelemetryError

#: Three consumers may each copy one while the next is drawn.
SLOTS = 4
#: Between two looks at the scenes: what a picture's age is exaggerated by at most.
LOOK_NS = 4_000_000
COUNTERS = ("frames_total", "no_scene_total", "malformed_total")
HISTOGRAMS = ("render_ns", "age_ns")


class Endoscoped:
    """An endoscope that looks at simulated arms."""

    def __init__(self, settings: EndoscopedSettings, runtime: Runtime) -> None:
        self._settings, self._clock = settings, runtime.clock
        board = runtime.open_board(COUNTERS, (), HISTOGRAMS)
        self._frames, self._no_scene, self._malformed = (board.counter(name) for name in COUNTERS)
        self._render_ns, self._age_ns = (board.histogram(name) for name in HISTOGRAMS)
        width, height = settings.width, settings.height
        self._format = Format[settings.format.upper()]
        seen = camera.look(world.ENDOSCOPE, width, height, settings.right_m)
        self._renderer = renderer.Renderer(tissue.grow(), world.ENDOSCOPE, seen)
        x, y, z = map(float, seen.p_WC)
        self._taken_from = picture.Camera((x, y, z, *seen.quaternion()), seen.fovy_rad)
        self._bytes = picture.HEAD_BYTES + picture.pixel_bytes(width, height, self._format)
        folder = runtime.path("frames")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._scenes_path = folder / "scene.ring"
        self._scenes: RingReader | None = None
        self._number = 0
        self._looked_ns = self._clock.now_ns()
        self._scene: Scene | None = None
        self._born_ns = 0
        self._incarnation = secrets.randbits(16)
        self._counter = 0
        self._ring = runtime.keep(RingWriter(folder / "endoscope.ring", SLOTS, self._bytes))
        runtime.loop.every(LOOK_NS, self._look)
        runtime.loop.every(1_000_000_000 // settings.rate_hz, self._draw)
        runtime.ready()

    def close(self) -> None:
        """Close the scenes; the pictures are the runtime's to close."""
        if self._scenes is not None:
            self._scenes.close()

    def _look(self) -> None:
        before_ns, self._looked_ns = self._looked_ns, self._clock.now_ns()
        if self._scenes is None or self._scenes.replaced():
            self._reopen()
        frame = self._scenes.newest(self._number) if self._scenes is not None else None
        if frame is None:
            return
        self._number = frame.number
        try:
            self._scene = renderer.check(unpack(frame.data))
        except ValueError:
            self._malformed.add()
        else:
            self._born_ns = before_ns - frame.age_ns

    def _reopen(self) -> None:
        self.close()
        self._scenes, self._number = None, 0
        try:
            self._scenes = RingReader(self._scenes_path)
        except (OSError, TelemetryError):
            return  # not there yet, or still being made: the next look

    def _draw(self) -> None:
        self._look()
        if self._scene is None:
            self._no_scene.add()
            return
        begun_ns = self._clock.now_ns()
        width, height = self._settings.width, self._settings.height
        slot = self._ring.claim()
        picture.pack_head(width, height, self._format, self._taken_from, slot)
        pixels = np.frombuffer(slot, np.uint8, self._bytes - picture.HEAD_BYTES, picture.HEAD_BYTES)
        is_rgb = self._format is Format.RGB24
        rgb = self._renderer.draw(self._scene, pixels.reshape(height, width, 3) if is_rgb else None)
        if self._settings.strip:
            strip.draw(rgb, self._counter)
        if not is_rgb:
            planes.i420(rgb, pixels.reshape(height * 3 // 2, width))
        now_ns = self._clock.now_ns()
        name = picture.frame_id(self._settings.camera, self._incarnation, self._counter)
        self._ring.commit(self._bytes, name, now_ns - self._born_ns)
        self._counter += 1
        self._frames.add()
        self._render_ns.record(now_ns - begun_ns)
        self._age_ns.record(now_ns - self._born_ns)


def prepare(_: EndoscopedSettings) -> None:
    """Compile what draws, before the first picture is due."""
    renderer.warm()


if __name__ == "__main__":
    sys.exit(main(EndoscopedSettings, Endoscoped, prepare))
