"""A test chart: something moves, something stays, and each picture bears its number.

For whoever sets a node up, and for measuring: the number is read back from what a viewer shows
(transport.media.strip), so that glass to glass is measured on the picture itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transport.io.camera import CameraSettings, Shot
from transport.io.process import Runtime
from transport.media import strip
from transport.media.picture import frame_id

#: Pictures that are made before the first is asked for, and repeat.
PREPARED = 32
#: Sensor noise, of 255: without it an encoder has nothing to do where nothing moves.
NOISE = 2.0
_S = 1_000_000_000


def open_camera(settings: CameraSettings, runtime: Runtime) -> Chart:
    """Draw the chart."""
    return Chart(settings, runtime)


class Chart:
    """A camera before a chart, at a steady rate."""

    is_sensor = True

    def __init__(self, settings: CameraSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._clock = runtime.clock
        self._pictures = draw(settings.width, settings.height, PREPARED, settings.number)
        self._period_ns = _S // settings.rate_hz
        self._due_ns = self._clock.now_ns()
        self._counter = 0

    def newest(self) -> Shot | None:
        """Return a picture when the next is due; what nobody asked for in time is left out."""
        now_ns = self._clock.now_ns()
        if now_ns < self._due_ns:
            return None
        late = (now_ns - self._due_ns) // self._period_ns
        captured_ns = self._due_ns + late * self._period_ns
        self._due_ns = captured_ns + self._period_ns
        self._counter += late + 1
        pixels = self._pictures[self._counter % PREPARED].copy()
        strip.draw(pixels[: self._settings.height], self._counter)
        return Shot(pixels, frame_id(self._settings.number, 1, self._counter), captured_ns)

    def close(self) -> None:
        """Nothing is held."""


def draw(width: int, height: int, count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Draw pictures of a chart, I420: gratings, a disk that goes round, noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    still = 110 + 50 * np.sin(x * x / (40.0 * width)) * np.sin(y * y / (40.0 * height))
    pictures = []
    for number in range(count):
        angle = 2 * np.pi * number / count
        centre = width * (0.5 + 0.3 * np.cos(angle)), height * (0.5 + 0.3 * np.sin(angle))
        disk = np.hypot(x - centre[0], y - centre[1]) < height / 8
        luma = np.where(disk, 220.0, still) + rng.normal(0.0, NOISE, still.shape)
        out = np.full((height * 3 // 2, width), 128, np.uint8)
        out[:height] = np.clip(luma, 16, 235)
        pictures.append(out)
    return pictures
