"""Drown clean beats in drawn noise, level by level, and see who still finds them.

The beats are real ones, of the recordings that are named, and a generated patient's. A recording is
clean where it is no noise stress test, and two peers miss and invent less than one beat in 200
without noise; the sensor itself has no say in that. From each of the first few, five minutes are
taken after the first five, with half a minute before them to learn in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.peers import qrs
from bench.peers.qrs import Peer, PeerFailedError
from bench.vitals_accuracy import OURS, Run
from bench.vitals_match import LEARNING_S, Score, score, total
from bench.vitals_ours import stream
from bench.vitals_records import Recording
from monitor.sim import noise
from monitor.sim.patient import make
from monitor.sim.scripts import NOISES_DB, SCRIPTS

CLEAN_DER, CLEAN_PEERS, CLEAN_MAX = 0.005, 2, 3
LEARN_S, LASTS_S = 30.0, 300.0
GENERATED: Final = "ectopic"
MIXTURES: Final[dict[str, tuple[str, ...]]] = {
    "mixed": ("electrode", "muscle", "baseline"),
    "electrode": ("electrode",),
}
"""What is drawn, in equal parts. Electrode motion is what the noise stress test is made of."""

Sweep = dict[str, dict[int, dict[str, Score]]]
"""By mixture, level in dB and detector."""


def sweep(
    runs: Sequence[Run], peers: dict[str, Peer], seed: int, say: Callable[[str], None]
) -> Sweep:
    """Run every level of every mixture over every clean beat."""
    clean = [*excerpts(runs), generated(seed)]
    found: Sweep = {}
    for mixture, kinds in MIXTURES.items():
        found[mixture] = {}
        for level in NOISES_DB:
            parts: dict[str, list[Score]] = {}
            for number, recording in enumerate(clean):
                say(f"{mixture}, {level} dB: {recording.name}")
                rng = np.random.default_rng((seed, number, NOISES_DB.index(level)))
                noisy = drowned(recording, kinds, float(level), rng)
                for name, one in _scores(noisy, peers):
                    parts.setdefault(name, []).append(one)
            found[mixture][level] = {name: total(scores) for name, scores in parts.items()}
    return found


def told(found: Sweep) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Lay a sweep out for JSON."""
    return {
        mixture: {
            str(level): {name: one.told() for name, one in scores.items()}
            for level, scores in levels.items()
        }
        for mixture, levels in found.items()
    }


def excerpts(runs: Sequence[Run]) -> list[Recording]:
    """Cut five minutes out of the first clean recordings."""
    return [_cut(run.recording) for run in runs if _is_clean(run)][:CLEAN_MAX]


def generated(seed: int, script: str = GENERATED) -> Recording:
    """Make a patient, as a recording of lead II."""
    patient = make(SCRIPTS[script], seed, leads=("II",))
    beats_s = patient.truth.beats.at_s
    return Recording(f"generated {script}", ("II",), patient.ecg, patient.ecg_hz, beats_s)


def drowned(
    recording: Recording, kinds: tuple[str, ...], level_db: float, rng: np.random.Generator
) -> Recording:
    """Add noise to every lead, each its own, to a ratio of this lead's QRS."""
    beats_s, rate_hz = recording.beats_s, recording.rate_hz
    assert beats_s is not None
    at = np.round(beats_s * rate_hz).astype(np.int64)
    x = np.empty_like(recording.x)
    for lead, clean in enumerate(recording.x):
        drawn = noise.mixed(rng, rate_hz, len(clean), kinds)
        x[lead] = clean + noise.factor(noise.qrs_height(clean, at, rate_hz), level_db) * drawn
    return recording._replace(x=x)


def _scores(recording: Recording, peers: dict[str, Peer]) -> Iterator[tuple[str, Score]]:
    beats_s = recording.beats_s
    assert beats_s is not None
    yield OURS, score(beats_s, stream(recording.x, recording.rate_hz).at_s, LEARN_S)
    for name, peer in peers.items():
        at_s: NDArray[np.float64] = np.empty(0)
        try:
            at_s = qrs.detect(peer, recording.x[0], recording.rate_hz)
        except PeerFailedError:
            pass  # it found nothing
        yield name, score(beats_s, at_s, LEARN_S)


def _is_clean(run: Run) -> bool:
    recording = run.recording
    good = [name for name, one in run.scores.items() if name in qrs.PEERS and one.der < CLEAN_DER]
    long_enough = recording.lasts_s >= LEARNING_S + LASTS_S
    return long_enough and recording.noise_db is None and len(good) >= CLEAN_PEERS


def _cut(recording: Recording) -> Recording:
    """Take the first lead from the fifth minute on; noise is drawn for it alone."""
    begin_s, end_s = LEARNING_S - LEARN_S, LEARNING_S + LASTS_S
    first, end = (round(at_s * recording.rate_hz) for at_s in (begin_s, end_s))
    beats_s = recording.beats_s
    assert beats_s is not None
    inside = (beats_s >= first / recording.rate_hz) & (beats_s < end / recording.rate_hz)
    return recording._replace(
        leads=recording.leads[:1],
        x=np.nan_to_num(recording.x[:1, first:end]),
        beats_s=beats_s[inside] - first / recording.rate_hz,
    )
