"""What a lead's bands are worth: how high beats and noise stand in each, and so its weight.

Rules
-----
1. A band's level is the median of its peaks at the last eight beats, its noise the median of its
   largest values between them (Hamilton 2002). It speaks in units of its own level.
2. Its weight is a power of its separation, 1 - noise / level, and less if it is as full as noise
   is, whatever the beats were (`crest`). A band that shows as much between beats as at beats has
   none.
3. A new lead learns its level from the maxima of three seconds. It changes no weight of others.
4. A level never falls below what a QRS of 0.15 mV gives: less is not to be counted (AAMI EC13).
5. A lead is asked while it has a signal (`intake`): samples are valid, and have changed within half
   a second.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.vitals.ecg.crest import PEAKED, peakedness
from monitor.vitals.ecg.median import median
from monitor.vitals.ecg.rules import RATE_HZ
from monitor.vitals.ecg.state import BANDS, BEATS, ENVELOPE, NARROW, SHARP, WIDE
from transport.kernel.jit import jit

#: mV, of an envelope; a triangle of 100 ms and 0.15 mV gives 0.025, 0.046 and 0.006 in the bands.
FLOOR_MV: Final = 0.012
#: A lead of nothing but filters' settling is not learnt from.
_SETTLING: Final = RATE_HZ // 2
_LEARNT: Final = _SETTLING + 3 * RATE_HZ
_LEAST: Final = 1e-6
#: Noise that is taken for granted until the first beats.
_NOISE: Final = 0.3
#: Levels fall by no more than this at once: what is less was a P wave.
_RELEASE: Final = 0.2
#: What stands between beats begins 160 ms after one, and is told when 200 ms old.
_BEHIND: Final = 40
OLD: Final = RATE_HZ // 5


@jit
def learn(lead: Any, at: int, power: float) -> None:
    """Learn from one more sample of a lead that has not settled."""
    second = (lead["since"] - _SETTLING) // RATE_HZ
    if lead["since"] >= _SETTLING and second < 3:
        for band in range(BANDS):
            e = lead["envelope"][at & (ENVELOPE - 1), band]
            lead["learnt"][band, second] = max(lead["learnt"][band, second], e)
    lead["since"] += 1
    if lead["since"] < _LEARNT:
        return
    for band in range(BANDS):
        restart(lead, band, median(lead["learnt"][band], 3), power)
    lead["settled"] = True


@jit
def restart(lead: Any, band: int, level: float, power: float) -> None:
    """Take a level for that of all beats so far."""
    for j in range(BEATS):
        lead["beats"][band, j] = level
        lead["noises"][band, j] = _NOISE * level
    lead["quiet"][band] = 0.0
    settle(lead, band, power)


@jit
def release(lead: Any, power: float) -> None:
    """Let levels go to the largest that was seen since the last beat, to a fifth at most."""
    for band in range(BANDS):
        level = _RELEASE / lead["gain"][band]
        restart(lead, band, max(level, lead["quiet"][band]), power)


@jit
def settle(lead: Any, band: int, power: float) -> None:
    """Bring gain, noise and weight of a band up to its last beats."""
    level = median(lead["beats"][band], BEATS)
    noise = median(lead["noises"][band], BEATS)
    lead["gain"][band] = 1.0 / max(level, FLOOR_MV)
    lead["noise"][band] = noise / max(level, FLOOR_MV)
    lead["weight"][band] = _LEAST  # what lies at the floor decides only where it is alone
    if level > FLOOR_MV:
        apart = max(0.0, 1.0 - noise / level) ** power
        lead["weight"][band] = 1e-4 + apart * peakedness(lead, band, PEAKED)
    lead["trust"][band] = lead["weight"][band]


@jit
def distrust(lead: Any, power: float) -> None:
    """Weigh a lead by what it shows since the last beat, and showed before it, as well."""
    last = (lead["filled"] - 1) & (BEATS - 1)
    for band in range(BANDS):
        quiet = max(lead["quiet"][band], float(lead["noises"][band, last]))
        noise = max(lead["noise"][band], quiet * lead["gain"][band])
        trust = 1e-4 + max(0.0, 1.0 - noise) ** power * peakedness(lead, band, PEAKED)
        lead["trust"][band] = min(lead["weight"][band], trust)


@jit
def trust(lead: Any) -> float:
    """Give the weight of a lead: that of its best band."""
    best = 0.0
    for band in range(BANDS):
        best = max(best, lead["trust"][band])
    return best


@jit
def listen(lead: Any, first: int, last: int, beat_at: int) -> None:
    """Note what a lead shows between beats, as of samples `first` to `last`."""
    envelope, quiet = lead["envelope"], lead["quiet"]
    narrow, wide, sharp = quiet[NARROW], quiet[WIDE], quiet[SHARP]
    for old in range(max(first - OLD, beat_at + _BEHIND + 1), last - OLD + 1):
        e = envelope[old & (ENVELOPE - 1)]
        narrow = max(narrow, float(e[NARROW]))
        wide = max(wide, float(e[WIDE]))
        sharp = max(sharp, float(e[SHARP]))
    quiet[NARROW], quiet[WIDE], quiet[SHARP] = narrow, wide, sharp


@jit
def peak_of(lead: Any, band: int, at: int, peak_at: int) -> float:
    """Give the highest value of a band's envelope within 48 ms of a peak, mV."""
    best = 0.0
    for k in range(peak_at - 12, min(at, peak_at + 12) + 1):
        best = max(best, float(lead["envelope"][k & (ENVELOPE - 1), band]))
    return best


@jit
def pitch_of(lead: Any, at: int, peak_at: int) -> float:
    """Give what part of a peak's low band its sharp one is: less for what is wide."""
    wide = peak_of(lead, WIDE, at, peak_at)
    return peak_of(lead, SHARP, at, peak_at) / wide if wide > 0.0 else 0.0
