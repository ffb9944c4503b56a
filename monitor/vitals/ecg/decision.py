"""When a peak of the fused signal is a beat, and what is learnt from it.

    peak = no larger value for `confirm`     -> within `refractory`: nothing
                                             -> soon and gentle: a T wave
                                             -> high enough for what it looks like: a beat
                                             -> else noise, and spare for a search in a long pause

Rules
-----
1. How high is enough depends on the shape: less for one that is known, more for a strange one, the
   more the likeness of this patient's beats has been, and the earlier it comes (`Rules`).
2. A strange shape that repeats is learnt although it was refused: the third of a tachycardia's
   beats is known. Noise does not repeat.
3. A pause is searched once it is longer than `search` usual intervals: the best refused peak
   becomes a beat at half the threshold. Such a beat is late, and teaches no lead anything.
4. After four seconds without a beat levels are let go to the largest that was seen since, again and
   again: an amplitude that fell for good is found, and the floor (`level`) keeps noise out.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.vitals.ecg import pacer
from monitor.vitals.ecg.fusion import (
    best_lead,
    is_t_wave,
    is_visible,
    low_band,
    resemble,
    weigh_again,
)
from monitor.vitals.ecg.level import median, peak_of, pitch_of, release, settle
from monitor.vitals.ecg.morphology import (
    find_r,
    knows,
    likeness,
    remember,
    steepest,
    width,
)
from monitor.vitals.ecg.quality import agree
from monitor.vitals.ecg.rate import count
from monitor.vitals.ecg.rules import RATE_HZ, Rules
from monitor.vitals.ecg.state import BANDS, BEATS, HISTORY, NARROW, WIDE
from monitor.vitals.events import Kind, Label, append
from transport.kernel.jit import jit

_QRS: Final = int(Kind.QRS)
_UNKNOWN, _NORMAL, _SUPRAVENTRICULAR, _VENTRICULAR, _PACED = map(int, Label)
#: Levels, of the fused signal, before the first beat.
_NOISE: Final = 0.2
_RELEASE: Final = 4 * RATE_HZ
_RR_MAX: Final = 3 * RATE_HZ  # a longer interval says nothing of the usual one
#: A paced QRS has its largest deflection within 240 ms of its spike.
_PACED_WITHIN: Final = 60
_SHARE: Final = 0.125


@jit
def look(patient: Any, at: int, f: float, rules: Rules) -> bool:
    """Follow the fused signal, whose value at sample `at` is `f`; tell whether there is a decision.

    This is all that most samples need.
    """
    if f < 0.0:
        _see_nothing(patient, at)
        return False
    if not patient["active"]:
        _begin(patient, at)
    patient["sighted_at"] = at
    if patient["falling"]:
        patient["falling"] = f <= patient["last"]
        patient["peak"], patient["peak_at"] = f, at
    elif f > patient["peak"]:
        patient["peak"], patient["peak_at"] = f, at
    patient["last"] = f
    return (
        _is_peak(patient, at, rules)
        or _is_pause(patient, at, rules)
        or at - max(patient["beat_at"], patient["released_at"]) >= _RELEASE
    )


@jit
def decide(
    patient: Any,
    leads: Any,
    who: int,
    at: int,
    f: float,
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Decide what there is at sample `at`, and append the beat that it confirms, if any."""
    if _is_peak(patient, at, rules):
        _judge(patient, leads, who, at, rules, rows, tally)
        patient["falling"] = True
        patient["peak"], patient["peak_at"] = f, at
    if _is_pause(patient, at, rules):
        half = rules.search_threshold * _threshold(patient, rules)
        if patient["spare"] > half or patient["spare_wide"] > 1.0:
            _find(patient, leads, who, at, rules, rows, tally)
        patient["spare"] = patient["spare_wide"] = 0.0
    if at - max(patient["beat_at"], patient["released_at"]) >= _RELEASE:
        _release(patient, leads, at, rules)


@jit
def _is_peak(patient: Any, at: int, rules: Rules) -> bool:
    return bool(not patient["falling"] and at - patient["peak_at"] >= rules.confirm)


