"""A picture for a terminal: two pixels in each character cell, by the upper half block.

Coarse, but a picture: enough to see where an instrument is and whether it moves. It needs a
terminal with 24-bit colour and nothing else, over any ssh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

HALF = "▀"
RESET = "\x1b[0m"


def fit(shape: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """Find the largest (columns, rows) in which a picture of (height, width) keeps its shape."""
    height, width = shape
    wide = min(columns, rows * 2 * width // height)
    return max(1, wide), max(1, min(rows, wide * height // (2 * width)))


def shrink(image: Image, columns: int, rows: int) -> Image:
    """Average a picture down to so many columns and twice so many rows.

    Parameters
    ----------
    image : (height, width, 3) uint8, at least as large

    Returns
    -------
    (2 * rows, columns, 3) uint8
    """
    height, width, _ = image.shape
    down = np.arange(2 * rows) * height // (2 * rows)
    across = np.arange(columns) * width // columns
    sums = np.add.reduceat(image.astype(np.uint32), down, axis=0)
    sums = np.add.reduceat(sums, across, axis=1)
    counts = np.diff(np.append(down, height))[:, None] * np.diff(np.append(across, width))
    return np.asarray(sums // counts[..., None], np.uint8)


def lines(image: Image, columns: int, rows: int) -> list[str]:
    """Draw a picture in so many columns and rows of a terminal, one string a row.

    Raises
    ------
    ValueError : the picture is smaller than that
    """
    height, width, _ = image.shape
    if width < columns or height < 2 * rows:
        raise ValueError(f"a picture of {width}x{height} does not fill {columns}x{2 * rows}")
    small = shrink(image, columns, rows)
    return [_row(small[2 * row].tolist(), small[2 * row + 1].tolist()) for row in range(rows)]


def _row(upper: list[list[int]], lower: list[list[int]]) -> str:
    """Draw a row; a colour is said only where it changes."""
    parts: list[str] = []
    before: tuple[list[int], list[int]] | None = None
    for above, below in zip(upper, lower, strict=True):
        if (above, below) != before:
            (r, g, b), (p, q, s) = above, below
            parts.append(f"\x1b[38;2;{r};{g};{b};48;2;{p};{q};{s}m")
            before = above, below
        parts.append(HALF)
    return "".join(parts) + RESET
