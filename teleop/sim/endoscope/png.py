"""Writes a picture as PNG (ISO/IEC 15948): eight bits, grey or RGB, no filter."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2


def encode(picture: NDArray[np.uint8]) -> bytes:
    """Return a (h, w) or (h, w, 3) uint8 picture as a PNG file."""
    height, width = picture.shape[:2]
    colour = _GREY if picture.ndim == 2 else _RGB
    rows = np.ascontiguousarray(picture).reshape(height, -1)
    unfiltered = np.concatenate((np.zeros((height, 1), np.uint8), rows), 1)
    return (
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(unfiltered.tobytes(), 6))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
