"""aiortc as it comes: the same chart, encoded by its own sender, to its own receiver.

`python -m bench.peers.video_stock SOCKET RATE FILE` answers an offer and writes, at its end (TERM),
when each picture was taken: an npz with number and captured_ns (raw monotonic).
"""

from __future__ import annotations

import asyncio
import fractions
import signal
import sys
import time
from pathlib import Path

import aiortc
import av
import numpy as np
import uvloop

from transport.io.cameras import chart
from transport.io.desk import Desk
from transport.media import strip

WIDTH, HEIGHT = 1280, 720
CLOCK = fractions.Fraction(1, 90_000)


class ChartTrack(aiortc.MediaStreamTrack):
    """The chart at a steady rate."""

    kind = "video"

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        self._charts = chart.draw(WIDTH, HEIGHT, chart.PREPARED)
        self._period_ns = 1_000_000_000 // rate_hz
        self._due_ns = time.monotonic_ns()
        self._number = 0
        self.taken: list[tuple[int, int]] = []

    async def recv(self) -> av.VideoFrame:
        """Wait for the next picture; what is overdue is left out."""
        now_ns = time.monotonic_ns()
        if now_ns < self._due_ns:
            await asyncio.sleep((self._due_ns - now_ns) / 1e9)
            now_ns = time.monotonic_ns()
        late = max(0, now_ns - self._due_ns) // self._period_ns
        captured_ns = self._due_ns + late * self._period_ns
        self._due_ns = captured_ns + self._period_ns
        self._number += late + 1
        pixels = self._charts[self._number % chart.PREPARED].copy()
        strip.draw(pixels[:HEIGHT], self._number)
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts, frame.time_base = captured_ns * 90_000 // 1_000_000_000, CLOCK
        self.taken.append((self._number, captured_ns))
        return frame


async def serve(socket: Path, rate_hz: int, path: Path) -> None:
    """Answer offers until told to stop."""
    connections: list[aiortc.RTCPeerConnection] = []
    track = ChartTrack(rate_hz)

    async def answer(offer: str) -> str:
        connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        connections.append(connection)
        await connection.setRemoteDescription(aiortc.RTCSessionDescription(offer, "offer"))
        connection.addTrack(track)
        await connection.setLocalDescription(await connection.createAnswer())
        return str(connection.localDescription.sdp)

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    desk = Desk(socket, answer, lambda: None)
    await desk.open()
    await stopped.wait()
    desk.close()
    for connection in connections:
        await connection.close()
    taken = np.array(track.taken, np.int64).reshape(-1, 2)
    np.savez(path, number=taken[:, 0], captured_ns=taken[:, 1])


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
