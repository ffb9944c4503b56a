"""Turns RGB into the planes that a video encoder takes: I420, BT.601, limited range.

BT.601 with 16..235 is what an encoder and a browser assume of a picture that says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit


def i420(rgb: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Fill `out`.

    Parameters
    ----------
    rgb : (h, w, 3) uint8, h and w even
    out : (h * 3 // 2, w) uint8, contiguous: Y, then U, then V of half the width and height
    """
    height, width = rgb.shape[:2]
    flat = out.reshape(-1)
    pixels, quarter = height * width, height * width // 4
    _planes(
        rgb,
        flat[:pixels].reshape(height, width),
        flat[pixels : pixels + quarter].reshape(height // 2, width // 2),
        flat[pixels + quarter :].reshape(height // 2, width // 2),
    )


@jit
def _planes(
    rgb: NDArray[np.uint8],
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
) -> None:
    # ITU-R BT.601 in 1/256; chroma of the mean of four pixels, so of their sum in 1/1024.
    for row in range(blue.shape[0]):
        for column in range(blue.shape[1]):
            r = g = b = 0
            for corner in range(4):
                y, x = 2 * row + (corner >> 1), 2 * column + (corner & 1)
                pr, pg, pb = int(rgb[y, x, 0]), int(rgb[y, x, 1]), int(rgb[y, x, 2])
                luma[y, x] = (66 * pr + 129 * pg + 25 * pb + 4224) >> 8
                r, g, b = r + pr, g + pg, b + pb
            blue[row, column] = (-38 * r - 74 * g + 112 * b + 131584) >> 10
            red[row, column] = (112 * r - 94 * g - 18 * b + 131584) >> 10
