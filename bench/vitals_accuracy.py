"""Score the sensor and its peers over recordings: the same beats, the same matcher, the same run.

Peers know one lead: they get the first. The sensor gets all ECG leads, as it does at a bed, and the
first alone as well where there are several, for who wants to compare like with like.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.peers import qrs
from bench.peers.qrs import Peer, PeerFailedError
from bench.vitals_match import Score, match, score, scored_from_s, total
from bench.vitals_ours import Found, stream
from bench.vitals_records import Recording

OURS, OURS_ALONE = "trocar", "trocar, first lead"
Told = dict[str, float]


class Run(NamedTuple):
    """One recording, by all.

    Parameters
    ----------
    scores : by detector; empty where nobody marked the beats
    waits_s : from R to decided, to told: (n, 2), of the beats that are beats
    found : how many beats the sensor found
    shown : part of the ticks with a heart rate
    failed : peers that raised an error, and what it said
    took_s : processor time by detector
    """

    recording: Recording
    scores: dict[str, Score]
    waits_s: NDArray[np.float64]
    found: int
    shown: float
    failed: dict[str, str]
    took_s: dict[str, float]


def run(recording: Recording, peers: dict[str, Peer], say: Callable[[str], None]) -> Run:
    """Let the sensor and each peer find the beats of a recording."""
    say(f"{recording.name}: {OURS}")
    began = time.process_time()
    ours = stream(recording.x, recording.rate_hz)
    took_s = {OURS: time.process_time() - began}
    found = {OURS: ours.at_s}
    failed: dict[str, str] = {}
    if recording.beats_s is not None:
        if len(recording.x) > 1:
            found[OURS_ALONE] = stream(recording.x[:1], recording.rate_hz).at_s
        for name, peer in peers.items():
            say(f"{recording.name}: {name}")
            began = time.process_time()
            try:
                found[name] = qrs.detect(peer, recording.x[0], recording.rate_hz)
            except PeerFailedError as error:
                failed[name] = str(error)
                found[name] = np.empty(0)
            took_s[name] = time.process_time() - began
    return Run(
        recording,
        scores_of(recording, found),
        _waits_s(recording, ours),
        len(ours.at_s),
        float(np.isfinite(ours.rate_bpm).mean()) if len(ours.rate_bpm) else 0.0,
        failed,
        took_s,
    )


def scores_of(recording: Recording, found: dict[str, NDArray[np.float64]]) -> dict[str, Score]:
    """Score what each found, where somebody marked the beats."""
    beats_s = recording.beats_s
    if beats_s is None:
        return {}
    from_s = scored_from_s(recording.lasts_s)
    return {name: score(beats_s, at_s, from_s) for name, at_s in found.items()}


def totals(runs: Sequence[Run]) -> dict[str, Score]:
    """Add up by detector; who was not asked about a recording stands as the sensor with it."""
    names = {name: None for run in runs for name in run.scores}
    return {
        name: total(run.scores.get(name, run.scores[OURS]) for run in runs if run.scores)
        for name in names
    }


def told(runs: Sequence[Run]) -> dict[str, dict[str, object]]:
    """Lay runs out for JSON, by recording."""
    return {run.recording.name: _told_one(run) for run in runs}


def noise_told(runs: Sequence[Run]) -> dict[str, dict[str, object]]:
    """Lay the recordings of a noise stress test out for JSON, by their noise in dB."""
    levels: dict[int, list[Run]] = {}
    for run in runs:
        if run.recording.noise_db is not None and run.scores:
            levels.setdefault(run.recording.noise_db, []).append(run)
    table: dict[str, dict[str, object]] = {}
    for level, of_level in sorted(levels.items()):
        by_name = totals(of_level)
        ours = by_name.pop(OURS)
        table[str(level)] = {
            **ours.told(),
            "peers": {name: found.told() for name, found in by_name.items()},
        }
    return table


def best_peer(scores: dict[str, Score], value: Callable[[Score], float]) -> tuple[str, float]:
    """Return the peer with the greatest value; none is "" and nothing."""
    peers = {name: value(found) for name, found in scores.items() if name in qrs.PEERS}
    return max(peers.items(), key=lambda item: item[1], default=("", 0.0))


def _told_one(run: Run) -> dict[str, object]:
    recording = run.recording
    line: dict[str, object] = {
        "leads": list(recording.leads),
        "rate_hz": recording.rate_hz,
        "lasts_s": recording.lasts_s,
        "found": run.found,
        "rate_shown": run.shown,
    }
    if run.scores:
        line |= run.scores[OURS].told()
        line["scored_from_s"] = scored_from_s(recording.lasts_s)
        line["peers"] = {name: s.told() for name, s in run.scores.items() if name != OURS}
    if run.failed:
        line["failed"] = run.failed
    return line


def _waits_s(recording: Recording, ours: Found) -> NDArray[np.float64]:
    if recording.beats_s is None:
        return np.empty((0, 2))
    pairs = match(recording.beats_s, ours.at_s)
    beats_s, hits = recording.beats_s[pairs[:, 0]], pairs[:, 1]
    return np.column_stack([ours.decided_s[hits] - beats_s, ours.told_s[hits] - beats_s])
