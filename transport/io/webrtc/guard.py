"""Tells whether the installed aiortc is the one that our subclasses were written against.

They use what aiortc does not promise to keep. So each piece of its source that they lean on has a
fingerprint here, and a process that would use WebRTC refuses to start when one is another: better
no picture than one that is late for a reason nobody sees.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final

import aioice.ice
import aiortc
from aiortc import rtcdtlstransport, rtcpeerconnection, rtcrtpreceiver, rtcrtpsender
from aiortc.codecs import h264

VERSIONS: Final = ("1.16.",)

#: What is leaned on, with the head of the SHA-256 of its source.
LEANED_ON: Final[Sequence[tuple[Callable[..., Any], str]]] = (
    (rtcrtpsender.RTCRtpSender.__init__, "beb1bc0ae04d"),
    (rtcrtpsender.RTCRtpSender.send, "3969482b77a2"),
    (rtcrtpsender.RTCRtpSender._run_rtp, "ff597a1d554c"),
    (rtcrtpsender.RTCRtpSender._run_rtcp, "51e0a924eac4"),
    (rtcrtpsender.RTCRtpSender._retransmit, "ae0b2491944b"),
    (rtcrtpsender.RTCRtpSender._handle_rtcp_packet, "a4ee4c7355f8"),
    (rtcrtpreceiver.RTCRtpReceiver.__init__, "3e3b7b5cefba"),
    (rtcrtpreceiver.RTCRtpReceiver.receive, "d6d8d8d7a0bf"),
    (rtcrtpreceiver.RTCRtpReceiver._handle_rtp_packet, "4e54983d021a"),
    (rtcrtpreceiver.decoder_worker, "d500d4e567d6"),
    (rtcpeerconnection.RTCPeerConnection.addTrack, "1b70c2680b31"),
    (rtcpeerconnection.find_common_header_extensions, "3aa88596534d"),
    (rtcdtlstransport.RTCDtlsTransport._send_rtp, "763b02bceb0b"),
    (h264.H264Encoder._packetize, "85ce3fe3b317"),
    (h264.H264Encoder._split_bitstream, "f6a4817f670e"),
    (aioice.ice.Connection.get_component_candidates, "118597a9fcb7"),
    (aioice.ice.StunProtocol, "a6e5692f3cf7"),
)


class OtherAiortc(RuntimeError):
    """The installed aiortc is not the one that this was written against; the text says where."""


def check(leaned_on: Sequence[tuple[Callable[..., Any], str]] = LEANED_ON) -> None:
    """Compare the installed aiortc with the one that was read.

    Raises
    ------
    OtherAiortc
    """
    found = [piece.__qualname__ for piece, known in leaned_on if fingerprint(piece) != known]
    if found or not aiortc.__version__.startswith(VERSIONS):
        raise OtherAiortc(
            f"aiortc {aiortc.__version__} is not the one that this build was tested with "
            f"({', '.join(f'{version}x' for version in VERSIONS)}; other: {', '.join(found)}); "
            "install what requirements.lock names (`make setup`)"
        )


def fingerprint(piece: Callable[..., Any]) -> str:
    """Name a piece of source: 12 hex digits of its SHA-256."""
    return hashlib.sha256(inspect.getsource(piece).encode()).hexdigest()[:12]
