"""Counts what a robot's transitions say of its link: the rungs that it climbed, and for how long.

A robot does not say whether a HOLD is latched. What can be seen from outside is who ended it: one
that the stream's return resumed was not; one that only a person's act could end counts as latched
here, whatever it was that kept the stream from resuming it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from safety.state import Cause, State


class Step(NamedTuple):
    """One transition, as `safety.state` numbers it."""

    t_ns: int
    old: int
    new: int
    cause: int


def tally(steps: Sequence[Step], start_ns: int, end_ns: int) -> dict[str, int]:
    """Count what began in [start, end).

    Parameters
    ----------
    steps : ascending, none left out between the first and the last

    Returns
    -------
    degraded : falls from ENGAGED to DEGRADED
    holds : falls from motion to HOLD
    latched : of those, which a person had to end; one that nobody has ended yet counts by its
        successor alone, so it does not
    stops : falls to PROTECTIVE_STOP
    """
    counts = dict.fromkeys(("degraded", "holds", "latched", "stops"), 0)
    for step, after in pairwise([*steps, None]):
        if step is None or not start_ns <= step.t_ns < end_ns:
            continue
        counts["degraded"] += (step.old, step.new) == (State.ENGAGED, State.DEGRADED)
        counts["stops"] += step.new == State.PROTECTIVE_STOP
        if step.old >= State.DEGRADED and step.new == State.HOLD:
            counts["holds"] += 1
            counts["latched"] += after is not None and after.cause != Cause.RESUMED
    return counts


def shares(steps: Sequence[Step], start_ns: int, end_ns: int) -> dict[str, float]:
    """Say which share of [start, end) each state took; a state that had none is left out."""
    before = [step for step in steps if step.t_ns <= start_ns]
    within = [step for step in steps if start_ns < step.t_ns < end_ns]
    state = before[-1].new if before else within[0].old if within else State.BOOT
    taken: dict[str, float] = {}
    since_ns = start_ns
    for t_ns, following in [*((step.t_ns, step.new) for step in within), (end_ns, state)]:
        name = State(state).name
        taken[name] = taken.get(name, 0.0) + (t_ns - since_ns) / max(1, end_ns - start_ns)
        since_ns, state = t_ns, State(following)
    return {name: share for name, share in taken.items() if share > 0.0}