@jit
def _is_pause(patient: Any, at: int, rules: Rules) -> bool:
    """Tell whether a pause is so long that what was refused in it is looked at again."""
    pause = at - patient["beat_at"]
    return bool(patient["spare"] > 0.0 and pause > rules.search * patient["usual"] + rules.confirm)


@jit
def _see_nothing(patient: Any, at: int) -> None:
    patient["blind"] = True
    patient["falling"] = True
    patient["spare"] = 0.0
    if at - patient["sighted_at"] > 2 * RATE_HZ:
        patient["active"] = False
        patient["rate"] = math.nan


@jit
def _begin(patient: Any, at: int) -> None:
    _relevel(patient)
    patient["rr"][:] = RATE_HZ
    patient["usual"] = RATE_HZ
    patient["beat_at"] = patient["r_at"] = patient["released_at"] = at
    patient["rate"] = math.nan
    patient["counted"] = patient["slow"] = 0
    patient["blind"] = True
    patient["falling"] = True
    patient["active"] = True


@jit
def _release(patient: Any, leads: Any, at: int, rules: Rules) -> None:
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"]:
            release(lead, rules.weight_power)
    _relevel(patient)
    patient["released_at"] = at


@jit
def _relevel(patient: Any) -> None:
    """Let the fused signal begin anew: beats are 1 by construction, none is typical yet."""
    patient["beats"][:] = 1.0
    patient["noises"][:] = _NOISE
    patient["level"], patient["noise"] = 1.0, _NOISE
    patient["typical"] = 0.0


@jit
def _threshold(patient: Any, rules: Rules) -> float:
    noise = patient["noise"]
    return float(noise + rules.threshold * (patient["level"] - noise))


