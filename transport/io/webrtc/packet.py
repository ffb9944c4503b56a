"""A picture as it is sent: payloads made once for all viewers, and the header that each puts on.

RTP is RFC 3550, H.264 in it RFC 6184, header extensions RFC 8285 (one-byte form). `playout-delay`
(webrtc.org/experiments) tells a browser to show a picture as soon as it has it; without it, its
buffer holds each for 8 ms and, in the tail, for 60.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from aiortc.codecs.h264 import H264Encoder

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
PLAYOUT_DELAY: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
CLOCK_HZ: Final = 90_000
_HEADER: Final = struct.Struct("!BBHLL")
_PROFILE_ONE_BYTE: Final = 0xBEDE


class Sent(NamedTuple):
    """One encoded picture.

    Parameters
    ----------
    payloads : of its RTP packets, in order
    is_idr : it stands alone
    frame_id : of the picture (transport.media.picture)
    timestamp : RTP's, without a viewer's offset
    captured_ns : when it was taken, on this process's clock
    """

    payloads: list[bytes]
    is_idr: bool
    frame_id: int
    timestamp: int
    captured_ns: int


def payloads_of(bit_stream: bytes) -> list[bytes]:
    """Split an access unit (Annex B) into RTP payloads."""
    return H264Encoder._packetize(H264Encoder._split_bitstream(bit_stream))


class Header:
    """The header of one stream's packets, made once but for what changes.

    Parameters
    ----------
    extensions : negotiated ids by URI
    mid : of the media section
    """

    __slots__ = ("_extension", "_payload_type", "_send_time_at", "_ssrc")

    def __init__(self, payload_type: int, ssrc: int, extensions: Iterable[Any], mid: str) -> None:
        ids = {extension.uri: extension.id for extension in extensions}
        self._payload_type = payload_type
        self._ssrc = ssrc
        body = bytearray()
        self._send_time_at = -1
        if SEND_TIME in ids:
            self._send_time_at = 4 + len(body) + 1
            body += bytes([ids[SEND_TIME] << 4 | 2, 0, 0, 0])
        if PLAYOUT_DELAY in ids:
            body += bytes([ids[PLAYOUT_DELAY] << 4 | 2, 0, 0, 0])  # at once: 12 bit each of 10 ms
        if MID in ids and 0 < len(mid) <= 16:
            body += bytes([ids[MID] << 4 | len(mid) - 1]) + mid.encode()
        body += bytes(-len(body) % 4)
        head = struct.pack("!HH", _PROFILE_ONE_BYTE, len(body) // 4)
        self._extension = bytearray(head + body) if body else bytearray()

    def put(self, payload: bytes, seq: int, timestamp: int, last: bool, ntp: int) -> bytes:
        """Put the header before a payload; `ntp` is the time of sending, 64 bits."""
        extension = self._extension
        if self._send_time_at >= 0:
            time = ntp >> 14 & 0xFF_FFFF
            extension[self._send_time_at : self._send_time_at + 3] = time.to_bytes(3, "big")
        first = 0x90 if extension else 0x80
        head = _HEADER.pack(
            first, last << 7 | self._payload_type, seq, timestamp & 0xFFFF_FFFF, self._ssrc
        )
        return b"".join((head, extension, payload))
