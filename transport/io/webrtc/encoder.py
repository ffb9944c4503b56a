"""Encodes a camera's pictures once, in a thread of its own; the newest first.

A picture that comes while another is being encoded waits in the one place there is, and gives way
to the next: what is dropped is dropped before it costs anything, and never after, since later
pictures build on it.

- Constrained baseline without delay: a picture in, its packets out. Rate control over two frames'
  worth of bits, so that no picture takes long to send; the rate changes without a new beginning.
- The graphics card's encoder is used where it opens: that it is listed says nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, NamedTuple

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from transport.io.clock import Clock
from transport.io.webrtc.packet import CLOCK_HZ, Sent, payloads_of

#: Above this rate x264's next faster preset is what a core can do.
FAST_HZ: Final = 40
X264: Final = "keyint=infinite:scenecut=0:repeat-headers=1:sliced-threads=0:bframes=0"
NVENC: Final = {
    "preset": "p1",
    "tune": "ull",
    "zerolatency": "1",
    "delay": "0",
    "rc": "cbr",
    "forced-idr": "1",
    "profile": "baseline",
}
BUFFER_FRAMES: Final = 2


class Shape(NamedTuple):
    """What is encoded."""

    width: int
    height: int
    rate_hz: int


class Picture(NamedTuple):
    """A picture to encode.

    Parameters
    ----------
    pixels : I420, (height * 3 // 2, width) uint8
    frame_id : of transport.media.picture
    captured_ns : on this process's clock
    """

    pixels: NDArray[np.uint8]
    frame_id: int
    captured_ns: int


class Codec:
    """One encoder for one shape.

    Parameters
    ----------
    name : "h264_nvenc" or "libx264"
    bit_rate, most : now, and the most it will ever be told, bit/s
    """

    def __init__(self, name: str, shape: Shape, bit_rate: int, most: int) -> None:
        self.name, self.shape, self._most = name, shape, most
        context: Any = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = shape.width, shape.height
        context.pix_fmt = "yuv420p"
        context.framerate = Fraction(shape.rate_hz, 1)
        context.time_base = Fraction(1, CLOCK_HZ)
        context.bit_rate = bit_rate
        context.options = {**_options(name, shape), **_buffer(most, shape.rate_hz)}
        context.thread_count = 1
        context.open()
        self._context: Any = context

    @property
    def bit_rate(self) -> int:
        """Bits a second; may be set at any time, up to `most`."""
        return int(self._context.bit_rate)

    @bit_rate.setter
    def bit_rate(self, bit_rate: int) -> None:
        self._context.bit_rate = min(bit_rate, self._most)

    def encode(self, pixels: NDArray[np.uint8], timestamp: int, *, idr: bool) -> bytes:
        """Encode a picture; return its access unit (Annex B)."""
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts = timestamp
        frame.time_base = Fraction(1, CLOCK_HZ)
        frame.pict_type = PictureType.I if idr else PictureType.NONE
        return b"".join(map(bytes, self._context.encode(frame)))


def find(shape: Shape) -> str:
    """Name the best encoder that opens here."""
    try:
        Codec("h264_nvenc", shape, 4_000_000, 4_000_000)
    except (av.FFmpegError, ValueError, OSError):
        return "libx264"
    return "h264_nvenc"


class Encoder:
    """The thread.

    Parameters
    ----------
    make : makes the codec for a shape; called in the thread, again when the shape changes
    needs_idr : whether the next picture shall stand alone
    on_encoded : is given the picture and how long it took, ns, in the thread

    Attributes
    ----------
    dropped : pictures that gave way to newer ones
    failed : pictures that the codec refused
    """

    def __init__(
        self,
        clock: Clock,
        make: Callable[[Shape], Codec],
        rate_hz: int,
        needs_idr: Callable[[], bool],
        on_encoded: Callable[[Sent, int], object],
    ) -> None:
        self._clock = clock
        self._make = make
        self._rate_hz = rate_hz
        self._needs_idr = needs_idr
        self._on_encoded = on_encoded
        self._codec: Codec | None = None
        self._slot: Picture | None = None
        self._wanted_rate = 0
        self._wake = threading.Condition()
        self._closing = False
        self.dropped = self.failed = 0
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def put(self, picture: Picture) -> None:
        """Have a picture encoded, unless a newer one comes before its turn."""
        with self._wake:
            self.dropped += self._slot is not None
            self._slot = picture
            self._wake.notify()

    def set_rate(self, bit_rate: int) -> None:
        """Change the rate from the next picture on."""
        self._wanted_rate = bit_rate

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while (picture := self._take()) is not None:
            begun_ns = self._clock.now_ns()
            try:
                sent = self._encode(picture)
            except (av.FFmpegError, ValueError):
                self.failed += 1
                self._codec = None
                continue
            if sent.payloads:
                self._on_encoded(sent, self._clock.now_ns() - begun_ns)

    def _take(self) -> Picture | None:
        with self._wake:
            while self._slot is None and not self._closing:
                self._wake.wait()
            picture, self._slot = self._slot, None
            return None if self._closing else picture

    def _encode(self, picture: Picture) -> Sent:
        height, width = picture.pixels.shape
        shape = Shape(width, height * 2 // 3, self._rate_hz)
        is_new = self._codec is None or self._codec.shape != shape
        if self._codec is None or is_new:
            self._codec = self._make(shape)
        if self._wanted_rate and self._wanted_rate != self._codec.bit_rate:
            self._codec.bit_rate = self._wanted_rate
        idr = is_new or self._needs_idr()
        timestamp = picture.captured_ns * CLOCK_HZ // 1_000_000_000
        data = self._codec.encode(picture.pixels, timestamp, idr=idr)
        return Sent(
            payloads_of(data), idr, picture.frame_id, timestamp & 0xFFFF_FFFF, picture.captured_ns
        )


def _options(name: str, shape: Shape) -> dict[str, str]:
    if name == "h264_nvenc":
        return NVENC
    preset = "ultrafast" if shape.rate_hz > FAST_HZ else "superfast"
    level = "42" if shape.rate_hz > FAST_HZ or shape.height > 720 else "31"
    return {
        "preset": preset,
        "tune": "zerolatency",
        "profile": "baseline",
        "level": level,
        "x264-params": X264,
    }


def _buffer(most: int, rate_hz: int) -> dict[str, str]:
    """Bound what a picture may have: given when it is opened, or a new rate changes nothing."""
    return {"maxrate": str(most), "bufsize": str(most * BUFFER_FRAMES // rate_hz)}
