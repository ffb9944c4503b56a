"""What is learnt from a beat: levels, intervals, shapes; and what is let go when none comes.

Rules
-----
1. A beat's height becomes one of the last eight that a level is the median of, for each band of
   each lead and for the fused signal; so does what stood between beats become noise.
2. What is much larger than a beat, and right behind it, was the beat: it is learnt from in its
   place. So P waves that were counted, while levels were low, do not keep levels low.
3. When nothing comes for long, levels begin anew from the largest that was seen meanwhile.
4. So does a band that shows beats elsewhere (`crest`): those that were found in it were noise. Not
   the low band: what is higher there between beats may be their T waves.
"""

from __future__ import annotations

import math
from typing import Any, Final

from monitor.vitals.ecg.fusion import best_lead
from monitor.vitals.ecg.level import peak_of, pitch_of, release, restart, settle
from monitor.vitals.ecg.median import median
from monitor.vitals.ecg.morphology import find_r, meet, steepest
from monitor.vitals.ecg.quality import agree
from monitor.vitals.ecg.rate import count
from monitor.vitals.ecg.rules import RATE_HZ, Rules
from monitor.vitals.ecg.state import BANDS, BEATS, NARROW, WIDE
from transport.kernel.jit import jit

#: Levels, of the fused signal, before the first beat.
_NOISE: Final = 0.2
#: A band whose beats are elsewhere: how high its noise is, of its level, and how full it may be.
_MISSING: Final = 0.9
_PEAKED: Final = 0.42
_RR_MAX: Final = 3 * RATE_HZ  # a longer interval says nothing of the usual one


@jit
def note(patient: Any, peak: float, peak_at: int, r_at: int) -> float:
    """Keep level and interval of a beat; return the interval in s, NaN where it is none."""
    patient["beats"][patient["filled"] & (BEATS - 1)] = peak
    patient["filled"] += 1
    patient["level"] = median(patient["beats"], BEATS)
    rr = peak_at - patient["beat_at"]
    interval = math.nan
    patient["before"] = 0.0
    if not patient["blind"]:
        interval = (r_at - patient["r_at"]) / RATE_HZ
        patient["before"] = float(rr)
        count(patient, float(rr))
        if rr < _RR_MAX:
            patient["rr"][patient["filled_rr"] & (BEATS - 1)] = rr
            patient["filled_rr"] += 1
            patient["usual"] = median(patient["rr"], BEATS)
    patient["blind"] = False
    patient["beat_at"], patient["r_at"] = peak_at, r_at
    patient["spare"] = 0.0
    return interval


@jit
def learn_from(lead: Any, at: int, peak_at: int, rules: Rules) -> None:
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
        if is_misled(lead, band):
            restart(lead, band, median(lead["tops"][band], BEATS), rules.weight_power)
    meet(lead, at, peak_at, rules.alike)
    lead["slope"] = steepest(lead, at, peak_at)
    lead["pitch"] = max(1e-6, pitch_of(lead, at, peak_at))


@jit
def is_misled(lead: Any, band: int) -> bool:
    """Tell whether a band has beats, but not those that were found."""
    is_missing = lead["noise"][band] > _MISSING and lead["windows"] >= BEATS
    return bool(band != WIDE and is_missing and lead["fullness"][band] < _PEAKED)


@jit
def outdo(patient: Any, leads: Any, at: int, rules: Rules) -> None:
    """Learn from a peak right behind a beat, if it is much larger: the beat was a P wave.

    It was told, and is not told again; but what comes next is compared with its QRS.
    """
    peak_at, last = patient["peak_at"], (patient["filled"] - 1) & (BEATS - 1)
    if patient["peak"] <= rules.larger * patient["beats"][last] or patient["filled"] == 0:
        return
    patient["beats"][last] = patient["peak"]
    patient["level"] = median(patient["beats"], BEATS)
    patient["before"] += peak_at - patient["beat_at"]
    patient["beat_at"] = peak_at
    patient["r_at"] = find_r(leads[best_lead(leads)], peak_at)
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"]:
            slot = (lead["filled"] - 1) & (BEATS - 1)
            for band in range(BANDS):
                lead["beats"][band, slot] = peak_of(lead, band, at, peak_at)
                settle(lead, band, rules.weight_power)
            lead["slope"] = steepest(lead, at, peak_at)
            lead["pitch"] = max(1e-6, pitch_of(lead, at, peak_at))


@jit
def release_all(patient: Any, leads: Any, rules: Rules) -> None:
    """Let all levels go to the largest that was seen since the last beat."""
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"]:
            release(lead, rules.weight_power)
    relevel(patient)


@jit
def relevel(patient: Any) -> None:
    """Let the fused signal begin anew: beats are 1 by construction, none is typical yet."""
    patient["beats"][:] = 1.0
    patient["noises"][:] = _NOISE
    patient["level"], patient["noise"] = 1.0, _NOISE
    patient["typical"] = 0.0