@jit
def _judge(
    patient: Any,
    leads: Any,
    who: int,
    at: int,
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    peak_at = patient["peak_at"]
    since = peak_at - patient["beat_at"]
    if since < rules.refractory:
        return
    peak = weigh_again(leads, at, peak_at, patient["peak"], rules)
    like = resemble(leads, peak_at)
    low = low_band(leads, at, peak_at, rules.threshold)
    is_beat = peak > _needed(patient, like, since, rules) or (like > rules.alike and low > 1.0)
    can_count = is_visible(leads, at, peak_at)
    if is_beat and can_count and not is_t_wave(leads, at, peak_at, since, rules):
        _accept(patient, leads, who, at, peak, like, rules, rows, tally)
        return
    is_late = since > patient["usual"]
    if can_count and (peak > _threshold(patient, rules) or (is_late and low > 1.0)):
        for i in range(leads.shape[0]):
            if leads[i]["heard"]:
                remember(leads[i], find_r(leads[i], peak_at), rules.alike)
    patient["noises"][patient["filled_noise"] & (BEATS - 1)] = peak
    patient["filled_noise"] += 1
    patient["noise"] = median(patient["noises"], BEATS)
    if peak > patient["spare"] and since >= rules.t_wave and can_count:
        patient["spare"], patient["spare_at"] = peak, peak_at
        patient["spare_wide"] = low
        patient["spare_r"] = find_r(leads[best_lead(leads)], peak_at)


@jit
def _needed(patient: Any, like: float, since: int, rules: Rules) -> float:
    """Give the height that a peak of this likeness needs, so long after the last beat."""
    needed = _threshold(patient, rules)
    if like > rules.alike:
        return needed * rules.known
    if like > -1.0:
        early = max(0.0, 0.9 - since / patient["usual"])
        strange = min(1.0, (rules.alike - like) / rules.alike) * patient["typical"]
        needed *= 1.0 + (rules.strange - 1.0) * strange * (1.0 + rules.early * early)
    return min(needed, rules.ceiling * float(patient["level"]))


@jit
def _accept(
    patient: Any,
    leads: Any,
    who: int,
    at: int,
    peak: float,
    like: float,
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Take the present peak as a beat: emit it, then learn from it."""
    peak_at = patient["peak_at"]
    lead = leads[best_lead(leads)]
    r_at = find_r(lead, peak_at)
    wide = width(lead, at, r_at)
    label = _label(patient, leads, lead, r_at, wide, rules)
    height = abs(float(lead["clean"][r_at & (HISTORY - 1)]))
    interval = _note(patient, peak, peak_at, r_at)
    believed = 0.0
    for i in range(leads.shape[0]):
        if leads[i]["heard"]:
            _learn(leads[i], at, peak_at, rules)
            believed = max(believed, leads[i]["agreement"])
    patient["typical"] += _SHARE * (max(0.0, like) - patient["typical"])
    r_at -= pacer.DELAY
    append(rows, tally, who, _QRS, r_at, at, interval, wide / RATE_HZ, height, believed, label)


@jit
def _find(
    patient: Any,
    leads: Any,
    who: int,
    at: int,
    rules: Rules,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Take the best refused peak of a long pause as a beat."""
    r_at = patient["spare_r"]
    interval = _note(patient, patient["spare"], patient["spare_at"], r_at)
    for i in range(leads.shape[0]):
        for band in range(BANDS):
            leads[i]["quiet"][band] = 0.0
    r_at -= pacer.DELAY
    append(rows, tally, who, _QRS, r_at, at, interval, math.nan, math.nan, 0.0, _UNKNOWN)


@jit
def _note(patient: Any, peak: float, peak_at: int, r_at: int) -> float:
    """Keep level and interval of a beat; return the interval in s, NaN where it is none."""
    patient["beats"][patient["filled"] & (BEATS - 1)] = peak
    patient["filled"] += 1
    patient["level"] = median(patient["beats"], BEATS)
    rr = peak_at - patient["beat_at"]
    interval = math.nan
    if not patient["blind"]:
        interval = (r_at - patient["r_at"]) / RATE_HZ
        count(patient, float(max(1, r_at - patient["r_at"])))
        if rr < _RR_MAX:
            patient["rr"][patient["filled_rr"] & (BEATS - 1)] = rr
            patient["filled_rr"] += 1
            patient["usual"] = median(patient["rr"], BEATS)
    patient["blind"] = False
    patient["beat_at"], patient["r_at"] = peak_at, r_at
    patient["spare"] = 0.0
    return interval


@jit
def _learn(lead: Any, at: int, peak_at: int, rules: Rules) -> None:
    """Bring one lead's levels, shapes, slope and agreement up to a beat."""
    slot = lead["filled"] & (BEATS - 1)
    lead["filled"] += 1
    narrow = peak_of(lead, NARROW, at, peak_at) * lead["gain"][NARROW]
    wide = peak_of(lead, WIDE, at, peak_at) * lead["gain"][WIDE]
    agree(lead, narrow, wide, rules.threshold)
    for band in range(BANDS):
        lead["beats"][band, slot] = peak_of(lead, band, at, peak_at)
        lead["noises"][band, slot] = lead["quiet"][band]
        lead["quiet"][band] = 0.0
        settle(lead, band, rules.weight_power)
    remember(lead, find_r(lead, peak_at), rules.alike)
    lead["slope"] = steepest(lead, at, peak_at)
    lead["pitch"] = max(1e-6, pitch_of(lead, at, peak_at))


@jit
def _label(patient: Any, leads: Any, lead: Any, r_at: int, wide: int, rules: Rules) -> int:
    """Name the class of a beat, before it is learnt from."""
    for i in range(leads.shape[0]):
        if 0 <= r_at - leads[i]["paced_at"] <= _PACED_WITHIN:
            return _PACED
    if not knows(lead) or patient["blind"]:
        return _UNKNOWN
    is_early = r_at - patient["r_at"] < rules.premature * patient["usual"]
    if likeness(lead, r_at, 0) > rules.alike:
        return _SUPRAVENTRICULAR if is_early else _NORMAL
    is_other = likeness(lead, r_at, 0) < rules.other
    return _VENTRICULAR if wide >= rules.wide and (is_early or is_other) else _UNKNOWN
