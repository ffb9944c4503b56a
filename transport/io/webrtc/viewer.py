"""Watches a camera without a browser: receives, decodes in a thread, and knows how old it is.

Glass to glass is told by numbers of the picture's own way, without a common clock: how old it was
when it was sent, half of what a question and its answer took, and what decoding took here.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import av
import numpy as np
from aiortc import RTCDataChannel, RTCSessionDescription
from numpy.typing import NDArray

from transport.io.clock import Clock
from transport.io.webrtc import peer
from transport.io.webrtc.identity import (
    LABEL,
    Note,
    Ping,
    Pong,
    Shown,
    pack,
    unpack,
)
from transport.io.webrtc.receiver import PictureReceiver, Received

#: Pictures that may wait for the decoder; more, and it starts anew at the next that stands alone.
WAITING_MAX: Final = 8
NOTES_MAX: Final = 64
PING_S: Final = 0.5
#: Questions whose quickest answer tells the way.
ASKED: Final = 20
_LOW_DELAY: Final = 0x80000


class Seen(NamedTuple):
    """A picture as it could be shown.

    Parameters
    ----------
    frame : as FFmpeg decoded it
    frame_id : 0 when its note has not come
    age_ns : since it was taken; -1 when its note has not come
    decode_ns : of that, from its last packet on
    """

    frame: av.VideoFrame
    frame_id: int
    age_ns: int
    decode_ns: int

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """Return (height, width, 3) uint8, RGB: a copy, made for who asks."""
        return np.asarray(self.frame.to_ndarray(format="rgb24"), np.uint8)


class Viewer:
    """One viewer of one camera.

    Parameters
    ----------
    on_seen : is given every picture, in the decoder's thread

    Attributes
    ----------
    received, skipped, broken : pictures that came whole, that nobody had time for, that were none
    """

    def __init__(self, clock: Clock, on_seen: Callable[[Seen], object]) -> None:
        self._clock = clock
        self._on_seen = on_seen
        self._loop = asyncio.get_running_loop()
        self._connection = peer.connection()
        # First the picture, then the words beside it: aiortc never connects the other way round.
        transceiver = self._connection.addTransceiver("video", direction="recvonly")
        transceiver.setCodecPreferences(peer.h264())
        receiver: Any = transceiver.receiver
        assert isinstance(receiver, PictureReceiver)
        receiver.on_picture = self._came
        self._channel: RTCDataChannel = self._connection.createDataChannel(
            LABEL, ordered=False, maxRetransmits=0
        )
        self._channel.on("message", self._heard)
        self._notes: dict[int, Note] = {}
        self._round_trips_ns: deque[int] = deque(maxlen=ASKED)
        self._waiting: queue.SimpleQueue[tuple[Received, int] | None] = queue.SimpleQueue()
        self._needs_idr = True
        self.received = self.skipped = self.broken = 0
        self._thread = threading.Thread(target=self._decode, name="decoder", daemon=True)
        self._thread.start()
        self._pinging = self._loop.create_task(self._ping())

    async def watch(self, ask: Callable[[str], Awaitable[str]]) -> None:
        """Connect; `ask` has our offer answered.

        Raises
        ------
        Refused : by whoever answers
        """
        connection = self._connection
        await connection.setLocalDescription(await connection.createOffer())
        answer = await ask(connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    @property
    def state(self) -> str:
        """The connection's state, in WebRTC's words."""
        return self._connection.connectionState

    async def close(self) -> None:
        """End it."""
        self._pinging.cancel()
        self._waiting.put(None)
        await self._connection.close()
        await asyncio.to_thread(self._thread.join)

    # In the loop's thread

    def _came(self, picture: Received) -> None:
        self.received += 1
        if self._waiting.qsize() >= WAITING_MAX:
            self._needs_idr = True
        if self._needs_idr and not picture.is_idr:
            self.skipped += 1
            return
        self._needs_idr = False
        self._waiting.put((picture, self._clock.now_ns()))

    def _heard(self, data: bytes | str) -> None:
        word = unpack(data)
        now_ns = self._clock.now_ns()
        if isinstance(word, Note):
            self._notes[word.timestamp] = word
            while len(self._notes) > NOTES_MAX:
                del self._notes[next(iter(self._notes))]
        elif isinstance(word, Pong):
            self._round_trips_ns.append(now_ns - word.token)

    def _say(self, word: Ping | Shown) -> None:
        if self._channel.readyState == "open":
            self._channel.send(pack(word))

    async def _ping(self) -> None:
        while True:
            self._say(Ping(self._clock.now_ns()))
            await asyncio.sleep(PING_S)

    # In the decoder's thread

    def _decode(self) -> None:
        decoder = _decoder()
        while (item := self._waiting.get()) is not None:
            picture, came_ns = item
            try:
                frames = decoder.decode(av.Packet(picture.data))
            except av.FFmpegError:
                self.broken += 1
                self._needs_idr = True
                decoder = _decoder()
                continue
            for frame in frames:
                self._show(frame, picture.timestamp, came_ns)

    def _show(self, frame: av.VideoFrame, timestamp: int, came_ns: int) -> None:
        decode_ns = self._clock.now_ns() - came_ns
        note = self._notes.get(timestamp)
        way_ns = min(self._round_trips_ns, default=0) // 2
        age_ns = note.age_ns + way_ns + decode_ns if note else -1
        self._on_seen(Seen(frame, note.frame_id if note else 0, age_ns, decode_ns))
        if note:
            self._loop.call_soon_threadsafe(self._say, Shown(note.frame_id, age_ns))


def _decoder() -> Any:
    """Make a decoder that holds no picture back."""
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_type = "SLICE"
    decoder.flags |= _LOW_DELAY
    return decoder
