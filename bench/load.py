"""Put honest work on every core: x264 encoding and matrix products, at nice 0, for a stated time.

This is the neighbour a hospital's node really has (video, inference), not a spinning loop: it
touches caches, memory and the scheduler as the real one does. It ends by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.children import spawn, stop

WIDTH, HEIGHT, RATE_HZ = 1280, 720, 30
MATRIX_SIDE = 512
READY_WAIT_S = 5.0
KINDS = ("x264", "matmul")


class MissingEncoder(RuntimeError):
    """PyAV or its x264 is not installed: the mixed load cannot be made here."""


@contextlib.contextmanager
def mix(seconds: float, directory: Path) -> Iterator[None]:
    """Hold both kinds of work on all cores while the body runs, for `seconds` at most.

    Each kind alone has a thread for every core, so that both cores stay busy when one kind waits.
    """
    if not has_encoder():
        raise MissingEncoder("PyAV with libx264 is not installed")
    marks = [directory / f"load-{kind}.ready" for kind in KINDS]
    for mark in marks:
        mark.unlink(missing_ok=True)
    children = [
        spawn(
            ["-m", "bench.load", "--kind", kind, "--seconds", str(seconds), "--ready", str(mark)],
            environment={"OPENBLAS_NUM_THREADS": str(os.cpu_count() or 1)},
        )
        for kind, mark in zip(KINDS, marks, strict=True)
    ]
    try:
        _wait_ready(children, marks)
        yield
    finally:
        stop(children)


def has_encoder() -> bool:
    """Say whether PyAV can encode x264 here."""
    try:
        import av

        av.codec.Codec("libx264", "w")
    except (ImportError, ValueError):
        return False
    return True


def moving_picture(index: int) -> npt.NDArray[np.uint8]:
    """Return picture `index`: shape (HEIGHT, WIDTH, 3), uint8 RGB, moving so the encoder works."""
    ramp = (np.arange(WIDTH, dtype=np.int64) + 5 * index) & 0xFF
    wave = (np.arange(HEIGHT, dtype=np.int64)[:, None] * 3 - 7 * index) & 0xFF
    grain = np.random.default_rng(index).integers(0, 24, (HEIGHT, WIDTH), dtype=np.int64)
    luma = ((ramp[None, :] ^ wave) + grain).clip(0, 255).astype(np.uint8)
    return np.stack([luma, luma[::-1], luma[:, ::-1]], axis=2)


def encode(running: Callable[[], bool], started: Callable[[], None] = lambda: None) -> int:
    """Encode 720p with x264, all cores, as fast as it goes; return the pictures encoded."""
    import av

    codec = av.VideoCodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.framerate = Fraction(RATE_HZ)
    codec.thread_count = 0
    codec.options = {"preset": "medium", "tune": "zerolatency"}
    pictures = [
        av.VideoFrame.from_ndarray(moving_picture(index), format="rgb24").reformat(format="yuv420p")
        for index in range(8)
    ]
    started()
    count = 0
    while running():
        picture = pictures[count % len(pictures)]
        picture.pts = count
        codec.encode(picture)
        count += 1
    return count


def multiply(running: Callable[[], bool], started: Callable[[], None] = lambda: None) -> int:
    """Multiply float32 matrices with BLAS on all its threads; return the products made."""
    source = np.random.default_rng(1)
    left = source.standard_normal((MATRIX_SIDE, MATRIX_SIDE), dtype=np.float32)
    right = source.standard_normal((MATRIX_SIDE, MATRIX_SIDE), dtype=np.float32)
    out = np.empty_like(left)
    started()
    count = 0
    while running():
        np.matmul(left, right, out=out)
        count += 1
    return count


def _wait_ready(children: Sequence[subprocess.Popen[bytes]], marks: Sequence[Path]) -> None:
    give_up = time.monotonic() + READY_WAIT_S
    while not all(mark.exists() for mark in marks):
        if any(child.poll() is not None for child in children) or time.monotonic() > give_up:
            raise MissingEncoder("a load process ended or did not start within 5 s")
        time.sleep(0.02)


def main(argv: Sequence[str] | None = None) -> int:
    """Do one kind of work for the given time."""
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--ready", type=Path)
    arguments = parser.parse_args(argv)
    end = time.monotonic() + arguments.seconds

    def started() -> None:
        if arguments.ready is not None:
            arguments.ready.touch()

    work = encode if arguments.kind == "x264" else multiply
    work(lambda: time.monotonic() < end, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
