"""A camera that another process of this node is: its pictures come by a frame ring.

`url` is the ring's name in `<run_dir>/frames`, without its ending. A producer that starts anew is
followed; one that is dead shows nothing more, and whoever watches freshness says so.
"""

from __future__ import annotations

import av
import numpy as np

from transport.io.camera import CameraSettings, Shot
from transport.io.process import Runtime
from transport.io.shm_ring import Frame, RingReader
from transport.media.picture import Format, PictureError, unpack
from transport.telemetry.header import TelemetryError


def open_camera(settings: CameraSettings, runtime: Runtime) -> RingCamera:
    """Look at a ring, as soon as there is one."""
    return RingCamera(settings, runtime)


class RingCamera:
    """The newest picture of a ring.

    Attributes
    ----------
    refused : frames that were no picture
    """

    is_sensor = False  # what is drawn has no noise, and stands still when nothing moves

    def __init__(self, settings: CameraSettings, runtime: Runtime) -> None:
        self._path = runtime.path("frames") / f"{settings.url}.ring"
        self._clock = runtime.clock
        self._ring: RingReader | None = None
        self._number = 0
        self.refused = 0

    def newest(self) -> Shot | None:
        """Return the ring's newest picture, if it is another."""
        if self._ring is None or self._ring.replaced():
            self._reopen()
        frame = self._ring.newest(self._number) if self._ring is not None else None
        if frame is None:
            return None
        now_ns = self._clock.now_ns()
        self._number = frame.number
        try:
            return _shot(frame, now_ns)
        except PictureError:
            self.refused += 1
            return None

    def close(self) -> None:
        """Let go of the ring."""
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def _reopen(self) -> None:
        self.close()
        self._number = 0
        try:
            self._ring = RingReader(self._path)
        except (OSError, TelemetryError):
            pass  # not there yet, or still being made: the next look


def _shot(frame: Frame, now_ns: int) -> Shot:
    picture = unpack(frame.data)
    pixels = picture.pixels
    if picture.format is not Format.I420:
        height, width, _ = pixels.shape
        if width % 2 or height % 2:
            raise PictureError(f"{width}x{height}: both must be even")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        pixels = np.asarray(rgb.reformat(format="yuv420p").to_ndarray(), np.uint8)
    return Shot(pixels, frame.frame_id, now_ns - frame.age_ns)
