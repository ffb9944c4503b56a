"""Make ventricular tachycardia of people's own premature beats, and see whether it is counted.

Of each recording that tells its premature ventricular beats, a few are cut out and run at 206 and
195 a minute for half a minute, behind a minute of sinus rhythm. How they look is real; how they
follow each other is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bench.vitals_match import Score, score
from bench.vitals_ours import stream
from bench.vitals_records import Recording
from monitor.sim.patient import make
from monitor.sim.scripts import SCRIPTS
from monitor.sim.splices import Real, cut

PVCS_MIN: Final = 10
NAMES: Final = ("tachycardia-206", "tachycardia-195")
BEGIN_S, END_S, SETTLES_S = 60.0, 90.0, 2.0
"""Of the tachycardia, and how long a sensor has to find into it."""
HEIGHT_MV: Final = 1.5


def spliced(recordings: Sequence[Recording], seed: int) -> dict[str, Score]:
    """Score the beats of each tachycardia, by recording and rate."""
    found: dict[str, Score] = {}
    for recording in recordings:
        real = _real(recording)
        for name in NAMES if real else ():
            patient = make(SCRIPTS[name], seed, leads=("II",), real=real)
            at_s = stream(patient.ecg, patient.ecg_hz).at_s
            beats_s = patient.truth.beats.at_s
            found[f"{recording.name}, {name}"] = score(beats_s, at_s, BEGIN_S + SETTLES_S, END_S)
    return found


def _real(recording: Recording) -> Real | None:
    if recording.pvc_s is None or len(recording.pvc_s) < PVCS_MIN:
        return None
    at = np.round(recording.pvc_s * recording.rate_hz).astype(np.int64)
    snippets = cut(recording.x[0], at, recording.rate_hz, HEIGHT_MV)
    return Real(snippets, recording.rate_hz) if snippets else None
