"""The viewer of a measurement: what came, when it could be shown, and how well it looks.

`python -m bench.video_viewerd SOCKET SECONDS FILE [--stock]` asks at the socket, watches for so
long from the first picture on (at which it makes FILE.begun), and writes an npz: number (read back
from the picture), t_ns (decoded, raw monotonic), psnr_db (every so-many pictures, against the chart
as it was drawn).
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import aiortc
import av
import numpy as np
import uvloop
from numpy.typing import NDArray

from transport.io.cameras import chart
from transport.io.clock import Clock, Skew
from transport.io.desk import ask
from transport.io.webrtc import peer
from transport.io.webrtc.ports import Ports
from transport.io.webrtc.viewer import Seen, Viewer
from transport.media import strip

PSNR_EVERY = 29
WIDTH, HEIGHT = 1280, 720


class Notes:
    """What was seen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[tuple[int, int, float]] = []
        self._charts = chart.draw(WIDTH, HEIGHT, chart.PREPARED)

    def see(self, picture: av.VideoFrame, t_ns: int) -> None:
        """Take a picture, and when it was decoded."""
        luma: NDArray[np.uint8] = np.asarray(picture.to_ndarray()[: picture.height], np.uint8)
        number = strip.read(luma)
        if number is None:
            return
        psnr = np.nan
        if len(self.rows) % PSNR_EVERY == 0:
            drawn = self._charts[number % chart.PREPARED].copy()
            strip.draw(drawn[:HEIGHT], number)
            error = np.mean((luma.astype(np.float32) - drawn[:HEIGHT]) ** 2)
            psnr = float(10 * np.log10(255**2 / max(error, 1e-9)))
        if not self.rows:
            self._path.with_name(f"{self._path.name}.begun").touch()
        self.rows.append((number, t_ns, psnr))

    def write(self) -> None:
        """Write all of it."""
        np.savez(
            self._path,
            number=np.array([number for number, _, _ in self.rows], np.int64),
            t_ns=np.array([t_ns for _, t_ns, _ in self.rows], np.int64),
            psnr_db=np.array([psnr for _, _, psnr in self.rows], np.float64),
        )


async def ours(socket: Path, seconds: float, notes: Notes) -> None:
    """Watch with our receiver."""
    peer.install(Ports())

    def see(seen: Seen) -> None:
        notes.see(seen.frame, time.monotonic_ns())

    viewer = Viewer(Clock(Skew.NONE), see)
    await viewer.watch(lambda sdp: ask(socket, sdp))
    while not notes.rows:  # noqa: ASYNC110 (it is filled by another thread)
        await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    await viewer.close()


async def stock(socket: Path, seconds: float, notes: Notes) -> None:
    """Watch with aiortc as it comes."""
    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video", direction="recvonly")
    transceiver.setCodecPreferences(peer.h264())
    await connection.setLocalDescription(await connection.createOffer())
    answer = await ask(socket, connection.localDescription.sdp)
    await connection.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
    track: Any = transceiver.receiver.track
    until = float("inf")
    while time.monotonic() < until:
        notes.see(await track.recv(), time.monotonic_ns())
        if notes.rows and until == float("inf"):
            until = time.monotonic() + seconds
    await connection.close()


def main() -> int:
    """Watch, and write."""
    socket, seconds, path, *how = sys.argv[1:]
    notes = Notes(Path(path))
    watch = stock if "--stock" in how else ours
    uvloop.run(watch(Path(socket), float(seconds), notes))
    notes.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
