"""Honest hands for the limits, and how networks bring their commands."""

import math
from itertools import pairwise

from transport.wire.vector import ORIGIN

MS = 1_000_000
#: Where stories of the limits begin: well inside the fence.
START = ORIGIN._replace(z=-0.13)


class Honest:
    """A sum of sines in all three axes that begins at rest; speed and acceleration are scaled."""

    def __init__(self, rng, speed_m_s=0.3, acceleration_m_s2=5.0):
        self._waves = [
            (axis, rng.uniform(1.0, 50.0), rng.uniform(0.0, 6.28), rng.uniform(0.1, 1.0))
            for axis in range(3)
            for _ in range(2)
        ]
        self._turn = rng.uniform(-0.5, 0.5)
        self._scale = 1.0
        path = [self._raw(k * 1e-3) for k in range(3000)]
        speeds = [[(b - a) * 1e3 for a, b in zip(p, q, strict=True)] for p, q in pairwise(path)]
        fastest = max(math.hypot(*v) for v in speeds)
        gains = [math.dist(a, b) * 1e3 for a, b in pairwise(speeds)]
        self._scale = min(speed_m_s / fastest, acceleration_m_s2 / max(gains), 5.0)

    def at(self, t_s):
        """The pose that this hand asks for at its own time."""
        x, y, z = (self._scale * p for p in self._raw(t_s))
        angle = self._turn * math.sin(4.0 * t_s) * _ease(t_s)
        half = (math.cos(angle / 2), 0.0, math.sin(angle / 2), 0.0)
        return START._replace(x=START.x + x, y=START.y + y, z=START.z + z, qw=half[0], qy=half[2])

    def _raw(self, t_s):
        place = [0.0, 0.0, 0.0]
        for axis, w, phase, size in self._waves:
            place[axis] += size / w * (math.sin(w * t_s + phase) - math.sin(phase))
        return [p * _ease(t_s) for p in place]


def _ease(t_s):
    share = min(1.0, t_s / 0.5)
    return share * share * (3.0 - 2.0 * share)


def arrivals(rng, n, jitter_ms, loss, burst):
    """When which of n commands, 1 ms apart, arrives: delayed, lost one by one and in a burst."""
    gone = rng.randrange(n)
    sent = [
        (k * MS + int(rng.random() * jitter_ms * MS), k)
        for k in range(1, n)
        if rng.random() >= loss and not gone <= k < gone + burst
    ]
    newest = 0
    for t_ns, k in sorted(sent):
        if k > newest:  # older ones are refused by their sequence
            newest = k
            yield t_ns, k
