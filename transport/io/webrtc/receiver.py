"""Receives pictures whole and at once, and gives them on as they were encoded.

A subclass of aiortc's receiver. aiortc's own waits for the first packet of the next picture before
it lets one go, decodes with threads that hold pictures back, and queues without bound. This one
hands every picture to `on_picture` with its last packet; who decodes it decides what is skipped.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from transport.media.assembly import HOLE_NS, Assembly, Part, Whole

_SPS, _STAP_A, _FU_A, _IDR = 7, 24, 28, 5


class Received(NamedTuple):
    """A picture as it came.

    Parameters
    ----------
    timestamp : RTP's, 32 bits
    is_idr : it stands alone
    data : the access unit (Annex B)
    """

    timestamp: int
    is_idr: bool
    data: bytes


class _Buffer(JitterBuffer):
    """Stands where aiortc's jitter buffer stands; what is whole goes out by another door."""

    def __init__(self, leave: Callable[[list[Whole]], None]) -> None:
        super().__init__(capacity=1)
        self.assembly = Assembly()
        self._leave = leave

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; return whether a picture that stands alone is needed."""
        data: bytes = packet._data  # type: ignore[attr-defined]
        is_idr = _begins_idr(packet.payload)
        part = Part(packet.sequence_number, packet.timestamp, bool(packet.marker), is_idr, data)
        now_ns = time.monotonic_ns()
        self._leave(self.assembly.handle_deadline(now_ns) + self.assembly.add(part, now_ns))
        return self.assembly.asks(), None


class _NoQueue(queue.Queue[Any]):
    """Keeps aiortc's decoder thread waiting until the end: nothing is decoded there."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Let only the end through."""
        if item is None:
            super().put(item, block, timeout)


class PictureReceiver(RTCRtpReceiver):
    """Receives a camera's pictures; `on_picture` is called in the loop's thread."""

    def __init__(self, kind: str, transport: Any) -> None:
        super().__init__(kind, transport)
        self.on_picture: Callable[[Received], object] | None = None
        self._buffer: _Buffer | None = None
        self._ssrc = 0
        self._timer: asyncio.TimerHandle | None = None
        if kind == "video":
            self._buffer = _Buffer(self._out)
            self._RTCRtpReceiver__jitter_buffer = self._buffer
            self._RTCRtpReceiver__decoder_queue = _NoQueue()

    @property
    def assembly(self) -> Assembly | None:
        """What puts packets together; None for sound."""
        return self._buffer.assembly if self._buffer else None

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        await super()._handle_rtp_packet(packet, arrival_time_ms)
        if self._buffer is None:
            return
        self._ssrc = packet.ssrc
        waits = self._buffer.assembly.next_deadline_ns() is not None
        if waits and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(HOLE_NS / 1e9, self._give_up)

    def _give_up(self) -> None:
        """Let what waits behind a hole go on, and ask for what it lacks."""
        self._timer = None
        assert self._buffer is not None
        self._out(self._buffer.assembly.handle_deadline(time.monotonic_ns()))
        if self._buffer.assembly.asks():
            task = asyncio.ensure_future(self._send_rtcp_pli(self._ssrc))
            task.add_done_callback(lambda done: done.exception())

    def _out(self, wholes: list[Whole]) -> None:
        if self.on_picture is not None:
            for whole in wholes:
                self.on_picture(Received(whole.timestamp, whole.is_idr, whole.data))


def _begins_idr(payload: bytes) -> bool:
    """Tell whether a packet begins a picture that stands alone: its parameter sets are first."""
    if not payload:
        return False
    kind = payload[0] & 0x1F
    if kind == _STAP_A and len(payload) > 3:
        kind = payload[3] & 0x1F
    elif kind == _FU_A and len(payload) > 1:
        kind = payload[1] & 0x1F if payload[1] & 0x80 else 0
    return kind in (_SPS, _IDR)
