"""After a process on the path was frozen for half a second: how old is the oldest command applied?

Every queue keeps what came meanwhile. What must not happen is that the robot then moves through
half a second of old motion. The age of an applied command is intended send to driver called, on
the machine's own clock; the path's floor is the least such time before the first stall.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.join import Joined
from bench.readings import Window
from bench.stage import Keys, Spoiled, Stage
from bench.variants import Variant

TARGETS = ("robotd", "relayd")
STALL_S = 0.5
STALLS = 3
WARM_S, BETWEEN_S = 1.0, 0.5
NOTICE_S = 0.1
"""Time in which the robot shows that it fell out of motion."""
RESUME_WAIT_S = 6.0


class Frozen(NamedTuple):
    """One SIGSTOP, from signal to signal (raw monotonic ns)."""

    start_ns: int
    end_ns: int


class Stalled(NamedTuple):
    """What the stalls did.

    Attributes
    ----------
    n : commands applied after the first stall
    oldest_ns : the greatest age of any of them
    floor_ns : the least age before the first stall
    caught_up : of those intended during a stall, how many were applied at all
    """

    n: int
    oldest_ns: int
    floor_ns: int
    caught_up: int

    @property
    def oldest_beyond_floor_ms(self) -> float:
        """The oldest command's age beyond the path's floor, ms."""
        return (self.oldest_ns - self.floor_ns) / 1e6


def judge(joined: Joined, stalls: Sequence[Frozen]) -> Stalled:
    """Find the oldest command that was applied after the first stall began.

    Raises
    ------
    Spoiled
        Nothing was applied before the first stall, or nothing after it.
    """
    age_ns, called_ns, intended_ns = joined.latency_ns, joined.called_ns, joined.intended_ns
    after = called_ns >= stalls[0].start_ns
    if not after.any() or after.all():
        raise Spoiled("nothing was applied on one side of the stall: the robot did not move")
    caught = np.zeros(len(after), bool)
    for stall in stalls:
        caught |= (intended_ns >= stall.start_ns) & (intended_ns < stall.end_ns)
    return Stalled(
        n=int(after.sum()),
        oldest_ns=int(age_ns[after].max()),
        floor_ns=int(age_ns[~after].min()),
        caught_up=int((caught & (called_ns >= stalls[0].start_ns)).sum()),
    )


def measure(variant: Variant, target: str, *, keys: Keys, seed: int) -> tuple[Stalled, Joined]:
    """Freeze `target` three times while the robot follows a hand.

    Raises
    ------
    Spoiled
    """
    with Stage(variant, bare=False, keys=keys, seed=seed) as stage:
        stage.wait_moving()
        start_ns = time.monotonic_ns()
        time.sleep(WARM_S)
        stalls = []
        for _ in range(STALLS):
            stalls.append(_freeze(stage, target))
            _wait_resumed(stage)
            time.sleep(BETWEEN_S)
        stage.check()
        window = Window(start_ns, time.monotonic_ns())
        stage.finish()
        joined = stage.recording(window).joined
    return judge(joined, stalls), joined


def _freeze(stage: Stage, target: str) -> Frozen:
    child = stage.children[target]
    start_ns = time.monotonic_ns()
    child.send_signal(signal.SIGSTOP)
    try:
        time.sleep(STALL_S)
    finally:
        child.send_signal(signal.SIGCONT)
    return Frozen(start_ns, time.monotonic_ns())


def _wait_resumed(stage: Stage) -> None:
    time.sleep(NOTICE_S)
    give_up = time.monotonic() + RESUME_WAIT_S
    while not stage.is_moving():
        stage.check()
        if time.monotonic() > give_up:
            raise Spoiled(f"no motion within {RESUME_WAIT_S:g} s after the stall")
        time.sleep(0.01)
