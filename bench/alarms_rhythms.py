"""Raise alarms of generated patients: by rhythm, noise and level, how many, and how soon.

A patient is twenty seconds of sinus rhythm, thirty of an episode, and sinus rhythm again. An
episode is found when its condition comes to hold within it; it took from the episode's begin, of
asystole from the last beat. A rhythm that is none of the lethal ones has no condition: every HIGH
there is a false one. All patients of one length are judged as one ward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.condition import CONDITIONS, Condition, Priority
from monitor.alarms.judge import Judge
from monitor.engine import TICK_NS
from monitor.messages import Signal
from monitor.sim.patient import Episode, Heard, Patient, Script, make
from monitor.sim.scripts import SCRIPTS
from monitor.sim.ward import Tracks, ward

C = Condition
BEFORE_S, EPISODE_S, AFTER_S = 20.0, 30.0, 15.0
#: Of an alarm that comes from the begin of an episode on, and of what follows its end.
GRACE_S: Final = 5.0
LEADS: Final = ("II", "V5", "V1")
WARD_MAX: Final = 400


class Wanted(NamedTuple):
    """An episode: its rhythm, and what must be told of it; nothing: none of the lethal ones.

    Parameters
    ----------
    rhythm : of `monitor.sim.rhythms`
    conditions : one of them is enough
    rate_bpm, gain : see `Episode`
    exact : as in the standard's figures
    """

    rhythm: str
    conditions: tuple[Condition, ...] = ()
    rate_bpm: float | None = None
    gain: float = 1.0
    exact: bool = False


WANTED: Final[dict[str, Wanted]] = {
    "asystole": Wanted("asystole", (C.ASYSTOLE,)),
    "brady": Wanted("extreme-bradycardia", (C.EXTREME_BRADY,)),
    "brady-narrow": Wanted("bradycardia", (C.EXTREME_BRADY,), 32.0),
    "tachy": Wanted("extreme-tachycardia", (C.EXTREME_TACHY,)),
    "tachy-160": Wanted("extreme-tachycardia", (C.EXTREME_TACHY,), 160.0),
    "vt-206": Wanted("tachycardia-206", (C.VT,)),
    "vt-195": Wanted("tachycardia-195", (C.VT,)),
    "vt-150": Wanted("tachycardia-195", (C.VT,), 150.0),
    "torsades": Wanted("torsades", (C.VT, C.VF)),
    "vf": Wanted("ventricular-fibrillation", (C.VF,)),
    "vf-fine": Wanted("ventricular-fibrillation", (C.VF,), None, 0.6),
    "af": Wanted("atrial-fibrillation"),
    "sinus": Wanted("sinus"),
    "ectopic": Wanted("ectopic"),
    "bigeminy": Wanted("bigeminy"),
}
#: Their episodes are those of IEC 60601-2-27, at half, once and twice the gain.
FIGURES: Final = tuple(f"tachycardia-{bpm}{gain}" for bpm in (206, 195) for gain in ("h", "", "d"))
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "electrode": ("electrode",),
    "muscle": ("muscle",),
    "baseline": ("baseline",),
    "mains": ("mains-50",),
    "mixed": ("electrode", "muscle", "baseline"),
}
LEVELS_DB: Final = (24, 18, 12)
BELOW_DB: Final = (6,)

Say = Callable[[str], None]


class Told(NamedTuple):
    """A change of one condition of one patient."""

    t_s: float
    condition: Condition
    holds: bool
    onset_s: float


class Found(NamedTuple):
    """What became of one episode.

    Parameters
    ----------
    name, noise, level_db : of WANTED, of KINDS, 99: none
    took_s : from its begin, NaN: it was not told
    wrong : other HIGH conditions that were told, within it
    false : HIGH conditions that were told outside of it
    suspended_s : of ECG_SUSPENDED, all patient long
    """

    name: str
    noise: str
    level_db: int
    took_s: float
    wrong: tuple[str, ...]
    false: tuple[str, ...]
    suspended_s: float


class Case(NamedTuple):
    """A patient to be made."""

    name: str
    noise: str
    level_db: int
    seed: int


def cases(seeds: Sequence[int], levels_db: Sequence[int]) -> list[Case]:
    """List every rhythm in every noise, each seed once."""
    found = []
    for name in WANTED:
        for seed in seeds:
            found.append(Case(name, "none", 99, seed))
            found += [Case(name, kind, db, seed) for kind in KINDS for db in levels_db]
    return found


def episodes(
    listed: Sequence[Case], say: Say, leads: int = 3, has_pulse: bool = True
) -> list[Found]:
    """Judge every case."""
    found: list[Found] = []
    for first in range(0, len(listed), WARD_MAX):
        part = listed[first : first + WARD_MAX]
        say(f"rhythms: {first + len(part)} of {len(listed)}")
        patients = [make(_script(case), case.seed, leads=LEADS[:leads]) for case in part]
        told = watch(tracks_of(patients, has_pulse), BEFORE_S + EPISODE_S + AFTER_S)
        found += [
            _found(case, patient, changes)
            for case, patient, changes in zip(part, patients, told, strict=True)
        ]
    return found


def figures(seeds: Sequence[int], say: Say) -> dict[str, list[float]]:
    """See how long each figure of 60601-2-27 takes to be told as VT, s; NaN where it is not."""
    say("figures 4a and 4b of IEC 60601-2-27")
    listed = [(name, seed) for name in FIGURES for seed in seeds]
    patients = [make(SCRIPTS[name], seed, leads=LEADS) for name, seed in listed]
    told = watch(tracks_of(patients), SCRIPTS[FIGURES[0]].lasts_s)
    found: dict[str, list[float]] = {name: [] for name in FIGURES}
    for (name, _), patient, changes in zip(listed, patients, told, strict=True):
        _, begin_s, end_s = patient.truth.episodes[1]
        found[name].append(_took(changes, (C.VT,), begin_s, begin_s, end_s))
    return found


def tracks_of(patients: Sequence[Patient], has_pulse: bool = True) -> Tracks:
    """Lay the signals of patients of one length side by side."""
    tracks = {
        Signal(lead): np.stack([patient.ecg[lead] for patient in patients])
        for lead in range(len(patients[0].leads))
    }
    tracks[Signal.RESP] = np.stack([patient.resp for patient in patients])
    if has_pulse:
        tracks[Signal.PLETH] = np.stack([patient.pleth for patient in patients])
        tracks[Signal.RED] = np.stack([patient.red for patient in patients])
        tracks[Signal.ABP] = np.stack([patient.abp for patient in patients])
    return tracks


def watch(tracks: Tracks, lasts_s: float) -> list[list[Told]]:
    """Judge a ward from the first tick to the last; give every change, a list a patient."""
    engine = ward(tracks)
    judge = Judge(len(engine.beds))
    before = np.zeros_like(judge.evidence.holds)
    told: list[list[Told]] = [[] for _ in engine.beds]
    for tick in range(round(lasts_s * 1e9) // TICK_NS):
        now_ns = (tick + 1) * TICK_NS
        engine.handle_deadline(now_ns)
        evidence = judge.tick(engine, now_ns)
        for who, column in zip(*np.nonzero(evidence.holds != before), strict=True):
            onset_s = float(evidence.onset_ns[who, column]) / 1e9
            holds = bool(evidence.holds[who, column])
            told[who].append(Told(now_ns / 1e9, Condition(column), holds, onset_s))
        before[:] = evidence.holds
    return told


def is_high(condition: Condition) -> bool:
    """Tell whether somebody must come at once."""
    return CONDITIONS[condition].priority is Priority.HIGH


def held_s(changes: Sequence[Told], condition: Condition, end_s: float) -> float:
    """Add up how long a condition held."""
    total, since = 0.0, -1.0
    for change in changes:
        if change.condition is condition:
            if change.holds:
                since = change.t_s
            else:
                total, since = total + change.t_s - since, -1.0
    return total + (end_s - since if since >= 0.0 else 0.0)


def af_windows(seeds: Sequence[int], say: Say) -> tuple[float, float]:
    """Give the part of the time that AF is told, in atrial fibrillation and in ectopy."""
    say("atrial fibrillation, and what is none")
    rhythms = ("atrial-fibrillation", "ectopic", "bigeminy", "sinus")
    listed = [(rhythm, seed) for rhythm in rhythms for seed in seeds]
    lasts_s, learnt_s = 180.0, 60.0
    patients = [
        make(Script((Episode(rhythm, lasts_s),), heard=(Heard(KINDS["mixed"], 18.0),)), seed)
        for rhythm, seed in listed
    ]
    told = watch(tracks_of(patients), lasts_s)
    parts: dict[bool, list[float]] = {True: [], False: []}
    for (rhythm, _), changes in zip(listed, told, strict=True):
        later = [change._replace(t_s=max(change.t_s, learnt_s)) for change in changes]
        part = held_s(later, C.AF, lasts_s) / (lasts_s - learnt_s)
        parts[rhythm == rhythms[0]].append(part)
    return float(np.mean(parts[True])), float(np.mean(parts[False]))


def _script(case: Case) -> Script:
    wanted = WANTED[case.name]
    heard = () if case.noise == "none" else (Heard(KINDS[case.noise], float(case.level_db)),)
    episode = Episode(wanted.rhythm, EPISODE_S, wanted.rate_bpm, wanted.gain)
    return Script((Episode("sinus", BEFORE_S), episode, Episode("sinus", AFTER_S)), heard=heard)


def _found(case: Case, patient: Patient, changes: Sequence[Told]) -> Found:
    wanted = WANTED[case.name].conditions
    end_s = BEFORE_S + EPISODE_S
    begin_s = BEFORE_S
    if wanted == (C.ASYSTOLE,):
        beats_s = patient.truth.beats.at_s
        begin_s = float(beats_s[beats_s < BEFORE_S][-1])
    took_s = _took(changes, wanted, begin_s, BEFORE_S, end_s)
    high = [one for one in changes if one.holds and is_high(one.condition)]
    others = [one for one in high if one.condition not in wanted]
    inside = [one for one in others if wanted and BEFORE_S <= one.t_s < end_s]
    outside = [one for one in others if one not in inside and not _is_after(one, bool(wanted))]
    return Found(
        case.name,
        case.noise,
        case.level_db,
        took_s,
        tuple(one.condition.name for one in inside),
        tuple(one.condition.name for one in outside),
        held_s(changes, C.ECG_SUSPENDED, end_s + AFTER_S),
    )


def _is_after(told: Told, was_lethal: bool) -> bool:
    """Tell whether it is the end of an episode that is told."""
    return was_lethal and 0.0 <= told.t_s - BEFORE_S - EPISODE_S < GRACE_S


def _took(
    changes: Sequence[Told],
    wanted: tuple[Condition, ...],
    begin_s: float,
    from_s: float,
    end_s: float,
) -> float:
    hits = [
        one.t_s - begin_s
        for one in changes
        if one.holds and one.condition in wanted and from_s <= one.t_s < end_s
    ]
    return min(hits, default=float("nan"))


def delays(found: Sequence[Found]) -> NDArray[np.float64]:
    """Give how long each took, those that were told."""
    took = np.array([one.took_s for one in found], np.float64)
    return took[np.isfinite(took)]
