"""Pictures over WebRTC: encoded once, sent to everybody, whole with their last packet."""

import asyncio
import hashlib
import socket
import threading
import time

import av
import numpy as np
import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket, unpack_header_extensions

from tests.transport.pictures import HEIGHT, WIDTH, Camera, pixels, until
from transport.io.clock import Clock, Skew
from transport.io.webrtc import guard, ports
from transport.io.webrtc.encoder import Codec, Encoder, Picture, Shape, find
from transport.io.webrtc.packet import MID, PLAYOUT_DELAY, SEND_TIME, Header, payloads_of
from transport.io.webrtc.receiver import _begins_idr

SHAPE = Shape(WIDTH, HEIGHT, 30)


# The aiortc that is leaned on


def test_the_installed_aiortc_is_the_one_that_was_read():
    guard.check()


def test_another_aiortc_is_refused_by_what_is_other():
    def other():
        """Stand for a piece that was changed."""

    with pytest.raises(guard.OtherAiortc, match=r"other: .*other.*make setup"):
        guard.check([*guard.LEANED_ON, (other, "000000000000")])


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr("aiortc.__version__", "1.17.0")
    with pytest.raises(guard.OtherAiortc, match=r"1.17.0"):
        guard.check()


# Packets


def extensions(**ids):
    uris = {"mid": MID, "time": SEND_TIME, "delay": PLAYOUT_DELAY}
    return [RTCRtpHeaderExtensionParameters(id=n, uri=uris[name]) for name, n in ids.items()]


@pytest.mark.parametrize("last", [False, True])
def test_a_header_is_what_aiortc_reads(last):
    ids = extensions(mid=1, time=3, delay=5)
    header = Header(99, 0xDEADBEEF, ids, "0")
    ntp = 0x1234_5678_9ABC_DEF0
    data = header.put(b"payload", 65535, 1 << 33 | 7, last, ntp)
    known = HeaderExtensionsMap()
    known.configure(type("Parameters", (), {"headerExtensions": ids}))
    packet = RtpPacket.parse(data, known)
    assert (packet.payload_type, packet.sequence_number, packet.timestamp) == (99, 65535, 7)
    assert (packet.ssrc, packet.marker, packet.payload) == (0xDEADBEEF, int(last), b"payload")
    assert packet.extensions.mid == "0"
    assert packet.extensions.abs_send_time == ntp >> 14 & 0xFFFFFF
    profile, length = data[12:14], int.from_bytes(data[14:16], "big") * 4
    assert profile == b"\xbe\xde"
    values = dict(unpack_header_extensions(0xBEDE, data[16 : 16 + length]))
    assert values[5] == b"\0\0\0", "at once: no least, no greatest delay"


def test_a_header_without_extensions_has_none():
    data = Header(99, 1, [], "").put(b"x", 1, 2, True, 3)
    assert len(data) == 13
    assert RtpPacket.parse(data).payload == b"x"


def test_one_header_serves_one_packet_after_another():
    header = Header(99, 1, extensions(time=3), "0")
    first = header.put(b"a", 1, 2, False, 0)
    header.put(b"b", 2, 2, True, (1 << 64) - 1)
    assert first == header.put(b"a", 1, 2, False, 0)


# The encoder


def decoded(streams):
    decoder = av.CodecContext.create("h264", "r")
    packets = [*map(av.Packet, streams), None]
    return [frame for packet in packets for frame in decoder.decode(packet)]


def test_a_picture_in_is_a_picture_out_and_looks_like_it():
    codec = Codec("libx264", SHAPE, 1_000_000, 1_000_000)
    streams = [codec.encode(pixels(n), n * 3000, idr=n == 0) for n in range(10)]
    frames = decoded(streams)
    assert len(frames) == 10
    for number, frame in enumerate(frames):
        luma = frame.to_ndarray()[:HEIGHT].astype(float)
        error = np.mean((luma - pixels(number)[:HEIGHT]) ** 2)
        assert 10 * np.log10(255**2 / error) > 35


