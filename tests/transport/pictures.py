"""A camera that moves, and a pair of connections with a network between that loses on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from transport.io.clock import Clock, Skew
from transport.io.webrtc import peer
from transport.io.webrtc.encoder import Codec, Encoder, Picture
from transport.io.webrtc.packet import Sent
from transport.io.webrtc.ports import Ports
from transport.io.webrtc.receiver import PictureReceiver, Received
from transport.io.webrtc.sender import PictureTrack
from transport.media.fanout import Fanout

WIDTH, HEIGHT = 320, 240
PORTS = Ports(addresses=("127.0.0.1",), first=41200, last=41399)


def pixels(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A pattern that moves, with its number in the first row's brightness."""
    y, x = np.mgrid[0:height, 0:width]
    out = np.full((height * 3 // 2, width), 128, np.uint8)
    out[:height] = 110 + 60 * np.sin(x / 30 + number / 6) * np.cos(y / 25 - number / 9)
    return out


class Camera:
    """An encoder and its viewers, in one loop."""

    def __init__(self, rate_hz: int = 30, bit_rate: int = 1_000_000) -> None:
        peer.install(PORTS)
        self.clock = Clock(Skew.NONE)
        self.fanout = Fanout()
        self.tracks: dict[str, PictureTrack] = {}
        self.heard: list[tuple[str, str, float]] = []
        self.sent: list[Sent] = []
        self._loop = asyncio.get_running_loop()
        self._connections: list[object] = []
        self.encoder = Encoder(
            self.clock,
            lambda shape: Codec("libx264", shape, bit_rate, bit_rate),
            rate_hz,
            lambda: self.fanout.needs_idr(self.clock.now_ns()),
            lambda sent, _: self._loop.call_soon_threadsafe(self._encoded, sent),
        )

    def _encoded(self, sent: Sent) -> None:
        self.sent.append(sent)
        for name in self.fanout.offer(is_idr=sent.is_idr, now_ns=self.clock.now_ns()):
            self.fanout.unsent(name, self.tracks[name].put(sent))

    def track(self, name: str) -> PictureTrack:
        def ask() -> None:
            self.heard.append((name, "ask", 0.0))
            self.fanout.ask(name)

        return PictureTrack(
            ask,
            lambda bears: self.heard.append((name, "bears", bears)),
            lambda lost: self.heard.append((name, "lost", lost)),
            lambda _, unsent: self.fanout.unsent(name, unsent),
        )

    async def watch(self, name: str, on_picture: Callable[[Received], object]) -> PictureReceiver:
        """Connect a viewer; return its receiver."""
        ours, theirs = peer.connection(), peer.connection()
        self._connections += [ours, theirs]
        self.tracks[name] = self.track(name)
        sending = ours.addTransceiver(self.tracks[name], direction="sendonly")
        sending.setCodecPreferences(peer.h264())
        await ours.setLocalDescription(await ours.createOffer())
        await theirs.setRemoteDescription(ours.localDescription)
        receiver = theirs.getTransceivers()[0].receiver
        receiver.on_picture = on_picture
        await theirs.setLocalDescription(await theirs.createAnswer())
        await ours.setRemoteDescription(theirs.localDescription)
        states = lambda: {ours.connectionState, theirs.connectionState}  # noqa: E731
        await until(lambda: states() == {"connected"}, 20.0)
        self.fanout.join(name)
        return receiver

    async def film(self, frames: int, first: int = 0, period_s: float = 0.02) -> None:
        """Take so many pictures."""
        for number in range(first, first + frames):
            self.encoder.put(Picture(pixels(number), number, self.clock.now_ns()))
            await asyncio.sleep(period_s)

    async def close(self) -> None:
        self.encoder.close()
        for connection in self._connections:
            await connection.close()  # type: ignore[attr-defined]


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (whatever the condition is)
            await asyncio.sleep(0.005)
