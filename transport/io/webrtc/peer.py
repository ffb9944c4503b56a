"""A WebRTC connection made of our sender, receiver and sockets."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Final

import aiortc.rtcicetransport
import aiortc.rtcpeerconnection
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpCodecCapability, RTCRtpHeaderExtensionParameters
from aiortc.rtcrtpsender import RTCRtpSender

from transport.io.webrtc import guard
from transport.io.webrtc.packet import PLAYOUT_DELAY
from transport.io.webrtc.ports import Ports, RangedConnection
from transport.io.webrtc.receiver import PictureReceiver
from transport.io.webrtc.sender import PictureSender

#: Not used by aiortc for anything else.
_PLAYOUT_DELAY_ID: Final = 5


class Turn(RTCIceServer):
    """A TURN server: `urls`, `username`, `credential`."""


def install(ports: Ports) -> None:
    """Have aiortc build its connections of our parts, once in a process.

    Raises
    ------
    OtherAiortc : it is not the aiortc that these parts fit
    """
    guard.check()
    _replace(aiortc.rtcpeerconnection, "RTCRtpSender", PictureSender)
    _replace(aiortc.rtcpeerconnection, "RTCRtpReceiver", PictureReceiver)
    _replace(aiortc.rtcicetransport, "Connection", RangedConnection)
    RangedConnection.ports = ports
    if all(known.uri != PLAYOUT_DELAY for known in HEADER_EXTENSIONS["video"]):
        HEADER_EXTENSIONS["video"].append(
            RTCRtpHeaderExtensionParameters(id=_PLAYOUT_DELAY_ID, uri=PLAYOUT_DELAY)
        )


def _replace(module: ModuleType, name: str, ours: type) -> None:
    """Have a module make objects of our subclass where it made its own."""
    assert issubclass(ours, getattr(module, name))
    setattr(module, name, ours)


def connection(turn: Sequence[Turn] = ()) -> RTCPeerConnection:
    """Make a connection; no server of somebody else's is asked for our address."""
    return RTCPeerConnection(
        RTCConfiguration(iceServers=list(turn), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    )


def h264() -> list[RTCRtpCodecCapability]:
    """Return what is negotiated: constrained baseline, and retransmission."""
    wanted = ("video/h264", "video/rtx")
    return [
        codec
        for codec in RTCRtpSender.getCapabilities("video").codecs
        if codec.mimeType.lower() in wanted
        and codec.parameters.get("profile-level-id", "42e01f") == "42e01f"
    ]