def test_only_what_is_asked_for_stands_alone():
    codec = Codec("libx264", SHAPE, 1_000_000, 1_000_000)
    streams = [codec.encode(pixels(n), n * 3000, idr=n in (0, 7)) for n in range(20)]
    alone = [n for n, data in enumerate(streams) if _begins_idr(payloads_of(data)[0])]
    assert alone == [0, 7]


def test_the_rate_changes_without_a_new_beginning():
    rng = np.random.default_rng(1)
    codec = Codec("libx264", SHAPE, 2_000_000, 2_000_000)
    sizes, alone = [], 0
    for number in range(120):
        if number == 60:
            codec.bit_rate = 400_000
        noisy = pixels(number)
        noisy[:HEIGHT] += rng.integers(0, 40, (HEIGHT, WIDTH), np.uint8)
        data = codec.encode(noisy, number * 3000, idr=number == 0)
        sizes.append(len(data))
        alone += _begins_idr(payloads_of(data)[0])
    assert alone == 1
    assert sum(sizes[70:]) < sum(sizes[10:60]) / 2


def test_the_best_encoder_that_opens_is_found():
    assert find(SHAPE) in ("libx264", "h264_nvenc")
    Codec(find(SHAPE), SHAPE, 1_000_000, 1_000_000).encode(pixels(0), 0, idr=True)


class Gate:
    """A codec that takes as long as it is told."""

    def __init__(self, shape):
        self.shape, self.bit_rate = shape, 1
        self.began, self.go = threading.Event(), threading.Event()
        self.seen = []

    def encode(self, picture, timestamp, *, idr):
        self.seen.append((int(picture[0, 0]), idr))
        self.began.set()
        self.go.wait(10)
        return b"\0\0\0\1\x65data"


