"""A relay's doors and the links to them, over real sockets on loopback: what they are for."""

import socket

import pytest

from tests.transport.conftest import ATTACH, ATTACH_DATAGRAMS, FRAME, numbered
from transport.io import keys
from transport.io.datagram import Direction, Sealer
from transport.io.hub import FRAME_BYTES_MAX, ROBOT

CARRIERS = ["zmq", "udp"]


def raw_datagrams():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("end", ["console", "script", "robot"])
def test_frames_pass_both_ways_and_the_distance_is_known(world, hub, carrier, end):
    link, peer = world.attached(carrier, end)
    assert (peer.kind, peer.device.name, peer.attach.robot) == (carrier, end, "arm")
    assert link.send(FRAME)
    world.until(lambda: world.frames)
    assert world.frames == [(peer, FRAME)]
    assert world.passes
    assert peer.send(FRAME)
    got = []
    world.until(lambda: got.extend(link.receive()) or got)
    assert got == [FRAME]
    world.until(lambda: link.rtt.estimate(world.runtime.clock.now_ns()))
    assert 0 < link.rtt.rtt_last_ns < 10**9


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_paced_stream_both_ways_loses_nothing(world, hub, carrier):
    link, peer = world.attached(carrier, "console")
    link.send(FRAME)  # the relay learns a datagram's address
    world.until(lambda: world.frames)
    world.frames.clear()
    up, down, got = [0], [0], []

    def tick():
        for _ in range(3):  # 3 kHz; what could not leave is said again
            if up[0] < 300:
                up[0] += link.send(numbered(up[0]))
            if down[0] < 300:
                down[0] += peer.send(numbered(down[0]))

    ticks = world.runtime.loop.every(1_000_000, tick)
    world.until(lambda: got.extend(link.receive()) or len(got) == len(world.frames) == 300)
    ticks.close()
    assert got == [data for _, data in world.frames] == [numbered(n) for n in range(300)]
    assert link.stats.sent == 301
    assert link.stats.received == 300


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("rotated", ["relay", "robot"])
def test_keys_are_rotated_under_a_stream_which_loses_nothing(world, hub, carrier, rotated):
    link, _ = world.attached(carrier, "robot")
    link.send(FRAME)
    world.until(lambda: world.frames)
    world.frames.clear()
    up, down, got = [0], [0], []

    def tick():
        up[0] += link.send(numbered(up[0]))
        peer = world.arrived[-1]  # as the relay does: the newest of a robot's
        down[0] += peer.kind == "zmq" and peer.send(numbered(down[0]))

    ticks = world.runtime.loop.every(2_000_000, tick)
    for _ in range(3):
        before, old = len(world.arrived), world.arrived[-1]
        keys.rotate(world.keys, rotated, lambda *_: b"")
        world.until(lambda n=before: got.extend(link.receive()) or len(world.arrived) > n)
        world.until(lambda: got.extend(link.receive()) or world.frames[-1][0] is world.arrived[-1])
        assert old in hub.peers, "it is let in until its key is revoked"
        assert keys.retire(world.keys, rotated) == 1
        world.until(lambda peer=old: got.extend(link.receive()) or peer not in hub.peers)
        ends = up[0] + 100
        world.until(lambda n=ends: got.extend(link.receive()) or up[0] >= n)
    ticks.close()
    sent = [numbered(n) for n in range(up[0])]
    world.until(lambda: got.extend(link.receive()) or len(world.frames) >= len(sent))
    assert [data for _, data in world.frames] == sent
    assert got == [numbered(n) for n in range(len(got))]
    assert len(got) == down[0]
    assert link.attached


def test_receive_takes_what_waits_in_the_kernel_too(world, hub):
    link, peer = world.attached("udp", "console")
    link.send(FRAME)
    world.until(lambda: world.frames)
    peer.send(FRAME)  # no loop runs between these two lines
    assert link.receive() == [FRAME]


def test_a_relay_that_refuses_says_why(world, hub):
    world.forbid = "arm has too many consoles here"
    link = world.link("zmq", "console")
    world.until(lambda: link.refusal)
    assert link.refusal == world.forbid
    assert not link.attached
    assert not link.send(FRAME)
    assert world.counted("rejected")
    world.forbid = None
    world.until(lambda: link.attached)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_link_recovers_from_a_restart_of_the_relay(world, hub, carrier):
    link, _ = world.attached(carrier, "robot")
    old = hub.incarnation
    world.stop_hub()
    world.run_for(0.05)
    world.arrived.clear()
    assert world.start_hub().incarnation != old
    world.until(lambda: link.send(FRAME) and world.frames)  # at first with the old relay's key
    assert world.frames[-1][0] is world.arrived[-1]
    assert link.stats.reopened == 0


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_device_that_attaches_again_replaces_itself(world, hub, carrier):
    _, old = world.attached(carrier, "console")
    _, new = world.attached(carrier, "console")
    assert world.gone == [old]
    assert hub.peers == {new}
    _, other = world.attached(carrier, "console", robot="other-arm")
    assert hub.peers == {new, other}


def test_a_silent_peer_is_let_go(world, hub):
    raw = world.raw("console")
    raw.say(ATTACH)
    world.until(lambda: world.arrived)
    started = world.runtime.clock.now_ns()
    world.until(lambda: world.gone)
    assert world.gone == world.arrived
    assert world.runtime.clock.now_ns() - started > 1.9e9
    assert not hub.peers


def test_a_roaming_console_is_answered_where_it_is(world, hub):
    answer = world.boxes()
    sealer = Sealer(answer.datagram_key, Direction.TO_RELAY, answer.connection)
    here, there = raw_datagrams(), raw_datagrams()
    to = ("127.0.0.1", answer.port)
    here.sendto(sealer.seal(FRAME), to)
    world.until(lambda: len(world.frames) == 1)
    late = sealer.seal(FRAME)
    there.sendto(sealer.seal(FRAME), to)
    world.until(lambda: len(world.frames) == 2)
    here.sendto(late, to)  # a datagram that took the long way moves nobody back
    world.until(lambda: len(world.frames) == 3)
    assert world.arrived[0].send(FRAME)
    assert there.recv(2048)
    with pytest.raises(BlockingIOError):
        here.recv(2048)
    here.close()
    there.close()


def test_a_robot_may_say_more_than_a_console(world, hub):
    link, _ = world.attached("udp", "robot")
    state = FRAME + bytes(FRAME_BYTES_MAX[ROBOT] - len(FRAME))
    link.send(state)
    world.until(lambda: world.frames)
    link.send(state + b"!")
    world.until(lambda: world.counted("oversized"))
    assert [data for _, data in world.frames] == [state]


def test_a_hub_without_datagrams_carries_everything_over_curve(world):
    world.start_hub(datagrams=False)
    raw = world.raw("console")
    raw.say(ATTACH_DATAGRAMS)
    raw.say(FRAME)
    world.until(lambda: world.frames)
    assert world.arrived[0].kind == "zmq"
