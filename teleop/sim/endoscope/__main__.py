"""Writes one picture of a plausible scene: python -m teleop.sim.endoscope FILE.png."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world
from teleop.sim.endoscope import camera, png, specimen, tissue
from teleop.sim.endoscope.bodies import Kind
from teleop.sim.endoscope.renderer import Renderer

#: A colour for each kind, so that labels can be looked at.
PALETTE: dict[Kind, tuple[int, int, int]] = {
    Kind.BACKGROUND: (0, 0, 0),
    Kind.TISSUE: (90, 40, 40),
    Kind.PEG: (230, 230, 230),
    Kind.OBJECT: (240, 200, 40),
    Kind.SHAFT: (40, 90, 200),
    Kind.WRIST: (60, 180, 200),
    Kind.LEFT_FINGER: (60, 200, 60),
    Kind.RIGHT_FINGER: (220, 60, 200),
}


def main() -> int:
    """Draw and write; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m teleop.sim.endoscope", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="which scene")
    parser.add_argument("--size", type=_size, default=(1280, 720), metavar="WxH")
    parser.add_argument("--labels", action="store_true", help="what each pixel shows, in colours")
    asked = parser.parse_args()
    view = world.ENDOSCOPE
    grown = tissue.grow()
    renderer = Renderer(grown, view, camera.look(view, *asked.size))
    scene = specimen.scene(np.random.default_rng(asked.seed), grown.heights)
    picture = renderer.draw(scene)
    asked.file.write_bytes(png.encode(labels(renderer) if asked.labels else picture))
    return 0


def labels(renderer: Renderer) -> NDArray[np.uint8]:
    """Colour the labels of the picture drawn last: (h, w, 3) uint8."""
    kinds, numbers = renderer.frame.kinds, renderer.frame.numbers
    renderer.label(kinds, numbers)
    colours = np.array([PALETTE[kind] for kind in Kind], np.uint8)[kinds]
    return np.asarray(colours - (colours // 8) * (numbers % 6)[..., None], np.uint8)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 640x360")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    sys.exit(main())
