"""A camera's process: takes the newest picture, encodes it once, and sends it to whoever watches.

- Nobody watches: nothing is encoded, and the camera is still watched over.
- A picture that stands still is named (transport.media.freshness) on the board.
- Who watches is let in elsewhere; here an offer comes over a socket that only this node can open.
"""

from __future__ import annotations

import sys
import zlib
from functools import partial
from typing import Any, Final

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from teleop.settings import VideodSettings
from transport.io.camera import Shot, open_camera
from transport.io.desk import Desk, Refused
from transport.io.process import Runtime, main
from transport.io.webrtc import peer
from transport.io.webrtc.encoder import Codec, Encoder, Picture, Shape, find
from transport.io.webrtc.identity import LABEL, Note, Ping, Pong, Shown, State, pack, unpack
from transport.io.webrtc.packet import Sent
from transport.io.webrtc.ports import Ports
from transport.io.webrtc.sender import PictureTrack
from transport.media.fanout import Fanout, Full
from transport.media.freshness import Freshness, Stage
from transport.media.rate import RateControl

#: Between two looks at the camera: what a picture's age grows by at most.
LOOK_NS: Final = 1_000_000
STEER_NS: Final = 250_000_000
#: A viewer that has said nothing for so long is gone: ICE itself takes half a minute to notice.
SILENT_NS: Final = 5_000_000_000
#: Viewers that have an answer and no connection yet; each holds ports until it is silent too long.
NEGOTIATING_MAX: Final = 12
COUNTERS = ("frames_total", "encoded_total", "dropped_total", "failed_total", "refused_total")
COUNTS = ("muted_total", "asked_total", "idr_total")
GAUGES = ("viewers", "bit_rate", "rung", "standstill")
HISTOGRAMS = ("encode_ns", "age_ns", "shown_age_ns")
#: Of each encoded picture; two minutes of them.
FIELDS, RECORDS = ("t_ns", "frame_id", "captured_ns", "bytes", "is_idr"), 1 << 12


class Watcher:
    """One viewer's connection."""

    def __init__(self, connection: RTCPeerConnection, track: PictureTrack, now_ns: int) -> None:
        self.connection = connection
        self.track = track
        self.channel: RTCDataChannel | None = None
        self.heard_ns = now_ns
        self.is_in = False

    def say(self, word: Note | Pong | State) -> None:
        """Send a word, if anybody listens."""
        if self.channel is not None and self.channel.readyState == "open":
            self.channel.send(pack(word))


