"""Wards of generated patients, judged tick by tick: what was told of each, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from monitor.alarms.condition import Condition
from monitor.alarms.judge import Judge
from monitor.engine import TICK_NS, Engine
from monitor.messages import Signal
from monitor.sim.patient import Patient
from monitor.sim.ward import Tracks, ward


class Told(NamedTuple):
    """A condition that came to hold, or ended."""

    t_s: float
    condition: Condition
    holds: bool
    onset_s: float
    value: float


def tracks_of(patients: Sequence[Patient]) -> Tracks:
    tracks = {Signal(k): np.stack([p.ecg[k] for p in patients]) for k in range(3)}
    tracks[Signal.PLETH] = np.stack([p.pleth for p in patients])
    tracks[Signal.RED] = np.stack([p.red for p in patients])
    tracks[Signal.ABP] = np.stack([p.abp for p in patients])
    tracks[Signal.RESP] = np.stack([p.resp for p in patients])
    return tracks


def advance(engine: Engine, judge: Judge, seconds: float) -> list[list[Told]]:
    """Tick for so long; give what changed, a list a patient."""
    told: list[list[Told]] = [[] for _ in engine.beds]
    before = judge.evidence.holds.copy()
    for _ in range(round(seconds * 1e9) // TICK_NS):
        now_ns = engine.next_deadline_ns()
        engine.handle_deadline(now_ns)
        evidence = judge.tick(engine, now_ns)
        for who, column in np.argwhere(evidence.holds != before):
            told[who].append(
                Told(
                    now_ns / 1e9,
                    Condition(column),
                    bool(evidence.holds[who, column]),
                    evidence.onset_ns[who, column] / 1e9,
                    float(evidence.value[who, column]),
                )
            )
        before[:] = evidence.holds
    return told


def tell(tracks: Tracks, seconds: float) -> list[list[Told]]:
    engine = ward(tracks)
    return advance(engine, Judge(len(engine.beds)), seconds)


def first(told: Sequence[Told], condition: Condition) -> Told | None:
    """Give the first time that it came to hold."""
    return next((one for one in told if one.condition is condition and one.holds), None)


def held(told: Sequence[Told]) -> set[Condition]:
    """Name everything that ever held."""
    return {one.condition for one in told if one.holds}


def is_same(mine: np.ndarray, other: np.ndarray) -> bool:
    """Compare field by field: what pads a record is nobody's."""
    if mine.dtype.names is None:
        return mine.shape == other.shape and np.array_equal(
            mine, other, equal_nan=mine.dtype.kind == "f"
        )
    return all(is_same(mine[name], other[name]) for name in mine.dtype.names)
