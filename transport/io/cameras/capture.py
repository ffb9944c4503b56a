"""A real camera, a file or a stream of the network, by FFmpeg.

`url` is what FFmpeg opens: `/dev/video0` (Video4Linux), `rtsp://...`, a file; a file is played at
its own rate, again and again. A thread reads and keeps the newest picture alone. A device that
fails is opened again, slower each time up to every two seconds.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import av
import numpy as np

from transport.io.camera import CameraFault, CameraSettings, Shot
from transport.io.process import Runtime
from transport.media.picture import frame_id

PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 2.0
_V4L2 = "/dev/video"
_LIVE = {"fflags": "nobuffer", "flags": "low_delay", "rtsp_transport": "tcp"}


def open_camera(settings: CameraSettings, runtime: Runtime) -> Capture:
    """Begin to read.

    Raises
    ------
    CameraFault : no address
    """
    if not settings.url:
        raise CameraFault("a camera of transport.io.cameras.capture needs its `url`")
    return Capture(settings, runtime)


class Capture:
    """The newest picture of a device, a file or a stream.

    Attributes
    ----------
    failures : times that it could not be opened, or ended
    """

    is_sensor = True

    def __init__(self, settings: CameraSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._clock = runtime.clock
        self._lock = threading.Lock()
        self._newest: Shot | None = None
        self._closing = threading.Event()
        self._counter = 0
        self._incarnation = 0
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def newest(self) -> Shot | None:
        """Return the newest picture, once."""
        with self._lock:
            shot, self._newest = self._newest, None
            return shot

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join(PAUSE_S_MAX)

    def _run(self) -> None:
        pause_s = PAUSE_S_MIN
        while not self._closing.is_set():
            self._incarnation += 1
            before = self._counter
            try:
                self._read()
                has_failed = False
            except (av.FFmpegError, OSError, ValueError, IndexError):
                has_failed = True
            came = self._counter > before
            if has_failed or not came:
                self.failures += 1
                pause_s = PAUSE_S_MIN if came else min(2 * pause_s, PAUSE_S_MAX)
                self._closing.wait(pause_s)

    def _read(self) -> None:
        """Read until the end."""
        with _opened(self._settings) as container:
            stream: Any = container.streams.video[0]
            stream.thread_type = "SLICE"
            is_file = not _is_live(self._settings.url)
            began_s: float | None = None
            for frame in container.decode(stream):
                if self._closing.is_set():
                    return
                captured_ns = self._clock.now_ns()
                if is_file and frame.time is not None:  # a file has no clock of its own
                    began_s = time.monotonic() - frame.time if began_s is None else began_s
                    self._closing.wait(max(0.0, began_s + frame.time - time.monotonic()))
                    captured_ns = self._clock.now_ns()
                self._keep(frame, captured_ns)

    def _keep(self, frame: av.VideoFrame, captured_ns: int) -> None:
        width, height = frame.width // 2 * 2, frame.height // 2 * 2
        pixels = frame.reformat(width, height, format="yuv420p").to_ndarray()
        self._counter += 1
        name = frame_id(self._settings.number, self._incarnation, self._counter)
        with self._lock:
            self._newest = Shot(np.asarray(pixels, np.uint8), name, captured_ns)


def _opened(settings: CameraSettings) -> Any:
    if settings.url.startswith(_V4L2):
        size = f"{settings.width}x{settings.height}"
        options = {"video_size": size, "framerate": str(settings.rate_hz)}
        return av.open(settings.url, format="v4l2", options=options, timeout=PAUSE_S_MAX)
    # FFmpeg shows nothing at all of a short file that it is told not to buffer.
    options = _LIVE if _is_live(settings.url) else {}
    return av.open(settings.url, options=options, timeout=PAUSE_S_MAX)


def _is_live(url: str) -> bool:
    return url.startswith((_V4L2, "rtsp://", "udp://", "tcp://"))
