"""How many bits a second the one encoded picture may have, and how large and how often it is then.

Every viewer says what its path bears (REMB, draft-alvestrand-rmcat-remb-03). All get the same
packets, so the least of them counts. Towards it the rate falls at once and by more than is needed,
and rises slowly (additive increase, multiplicative decrease: Chiu & Jain 1989). Below what a
picture needs to look like anything, it becomes rarer or smaller instead, by a ladder.

Rules
-----
1. What a viewer says in its first seconds is not believed: estimators begin far too low.
2. What a viewer said counts for `SAID_NS`; who is silent does not hold the others down for ever.
3. A rung is left downwards at once, and upwards only when the rate has been enough for `CALM_NS`.
4. A change below `STEP` of the rate is none: each costs the encoder a little.
5. An estimator says at most half more than it receives, and 0.85 of that when its path is too
   narrow (draft-ietf-rmcat-gcc-02, 5.5). So who bears what is sent is no limit: a picture that
   needs little would make every path look narrow.
"""

from __future__ import annotations

from typing import Final, NamedTuple

S: Final = 1_000_000_000
SETTLE_NS: Final = 3 * S
SAID_NS: Final = 5 * S
CALM_NS: Final = 5 * S
STEP: Final = 0.1
#: What is sent is measured over so long.
SENT_NS: Final = 1 * S
#: The rate falls to this part of what the weakest path bears: its queue must drain.
DECREASE: Final = 0.85
#: And rises by this part of the greatest rate, each second.
INCREASE: Final = 0.05


class Rung(NamedTuple):
    """One step of the ladder.

    Parameters
    ----------
    every : of the camera's frames, each so-manieth is sent
    shrink : width and height are divided by this
    least : the least part of the greatest rate with which it looks like anything
    """

    every: int
    shrink: float
    least: float


#: 720p30, 720p15, 480p15 of a camera with 720p30.
LADDER: Final = (Rung(1, 1.0, 0.3), Rung(2, 1.0, 0.15), Rung(2, 1.5, 0.0))


class Target(NamedTuple):
    """What the encoder shall do."""

    bit_rate: int
    rung: Rung


class RateControl:
    """The rate of one camera's picture.

    Parameters
    ----------
    least, greatest : bit/s
    """

    def __init__(self, least: int, greatest: int, now_ns: int) -> None:
        assert 0 < least <= greatest
        self._least = least
        self._greatest = greatest
        self._rate = float(greatest)
        self._said: dict[object, tuple[int, int]] = {}
        self._joined: dict[object, int] = {}
        self._now_ns = now_ns
        self._bits = 0
        self._since_ns = now_ns
        self._sent = float(greatest)
        self._rung = 0
        self._calm_ns = now_ns
        self._target = Target(greatest, LADDER[0])

    def join(self, viewer: object, now_ns: int) -> None:
        """Note that a viewer begins to watch."""
        self._joined[viewer] = now_ns

    def leave(self, viewer: object) -> None:
        """Forget a viewer."""
        self._joined.pop(viewer, None)
        self._said.pop(viewer, None)

    def sent(self, size: int, now_ns: int) -> None:
        """Take note of an encoded picture's bytes; without any, everything said is believed."""
        self._bits += 8 * size
        elapsed_ns = now_ns - self._since_ns
        if elapsed_ns >= SENT_NS:
            self._sent = self._bits * S / elapsed_ns
            self._bits, self._since_ns = 0, now_ns

    def said(self, viewer: object, bit_rate: int, now_ns: int) -> None:
        """Take what a viewer's path bears, in bit/s."""
        joined_ns = self._joined.get(viewer)
        if joined_ns is not None and now_ns - joined_ns >= SETTLE_NS:
            is_plenty = bit_rate >= self._sent
            self._said[viewer] = (self._greatest if is_plenty else bit_rate), now_ns

    def target(self, now_ns: int) -> Target:
        """Say what the encoder shall do from now on; the same object as long as nothing changes."""
        self._move(now_ns)
        self._climb(now_ns)
        rate = round(self._rate)
        changed = abs(rate - self._target.bit_rate) > STEP * self._target.bit_rate
        arrived = rate != self._target.bit_rate and rate in (self._least, self._greatest)
        if changed or arrived or LADDER[self._rung] is not self._target.rung:
            self._target = Target(rate, LADDER[self._rung])
        return self._target

    def _move(self, now_ns: int) -> None:
        elapsed_s = (now_ns - self._now_ns) / S
        self._now_ns = now_ns
        borne = min(
            (rate for rate, at_ns in self._said.values() if now_ns - at_ns < SAID_NS),
            default=self._greatest,
        )
        if self._rate > borne:
            self._rate = borne * DECREASE
        else:
            self._rate = min(self._rate + INCREASE * self._greatest * elapsed_s, float(borne))
        self._rate = min(max(self._rate, float(self._least)), float(self._greatest))

    def _climb(self, now_ns: int) -> None:
        share = self._rate / self._greatest
        while self._rung + 1 < len(LADDER) and share < LADDER[self._rung].least:
            self._rung += 1
            self._calm_ns = now_ns
        if self._rung == 0 or share < LADDER[self._rung - 1].least:
            self._calm_ns = now_ns
        elif now_ns - self._calm_ns >= CALM_NS:
            self._rung -= 1
            self._calm_ns = now_ns
