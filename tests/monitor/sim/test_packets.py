"""What a network does to packets: drawn by chance, counted, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sim.packets import Network, Packet, sent

RATE_HZ, SIZE = 250.0, 10
X = np.arange(2 * 50_000, dtype=np.float32).reshape(2, -1)
PACKETS = X.shape[1] // SIZE


def arrived(network: Network, seed: int = 1) -> list[Packet]:
    return sent(X, RATE_HZ, SIZE, network, np.random.default_rng(seed))


def test_over_a_good_network_everything_comes_once_in_order_and_on_time():
    packets = arrived(Network())
    assert [packet.seq for packet in packets] == list(range(PACKETS))
    assert np.array_equal(np.concatenate([packet.x for packet in packets], axis=1), X)
    assert packets[0].arrives_ns == 42_000_000
    assert set(np.diff([packet.arrives_ns for packet in packets])) == {40_000_000}


def test_the_same_seed_loses_the_same_packets():
    network = Network(lost=0.1, doubled=0.1, swapped=0.1, jitter_ms=5.0)

    def story(seed: int) -> list[tuple[int, int]]:
        return [(packet.arrives_ns, packet.seq) for packet in arrived(network, seed)]

    assert story(1) == story(1) != story(2)


@pytest.mark.parametrize("part", [0.02, 0.2])
def test_what_is_lost_and_doubled_is_as_much_as_was_asked(part: float):
    lost = arrived(Network(lost=part))
    assert len(lost) / PACKETS == pytest.approx(1.0 - part, abs=0.02)
    doubled = [packet.seq for packet in arrived(Network(doubled=part))]
    assert len(set(doubled)) == PACKETS
    assert len(doubled) / PACKETS == pytest.approx(1.0 + part, abs=0.02)


def test_swapped_packets_change_places_with_their_neighbour():
    seqs = np.array([packet.seq for packet in arrived(Network(swapped=0.1))])
    assert sorted(seqs) == list(range(PACKETS))
    early = np.flatnonzero(np.diff(seqs) < 0)
    assert len(early) / PACKETS == pytest.approx(0.1, abs=0.02)
    assert np.abs(seqs - np.arange(PACKETS)).max() == 1


def test_a_fast_clock_sends_sooner():
    slow, fast = arrived(Network(drift_ppm=0.0))[-1], arrived(Network(drift_ppm=200.0))[-1]
    lasts_ns = X.shape[1] / RATE_HZ * 1e9
    assert slow.arrives_ns - fast.arrives_ns == pytest.approx(200e-6 * lasts_ns, rel=0.01)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 100), st.integers(0, 99)
)
def test_nothing_that_arrives_was_not_sent_or_comes_before_its_time(
    lost: float, doubled: float, swapped: float, jitter_ms: float, seed: int
):
    rng = np.random.default_rng(seed)
    network = Network(lost, doubled, swapped, 1.0, jitter_ms)
    packets = sent(X[:, :2000], RATE_HZ, SIZE, network, rng)
    times = [packet.arrives_ns for packet in packets]
    assert times == sorted(times)
    for packet in packets:
        assert packet.first == packet.seq * SIZE
        assert np.array_equal(packet.x, X[:, packet.first : packet.first + SIZE])
        assert packet.arrives_ns >= (packet.first + SIZE) * 4_000_000 + 1_000_000
