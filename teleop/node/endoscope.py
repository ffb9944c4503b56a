"""The newest endoscope picture of the node on this machine, for a console that shows it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transport.io.shm_ring import RingReader
from transport.media.picture import PictureError, unpack
from transport.telemetry.header import TelemetryError

Image = NDArray[np.uint8]


class Endoscope:
    """The frame ring of a node's endoscope, whether or not it is there (yet, or still)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring: RingReader | None = None
        self._number = 0

    def __enter__(self) -> Endoscope:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def newest(self) -> Image | None:
        """Give the newest picture, (height, width, 3) uint8 RGB, if there is one not seen yet."""
        if self._ring is None or self._ring.replaced():
            self._reopen()
        frame = self._ring.newest(self._number) if self._ring is not None else None
        if frame is None:
            return None
        self._number = frame.number
        with contextlib.suppress(PictureError):
            return unpack(frame.data).pixels
        return None

    def close(self) -> None:
        """Unmap."""
        if self._ring is not None:
            self._ring.close()

    def _reopen(self) -> None:
        self.close()
        self._ring, self._number = None, 0
        with contextlib.suppress(OSError, TelemetryError):
            self._ring = RingReader(self._path)
