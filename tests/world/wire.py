"""One direction of a link: how late a frame comes, how often, in which order, whether, and whole.

All chance is the wire's own, drawn from the world's seed: a fault on one wire leaves the fate of
every frame on the others as it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.world.world import World

US = 1_000


class Burst(NamedTuple):
    """Loss in bursts: two states, a frame each (Gilbert 1960, Elliott 1963).

    Parameters
    ----------
    begins, ends : chance per frame that the bad state begins, that it ends
    loss : of frames in the bad state
    """

    begins: float
    ends: float
    loss: float = 1.0

    @property
    def mean_loss(self) -> float:
        """Part of all frames that is lost in the long run."""
        return self.loss * self.begins / (self.begins + self.ends)


class Wire:
    """A direction of a link; every property may change at any time.

    Parameters
    ----------
    delay_ns, jitter_ns : each frame takes the delay and up to the jitter more
    loss, burst : independent loss, and loss in bursts
    copies : chance of a second copy, with a jitter of its own
    held, held_ns : chance that a frame is held back, and for how long: it comes out of order
    ordered : deliver in order, as TCP does; else each frame finds its own way

    Attributes
    ----------
    cut : nothing passes, nor does what was under way
    edit : what somebody on the path makes of each frame; None takes it away
    """

    def __init__(
        self,
        world: World,
        deliver: Callable[[bytes], object],
        *,
        delay_ns: int = 200 * US,
        jitter_ns: int = 100 * US,
        loss: float = 0.0,
        copies: float = 0.0,
        ordered: bool = False,
    ) -> None:
        self._world = world
        self._rng = random.Random(world.rng.getrandbits(64))
        self._deliver = deliver
        self.delay_ns = delay_ns
        self.jitter_ns = jitter_ns
        self.loss = loss
        self.burst: Burst | None = None
        self.copies = copies
        self.held = 0.0
        self.held_ns = 0
        self.ordered = ordered
        self.cut = False
        self.edit: Callable[[bytes], bytes | None] | None = None
        self.carried = self.lost = 0
        self._is_bad = False
        self._last_ns = 0

    def send(self, data: bytes) -> None:
        """Take a frame."""
        if self._loses():
            self.lost += 1
            return
        if self.edit is not None:
            edited = self.edit(data)
            if edited is None:
                return
            data = edited
        self._carry(data)
        if self.copies and self._rng.random() < self.copies:
            self._carry(data)

    def _loses(self) -> bool:
        if self.cut:
            return True
        if self.burst is not None:
            change = self.burst.ends if self._is_bad else self.burst.begins
            self._is_bad ^= self._rng.random() < change
            if self._is_bad and self._rng.random() < self.burst.loss:
                return True
        return self.loss > 0.0 and self._rng.random() < self.loss

    def _carry(self, data: bytes) -> None:
        world = self._world
        arrival_ns = world.now_ns + self.delay_ns + int(self._rng.random() * self.jitter_ns)
        if self.held and self._rng.random() < self.held:
            arrival_ns += self.held_ns
        if self.ordered:
            arrival_ns = self._last_ns = max(arrival_ns, self._last_ns)
        world.at(arrival_ns, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if not self.cut:
            self.carried += 1
            self._deliver(data)