def numbered(number, shape=SHAPE):
    return Picture(np.full((shape.height * 3 // 2, shape.width), number, np.uint8), number, number)


def test_what_waits_gives_way_to_what_is_newer_before_it_is_encoded():
    made, done = [], []
    encoder = Encoder(
        Clock(Skew.NONE),
        lambda shape: made.append(Gate(shape)) or made[-1],
        30,
        lambda: False,
        lambda sent, took: done.append(sent.frame_id),
    )
    encoder.put(numbered(1))
    deadline = time.monotonic() + 10
    while not (made and made[0].began.is_set()):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    for number in (2, 3, 4):
        encoder.put(numbered(number))
    made[0].go.set()
    while len(done) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    encoder.close()
    assert done == [1, 4]
    assert encoder.dropped == 2
    assert made[0].seen == [(1, True), (4, False)], "the first of a codec stands alone"


def test_another_size_is_another_codec_and_a_refused_picture_is_counted():
    shapes, done = [], []

    def make(shape):
        shapes.append(shape)
        return Codec("libx264", shape, 500_000, 500_000)

    encoder = Encoder(Clock(Skew.NONE), make, 30, lambda: False, lambda sent, _: done.append(sent))
    small = Shape(160, 120, 30)
    for number, shape in enumerate((SHAPE, small, Shape(1, 1, 30), SHAPE)):
        encoder.put(numbered(number, shape))
        deadline = time.monotonic() + 10
        while len(done) + encoder.failed <= number:
            assert time.monotonic() < deadline
            time.sleep(0.002)
    encoder.close()
    assert shapes[:2] == [SHAPE, small]
    assert encoder.failed == 1
    assert [sent.is_idr for sent in done] == [True, True, True]


# Ports


def test_sockets_are_bound_in_the_range_and_the_range_can_be_full():
    alone = ports.Ports(("127.0.0.1",), 41190, 41191)
    opened = [ports._opened("127.0.0.1", alone) for _ in range(2)]
    try:
        assert sorted(one.getsockname()[1] for one in opened) == [41190, 41191]
        with pytest.raises(ports.NoPort, match="41190 to 41191"):
            ports._opened("127.0.0.1", alone)
    finally:
        for one in opened:
            one.close()


def test_any_port_is_one_too():
    with ports._opened("127.0.0.1", ports.Ports()) as opened:
        assert isinstance(opened, socket.socket)
        assert opened.getsockname()[1] > 0


# All of it


def run(story):
    asyncio.run(story)


def test_two_viewers_see_the_same_pictures_encoded_once():
    async def story():
        camera, seen = Camera(), {"a": [], "b": []}
        for name, pictures in seen.items():
            await camera.watch(name, pictures.append)
        await camera.film(30)
        await until(lambda: all(len(pictures) == len(camera.sent) for pictures in seen.values()))
        sums = {
            name: [hashlib.sha256(one.data).digest() for one in pictures]
            for name, pictures in seen.items()
        }
        assert sums["a"] == sums["b"]
        assert len(decoded([one.data for one in seen["a"]])) == len(camera.sent)
        offset = camera.tracks["a"].timestamp_offset
        assert [one.timestamp - offset & 0xFFFF_FFFF for one in seen["a"]] == [
            sent.timestamp for sent in camera.sent
        ]
        await camera.close()

    run(story())


def test_a_picture_arrives_without_the_next_one():
    async def story():
        camera, seen = Camera(), []
        await camera.watch("a", seen.append)
        await camera.film(1)
        await until(lambda: seen)
        assert seen[0].is_idr
        await camera.close()

    run(story())


def test_who_comes_later_begins_with_a_picture_that_stands_alone():
    async def story():
        camera, first, second = Camera(), [], []
        await camera.watch("a", first.append)
        await camera.film(20)
        await camera.watch("b", second.append)
        await camera.film(20, first=20)
        await until(lambda: second)
        assert second[0].is_idr
        assert [one.is_idr for one in first].count(True) == 2
        await camera.close()

    run(story())


def test_what_is_lost_is_sent_again_and_no_picture_is_missing():
    async def story():
        camera, seen = Camera(), []
        receiver = await camera.watch("a", seen.append)
        _drop(receiver, every=17)
        await camera.film(60)
        await until(lambda: len(seen) == len(camera.sent))
        assert receiver.assembly.given_up == 0
        await camera.close()

    run(story())


def test_what_stays_lost_is_given_up_and_a_new_beginning_asked_for():
    async def story():
        camera, seen = Camera(), []
        receiver = await camera.watch("a", seen.append)
        await camera.film(10)
        await until(lambda: len(seen) == len(camera.sent))
        _drop(receiver, every=1, packets=12, again=True)
        await camera.film(60, first=10)
        await until(
            lambda: (
                seen[-1].timestamp - camera.tracks["a"].timestamp_offset & 0xFFFF_FFFF
                == camera.sent[-1].timestamp
            )
        )
        assert ("a", "ask", 0.0) in camera.heard
        assert receiver.assembly.given_up > 0
        assert [one.is_idr for one in seen].count(True) >= 2
        assert len(decoded([one.data for one in seen])) == len(seen)
        await camera.close()

    run(story())


def test_a_viewer_says_what_its_path_bears_and_loses():
    async def story():
        camera = Camera()
        await camera.watch("a", lambda _: None)
        await camera.film(150)
        await until(lambda: {"bears", "lost"} <= {what for _, what, _ in camera.heard})
        await camera.close()

    run(story())


def _drop(receiver, every, packets=10_000, again=False):
    """Lose each so-manieth packet on its way to a receiver, and what is sent in its place."""
    handle = receiver._handle_rtp_packet
    count, gone = 0, set()

    async def lose(packet, arrival_time_ms):
        nonlocal count
        is_again = len(packet.payload) > 1 and packet.payload_type != lose.type
        seq = int.from_bytes(packet.payload[:2], "big") if is_again else packet.sequence_number
        if is_again:
            if again and seq in gone:
                return
        else:
            count += 1
            if count % every == 0 and len(gone) < packets:
                gone.add(seq)
                return
        await handle(packet, arrival_time_ms)

    lose.type = next(
        number
        for number, codec in receiver._RTCRtpReceiver__codecs.items()
        if codec.mimeType.lower() == "video/h264"
    )
    receiver._handle_rtp_packet = lose
