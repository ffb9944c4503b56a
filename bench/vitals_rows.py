"""Make rows of what was measured: the numbers that claims.toml speaks of.

Claims are limits from above, so what should be large stands here by what is missing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.join import spread
from bench.peers.qrs import PEERS
from bench.rows import Row
from bench.vitals_accuracy import OURS, Run, best_peer, totals
from bench.vitals_engine import Ward
from bench.vitals_match import Score
from bench.vitals_noise import Sweep
from bench.vitals_ours import SEARCH_BACK_S
from bench.vitals_rate import Shown
from bench.vitals_speed import LEADS, PATIENTS, Speed
from monitor.sim.scripts import IRREGULAR_BPM, STEPS_BPM

PART_OF: Final[dict[str, str]] = {
    "accuracy": "accuracy",
    "noise-12": "accuracy",
    "wait": "accuracy",
    "noise": "noise",
    "rate": "rate",
    "tick": "speed",
    "ward": "speed",
    "whole": "speed",
    "window": "speed",
}
"""Rows that claims speak of, and the part of the bench that measures them."""


def of_accuracy(runs: Sequence[Run]) -> list[Row]:
    """Make a row of all beats, of each detector, of each level of a noise stress test, of waits."""
    by_name = totals(runs)
    ours = by_name.get(OURS, Score())
    best, best_der = best_peer(by_name, lambda one: -one.der)
    first = _row("accuracy", ours.beats, _parts(ours))
    if best:
        first.extra |= {"errors_beside_best": ours.der / max(-best_der, 1e-9)}
    rows = [first]
    rows += [_row(name, one.beats, _parts(one)) for name, one in by_name.items() if name != OURS]
    stressed = [(run.recording.noise_db, run) for run in runs if run.scores]
    for level in sorted({level for level, _ in stressed if level is not None}):
        at_level = totals([run for found, run in stressed if found == level])
        rows.append(_beside(f"noise-{level}", at_level))
    return [*rows, _waits(runs)]


def of_sweep(found: Sweep) -> list[Row]:
    """Make a row of each level of each mixture, and one of how far ours ever falls behind."""
    rows = [
        _beside(f"{mixture}-{level}", scores)
        for mixture, levels in found.items()
        for level, scores in levels.items()
    ]
    behind = [row.extra["behind_best"] for row in rows if "behind_best" in row.extra]
    if behind:
        rows.append(_row("noise", sum(row.n for row in rows), {"behind_best_max": max(behind)}))
    return rows


def of_rates(shown: Mapping[str, Shown]) -> list[Row]:
    """Make one row of all rhythms: the worst of each kind."""
    steady = {name: one for name, one in shown.items() if name.startswith("steady")}
    # 1 bpm or 1 %, whichever is more, as monitors state it of a steady rhythm
    steady_off = max(one.worst_bpm / max(1.0, 0.01 * one.expected_bpm) for one in steady.values())
    extra = {
        "irregular_off_bpm": max(shown[name].worst_bpm for name in IRREGULAR_BPM),
        "steady_off": steady_off,
        "tall_t_off_bpm": shown["tall-t"].worst_bpm,
        "step_s": max(shown[name].followed_s for name in STEPS_BPM),
    }
    return [_row("rate", len(shown), extra)]


def of_spliced(scores: Mapping[str, Score]) -> list[Row]:
    """Make a row of each tachycardia that was made of real beats."""
    return [_row(name, one.beats, _parts(one)) for name, one in scores.items()]


def of_speed(speed: Speed) -> list[Row]:
    """Make rows of ticks, of whole recordings, of windows; peers are beside in the same row."""
    times = spread(speed.ticks)
    assert times is not None
    tick = _row("tick", PATIENTS * LEADS, {"channels_per_core": speed.channels})
    tick.extra |= {"lead_us": speed.lead_ns / 1e3, "alone_us": speed.alone_ns / 1e3}
    busy_ns = speed.lead_ns * PATIENTS * LEADS
    tick.extra["others_part"] = _others(speed.ticks, np.full(len(speed.ticks), busy_ns))
    tick.p50_us, tick.p99_us, tick.p999_us, tick.max_us = times
    tick.extra |= {f"{name}_ms": value / 1e3 for name, value in times._asdict().items()}
    whole = {f"{name}_x": speed.lasts_s * 1e9 / ns for name, ns in speed.whole_ns.items()}
    peers_ns = [ns for name, ns in speed.whole_ns.items() if name in PEERS]
    rows = [tick, _row("whole", 1, whole)]
    if peers_ns:
        rows[1].extra["beside_fastest"] = speed.whole_ns[OURS] / min(peers_ns)
        cheapest_ns = min(speed.window_ns.values())
        window = {f"{name}_us": ns / 1e3 for name, ns in speed.window_ns.items()}
        window["batch_beside_cheapest"] = speed.lead_ns / cheapest_ns
        window["alone_beside_cheapest"] = speed.alone_ns / cheapest_ns
        rows.append(_row("window", 1, window))
    return rows


def of_ward(ward: Ward) -> list[Row]:
    """Make a row of the engine's ticks."""
    row = _row("ward", PATIENTS, {"heart_rates_shown": ward.shown})
    for name, ns in (("tick", ward.tick), ("busy", ward.tick_busy), ("receive", ward.receive)):
        times = spread(ns)
        assert times is not None
        row.extra |= {f"{name}_{quantity}_ms": us / 1e3 for quantity, us in times._asdict().items()}
    row.extra["others_part"] = _others(ward.tick, ward.tick_busy)
    return [row]


def _waits(runs: Sequence[Run]) -> Row:
    """Pool what beats waited for; those found by looking back are counted, not pooled."""
    waits = np.concatenate([run.waits_s for run in runs] or [np.empty((0, 2))])
    back = waits[:, 0] > SEARCH_BACK_S
    row = _row("wait", len(waits) - int(back.sum()), {"looked_back": float(back.sum())})
    for column, name in enumerate(("decided", "told")):
        times = spread(np.round(waits[~back, column] * 1e9).astype(np.int64))
        if times is not None:
            row.extra |= {f"{name}_p50_ms": times.p50 / 1e3, f"{name}_p99_ms": times.p99 / 1e3}
            row.extra[f"{name}_max_ms"] = times.max / 1e3
    return row


def _beside(variant: str, scores: Mapping[str, Score]) -> Row:
    """Make a row of ours at one level of noise, and how far it is behind the best peer there."""
    ours = scores[OURS]
    row = _row(variant, ours.beats, {**_parts(ours), "f1": ours.f1})
    best, f1 = best_peer(dict(scores), lambda one: one.f1)
    if best:
        row.extra |= {"best_f1": f1, "behind_best": f1 - ours.f1}
    return row


def _parts(score: Score) -> dict[str, float]:
    return {
        "missed_part": 1.0 - score.se,
        "false_part": 1.0 - score.ppv,
        "der": score.der,
        "false": float(score.false),
        "missed": float(score.missed),
    }


def _others(wall_ns: NDArray[np.int64], busy_ns: NDArray[Any]) -> float:
    """Say what part of the time somebody else had the core."""
    return max(0.0, 1.0 - float(busy_ns.sum()) / float(wall_ns.sum()))


def _row(variant: str, n: int, extra: Mapping[str, float]) -> Row:
    return Row(variant=variant, n=n, lost=0, late=0, merged=0, extra=dict(extra))
