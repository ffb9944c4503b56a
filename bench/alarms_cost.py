"""Time what judging costs a ward: a thousand beds with three leads, pleth, pressure and breath.

Times are processor time of this thread, for others share the core; both are of the same ticks.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.alarms_rhythms import tracks_of
from monitor.alarms.judge import Judge
from monitor.engine import TICK_NS
from monitor.messages import Signal
from monitor.sim.patient import Episode, Heard, Script, make
from monitor.sim.ward import ward

PATIENTS: Final = 1000
DIFFERENT: Final = 20
"""Patients that are made; the thousand are these, each at a place of its own."""
SECONDS: Final = 40.0
WARM_TICKS, TICKS = 250, 600
SCRIPT: Final = Script(
    (Episode("ectopic", SECONDS),), heard=(Heard(("electrode", "muscle", "baseline"), 18.0),)
)


class Cost(NamedTuple):
    """(n,) ns of a tick each: of the engine, and of judging what it brought."""

    engine: NDArray[np.int64]
    judge: NDArray[np.int64]


def measure(seed: int) -> Cost:
    """Run a ward, and time it once it has learnt."""
    tracks = _thousand(seed)
    engine, judge = ward(tracks), Judge(PATIENTS)
    times = np.empty((WARM_TICKS + TICKS, 2), np.int64)
    for tick in range(len(times)):
        now_ns = (tick + 1) * TICK_NS
        began = time.thread_time_ns()
        engine.handle_deadline(now_ns)
        ticked = time.thread_time_ns()
        judge.tick(engine, now_ns)
        times[tick] = ticked - began, time.thread_time_ns() - ticked
    return Cost(times[WARM_TICKS:, 0], times[WARM_TICKS:, 1])


def _thousand(seed: int) -> dict[Signal, NDArray[np.float32]]:
    made = tracks_of([make(SCRIPT, seed, number) for number in range(DIFFERENT)])
    turns = PATIENTS // DIFFERENT
    return {
        signal: np.concatenate([np.roll(x, x.shape[1] * k // turns, axis=1) for k in range(turns)])
        for signal, x in made.items()
    }
