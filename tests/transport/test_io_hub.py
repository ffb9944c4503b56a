"""A relay's doors and the links to them, over real sockets on loopback."""

from __future__ import annotations

import pytest

FRAME = bytes([0x9F, 1, 20]) + bytes(300)  # neither Attach nor Clock: the hub looks no deeper


@pytest.mark.parametrize("carrier", ["zmq", "udp"])
def test_frames_pass_both_ways(world, carrier):
    world.start_hub()
    end, peer = world.attached(carrier, "console")
    assert peer.kind == carrier
    assert end.send(FRAME)
    world.until(lambda: world.frames)
    assert world.frames == [(peer, FRAME)]
    assert peer.send(FRAME)
    got = []
    world.until(lambda: got.extend(end.receive()) or got)
    assert got == [FRAME]
    world.until(lambda: end.rtt.estimate(0))