class Videod:
    """One camera and its viewers."""

    def __init__(self, settings: VideodSettings, runtime: Runtime) -> None:
        self._settings, self._runtime, self._clock = settings, runtime, runtime.clock
        self._open_board(runtime)
        self._flight = runtime.flight("sent", FIELDS, RECORDS)
        peer.install(
            Ports(settings.addresses, settings.port_first, settings.port_last, settings.public)
        )
        now_ns = self._clock.now_ns()
        self._watchers: dict[int, Watcher] = {}
        self._negotiating: set[int] = set()
        self._names = iter(range(1, 1 << 62))
        self._fanout = Fanout()
        self._rate = RateControl(settings.bit_rate_min, settings.bit_rate, now_ns)
        self._fresh = Freshness(now_ns)
        self._target = self._rate.target(now_ns)
        self._skip = 0
        self._camera = runtime.keep(open_camera(settings.camera, runtime))
        self._encoder = runtime.keep(
            Encoder(
                self._clock,
                self._codec,
                settings.camera.rate_hz,
                lambda: self._fanout.needs_idr(self._clock.now_ns()),
                lambda sent, took: runtime.loop.call_from_thread(
                    partial(self._encoded, sent, took)
                ),
            )
        )
        path = runtime.path(f"video-{settings.camera.number}.sock")
        self._desk = Desk(path, self._answer, self._refused.add)
        runtime.loop.spawn(self._desk.open())
        runtime.loop.every(LOOK_NS, self._look)
        runtime.loop.every(STEER_NS, self._steer)
        runtime.ready()

    def close(self) -> None:
        """Let nobody more in; viewers notice by themselves."""
        self._desk.close()

    # Pictures -------------------------------------------------------------------------------

    def _look(self) -> None:
        shot = self._camera.newest()
        if shot is None:
            return
        now_ns = self._clock.now_ns()
        self._frames.add()
        self._fresh.passed(Stage.CAMERA, shot.frame_id, now_ns)
        if self._camera.is_sensor:
            self._fresh.looked(_digest(shot))
        self._skip = (self._skip + 1) % self._target.rung.every
        if len(self._fanout) and self._skip == 0:
            self._encoder.put(Picture(shot.pixels, shot.frame_id, shot.captured_ns))
        else:  # what nobody waits for stands nowhere still
            for stage in (Stage.ENCODER, Stage.SENDER, Stage.VIEWER):
                self._fresh.passed(stage, shot.frame_id, now_ns)

    def _encoded(self, sent: Sent, took_ns: int) -> None:
        now_ns = self._clock.now_ns()
        self._encoded_total.add()
        self._encode_ns.record(took_ns)
        self._age_ns.record(max(0, now_ns - sent.captured_ns))
        self._fresh.passed(Stage.ENCODER, sent.frame_id, now_ns)
        size = sum(map(len, sent.payloads))
        self._rate.sent(size, now_ns)
        self._flight.append(now_ns, sent.frame_id, sent.captured_ns, size, int(sent.is_idr))
        for name in self._fanout.offer(is_idr=sent.is_idr, now_ns=now_ns):
            watcher = self._watchers[name]  # type: ignore[index]
            timestamp = sent.timestamp + watcher.track.timestamp_offset & 0xFFFF_FFFF
            watcher.say(Note(timestamp, sent.frame_id, now_ns - sent.captured_ns))
            self._fanout.unsent(name, watcher.track.put(sent))

    def _codec(self, shape: Shape) -> Codec:
        return Codec(find(shape), shape, self._target.bit_rate, self._settings.bit_rate)

    def _steer(self) -> None:
        """Follow the weakest path; let go of who went silent; say what is so."""
        now_ns = self._clock.now_ns()
        self._target = self._rate.target(now_ns)
        self._encoder.set_rate(self._target.bit_rate)
        for name, watcher in list(self._watchers.items()):
            if now_ns - watcher.heard_ns > SILENT_NS:
                self._runtime.loop.spawn(self._leave(name))
        self._dropped.add(self._encoder.dropped - self._dropped.value)
        self._failed.add(self._encoder.failed - self._failed.value)
        for counter, total in zip(self._counts, self._fanout.counts, strict=True):
            counter.add(total - counter.value)
        self._gauges["viewers"].set(len(self._fanout))
        self._gauges["bit_rate"].set(self._target.bit_rate)
        self._gauges["rung"].set(self._target.rung.every)
        standstill = self._fresh.standstill(now_ns)
        self._gauges["standstill"].set(standstill)
        for watcher in self._watchers.values():
            watcher.say(State(standstill))

    # Viewers --------------------------------------------------------------------------------

    async def _answer(self, offer: str) -> str:
        """Connect a viewer."""
        if len(self._negotiating) >= NEGOTIATING_MAX:
            raise Refused("too many negotiate at once")
        name = next(self._names)
        self._negotiating.add(name)
        connection = peer.connection()
        try:
            # Before the offer is read: codecs are chosen then, and a browser's first is another.
            watcher = self._watcher(name, connection)
            ours = connection.addTransceiver(watcher.track, direction="sendonly")
            ours.setCodecPreferences(peer.h264())
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            wanted = sum(one.kind == "video" for one in connection.getTransceivers() if one.mid)
            if wanted != 1:
                raise Refused(f"an offer of {wanted} pictures; one camera sends one")
            await connection.setLocalDescription(await connection.createAnswer())
        except (
            BaseException
        ) as error:  # aiortc raises what its parser meets; the desk loses patience
            await self._give_up(name, connection)
            if isinstance(error, Refused) or not isinstance(error, Exception):
                raise
            raise Refused(f"an offer that cannot be answered: {error}") from error
        return connection.localDescription.sdp

    def _watcher(self, name: int, connection: RTCPeerConnection) -> Watcher:
        track = PictureTrack(
            on_ask=lambda: self._fanout.ask(name),
            on_bears=lambda bit_rate: self._rate.said(name, bit_rate, self._clock.now_ns()),
            on_lost=lambda share: None,
            on_sent=partial(self._sent, name),
        )
        watcher = self._watchers[name] = Watcher(connection, track, self._clock.now_ns())
        connection.on("datachannel", partial(self._opened, watcher))
        connection.on("connectionstatechange", partial(self._changed, name))
        return watcher

    def _opened(self, watcher: Watcher, channel: RTCDataChannel) -> None:
        if channel.label == LABEL:
            watcher.channel = channel
            channel.on("message", partial(self._heard, watcher))

    def _heard(self, watcher: Watcher, data: bytes | str) -> None:
        now_ns = self._clock.now_ns()
        watcher.heard_ns = now_ns
        word = unpack(data)
        if isinstance(word, Ping):
            watcher.say(Pong(word.token))
        elif isinstance(word, Shown):
            self._fresh.passed(Stage.VIEWER, word.frame_id, now_ns)
            self._shown_age_ns.record(word.age_ns)
        else:
            self._refused.add()

    def _sent(self, name: int, sent: Sent, unsent: int) -> None:
        self._fanout.unsent(name, unsent)
        self._fresh.passed(Stage.SENDER, sent.frame_id, self._clock.now_ns())

    async def _changed(self, name: int) -> None:
        watcher = self._watchers.get(name)
        if watcher is None:
            return None
        state = watcher.connection.connectionState
        if state == "connected" and not watcher.is_in:
            try:
                self._fanout.join(name)
            except Full:
                self._refused.add()
                return await self._leave(name)
            watcher.is_in = True
            self._negotiating.discard(name)
            self._rate.join(name, self._clock.now_ns())
        elif state in ("failed", "closed"):
            await self._leave(name)
        return None

    async def _give_up(self, name: int, connection: RTCPeerConnection) -> None:
        await self._leave(name)
        await connection.close()

    async def _leave(self, name: int) -> None:
        watcher = self._watchers.pop(name, None)
        self._negotiating.discard(name)
        self._fanout.leave(name)
        self._rate.leave(name)
        if watcher is not None:
            await watcher.connection.close()

    # At the start ---------------------------------------------------------------------------

    def _open_board(self, runtime: Runtime) -> None:
        board = runtime.open_board((*COUNTERS, *COUNTS), GAUGES, HISTOGRAMS)
        self._frames, self._encoded_total, self._dropped, self._failed, self._refused = (
            board.counter(name) for name in COUNTERS
        )
        self._counts = [board.counter(name) for name in COUNTS]
        self._gauges = {name: board.gauge(name) for name in GAUGES}
        self._encode_ns, self._age_ns, self._shown_age_ns = (
            board.histogram(name) for name in HISTOGRAMS
        )


def _digest(shot: Shot) -> bytes:
    """Sum some rows up: a live sensor's noise changes each of them."""
    rows: Any = shot.pixels[:: max(1, len(shot.pixels) // 16)]
    return zlib.crc32(rows.tobytes()).to_bytes(4, "little")


if __name__ == "__main__":
    sys.exit(main(VideodSettings, Videod))
