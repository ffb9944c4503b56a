"""Watches the node's camera from a terminal: how old its picture is, and what is lost."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import uvloop
from numpy.typing import NDArray

from teleop.node.errors import NodeError
from teleop.node.sections import NodeConfig
from transport.io.clock import Clock, Skew
from transport.io.desk import Refused, ask
from transport.io.webrtc import peer
from transport.io.webrtc.ports import Ports
from transport.io.webrtc.viewer import Seen, Viewer

LOOK_S: Final = 1.0
#: A picture that has not come by then will not.
PATIENCE_S: Final = 10.0
AGES_MAX: Final = 10_000


class VideoError(NodeError):
    """The camera shows nothing."""


class _Tally:
    """What was seen since the last look, and the last picture."""

    def __init__(self) -> None:
        self.ages_ns: deque[int] = deque(maxlen=AGES_MAX)
        self.pictures = 0
        self.last: Seen | None = None

    def see(self, seen: Seen) -> None:
        """Take a picture; in the decoder's thread."""
        self.last = seen
        self.pictures += 1
        if seen.age_ns >= 0:
            self.ages_ns.append(seen.age_ns)

    def take(self) -> tuple[int, list[int]]:
        """Give the pictures and ages since the last look."""
        pictures, self.pictures = self.pictures, 0
        ages = [self.ages_ns.popleft() for _ in range(len(self.ages_ns))]
        return pictures, ages


def watch(config: NodeConfig, seconds: float, *, as_json: bool, save: Path | None) -> int:
    """Watch until told to stop; return 0 when a picture was seen.

    Raises
    ------
    VideoError : there is no camera, or it shows nothing
    """
    if not config.video.camera:
        raise VideoError("this node has no camera: [video] camera in node.toml names its kind")
    tally = _Tally()
    try:
        uvloop.run(_watch(config, seconds, tally, as_json=as_json))
    except KeyboardInterrupt:
        pass
    except Refused as refused:
        raise VideoError(str(refused)) from refused
    if tally.last is None:
        raise VideoError("connected, and no picture came: `trocar watch video` shows no camera")
    if save is not None:
        _save(tally.last.pixels, save)
        sys.stderr.write(f"the last picture is in {save}\n")
    return 0


async def _watch(config: NodeConfig, seconds: float, tally: _Tally, *, as_json: bool) -> None:
    peer.install(Ports(config.video.addresses))
    path = Path(config.run_dir) / "video-0.sock"
    viewer = Viewer(Clock(Skew.NONE), tally.see)
    try:
        await viewer.watch(lambda sdp: ask(path, sdp))
        began_s = time.monotonic()
        until_s = began_s + seconds if seconds else float("inf")
        while time.monotonic() < until_s:
            await asyncio.sleep(min(LOOK_S, max(0.01, until_s - time.monotonic())))
            _tell(tally, viewer, as_json=as_json)
            if tally.last is None and time.monotonic() - began_s > PATIENCE_S:
                return
    finally:
        await viewer.close()


def _tell(tally: _Tally, viewer: Viewer, *, as_json: bool) -> None:
    pictures, ages_ns = tally.take()
    row: dict[str, Any] = {
        "state": viewer.state,
        "pictures": pictures,
        "skipped": viewer.skipped,
        "broken": viewer.broken,
    }
    if ages_ns:
        p50, p99 = np.percentile(np.array(ages_ns) / 1e6, [50, 99])
        row |= {"age_p50_ms": round(float(p50), 2), "age_p99_ms": round(float(p99), 2)}
    if tally.last is not None:
        frame = tally.last.frame
        row |= {"width": frame.width, "height": frame.height, "frame_id": tally.last.frame_id}
    sys.stdout.write(json.dumps(row) + "\n" if as_json else _words(row))
    sys.stdout.flush()


def _words(row: dict[str, Any]) -> str:
    if "width" not in row:
        return f"{row['state']}, no picture yet\n"
    size = f"{row['width']}x{row['height']}"
    age = "age unknown"
    if "age_p50_ms" in row:
        age = f"age {row['age_p50_ms']:.1f} ms (p50), {row['age_p99_ms']:.1f} (p99)"
    return (
        f"{row['pictures']:>3} pictures {size}  {age}  "
        f"skipped {row['skipped']}  broken {row['broken']}\n"
    )


def _save(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write a picture as PNG."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    codec: Any = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "rgb24"
    codec.time_base = Fraction(1, 1)
    path.write_bytes(b"".join(map(bytes, [*codec.encode(frame), *codec.encode(None)])))
