"""See what heart rate is shown for rhythms whose rate is known: those of IEC 60601-2-27.

A rate is judged after twenty seconds, at every tick until the recording ends, by the worst. A step
is followed when the rate shown is within 1 bpm of the new one and stays there; it is counted from
the moment the rhythm changes, so the last old interval is part of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from bench.vitals_ours import TICK_S, stream
from monitor.sim.patient import make
from monitor.sim.scripts import IRREGULAR_BPM, REGULAR_BPM, SCRIPTS, STEP_AT_S, STEPS_BPM

SETTLED_S: Final = 20.0
CLOSE_BPM: Final = 1.0
SEEDS: Final = 3


class Shown(NamedTuple):
    """A rhythm whose rate is known; NaN where none was shown.

    Parameters
    ----------
    expected_bpm : the standard's
    least_bpm, greatest_bpm : that were shown once settled
    followed_s : of a step, how long it took; else 0
    """

    expected_bpm: float
    least_bpm: float
    greatest_bpm: float
    followed_s: float = 0.0

    @property
    def worst_bpm(self) -> float:
        """How far from what is expected; infinite where none was shown."""
        off = max(
            abs(self.least_bpm - self.expected_bpm), abs(self.greatest_bpm - self.expected_bpm)
        )
        return off if np.isfinite(off) else float("inf")


def shown() -> dict[str, Shown]:
    """Run every rhythm; of several patients the worst."""
    rhythms = {**IRREGULAR_BPM, "tall-t": 80.0}
    rhythms |= {f"steady-{bpm}": float(bpm) for bpm in REGULAR_BPM}
    found = {name: _settled(name, bpm) for name, bpm in rhythms.items()}
    return found | {name: _stepped(name, bpm) for name, bpm in STEPS_BPM.items()}


def _rates(name: str, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    patient = make(SCRIPTS[name], seed, leads=("II", "V5"))
    ticks = round(patient.ecg.shape[1] / patient.ecg_hz / TICK_S)
    return stream(patient.ecg, patient.ecg_hz).rate_bpm[:ticks]  # beyond, the last sample is held


def _settled(name: str, bpm: float) -> Shown:
    rates = np.concatenate(
        [_rates(name, seed)[round(SETTLED_S / TICK_S) :] for seed in range(SEEDS)]
    )
    return Shown(bpm, float(rates.min()), float(rates.max()))


def _stepped(name: str, bpm: float) -> Shown:
    took_s, least, greatest = 0.0, bpm, bpm
    for seed in range(SEEDS):
        rates = _rates(name, seed)[round(STEP_AT_S / TICK_S) :]
        far = np.flatnonzero(~(np.abs(rates - bpm) <= CLOSE_BPM))
        took_s = max(took_s, float(far[-1] + 2) * TICK_S if len(far) else 0.0)
        settled = rates[round(SETTLED_S / TICK_S) :]
        least, greatest = min(least, settled.min()), max(greatest, settled.max())
    return Shown(bpm, float(least), float(greatest), took_s)
