"""When a peak of the fused signal is a beat, and what is learnt from it.

    peak = no larger value for `confirm`     -> within `refractory`: nothing
                                             -> soon and gentle: a T wave
                                             -> high enough for what it looks like: a beat
                                             -> else noise, and spare for a search in a long pause

Rules
-----
1. How high is enough depends on the shape: less for one that is known, more for a strange one, the
   more the likeness of this patient's beats has been, and the earlier it comes (`Rules`). In noise
   no shape is what it was: there a peak must be higher, known or strange (`crest.clearness`).
2. A strange shape that repeats is learnt although it was refused: the third of a tachycardia's
   beats is known. Noise does not repeat.
3. A pause is searched once it is longer than `search` usual intervals: the best refused peak
   becomes a beat at half the threshold. Such a beat is late, and teaches no lead anything.
4. After four seconds without a beat levels are let go to the largest that was seen since, again and
   again: an amplitude that fell for good is found, and the floor (`level`) keeps noise out. Beats
   that needed a search are none in this, unless in noise.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.vitals.ecg import pacer
from monitor.vitals.ecg.fusion import (
    are_clear,
    best_lead,
    is_t_wave,
    is_visible,
    low_band,
    resemble,
    weigh_again,
)
from monitor.vitals.ecg.learning import learn_from, note, outdo, release_all, relevel
from monitor.vitals.ecg.median import median
from monitor.vitals.ecg.morphology import find_r, knows, likeness, meet, width
from monitor.vitals.ecg.rules import RATE_HZ, Rules
from monitor.vitals.ecg.state import BANDS, BEATS, HISTORY
from monitor.vitals.events import Kind, Label, append
from transport.kernel.jit import jit

_QRS: Final = int(Kind.QRS)
_UNKNOWN, _NORMAL, _SUPRAVENTRICULAR, _VENTRICULAR, _PACED = map(int, Label)
_RELEASE: Final = 4 * RATE_HZ
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
        or at - max(patient["taught_at"], patient["released_at"]) >= _RELEASE
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
        clear = are_clear(leads, rules.peaked)
        part = rules.search_threshold + rules.search_noisy * (1.0 - clear)
        half = part * _threshold(patient, clear, rules)
        if patient["spare"] > half or patient["spare_wide"] > 1.0:
            _find(patient, leads, who, at, rules, rows, tally)
        patient["spare"] = patient["spare_wide"] = 0.0
    if at - max(patient["taught_at"], patient["released_at"]) >= _RELEASE:
        is_clear = are_clear(leads, rules.peaked) > rules.clear
        if is_clear or at - patient["beat_at"] >= _RELEASE:
            release_all(patient, leads, rules)
        patient["released_at"] = at


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
    relevel(patient)
    patient["rr"][:] = RATE_HZ
    patient["usual"] = RATE_HZ
    patient["beat_at"] = patient["r_at"] = at
    patient["taught_at"] = patient["released_at"] = at
    patient["rate"] = math.nan
    patient["counted"] = patient["slow"] = 0
    patient["blind"] = True
    patient["falling"] = True
    patient["active"] = True


@jit
def _threshold(patient: Any, clear: float, rules: Rules) -> float:
    """Give the height that a peak needs, higher the less clear leads are."""
    noise = patient["noise"]
    part = rules.threshold + rules.noisy * (1.0 - clear)
    return float(noise + part * (patient["level"] - noise))


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
        outdo(patient, leads, at, rules)
        return
    peak = weigh_again(leads, at, peak_at, patient["peak"], rules)
    like = resemble(leads, peak_at)
    low = low_band(leads, at, peak_at, rules.threshold)
    clear = are_clear(leads, rules.peaked)
    is_known = like > rules.alike and low > 1.0 and clear > rules.clear
    is_beat = peak > _needed(patient, like, clear, since, rules) or is_known
    can_count = is_visible(leads, at, peak_at)
    until = _t_wave_until(patient, rules)
    if is_beat and can_count and not is_t_wave(leads, at, peak_at, since, until, rules):
        _accept(patient, leads, who, at, peak, like, rules, rows, tally)
        return
    is_late = since > patient["usual"]
    if can_count and (peak > _threshold(patient, clear, rules) or (is_late and low > 1.0)):
        for i in range(leads.shape[0]):
            if leads[i]["heard"]:
                meet(leads[i], at, peak_at, rules.alike)
    patient["noises"][patient["filled_noise"] & (BEATS - 1)] = peak
    patient["filled_noise"] += 1
    patient["noise"] = median(patient["noises"], BEATS)
    if peak > patient["spare"] and since >= until and can_count:
        patient["spare"], patient["spare_at"] = peak, peak_at
        patient["spare_wide"] = low
        patient["spare_r"] = find_r(leads[best_lead(leads)], peak_at)


@jit
def _t_wave_until(patient: Any, rules: Rules) -> int:
    """Say until when after the last beat there may be its T wave: later after a long interval."""
    later = math.sqrt(patient["before"] / rules.t_late) if patient["before"] > 0.0 else math.inf
    return int(rules.t_wave * min(max(1.0, later), rules.t_late_max))


@jit
def _needed(patient: Any, like: float, clear: float, since: int, rules: Rules) -> float:
    """Give the height that a peak of this likeness needs, so long after the last beat."""
    needed = _threshold(patient, clear, rules)
    if like > rules.alike:
        return needed * (1.0 - clear * (1.0 - rules.known))
    if like > -1.0:
        early = max(0.0, 0.9 - since / patient["usual"])
        strange = clear * min(1.0, (rules.alike - like) / rules.alike) * patient["typical"]
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
    interval = note(patient, peak, peak_at, r_at)
    believed = 0.0
    for i in range(leads.shape[0]):
        if leads[i]["heard"]:
            learn_from(leads[i], at, peak_at, rules)
            believed = max(believed, leads[i]["agreement"])
    patient["taught_at"] = peak_at
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
    interval = note(patient, patient["spare"], patient["spare_at"], r_at)
    for i in range(leads.shape[0]):
        for band in range(BANDS):
            leads[i]["quiet"][band] = 0.0
    r_at -= pacer.DELAY
    append(rows, tally, who, _QRS, r_at, at, interval, math.nan, math.nan, 0.0, _UNKNOWN)


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
