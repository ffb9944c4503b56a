"""Decides how far the peer is, and how much its clock differs from ours.

A ping carries t1 (our clock, sent), its answer t2 and t3 (the peer's clock, received and
answered), and it is back at t4 (our clock):

    rtt    = (t4 - t1) - (t3 - t2)
    offset = ((t2 - t1) + (t3 - t4)) / 2        the peer's clock minus ours

Rules
-----
- A queue only ever adds delay, so the fastest exchange is the truest: its offset is wrong by at
  most half its rtt, however unequal the two directions are.
- That claim ages. Two clocks may drift apart by `drift_ppm`, so an old fast exchange loses to a
  newer one that is slower by less than the drift since. The error is stated with every answer.
- What has left the window counts no more: clocks step when a machine is suspended.
- An impossible exchange is dropped and counted.

Source: the clock filter of NTP (RFC 5905, section 10), which keeps eight samples and orders
them in the same way. The result is for display and diagnosis; no rule of safety compares clocks.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

WINDOW_NS = 10_000_000_000
#: With a ping each 100 ms the last 3.2 s; the window bounds slower pings.
SAMPLES = 32
#: Two poor quartzes, 200 ppm each, in opposite directions.
DRIFT_PPM = 400
_MILLION = 1_000_000


class Estimate(NamedTuple):
    """What is known about the path and the peer's clock.

    Parameters
    ----------
    rtt_ns : int
        The smallest round trip of the window.
    offset_ns : int
        The peer's clock minus ours.
    error_ns : int
        Bound on the offset's error now: half the round trip it came from, and drift since.
    """

    rtt_ns: int
    offset_ns: int
    error_ns: int


class _Sample(NamedTuple):
    t1_ns: int
    rtt_ns: int
    offset_ns: int


class MinFilter:
    """Minimum filter over the newest exchanges.

    Parameters
    ----------
    window_ns : int
        How long an exchange counts.
    samples : int
        How many exchanges are kept at most.
    drift_ppm : int
        How fast the two clocks may drift apart.

    Attributes
    ----------
    rtt_last_ns : int
        The newest round trip; 0 before the first.
    impossible : int
        Exchanges dropped because no pair of clocks could have shown them.
    """

    __slots__ = (
        "_best",
        "_drift_ppm",
        "_rtt_ns",
        "_samples",
        "_window_ns",
        "impossible",
        "rtt_last_ns",
    )

    def __init__(
        self, window_ns: int = WINDOW_NS, samples: int = SAMPLES, drift_ppm: int = DRIFT_PPM
    ) -> None:
        assert window_ns > 0 and samples > 0 and drift_ppm >= 0
        self.rtt_last_ns = 0
        self.impossible = 0
        self._window_ns = window_ns
        self._drift_ppm = drift_ppm
        self._samples: deque[_Sample] = deque(maxlen=samples)
        self._best: _Sample | None = None
        self._rtt_ns = 0

    def add(self, t1_ns: int, t2_ns: int, t3_ns: int, t4_ns: int) -> bool:
        """Take one exchange; return False if it was impossible and dropped."""
        rtt_ns = (t4_ns - t1_ns) - (t3_ns - t2_ns)
        if t4_ns < t1_ns or t3_ns < t2_ns or rtt_ns < 0:
            self.impossible += 1
            return False
        self.rtt_last_ns = rtt_ns
        offset_ns = ((t2_ns - t1_ns) + (t3_ns - t4_ns)) // 2
        self._samples.append(_Sample(t1_ns, rtt_ns, offset_ns))
        while self._samples[0].t1_ns < t1_ns - self._window_ns:
            self._samples.popleft()
        self._rtt_ns = min(sample.rtt_ns for sample in self._samples)
        self._best = min(self._samples, key=lambda sample: self._error_ns(sample, t4_ns))
        return True

    def estimate(self, now_ns: int) -> Estimate | None:
        """Return what is known now, None before the first exchange.

        When exchanges stop, the last answer stays and its error grows: age is visible.
        """
        if self._best is None:
            return None
        error_ns = self._error_ns(self._best, now_ns)
        return Estimate(self._rtt_ns, self._best.offset_ns, error_ns)

    def _error_ns(self, sample: _Sample, now_ns: int) -> int:
        drift_ns = (now_ns - sample.t1_ns) * self._drift_ppm // _MILLION
        return sample.rtt_ns // 2 + drift_ns + 2  # two roundings down
