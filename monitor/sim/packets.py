"""Send samples as a device does, over a network that loses, doubles, swaps and delays.

A device numbers its samples and its packets; its clock runs a little fast or slow, so its samples
are not where ours would be. What arrives, and when, is drawn; the truth is what was sent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Network(NamedTuple):
    """What a network does.

    Parameters
    ----------
    lost, doubled, swapped : part of the packets
    delay_ms, jitter_ms : least, and the mean of what is added to it
    drift_ppm : of the device's clock against ours; positive: it is fast
    """

    lost: float = 0.0
    doubled: float = 0.0
    swapped: float = 0.0
    delay_ms: float = 2.0
    jitter_ms: float = 0.0
    drift_ppm: float = 0.0


class Packet(NamedTuple):
    """A packet that arrives.

    Parameters
    ----------
    arrives_ns : by our clock, since the device began
    seq : number of the packet
    first : number of its first sample
    x : (channels, n) float32
    age_ns : how old its newest sample was when it was sent, by the device's clock
    """

    arrives_ns: int
    seq: int
    first: int
    x: NDArray[np.float32]
    age_ns: int


def sent(
    x: NDArray[np.float32], rate_hz: float, size: int, network: Network, rng: np.random.Generator
) -> list[Packet]:
    """Cut (channels, n) into packets of `size` samples; return what arrives, by time."""
    ours = 1e9 / rate_hz / (1.0 + network.drift_ppm * 1e-6)  # ns a sample takes, by our clock
    arrived: list[Packet] = []
    held: Packet | None = None
    for seq, first in enumerate(range(0, x.shape[1] - size + 1, size)):
        lost, doubled, swapped = rng.random(3) < (network.lost, network.doubled, network.swapped)
        late_ms = network.delay_ms + network.jitter_ms * rng.exponential(1.0, 2)
        leaves_ns = round((first + size) * ours)
        packet = Packet(
            leaves_ns + round(late_ms[0] * 1e6), seq, first, x[:, first : first + size], 0
        )
        if lost:
            continue
        arrived.append(packet)
        if doubled:
            arrived.append(packet._replace(arrives_ns=leaves_ns + round(late_ms.sum() * 1e6)))
        if held is not None:  # it comes right after the one behind it
            arrived.append(held._replace(arrives_ns=packet.arrives_ns + 1))
            held = None
        elif swapped:
            held = arrived.pop(-2 if doubled else -1)
    if held is not None:
        arrived.append(held)
    return sorted(arrived, key=lambda packet: packet.arrives_ns)
