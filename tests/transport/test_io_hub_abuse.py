"""A relay's doors, over real sockets on loopback: what they are against."""

import os
import socket

import pytest

from tests.transport.conftest import ATTACH, ATTACH_DATAGRAMS, FRAME, numbered
from transport.io import keys
from transport.io.datagram import Direction, Sealer
from transport.io.hub import PEERS_MAX
from transport.io.keys import Role
from transport.wire.codec import encode
from transport.wire.messages import Attached, Clock

CARRIERS = ["zmq", "udp"]


def raw_datagrams():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


@pytest.mark.parametrize(("identity", "door"), [("console", "robot"), ("observer", None)])
def test_a_wrong_role_is_refused_at_the_handshake(world, hub, identity, door):
    link = world.link("zmq", identity, door=door)
    world.until(lambda: link.stats.refused >= 2 and link.stats.reopened)  # and it goes on asking
    assert "FAILED_AUTH" in link.refusal
    assert world.counted("wrong_role") >= 1
    assert not world.arrived


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_key_revoked_on_a_live_connection_is_dropped_on_its_next_frame(world, hub, carrier):
    link, peer = world.attached(carrier, "console")
    link.send(FRAME)
    world.until(lambda: world.frames)
    world.frames.clear()
    keys.revoke(world.keys, "console")
    hub.keyring.refresh()  # not waiting for the hub's own look
    assert link.send(FRAME)
    world.until(lambda: world.counted("revoked"))
    assert world.gone == [peer]
    assert not world.frames
    world.until(lambda: link.stats.refused)  # silence, a new socket, and no handshake
    assert not world.frames
    assert not hub.peers


def test_a_revocation_is_seen_without_any_frame(world, hub):
    _, peer = world.attached("zmq", "robot")
    keys.revoke(world.keys, "robot")
    world.until(lambda: world.gone)
    assert world.gone == [peer]


def test_nobody_takes_over_the_route_of_somebody_else(world, hub):
    link, peer = world.attached("zmq", "console")
    thief = world.raw("console2", route=peer.route)
    world.run_for(0.1)
    thief.port.send(ATTACH)
    thief.port.send(FRAME)
    world.run_for(0.1)
    assert peer.send(FRAME)
    got = []
    world.until(lambda: got.extend(link.receive()) or got)
    assert not thief.answers
    assert not world.frames
    assert hub.peers == {peer}


def test_before_attach_nothing_is_taken(world, hub):
    raw = world.raw("console")
    raw.say(FRAME)
    raw.say(encode(Clock(3, 1, 0, 0)))
    world.until(lambda: world.counted("unattached") == 2)
    assert not world.frames
    assert not raw.answers


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "malformed"),
        (b"\x91", "malformed"),
        (b"\x95\x01\x01", "field"),
        (b"\x95\x02\x01\xa0\xa0", "version"),
        (b"\x95\x01\x02\xa0\xa0", "field"),  # Attached is the relay's to say, and half of it
        (encode(Attached(2, 1, 1, None, 0, 0)), "kind"),
        (b"\x96\x01\x01\xc0\x00\x00\xc2", "field"),
        (bytes([0xDC, 0, 30, 1, 20]) + bytes(1020), "oversized"),
        (bytes(17_000), "handshake"),  # libzmq hangs up; whoever is left must not suffer
    ],
)
def test_bad_bytes_of_an_attached_peer_are_counted_by_name(world, hub, data, cause):
    _, good = world.attached("zmq", "console2")
    raw = world.raw("console")
    raw.say(ATTACH)
    world.until(lambda: raw.answers)
    raw.say(data)
    if cause != "handshake":
        world.until(lambda: world.counted(cause))
    world.run_for(0.02)
    assert not world.frames
    assert good in hub.peers


def test_parts_and_sizes_are_capped_for_strangers_too(world, hub):
    raw = world.raw("console")
    world.until(lambda: raw.port.send(bytes(2000)))
    raw.port.socket.send_multipart([b"a", b"b"])
    world.until(lambda: world.counted("oversized") and world.counted("parts"))


