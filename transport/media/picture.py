"""How a camera's picture lies in a frame ring: a head that says what it is, then its pixels.

Head, little endian, 96 bytes: u32 magic, u16 width, u16 height, u8 format, 7 bytes zero; the
camera: seven float64 X_WC (position m, quaternion wxyz) and one float64 vertical field of view,
rad; 16 bytes zero. The camera's frame C looks along +z, x to the right of the picture, y down; W is
what its source calls the world. All NaN when the source does not know where its camera is.

Pixels: RGB24, rows from the top, no padding; or I420: the planes Y, U, V, the last two of half
the width and height.

Frame ids are u64: camera (16 bits), incarnation of its source (16), counter (32); the same for one
capture on every path that it takes.
"""

from __future__ import annotations

import math
import struct
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = 0x31435054  # "TPC1"
SIZE_MAX: Final = 8192
_HEAD = struct.Struct("<IHHB7x8d16x")
HEAD_BYTES: Final = _HEAD.size


class Format(IntEnum):
    """How pixels are laid out. Numbers are in recordings: append, never renumber."""

    RGB24 = 0
    I420 = 1


class PictureError(ValueError):
    """Bytes that are no picture of this layout."""


class Camera(NamedTuple):
    """Where a picture was taken from, and how wide.

    Parameters
    ----------
    pose : X_WC, position m and quaternion wxyz
    fovy_rad : vertical field of view
    """

    pose: tuple[float, float, float, float, float, float, float]
    fovy_rad: float


UNKNOWN: Final = Camera((math.nan,) * 7, math.nan)


class Picture(NamedTuple):
    """A picture as a consumer has it.

    Parameters
    ----------
    pixels : RGB24: (height, width, 3) uint8; I420: (height * 3 // 2, width) uint8, the planes below
        each other
    format, camera : see above
    """

    pixels: NDArray[np.uint8]
    format: Format
    camera: Camera


def pixel_bytes(width: int, height: int, form: Format) -> int:
    """Tell how many bytes the pixels take."""
    return width * height * 3 if form is Format.RGB24 else width * height * 3 // 2


def pack_head(width: int, height: int, form: Format, camera: Camera, out: memoryview) -> None:
    """Write the head of a picture to the start of `out`; its pixels follow at `HEAD_BYTES`."""
    _HEAD.pack_into(out, 0, MAGIC, width, height, form, *camera.pose, camera.fovy_rad)


def unpack(data: bytes | memoryview) -> Picture:
    """Read a picture; its pixels are a view of `data`.

    Raises
    ------
    PictureError : not of this layout, or of another size than it says
    """
    if len(data) < HEAD_BYTES:
        raise PictureError(f"{len(data)} bytes are no picture")
    magic, width, height, number, *camera = _HEAD.unpack_from(data)
    if magic != MAGIC or number not in tuple(Format):
        raise PictureError("another layout")
    form = Format(number)
    if not (0 < width <= SIZE_MAX and 0 < height <= SIZE_MAX):
        raise PictureError(f"a picture of {width}x{height}")
    if form is Format.I420 and (width % 2 or height % 2):
        raise PictureError(f"I420 of {width}x{height}: both must be even")
    if len(data) != HEAD_BYTES + pixel_bytes(width, height, form):
        raise PictureError(f"{len(data)} bytes for {form.name} of {width}x{height}")
    shape = (height, width, 3) if form is Format.RGB24 else (height * 3 // 2, width)
    pixels = np.frombuffer(data, np.uint8, offset=HEAD_BYTES).reshape(shape)
    x, y, z, qw, qx, qy, qz, fovy = camera
    return Picture(pixels, form, Camera((x, y, z, qw, qx, qy, qz), fovy))


def frame_id(camera: int, incarnation: int, counter: int) -> int:
    """Name a frame; the counter wraps at 2^32, incarnation and camera at 2^16."""
    return (camera & 0xFFFF) << 48 | (incarnation & 0xFFFF) << 32 | (counter & 0xFFFF_FFFF)


def parts(frame: int) -> tuple[int, int, int]:
    """Take a frame's name apart: camera, incarnation, counter."""
    return frame >> 48, frame >> 32 & 0xFFFF, frame & 0xFFFF_FFFF
