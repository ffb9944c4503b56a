"""A camera's process and who watches it: over real sockets, with a chart that bears its number."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiortc import RTCSessionDescription

from teleop.videod import NEGOTIATING_MAX
from transport.io.clock import Clock, Skew
from transport.io.desk import QUESTION_BYTES_MAX, Refused, ask
from transport.io.mapping import Mapping
from transport.io.shm_ring import RingWriter
from transport.io.webrtc import peer
from transport.io.webrtc.identity import LABEL, State, unpack
from transport.io.webrtc.ports import Ports
from transport.io.webrtc.viewer import Seen, Viewer
from transport.media import picture, strip
from transport.media.freshness import Standstill
from transport.telemetry.board import Board

CHART = {"module": "transport.io.cameras.chart", "width": 320, "height": 240, "rate_hz": 30}


class Camera:
    """A running videod."""

    def __init__(self, folder: Path, **camera: object) -> None:
        self.folder = folder
        self.socket = folder / "video-0.sock"
        settings = {
            "process": {"name": "videod", "run_dir": str(folder), "skew_seed": 7},
            "camera": {**CHART, **camera},
            "bit_rate": 1_000_000,
            "addresses": ["127.0.0.1"],
            "port_first": 41400,
            "port_last": 41499,
        }
        path = folder / "videod.json"
        path.write_text(json.dumps(settings))
        self.process = subprocess.Popen([sys.executable, "-m", "teleop.videod", str(path)])
        self.wait(lambda: self.socket.exists() and self.number("ready"))

    def wait(self, condition, seconds: float = 20.0) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, "videod has ended"
            assert time.monotonic() < until
            time.sleep(0.02)

    def number(self, name: str) -> int:
        file = Mapping.open(self.folder / "boards" / "videod.board")
        board = Board.attach(file.view)
        found = {**dict(board.counters()), **dict(board.gauges())}[name]
        del board
        file.close()
        return found

    def close(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
def camera(tmp_path):
    made = Camera(tmp_path)
    yield made
    made.close()


async def viewer(camera: Camera, seen: list[Seen]) -> Viewer:
    peer.install(Ports(("127.0.0.1",)))
    watching = Viewer(Clock(Skew.NONE), seen.append)
    await watching.watch(lambda sdp: ask(camera.socket, sdp))
    return watching


async def until(condition, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (whatever the condition is)
            await asyncio.sleep(0.01)


def test_every_picture_that_is_shown_is_known_by_its_number_and_its_age(camera):
    async def story():
        seen: list[Seen] = []
        watching = await viewer(camera, seen)
        await until(lambda: len(seen) >= 40)
        await watching.close()
        noted = [one for one in seen if one.age_ns >= 0]
        assert len(noted) > 30
        for one in noted:
            assert one.frame_id & 0xFFFF_FFFF == strip.read(one.pixels)
            assert 0 <= one.decode_ns <= one.age_ns
        numbers = [one.frame_id for one in noted]
        assert numbers == sorted(numbers)
        assert (watching.broken, watching.skipped) == (0, 0)

    asyncio.run(story())
    camera.wait(lambda: camera.number("viewers") == 0)
    assert camera.number("standstill") == Standstill.NONE


def test_nobody_watches_and_nothing_is_encoded(camera):
    camera.wait(lambda: camera.number("frames_total") > 20)
    assert camera.number("encoded_total") == 0
    assert camera.number("standstill") == Standstill.NONE


def test_two_watch_and_it_is_encoded_once(camera):
    async def story():
        seen: list[list[Seen]] = [[], []]
        watching = [await viewer(camera, pictures) for pictures in seen]
        await until(lambda: all(len(pictures) > 30 for pictures in seen))
        assert camera.number("viewers") == 2
        assert camera.number("encoded_total") <= camera.number("frames_total")
        for one in watching:
            await one.close()

    asyncio.run(story())


def test_a_viewer_that_stands_still_is_let_go_and_the_other_goes_on(camera, tmp_path):
    program = (
        "import asyncio, sys, pathlib\n"
        "from tests.e2e.test_video import viewer\n"
        "from types import SimpleNamespace\n"
        "async def story():\n"
        "    seen = []\n"
        "    await viewer(SimpleNamespace(socket=pathlib.Path(sys.argv[1])), seen)\n"
        "    while True:\n"
        "        await asyncio.sleep(1)\n"
        "asyncio.run(story())\n"
    )
    hung = subprocess.Popen([sys.executable, "-c", program, str(camera.socket)])

    async def story():
        seen: list[Seen] = []
        watching = await viewer(camera, seen)
        await until(lambda: camera.number("viewers") == 2)
        hung.send_signal(signal.SIGSTOP)
        await until(lambda: camera.number("viewers") == 1)
        shown = len(seen)
        await until(lambda: len(seen) > shown + 20)
        await watching.close()

    try:
        asyncio.run(story())
    finally:
        hung.kill()
        hung.wait()


@pytest.mark.parametrize(
    "offer",
    [
        b"",
        b"\n",
        b"not json\n",
        b'{"ask": 7}\n',
        b'{"ask": "v=0"}\n',
        b'{"ask": "m=video 9 UDP/TLS/RTP/SAVPF 300\\r\\n"}\n',
        b'{"ask": "' + b"a=x\\r\\n" * 20_000 + b'"}\n',
        b"x" * (10 << 20),
    ],
    ids=["nothing", "empty", "words", "number", "bare", "bad-payload", "long", "10MB"],
)
def test_an_offer_that_is_none_is_refused_and_the_camera_goes_on(camera, offer):
    refused = camera.number("refused_total")
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(15)
        link.connect(str(camera.socket))
        try:
            link.sendall(offer)
            link.shutdown(socket.SHUT_WR)
            answer = link.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    if answer:
        assert json.loads(answer)["refused"]
    camera.wait(lambda: camera.number("refused_total") == refused + 1)
    frames = camera.number("frames_total")
    camera.wait(lambda: camera.number("frames_total") > frames + 5)


def test_two_pictures_are_not_one_camera(camera):
    async def story():
        peer.install(Ports(("127.0.0.1",)))
        connection = peer.connection()
        for _ in range(2):
            connection.addTransceiver("video", direction="recvonly")
        await connection.setLocalDescription(await connection.createOffer())
        with pytest.raises(Refused, match="an offer of 2 pictures"):
            await ask(camera.socket, connection.localDescription.sdp)
        await connection.close()

    asyncio.run(story())


def test_a_browser_s_favourite_codec_is_not_what_is_sent(camera):
    """A browser names VP8 first, and took what was sent for that."""

    async def story():
        peer.install(Ports(("127.0.0.1",)))
        connection = peer.connection()
        connection.addTransceiver("video", direction="recvonly")
        await connection.setLocalDescription(await connection.createOffer())
        offer = connection.localDescription.sdp
        assert offer.index("VP8/90000") < offer.index("H264/90000")
        answer = await ask(camera.socket, offer)
        assert "VP8" not in answer
        assert "profile-level-id=42e01f" in answer
        assert "a=sendonly" in answer
        await connection.close()

    asyncio.run(story())


def test_what_stands_still_is_told_to_who_watches(camera):
    async def story():
        peer.install(Ports(("127.0.0.1",)))
        connection = peer.connection()
        connection.addTransceiver("video", direction="recvonly").setCodecPreferences(peer.h264())
        channel = connection.createDataChannel(LABEL, ordered=False, maxRetransmits=0)
        states: list[State] = []
        channel.on(
            "message", lambda data: states.extend([w for w in [unpack(data)] if type(w) is State])
        )
        await connection.setLocalDescription(await connection.createOffer())
        answer = await ask(camera.socket, connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: State(Standstill.NONE) in states)
        # This viewer never says that it shows anything.
        await until(lambda: State(Standstill.VIEWER_STUCK) in states)
        await connection.close()

    asyncio.run(story())


def test_200_half_open_negotiations_are_bounded_and_end_by_themselves(camera):
    async def story():
        peer.install(Ports(("127.0.0.1",)))
        connection = peer.connection()
        connection.addTransceiver("video", direction="recvonly").setCodecPreferences(peer.h264())
        await connection.setLocalDescription(await connection.createOffer())
        offer = connection.localDescription.sdp
        outcomes = []
        for _ in range(200):
            try:
                await ask(camera.socket, offer)
                outcomes.append("")
            except Refused as refused:
                outcomes.append(str(refused))
        assert outcomes[:NEGOTIATING_MAX] == [""] * NEGOTIATING_MAX
        assert "too many negotiate at once" in outcomes
        assert outcomes.count("") < 200 / 2
        frames = camera.number("frames_total")
        await until(lambda: camera.number("frames_total") > frames + 5)
        await connection.close()
        seen: list[Seen] = []
        async with asyncio.timeout(30):
            while True:  # ten seconds at most, and no longer than the silence that ends them
                try:
                    watching = await viewer(camera, seen)
                    break
                except Refused:
                    await asyncio.sleep(0.2)
        await until(lambda: len(seen) > 5)
        await watching.close()

    asyncio.run(story())


def test_no_camera_is_said(tmp_path):
    with pytest.raises(Refused, match="nobody answers"):
        asyncio.run(ask(tmp_path / "video-0.sock", "v=0"))


def test_the_socket_is_ours_alone(camera):
    assert os.stat(camera.socket).st_mode & 0o777 == 0o600
    assert QUESTION_BYTES_MAX < 1 << 20


def test_a_ring_that_is_not_there_is_a_camera_that_is_dead(tmp_path):
    dead = Camera(tmp_path, module="transport.io.cameras.ring", url="nothing")
    try:
        dead.wait(lambda: dead.number("standstill") == Standstill.CAMERA_DEAD)
    finally:
        dead.close()


def test_what_is_drawn_may_stand_still_and_is_not_frozen(tmp_path):
    """A simulated endoscope has no noise: where no hand moves, its pictures are equal."""
    (tmp_path / "frames").mkdir()
    size = picture.HEAD_BYTES + picture.pixel_bytes(80, 60, picture.Format.RGB24)
    ring = RingWriter(tmp_path / "frames" / "endoscope.ring", 4, size)
    drawn = Camera(tmp_path, module="transport.io.cameras.ring", url="endoscope")
    try:
        for number in range(60):
            head = ring.claim()
            picture.pack_head(80, 60, picture.Format.RGB24, picture.UNKNOWN, head)
            del head
            ring.commit(size, picture.frame_id(0, 1, number), 0)
            time.sleep(1 / 60)
        assert drawn.number("frames_total") > 20
        assert drawn.number("standstill") != Standstill.CAMERA_FROZEN
    finally:
        drawn.close()
        ring.close()


def test_a_file_is_a_camera_too_and_plays_again(tmp_path):
    import av
    import numpy as np

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(12):
            pixels = np.full((120, 160, 3), 10 * number, np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(stream.encode(None))
    playing = Camera(tmp_path, module="transport.io.cameras.capture", url=str(path))
    try:
        playing.wait(lambda: playing.number("frames_total") > 30)
    finally:
        playing.close()
