"""Decide what became of every command that was sent, from what each process wrote on its own.

The console's ring says when a command was meant to leave, the robot's ring what the gate did with
it and when the driver was called. Both are in clocks that drift apart on purpose; `Skew.undo`
brings them to the machine's. Nothing here runs while anything is measured.

A command has exactly one fate:

=========  =====================================================================
APPLIED    the gate admitted it and the driver was called
MERGED     a newer one superseded it, at the relay or at the robot (newest wins)
LATE       refused for its age, at the relay or at the robot
REFUSED    refused for anything else, or admitted in a state that does not move
LOST       the gate never saw it, and no relay says that it let it go
=========  =====================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Key = tuple[int, int]
"""(arm, seq)."""

Times = npt.NDArray[np.int64]


class Fate(IntEnum):
    """What became of a command; lower is better: of two reports on one seq the lower counts."""

    APPLIED = 0
    MERGED = 1
    LATE = 2
    REFUSED = 3
    LOST = 4


class Seen(NamedTuple):
    """One line of the robot's ring: what the gate did with one arrival (times raw, ns)."""

    key: Key
    fate: Fate
    t_called_ns: int


class Joined(NamedTuple):
    """All commands of one measurement.

    Attributes
    ----------
    intended_ns : (n_applied,) int64, raw monotonic ns at which each applied one was meant to leave
    called_ns : (n_applied,) int64, raw monotonic ns at which the driver was called with it
    counts : commands by fate, every fate present
    """

    intended_ns: Times
    called_ns: Times
    counts: Mapping[Fate, int]

    @property
    def sent(self) -> int:
        """Commands that were sent in the window."""
        return sum(self.counts.values())

    @property
    def latency_ns(self) -> Times:
        """One way: intended send to driver called, (n_applied,) int64 ns."""
        return self.called_ns - self.intended_ns


class Spread(NamedTuple):
    """Percentiles of a set of times, us."""

    p50: float
    p99: float
    p999: float
    max: float


def join(
    sent: Mapping[Key, int], seen: Iterable[Seen], let_go: Mapping[Key, Fate] | None = None
) -> Joined:
    """Give every sent command its fate.

    Parameters
    ----------
    sent
        Raw intended time of each command in the window.
    seen
        What the gate did, in the order it did it. Commands that are not in `sent` are ignored
        (warm-up, tail).
    let_go
        Why a relay did not forward a command (MERGED or LATE); asked only for those that the gate
        never saw.
    """
    best: dict[Key, Seen] = {}
    for line in seen:
        if line.key in sent and (line.key not in best or line.fate < best[line.key].fate):
            best[line.key] = line
    counts = dict.fromkeys(Fate, 0)
    intended, called = [], []
    for key, t_intended_ns in sent.items():
        line_or_none = best.get(key)
        if line_or_none is None:
            counts[(let_go or {}).get(key, Fate.LOST)] += 1
            continue
        counts[line_or_none.fate] += 1
        if line_or_none.fate is Fate.APPLIED:
            intended.append(t_intended_ns)
            called.append(line_or_none.t_called_ns)
    return Joined(np.array(intended, np.int64), np.array(called, np.int64), counts)


def concatenate(parts: Iterable[Joined]) -> Joined:
    """Pool measurements of one variant."""
    held = list(parts)
    counts = {fate: sum(part.counts[fate] for part in held) for fate in Fate}
    empty = [np.array([], np.int64)]
    return Joined(
        np.concatenate([part.intended_ns for part in held] or empty),
        np.concatenate([part.called_ns for part in held] or empty),
        counts,
    )


def spread(times_ns: Times) -> Spread | None:
    """Return the percentiles of `times_ns` in us; None when there is nothing.

    Each percentile is a time that really occurred (no interpolation): the smallest that at least
    that part of the samples did not exceed.
    """
    if not len(times_ns):
        return None
    ascending = np.sort(times_ns)
    ranks = [-(-len(ascending) * permille // 1000) - 1 for permille in (500, 990, 999, 1000)]
    return Spread(*(float(ascending[rank]) / 1e3 for rank in ranks))
