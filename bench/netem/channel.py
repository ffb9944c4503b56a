"""Decides when each packet of one direction arrives, or that it does not.

Rules
-----
1. Pure: what happens is a function of impairment, seed and the packets' times. No clock, no
   socket; `start_ns` is when the weather begins, and no packet may be older than the one before.
2. Loss by time and outages are weather: a function of seed and time alone. Who sends when, and
   how much, changes nothing about them.
3. Of an ordered direction no packet arrives before one that was sent earlier, but for those that
   are held back and for second copies: these go on their own.
4. Each cause draws from its own row of random numbers, so that one can be changed, or left out,
   without moving the others.
"""

from __future__ import annotations

import math
import random
from enum import IntEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

from bench.netem.profile import (
    Delay,
    GilbertElliott,
    Impairment,
    Lomax,
    Outages,
    ParetoBursts,
)
from safety.profile import MS

SIGMAS = 2.5
"""Where the normal jitter is cut."""
_NEVER = 1 << 62

P = TypeVar("P")


class Fate(IntEnum):
    """What became of a packet. Numbers are in traces: append, never renumber."""

    CARRIED = 0
    LOST = 1
    OUTAGE = 2
    FULL = 3  #: more packets under way than a shell keeps
    UNDER_WAY = 4  #: not yet arrived when the shell ended


class Delivery(NamedTuple, Generic[P]):
    """One arrival."""

    at_ns: int
    packet: P


class Channel(Generic[P]):
    """One direction.

    Parameters
    ----------
    impairment : what it does
    seed : the same seed gives the same network; the two directions of a link take two
    start_ns : on the clock that `send` is asked with

    Attributes
    ----------
    fate : of the newest packet
    """

    def __init__(self, impairment: Impairment, seed: str, start_ns: int) -> None:
        self._impairment = impairment
        self._start_ns = start_ns
        self._loss = _loss(impairment, random.Random(f"{seed}/loss"))
        self._outage = _Outage(impairment.outages, random.Random(f"{seed}/outage"))
        self._delay = _Delay(impairment.delay, random.Random(f"{seed}/delay"))
        self._own_way = random.Random(f"{seed}/own way")
        self._last_ns = start_ns
        self.fate = Fate.CARRIED

    def send(self, now_ns: int, packet: P) -> list[Delivery[P]]:
        """Send one packet now; return its arrivals: none, one, or two when it was copied."""
        since_ns = now_ns - self._start_ns
        lost = self._loss.loses(since_ns)
        delay_ns = self._delay.ns(since_ns)
        if self._outage.covers(since_ns):
            self.fate = Fate.OUTAGE
            return []
        if lost:
            self.fate = Fate.LOST
            return []
        self.fate = Fate.CARRIED
        return self._deliver(now_ns + delay_ns, packet)

    def _deliver(self, at_ns: int, packet: P) -> list[Delivery[P]]:
        impairment, own_way = self._impairment, self._own_way
        if impairment.held_back and own_way.random() < impairment.held_back:
            at_ns += impairment.held_ns
        elif impairment.ordered:
            at_ns = self._last_ns = max(at_ns, self._last_ns)
        arrivals = [Delivery(at_ns, packet)]
        if impairment.copied and own_way.random() < impairment.copied:
            arrivals.append(Delivery(at_ns + impairment.copied_ns, packet))
        return arrivals


class _Loss(Protocol):
    def loses(self, since_ns: int) -> bool: ...


def _loss(impairment: Impairment, rng: random.Random) -> _Loss:
    loss = impairment.loss
    if isinstance(loss, GilbertElliott):
        return _GilbertElliott(loss, rng)
    if isinstance(loss, ParetoBursts):
        return _ParetoBursts(loss, rng)
    return _Lossless()


class _Lossless:
    def loses(self, since_ns: int) -> bool:
        return False


class _GilbertElliott:
    """The chain is not stepped but jumped: how many steps a state lasts is geometric."""

    def __init__(self, loss: GilbertElliott, rng: random.Random) -> None:
        self._loss = loss
        # What a packet draws must not move the weather.
        self._chain, self._dice = rng, random.Random(rng.random())
        self._bad = False
        self._packets = 0
        self._until = _steps(loss.p, rng)

    def loses(self, since_ns: int) -> bool:
        loss = self._loss
        step = since_ns // loss.step_ns if loss.step_ns else self._packets
        self._packets += 1
        while step >= self._until:
            self._bad = not self._bad
            self._until += _steps(loss.r if self._bad else loss.p, self._chain)
        share = loss.bad if self._bad else loss.good
        return share >= 1.0 or (share > 0.0 and self._dice.random() < share)


class _ParetoBursts:
    def __init__(self, loss: ParetoBursts, rng: random.Random) -> None:
        self._loss = loss
        self._rng = rng
        self._bad = False
        self._left = self._burst()

    def loses(self, since_ns: int) -> bool:
        loss = self._loss
        if self._rng.random() < (loss.r if self._bad else loss.p):
            self._bad = not self._bad
        if self._left > 0:
            self._left -= 1
            return True
        self._left = self._burst()
        return False

    def _burst(self) -> int:
        return int(_lomax(self._loss.bad if self._bad else self._loss.good, self._rng))


class _Outage:
    def __init__(self, outages: Outages | None, rng: random.Random) -> None:
        assert outages is None or outages.pause_ns >= MS, "without a pause time would never pass"
        self._outages = outages
        self._rng = rng
        self._out = False
        self._until_ns = _NEVER if outages is None else outages.pause_ns

    def covers(self, since_ns: int) -> bool:
        outages = self._outages
        while outages is not None and since_ns >= self._until_ns:
            self._out = not self._out
            self._until_ns += (
                self._rng.randint(outages.shortest_ns, outages.longest_ns)
                if self._out
                else outages.pause_ns
            )
        return self._out


class _Delay:
    def __init__(self, delay: Delay, rng: random.Random) -> None:
        self._delay = delay
        self._rng = rng
        self._drawn_ns = 0
        self._slot = -1

    def ns(self, since_ns: int) -> int:
        delay = self._delay
        slot = since_ns // delay.hold_ns if delay.hold_ns else self._slot + 1
        if slot != self._slot:
            self._slot, self._drawn_ns = slot, self._draw()
        stepped_ns = delay.step_ns if since_ns >= delay.step_at_ns else 0
        return max(0, delay.base_ns + self._drawn_ns + stepped_ns)

    def _draw(self) -> int:
        delay, rng = self._delay, self._rng
        drawn = 0.0
        if delay.sigma_ns:
            cut = SIGMAS * delay.sigma_ns
            drawn = min(cut, max(-cut, rng.gauss(0.0, delay.sigma_ns)))
        if delay.tail:
            which = rng.random()
            for branch in delay.tail:
                which -= branch.weight
                if which < 0.0:
                    drawn += rng.expovariate(1.0 / branch.mean_ns)
                    break
        return round(drawn)


def _steps(chance: float, rng: random.Random) -> int:
    """Draw how many steps a state lasts that is left with this chance each step: 1 at least."""
    if chance <= 0.0:
        return _NEVER
    if chance >= 1.0:
        return 1
    return 1 + int(math.log(1.0 - rng.random()) / math.log(1.0 - chance))


def _lomax(shape: Lomax, rng: random.Random) -> float:
    beyond: float = (1.0 - rng.random()) ** (-1.0 / shape.shape)
    return shape.scale * (beyond - 1.0)
