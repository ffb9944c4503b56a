"""After a process on the path was frozen for half a second: how old is the oldest command applied?

Every queue keeps what came meanwhile. What must not happen is that the robot then moves through
half a second of old motion. A command is applied when the *driver* accepts it, the last place that
can refuse; its age is counted from when the console formed it (read the hand and sent it), on the
machine's own clock. The path's floor is the least such age before the stall.

Each stall has processes of its own. An arm that stays still afterwards (its drive's own watchdog
braked it, and only a new epoch or the bedside may clear that) has applied nothing old; it counts
as that, and the row says how often the arm moved again.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bench import readings
from bench.join import Joined, Key, concatenate
from bench.readings import Window
from bench.stage import Keys, Spoiled, Stage
from bench.variants import Variant

TARGETS = ("robotd", "relayd")
STALL_S = 0.5
STALLS = 3
WARM_S, AFTER_S = 1.0, 2.0
"""A person lets go, cycles the clutch and presses again within about half a second."""


class Frozen(NamedTuple):
    """One SIGSTOP, from signal to signal (raw monotonic ns)."""

    start_ns: int
    end_ns: int


class Stalled(NamedTuple):
    """What one stall did.

    Attributes
    ----------
    n : commands applied from its beginning on
    beyond_floor_ns : the greatest age of any of them, beyond the path's floor; 0 when none was
    floor_ns : the least age before it
    caught_up : of those formed during it, how many were applied at all
    moved_again : whether anything formed after it was applied
    """

    n: int
    beyond_floor_ns: int
    floor_ns: int
    caught_up: int
    moved_again: bool


class Stalls(NamedTuple):
    """All stalls of one target under one link, and the fates of all their commands."""

    stalls: tuple[Stalled, ...]
    joined: Joined

    @property
    def numbers(self) -> dict[str, float]:
        """What a row says of them, worst first."""
        return {
            "oldest_beyond_floor_ms": max(stall.beyond_floor_ns for stall in self.stalls) / 1e6,
            "floor_us": min(stall.floor_ns for stall in self.stalls) / 1e3,
            "caught_up": sum(stall.caught_up for stall in self.stalls),
            "moved_again": sum(stall.moved_again for stall in self.stalls),
            "stalls": len(self.stalls),
        }


def judge(
    formed_ns: Mapping[Key, int],
    accepted_ns: Mapping[Key, int],
    heard: Iterable[Key],
    stall: Frozen,
) -> Stalled:
    """Find the oldest command that was applied from the stall's beginning on.

    Parameters
    ----------
    formed_ns, accepted_ns : raw times by command; one that was not accepted is absent
    heard : commands that the gate saw, whatever it made of them

    Raises
    ------
    Spoiled
        The arm did not move before the stall, or the gate heard nothing formed after it: then
        nothing old could have been applied, and nothing is proven.
    """
    both = [(formed_ns[key], accepted_ns[key]) for key in formed_ns.keys() & accepted_ns.keys()]
    before = [done - formed for formed, done in both if done < stall.start_ns]
    after = [(formed, done) for formed, done in both if done >= stall.start_ns]
    if not before:
        raise Spoiled("the driver accepted nothing before the stall")
    if not any(formed_ns.get(key, 0) >= stall.end_ns for key in heard):
        raise Spoiled("the gate heard nothing that was sent after the stall")
    floor_ns = min(before)
    return Stalled(
        n=len(after),
        beyond_floor_ns=max((done - formed - floor_ns for formed, done in after), default=0),
        floor_ns=floor_ns,
        caught_up=sum(stall.start_ns <= formed < stall.end_ns for formed, _ in after),
        moved_again=any(formed >= stall.end_ns for formed, _ in after),
    )


def measure(variant: Variant, target: str, *, keys: Keys, seed: int) -> Stalls:
    """Freeze `target` while the robot follows a hand, three times with processes anew.

    Raises
    ------
    Spoiled
    """
    measured = [_measure_one(variant, target, keys, seed + number) for number in range(STALLS)]
    return Stalls(tuple(stall for stall, _ in measured), concatenate(j for _, j in measured))


def _measure_one(variant: Variant, target: str, keys: Keys, seed: int) -> tuple[Stalled, Joined]:
    with Stage(variant, bare=False, keys=keys, seed=seed) as stage:
        stage.wait_moving()
        start_ns = time.monotonic_ns()
        time.sleep(WARM_S)
        stall = _freeze(stage, target)
        time.sleep(AFTER_S)
        stage.check()
        window = Window(start_ns, time.monotonic_ns())
        stage.finish()
        joined = stage.recording(window).joined
        sent = readings.sent(stage.run_dir, "natived", stage.skew("natived"), window)
        heard = [line.key for line in readings.seen(stage.run_dir, "robotd", stage.skew("robotd"))]
        accepted_ns = readings.accepted(stage.run_dir, "simd", stage.skew("simd"))
    formed_ns = {key: slot.sent_ns for key, slot in sent.items()}
    return judge(formed_ns, accepted_ns, heard, stall), joined


def _freeze(stage: Stage, target: str) -> Frozen:
    child = stage.children[target]
    start_ns = time.monotonic_ns()
    child.send_signal(signal.SIGSTOP)
    try:
        time.sleep(STALL_S)
    finally:
        child.send_signal(signal.SIGCONT)
    return Frozen(start_ns, time.monotonic_ns())
