"""How several leads speak as one: every band of every lead, in its own levels, by its weight.

Rules
-----
1. The fused signal is a weighted mean: a beat is about 1 whatever leads and gains there are, and a
   lead that is off, flat or noisy takes nothing away from the others.
2. No band says more than `cap`: a blow on one electrode is not a larger beat.
3. With several leads a peak is weighed a second time when it is judged, by what each lead has shown
   since the last beat: noise that has just begun is discounted before it becomes a beat.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.vitals.ecg.crest import clearness
from monitor.vitals.ecg.level import distrust, peak_of, pitch_of, trust
from monitor.vitals.ecg.morphology import find_r, height_of, knows, resemblance, steepest
from monitor.vitals.ecg.rules import Rules
from monitor.vitals.ecg.state import BANDS, ENVELOPE, NARROW, SHARP, WIDE
from transport.kernel.jit import jit

#: What is less tall is not counted as a QRS; AAMI EC13.
HEIGHT_MV: Final = 0.15
#: Nor is what gives less than a triangle of 0.15 mV and 100 ms in the low band, 0.046, and some.
WIDE_MV: Final = 0.052


@jit
def fuse(leads: Any, at: int, cap: float, out: Any, first: int, end: int) -> None:
    """Give the fused signal of samples `at + first` to `at + end`; negative if no lead is heard."""
    weights = 0.0
    for k in range(first, end):
        out[k] = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if not lead["heard"]:
            continue
        envelope, weight, gain = lead["envelope"], lead["weight"], lead["gain"]
        a, b, c = weight[NARROW], weight[WIDE], weight[SHARP]
        r, s, t = gain[NARROW], gain[WIDE], gain[SHARP]
        weights += a + b + c
        for k in range(first, end):
            e = envelope[(at + k) & (ENVELOPE - 1)]
            heard = a * min(r * float(e[NARROW]), cap) + b * min(s * float(e[WIDE]), cap)
            out[k] += heard + c * min(t * float(e[SHARP]), cap)
    for k in range(first, end):
        out[k] = out[k] / weights if weights > 0.0 else -1.0


@jit
def weigh_again(leads: Any, at: int, peak_at: int, peak: float, rules: Rules) -> float:
    """Weigh leads by what they show now, and give the height of a peak by those weights."""
    total = weights = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if not lead["heard"]:
            continue
        distrust(lead, rules.weight_power)
        for band in range(BANDS):
            height = peak_of(lead, band, at, peak_at) * lead["gain"][band]
            total += lead["trust"][band] * min(height, rules.cap)
            weights += lead["trust"][band]
    return total / weights if leads.shape[0] > 1 and weights > 0.0 else peak


@jit
def resemble(leads: Any, peak_at: int) -> float:
    """Give how like a known shape a peak is, over the leads; -1 while none is known."""
    total = weights = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"] and knows(lead):
            total += trust(lead) * resemblance(lead, find_r(lead, peak_at))
            weights += trust(lead)
    return total / weights if weights > 0.0 else -1.0


@jit
def are_clear(leads: Any, peaked: float) -> float:
    """Give how far what leads show can be the heart's, from nearly 0 (noise) to 1."""
    total = weights = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"]:
            total += trust(lead) * clearness(lead, peaked)
            weights += trust(lead)
    return total / weights if weights > 0.0 else 1.0


@jit
def is_t_wave(leads: Any, at: int, peak_at: int, since: int, until: int, rules: Rules) -> bool:
    """Tell whether a peak, so long after the last beat, is a T wave: gentler than that beat.

    Gentle is less than half as steep, or as much of a lower pitch (`t_pitch`): a T wave of 1.2 mV
    can be as steep as its QRS of 1 mV, but not as short. None comes later than `until`.
    """
    steep = pitch = weights = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"] and lead["slope"] > 0.0:
            weight = trust(lead)
            steep += weight * steepest(lead, at, peak_at) / lead["slope"]
            pitch += weight * pitch_of(lead, at, peak_at) / lead["pitch"]
            weights += weight
    if weights <= 0.0 or since >= until:
        return False
    is_low = since < rules.t_soon and pitch < rules.t_pitch * weights
    return is_low or steep < rules.t_slope * weights


@jit
def low_band(leads: Any, at: int, peak_at: int, threshold: float) -> float:
    """Give how far the low bands by themselves see a beat, 1 being their threshold."""
    total = weights = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"]:
            height = peak_of(lead, WIDE, at, peak_at) * lead["gain"][WIDE]
            noise = lead["noise"][WIDE]
            weight = lead["trust"][WIDE]
            total += weight * min(height, 1.5) / (noise + threshold * (1.0 - noise))
            weights += weight
    return total / weights if weights > 0.0 else 0.0


@jit
def is_visible(leads: Any, at: int, peak_at: int) -> bool:
    """Tell whether a peak is as tall as a QRS must be, or as wide, in some lead."""
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead["heard"]:
            if height_of(lead, peak_at) >= HEIGHT_MV:
                return True
            if peak_of(lead, WIDE, at, peak_at) >= WIDE_MV:
                return True
    return False


@jit
def best_lead(leads: Any) -> int:
    """Give the lead that is trusted most."""
    best, found = -1.0, 0
    for i in range(leads.shape[0]):
        if leads[i]["heard"] and trust(leads[i]) > best:
            best, found = trust(leads[i]), i
    return found
