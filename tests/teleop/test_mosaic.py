"""A picture in a terminal: every cell shows the mean of the pixels it stands for."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleop.console.mosaic import HALF, RESET, fit, lines, shrink

CELL = re.compile(r"(?:\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m)?" + HALF)


def read(row):
    """What a terminal would show: the colours above and below, cell by cell."""
    colours, shown = None, []
    for cell in CELL.finditer(row):
        if cell[1] is not None:
            numbers = [int(cell[n]) for n in range(1, 7)]
            colours = numbers[:3], numbers[3:]
        shown.append(colours)
    return shown


@given(st.integers(1, 20), st.integers(1, 10), st.integers(0, 30), st.integers(0, 30), st.data())
def test_each_cell_is_the_mean_of_its_pixels(columns, rows, wider, higher, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    shape = (2 * rows + higher, columns + wider, 3)
    image = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    small = shrink(image, columns, rows)
    assert small.shape == (2 * rows, columns, 3)
    cut_y = [n * shape[0] // (2 * rows) for n in range(2 * rows + 1)]
    cut_x = [n * shape[1] // columns for n in range(columns + 1)]
    y, x = rows, columns // 2
    block = image[cut_y[y] : cut_y[y + 1], cut_x[x] : cut_x[x + 1]].reshape(-1, 3)
    assert (small[y, x] == block.astype(int).sum(axis=0) // len(block)).all()


def test_a_terminal_shows_what_was_drawn():
    image = np.zeros((4, 6, 3), np.uint8)
    image[:2, :3] = (255, 0, 0)
    image[2:, 3:] = (0, 10, 200)
    drawn = lines(image, 6, 2)
    assert all(row.endswith(RESET) for row in drawn)
    assert read(drawn[0]) == [([255, 0, 0], [255, 0, 0])] * 3 + [([0, 0, 0], [0, 0, 0])] * 3
    assert read(drawn[1]) == [([0, 0, 0], [0, 0, 0])] * 3 + [([0, 10, 200], [0, 10, 200])] * 3
    assert drawn[0].count("38;2") == 2, "a colour is said only where it changes"


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(1, 300), st.integers(1, 100))
def test_what_fits_is_no_larger_than_the_room(height, width, columns, rows):
    wide, high = fit((height, width), columns, rows)
    assert 1 <= wide <= columns
    assert 1 <= high <= rows


def test_a_wide_picture_keeps_its_shape():
    assert fit((360, 640), 100, 40) == (100, 28)
    assert fit((360, 640), 200, 20) == (71, 19)


def test_a_picture_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="2x2 does not fill 4x2"):
        lines(np.zeros((2, 2, 3), np.uint8), 4, 1)
