"""Counts what a robot's transitions say of its link: the rungs that it climbed, and for how long.

Rules
-----
- Only falls that the link caused count as its own. A robot may also fall because its driver has
  fallen silent, as one does when the machine stands still: those are counted apart.
- A robot does not say whether a HOLD is latched. What can be seen from outside is how it ended: one
  that the stream's return resumed was not; one that a person's act ended, or further silence,
  counts as latched here, whatever it was that kept the stream from resuming it.
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


TALLIED = ("degraded", "holds", "latched", "stops", "others")

_OF_LINK = frozenset(
    {
        Cause.GAP,
        Cause.LOSS,
        Cause.SILENCE,
        Cause.LONG_SILENCE,
        Cause.HAND_SILENCE,
        Cause.LATE,
        Cause.LAG,
    }
)
_ENDS_LATCHED = frozenset({Cause.ALIGNED, Cause.LONG_SILENCE, Cause.ENDED})


def tally(steps: Sequence[Step], start_ns: int, end_ns: int) -> dict[str, int]:
    """Count what began in [start, end), by the names of `TALLIED`.

    Parameters
    ----------
    steps : ascending, none left out between the first and the last

    Returns
    -------
    degraded : falls from ENGAGED to DEGRADED
    holds : falls from motion to HOLD
    latched : of those; one that has not ended yet is none
    stops : falls to PROTECTIVE_STOP, whatever the cause
    others : falls from motion that the link did not cause, but for a released deadman
    """
    counts = dict.fromkeys(TALLIED, 0)
    for step, after in pairwise([*steps, None]):
        if step is None or not start_ns <= step.t_ns < end_ns:
            continue
        falls = step.old >= State.DEGRADED and step.new < step.old
        counts["stops"] += step.new == State.PROTECTIVE_STOP
        if falls and step.cause not in _OF_LINK:
            counts["others"] += step.cause != Cause.RELEASED
        elif falls and step.new == State.DEGRADED:
            counts["degraded"] += 1
        elif falls and step.new == State.HOLD:
            counts["holds"] += 1
            counts["latched"] += after is not None and after.cause in _ENDS_LATCHED
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
