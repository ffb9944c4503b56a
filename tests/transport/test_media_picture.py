"""A picture crosses as it is; anything else is refused by name."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.media.picture import (
    HEAD_BYTES,
    UNKNOWN,
    Camera,
    Format,
    PictureError,
    frame_id,
    pack_head,
    parts,
    pixel_bytes,
    unpack,
)

CAMERA = Camera((0.0, -0.1, 0.12, 0.5, 0.5, -0.5, 0.5), 0.8)


def picture(width, height, form=Format.RGB24, camera=CAMERA):
    data = bytearray(HEAD_BYTES + pixel_bytes(width, height, form))
    data[HEAD_BYTES:] = np.random.default_rng(1).bytes(len(data) - HEAD_BYTES)
    pack_head(width, height, form, camera, memoryview(data))
    return data


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(Format))
def test_what_was_written_is_read(width, height, form):
    width, height = 2 * width, 2 * height
    data = picture(width, height, form)
    read = unpack(bytes(data))
    assert (read.format, read.camera) == (form, CAMERA)
    assert read.pixels.tobytes() == bytes(data[HEAD_BYTES:])
    assert read.pixels.shape[:2] == (height if form is Format.RGB24 else height * 3 // 2, width)


def test_a_camera_that_nobody_knows_is_not_a_number():
    assert all(math.isnan(value) for value in unpack(picture(2, 2, camera=UNKNOWN)).camera.pose)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes are no picture"),
        (bytes(HEAD_BYTES), "another layout"),
        (picture(4, 4)[:-1], "143 bytes for RGB24 of 4x4"),
        (picture(4, 4) + b"x", "for RGB24 of 4x4"),
        (picture(0, 4), "a picture of 0x4"),
        (picture(9000, 1), "a picture of 9000x1"),
        (picture(4, 4)[:8] + b"\x07" + picture(4, 4)[9:], "another layout"),
        (picture(3, 2, Format.I420), "both must be even"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(data, why):
    with pytest.raises(PictureError, match=why):
        unpack(bytes(data))


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1))
def test_a_frames_name_tells_its_camera_its_source_and_its_number(camera, incarnation, counter):
    assert parts(frame_id(camera, incarnation, counter)) == (camera, incarnation, counter)


def test_a_counter_that_wraps_touches_no_other_part():
    assert parts(frame_id(3, 5, 2**32)) == (3, 5, 0)
