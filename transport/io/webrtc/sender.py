"""Sends pictures that were encoded and cut into packets once, for everybody.

A subclass of aiortc's sender for tracks of ours; any other track is sent as aiortc does.

- Packets are made from a header template and sent in one go; what is kept for retransmission are
  payloads that all viewers share.
- What a viewer asks for (PLI, FIR), bears (REMB) and loses (RR) reaches the camera's process:
  aiortc would lose the first for packets and cap the second at 3 Mb/s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from aiortc import clock
from aiortc.codecs import is_rtx
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtcrtpsender import RTCRtpSender, random_sequence_number
from aiortc.rtp import (
    RTCP_PSFB_APP,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    RtpPacket,
    unpack_remb_fci,
    wrap_rtx,
)
from aiortc.utils import random32

from transport.io.webrtc.packet import Header, Sent
from transport.media.fanout import BACKLOG_MAX

#: A second and a half at 4 Mb/s; aiortc keeps a third of a second, less than one large picture.
HISTORY: Final = 512


class PictureTrack(MediaStreamTrack):
    """The pictures for one viewer, until they are sent.

    Parameters
    ----------
    on_ask : it cannot decode what it has
    on_bears : its path bears so many bit/s
    on_lost : it lost so much of what was sent, 0...1
    on_sent : a picture was handed to the network; so many still wait
    """

    kind = "video"

    def __init__(
        self,
        on_ask: Callable[[], object],
        on_bears: Callable[[int], object],
        on_lost: Callable[[float], object],
        on_sent: Callable[[Sent, int], object],
    ) -> None:
        super().__init__()
        self.on_ask = on_ask
        self.on_bears = on_bears
        self.on_lost = on_lost
        self.on_sent = on_sent
        self.timestamp_offset = random32()
        self._unsent: deque[Sent] = deque()
        self._wake = asyncio.Event()

    def put(self, picture: Sent) -> int:
        """Have a picture sent; return how many wait. Whoever puts more than may wait is muted."""
        if len(self._unsent) <= BACKLOG_MAX:
            self._unsent.append(picture)
            self._wake.set()
        return len(self._unsent)

    async def take(self) -> Sent:
        """Wait for the next picture."""
        while not self._unsent:
            if self.readyState != "live":
                raise MediaStreamError
            self._wake.clear()
            await self._wake.wait()
        return self._unsent.popleft()

    @property
    def backlog(self) -> int:
        """How many pictures wait."""
        return len(self._unsent)

    def stop(self) -> None:
        """End it; who waits for a picture is told."""
        super().stop()
        self._wake.set()

    async def recv(self) -> Any:
        """Refuse: pictures are taken, not received."""
        raise MediaStreamError


class PictureSender(RTCRtpSender):
    """Sends a `PictureTrack`'s pictures."""

    def __init__(self, track_or_kind: MediaStreamTrack | str, transport: Any) -> None:
        super().__init__(track_or_kind, transport)
        self._parameters: RTCRtpSendParameters | None = None
        self._kept: dict[int, RtpPacket] = {}
        self._rtx_type: int | None = None
        self._rtx_seq = random_sequence_number()

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """Note what was negotiated, and begin."""
        if self._parameters is None:
            self._parameters = parameters
            first = parameters.codecs[0].payloadType
            for codec in parameters.codecs:
                if is_rtx(codec) and codec.parameters["apt"] == first:
                    self._rtx_type = codec.payloadType
        await super().send(parameters)

    async def _run_rtp(self, codec: RTCRtpCodecParameters) -> None:
        track = self.track
        if not isinstance(track, PictureTrack):
            return await super()._run_rtp(codec)
        assert self._parameters is not None
        self._its("rtp_started").set()
        seq = random_sequence_number()
        payload_type = codec.payloadType or 0
        extensions = self._parameters.headerExtensions
        header = Header(payload_type, self._ssrc, extensions, self._parameters.muxId)
        try:
            while True:
                picture = await track.take()
                seq = await self._send_picture(picture, header, track, seq, payload_type)
                track.on_sent(picture, track.backlog)
        except (asyncio.CancelledError, ConnectionError, MediaStreamError):
            pass
        finally:
            track.stop()
            self._its("rtp_exited").set()
        return None

    async def _send_picture(
        self, picture: Sent, header: Header, track: PictureTrack, seq: int, payload_type: int
    ) -> int:
        """Send all packets of a picture; return the next sequence number."""
        ntp = clock.current_ntp_time()
        timestamp = picture.timestamp + track.timestamp_offset & 0xFFFF_FFFF
        final = len(picture.payloads) - 1
        send = self.transport._send_rtp
        for number, payload in enumerate(picture.payloads):
            last = number == final
            self._kept[seq % HISTORY] = RtpPacket(
                payload_type, int(last), seq, timestamp, self._ssrc, payload
            )
            await send(header.put(payload, seq, timestamp, last, ntp))
            seq = seq + 1 & 0xFFFF
        self._put("ntp_timestamp", ntp)
        self._put("rtp_timestamp", timestamp)
        self._put("packet_count", self._its("packet_count") + len(picture.payloads))
        octets = sum(map(len, picture.payloads))
        self._put("octet_count", self._its("octet_count") + octets)
        return seq

    async def _retransmit(self, sequence_number: int) -> None:
        if not isinstance(self.track, PictureTrack):
            return await super()._retransmit(sequence_number)
        packet = self._kept.get(sequence_number % HISTORY)
        if packet is None or packet.sequence_number != sequence_number:
            return None
        if self._rtx_type is not None:
            packet = wrap_rtx(packet, self._rtx_type, self._rtx_seq, self._rtx_ssrc)
            self._rtx_seq = self._rtx_seq + 1 & 0xFFFF
        await self.transport._send_rtp(packet.serialize(self._its("rtp_header_extensions_map")))
        return None

    def _send_keyframe(self) -> None:
        super()._send_keyframe()
        if isinstance(self.track, PictureTrack):
            self.track.on_ask()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        track = self.track
        if isinstance(track, PictureTrack):
            if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
                self._hear_remb(packet, track)
            elif isinstance(packet, RtcpRrPacket | RtcpSrPacket):
                for report in packet.reports:
                    if report.ssrc == self._ssrc:
                        track.on_lost(report.fraction_lost / 256)
        await super()._handle_rtcp_packet(packet)

    def _hear_remb(self, packet: RtcpPsfbPacket, track: PictureTrack) -> None:
        try:
            bit_rate, ssrcs = unpack_remb_fci(packet.fci)
        except ValueError:
            return
        if self._ssrc in ssrcs:
            track.on_bears(bit_rate)

    # What aiortc calls private; `guard` tells when it changes.

    def _its(self, name: str) -> Any:
        return getattr(self, f"_RTCRtpSender__{name}")

    def _put(self, name: str, value: Any) -> None:
        setattr(self, f"_RTCRtpSender__{name}", value)
