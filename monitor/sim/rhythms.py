"""Say when beats come, and of which class: a rhythm is a row of a table.

A rhythm repeats a few steps; a law says how the intervals vary. The rates of the 60601-2-27 rows
are the standard's (201.7.9.2.9.101 b, figures 201.101: 80, 60, 120 and 90 beats a minute, all
counted; figures 4a and 4b: 206 and 195), as monitors' manuals state them. Its drawings are not in
our reach: how an interval divides between the two beats of a pair, and their shapes, are ours.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.sim.waves import Shape
from monitor.vitals.events import Label

RR_S_MIN: Final = 0.2
"""No heart beats more often than 300 times a minute and is seen to."""
BREATH_HZ, MAYER_HZ = 0.25, 0.1
"""Where ECGSYN's intervals vary (McSharry 2003): breath, and the pressure's own waves."""


class Law(IntEnum):
    """How intervals vary about those of the steps."""

    STEADY = 0
    BREATHING = 1  # two sines and a little chance
    LOG_NORMAL = 2  # as in atrial fibrillation: each by itself


class Waviness(IntEnum):
    """What goes on between beats, or instead of them."""

    NONE = 0
    ATRIAL = 1
    VENTRICULAR = 2


class Step(NamedTuple):
    """One beat of a rhythm: the interval before it, s."""

    rr_s: float
    shape: Shape = Shape.NORMAL
    label: Label = Label.NORMAL


class Rhythm(NamedTuple):
    """One row.

    Parameters
    ----------
    steps : repeated; none: no beat comes
    law, spread : how intervals vary; relative
    ectopic : part of the beats that come early, broad, and are followed by a pause
    waviness : what else the heart does
    pumps : what a beat moves, of a normal one's
    twist_s : the beats' axis turns over and back in this time (torsades)
    """

    steps: tuple[Step, ...]
    law: Law = Law.STEADY
    spread: float = 0.0
    ectopic: float = 0.0
    waviness: Waviness = Waviness.NONE
    pumps: float = 1.0
    twist_s: float = 0.0


class Beats(NamedTuple):
    """Beats in time: the truth.

    Parameters
    ----------
    at_s : (n,) tops of the R waves, ascending
    label : (n,) `Label`
    shape : (n,) `Shape`
    gain : (n,) of the waves
    pumps : (n,) of the pulse, 0..1
    """

    at_s: NDArray[np.float64]
    label: NDArray[np.int8]
    shape: NDArray[np.int8]
    gain: NDArray[np.float64]
    pumps: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> Beats:
        """Return the beats that are chosen."""
        return Beats(
            self.at_s[chosen],
            self.label[chosen],
            self.shape[chosen],
            self.gain[chosen],
            self.pumps[chosen],
        )


def _wide(rr_s: float, shape: Shape) -> Step:
    return Step(rr_s, shape, Label.VENTRICULAR)


RHYTHMS: Final[dict[str, Rhythm]] = {
    "sinus": Rhythm((Step(0.8),), Law.BREATHING, 0.05),
    "steady": Rhythm((Step(0.75),)),
    "ectopic": Rhythm((Step(0.85),), Law.BREATHING, 0.04, ectopic=0.15),
    "atrial-fibrillation": Rhythm(
        (Step(0.65, Shape.NO_P),), Law.LOG_NORMAL, 0.24, waviness=Waviness.ATRIAL
    ),
    "tall-t": Rhythm((Step(0.75, Shape.TALL_T),)),
    "bigeminy": Rhythm((Step(0.95), _wide(0.55, Shape.RIGHT)), Law.BREATHING, 0.02),
    # IEC 60601-2-27, figure 201.101 a to d.
    "bigeminy-80": Rhythm((Step(0.95), _wide(0.55, Shape.RIGHT))),
    "slow-alternating-60": Rhythm((Step(1.25), _wide(0.75, Shape.LEFT))),
    "rapid-alternating-120": Rhythm((Step(0.58), _wide(0.42, Shape.RIGHT))),
    "bidirectional-90": Rhythm(
        (_wide(0.70, Shape.RIGHT), _wide(60 / 45 - 0.70, Shape.LEFT)), pumps=0.7
    ),
    # IEC 60601-2-27, figures 4a and 4b; 1 and 2 mV from top to bottom in lead II by their gains.
    "tachycardia-206": Rhythm((_wide(60 / 206, Shape.FAST),), pumps=0.4),
    "tachycardia-195": Rhythm((_wide(60 / 195, Shape.FAST),), pumps=0.4),
    "torsades": Rhythm(
        (_wide(60 / 230, Shape.FAST),), Law.LOG_NORMAL, 0.04, pumps=0.2, twist_s=6.0
    ),
    "ventricular-fibrillation": Rhythm((), waviness=Waviness.VENTRICULAR),
    "asystole": Rhythm(()),
    "extreme-bradycardia": Rhythm((Step(2.1, Shape.LOW, Label.VENTRICULAR),), Law.LOG_NORMAL, 0.08),
    "bradycardia": Rhythm((Step(1.6),), Law.BREATHING, 0.03),
    "extreme-tachycardia": Rhythm((Step(0.33, Shape.NO_P),), Law.LOG_NORMAL, 0.01, pumps=0.6),
    "paced": Rhythm((Step(60 / 70, Shape.PACED, Label.PACED),)),
}


def beats_of(
    rhythm: Rhythm,
    rng: np.random.Generator,
    begin_s: float,
    end_s: float,
    rate_bpm: float | None = None,
    gain: float = 1.0,
) -> Beats:
    """Draw the beats of a rhythm between two times.

    Parameters
    ----------
    rate_bpm
        Mean of the steps; None: as the row has it.
    gain
        Of all its waves.
    """
    found: list[tuple[float, Label, Shape, float, float]] = []
    at_s, number, pause_s = begin_s, 0, 0.0
    while rhythm.steps:
        step = rhythm.steps[number % len(rhythm.steps)]
        rr_s = step.rr_s * _scale(rhythm, rate_bpm) * _varied(rhythm, at_s, rng) + pause_s
        early = rng.random() < rhythm.ectopic and not pause_s and number > 0
        pause_s = 0.0
        if early:  # compensated: the beat after it comes where it would have come
            rr_s, pause_s = rr_s * 0.62, rr_s * 0.38
            step = _wide(rr_s, Shape.RIGHT if rng.random() < 0.7 else Shape.LEFT)
        at_s += max(rr_s, RR_S_MIN)
        if at_s >= end_s:
            break
        pumped = rhythm.pumps * float(np.clip(rr_s / 0.6, 0.25, 1.0))
        found.append((at_s, step.label, step.shape, gain * _turned(rhythm, at_s), pumped))
        number += 1
    columns = np.array(found, np.float64).reshape(-1, 5).T
    return Beats(
        columns[0], columns[1].astype(np.int8), columns[2].astype(np.int8), columns[3], columns[4]
    )


def joined(parts: list[Beats]) -> Beats:
    """Put beats of several times behind each other."""
    at_s, label, shape, gain, pumps = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    return Beats(at_s, label, shape, gain, pumps)


def _scale(rhythm: Rhythm, rate_bpm: float | None) -> float:
    """Say by how much the steps are longer than the row's."""
    if rate_bpm is None:
        return 1.0
    mean_s = sum(step.rr_s for step in rhythm.steps) / len(rhythm.steps)
    return 60.0 / rate_bpm / mean_s


def _varied(rhythm: Rhythm, at_s: float, rng: np.random.Generator) -> float:
    """Draw a factor of mean one; each law draws the same number of times for every beat."""
    chance = rng.standard_normal()
    if rhythm.law is Law.STEADY:
        return 1.0
    if rhythm.law is Law.LOG_NORMAL:
        return float(np.exp(rhythm.spread * chance - 0.5 * rhythm.spread**2))
    turn = 2.0 * np.pi * at_s
    slow, fast = np.sin(MAYER_HZ * turn), np.sin(BREATH_HZ * turn)
    return float(1.0 + rhythm.spread * (0.5 * slow + fast + 0.2 * chance))


def _turned(rhythm: Rhythm, at_s: float) -> float:
    """Turn the axis over and back; where it is across the lead a quarter of the beat is left."""
    if not rhythm.twist_s:
        return 1.0
    swing = float(np.cos(2.0 * np.pi * at_s / rhythm.twist_s))
    return float(np.copysign(max(abs(swing), 0.25), swing))
