"""Writes a frame's number into the picture itself, and reads it back from a damaged copy.

Two rows of 21 black and white cells in the upper left corner: one white, one black, so that a
reader knows both; the number's 32 bits, highest first; a CRC of 8 bits. A cell is an eightieth of
the picture's width, so a scaled copy reads as well. What an encoder blurs is a cell's rim: only its
middle is read.

Rules
-----
- A cell that is neither black nor white, or a wrong CRC, means no number: none rather than a wrong
  one. By chance alone one damaged strip in 256 whose cells are all clear would pass.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ROWS: Final = 2
COLUMNS: Final = 21
_CELLS_ACROSS = 80
_BITS, _CHECK_BITS = 32, 8
_POLYNOMIAL, _START = 0x07, 0xFF  # CRC-8 of ITU-T I.432.1; not from 0, so that black is wrong
#: Black and white must be so far apart, of 255; in the third between them a cell is neither.
_CONTRAST_MIN = 60.0

assert ROWS * COLUMNS == 2 + _BITS + _CHECK_BITS


def draw(rgb: NDArray[np.uint8], number: int) -> None:
    """Draw `number` (its lower 32 bits) into a (h, w, 3) or (h, w) uint8 picture."""
    word = number & 0xFFFF_FFFF
    word = word << _CHECK_BITS | _check(word)
    bits = 0b10 << (_BITS + _CHECK_BITS) | word
    edges = _edges(rgb.shape[1])
    for cell in range(ROWS * COLUMNS):
        row, column = divmod(cell, COLUMNS)
        bit = bits >> (ROWS * COLUMNS - 1 - cell) & 1
        inside = slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])
        rgb[inside] = 255 * bit


def read(picture: NDArray[np.uint8]) -> int | None:
    """Return the number in a (h, w, 3) or (h, w) uint8 picture, None if it cannot be told."""
    if picture.shape[1] < _CELLS_ACROSS or picture.shape[0] < _edges(picture.shape[1])[ROWS]:
        return None
    levels = [_level(picture, *divmod(cell, COLUMNS)) for cell in range(ROWS * COLUMNS)]
    white, black, *cells = levels
    if white - black < _CONTRAST_MIN:
        return None
    word = 0
    for level in cells:
        share = (level - black) / (white - black)
        if 1.0 / 3.0 < share < 2.0 / 3.0:
            return None
        word = word << 1 | (share > 0.5)
    number, check = word >> _CHECK_BITS, word & 0xFF
    return number if _check(number) == check else None


def _level(picture: NDArray[np.uint8], row: int, column: int) -> float:
    edges = _edges(picture.shape[1])
    return float(picture[_middle(edges, row), _middle(edges, column)].mean())


def _middle(edges: list[int], cell: int) -> slice:
    rim = (edges[cell + 1] - edges[cell]) // 4
    return slice(edges[cell] + rim, edges[cell + 1] - rim)


def _edges(width: int) -> list[int]:
    return [round(cell * width / _CELLS_ACROSS) for cell in range(COLUMNS + 1)]


def _check(word: int) -> int:
    crc = _START
    for bit in range(_BITS - 1, -1, -1):
        carry = (crc >> 7) ^ (word >> bit & 1)
        crc = (crc << 1 & 0xFF) ^ (_POLYNOMIAL if carry else 0)
    return crc