def test_a_device_that_floods_is_slowed_and_nobody_else(world, hub):
    raw, (other, _) = world.raw("console"), world.attached("udp", "console2")
    raw.say(ATTACH)
    world.until(lambda: raw.answers)

    def flood():
        while raw.port.send(FRAME):
            pass

    ticks = world.runtime.loop.every(1_000_000, flood)
    world.until(lambda: world.counted("rate"))
    ticks.close()
    world.frames.clear()
    other.send(numbered(1))
    world.until(lambda: any(data == numbered(1) for _, data in world.frames))


def test_a_replayed_a_forged_and_a_foreign_datagram_are_refused(world, hub):
    answer = world.boxes()
    sealer = Sealer(answer.datagram_key, Direction.TO_RELAY, answer.connection)
    wire = raw_datagrams()

    def throw(datagram):
        wire.sendto(datagram, ("127.0.0.1", answer.port))

    good = sealer.seal(FRAME)
    for datagram in (
        good,
        good,
        Sealer(bytes(32), Direction.TO_RELAY, answer.connection).seal(FRAME)[:4]
        + (99).to_bytes(8, "big")
        + bytes(40),
        Sealer(answer.datagram_key, Direction.TO_RELAY, answer.connection ^ 1).seal(FRAME),
        good[:20],
        sealer.seal(FRAME + bytes(1000)),
        sealer.seal(bytes(3)),
    ):
        throw(datagram)
    causes = ("replayed", "forged", "connection", "short", "oversized", "malformed")
    world.until(lambda: all(world.counted(cause) == 1 for cause in causes))
    assert len(world.frames) == 1
    wire.close()


def test_a_frame_over_tcp_from_a_peer_that_asked_for_datagrams_is_refused(world, hub):
    raw = world.raw("console")
    raw.say(ATTACH_DATAGRAMS)
    raw.say(FRAME)
    world.until(lambda: world.counted("wrong_path"))
    assert not world.frames


def test_a_flood_of_junk_datagrams_passes_by_the_rightful_stream(world, hub):
    link, _ = world.attached("udp", "console")
    junk, random = raw_datagrams(), os.urandom(100)

    def flood():
        for _ in range(30):
            junk.sendto(random, ("127.0.0.1", hub.datagram_port))

    sent = [0]
    ticks = world.runtime.loop.every(1_000_000, flood)
    steady = world.runtime.loop.every(
        1_000_000, lambda: sent.__setitem__(0, sent[0] + link.send(numbered(sent[0])))
    )
    world.until(lambda: sent[0] >= 200)
    steady.close()
    ticks.close()
    world.until(lambda: len(world.frames) == sent[0])
    assert world.counted("connection") > 1000
    junk.close()


def test_half_open_connections_and_garbage_on_the_port_harm_nobody(world, hub):
    link, peer = world.attached("zmq", "console")
    port = int(hub.console_endpoint.rpartition(":")[2])
    strangers = []
    for number in range(300):
        stranger = socket.create_connection(("127.0.0.1", port))
        if number % 2:
            stranger.send(os.urandom(64))
        strangers.append(stranger)
    link.send(FRAME)
    world.until(lambda: world.frames)
    world.until(lambda: world.counted("handshake") >= 150)
    assert link.stats.reopened == 0
    assert hub.peers == {peer}
    for stranger in strangers:  # libzmq has hung up on all of them within its second
        stranger.settimeout(5)
    world.run_for(1.2)
    for stranger in strangers:
        try:
            while stranger.recv(4096):
                pass
        except ConnectionResetError:
            pass
        stranger.close()


def test_peers_are_bounded(world, hub):
    for number in range(PEERS_MAX + 1):
        keys.new(world.keys, f"extra-{number}", Role.CONSOLE)
    world.until(lambda: len(hub.keyring.live) > PEERS_MAX)
    extras = [world.raw(f"extra-{number}") for number in range(PEERS_MAX + 1)]
    for raw in extras:
        raw.say(ATTACH)
    world.until(lambda: all(raw.answers for raw in extras))
    assert len(hub.peers) == PEERS_MAX
    assert world.counted("full") == 1
