"""Which lethal rhythm holds of each patient, when beats, leads and pulse are heard together.

    beats (rhythm), the last four seconds of each lead (strip), pulse (pulse)
        -> asystole, fibrillation, tachycardia, bradycardia; or why nothing is said of them

Rules
-----
1. Nothing is judged of an ECG without a lead, nor before it is learnt: that is technical.
2. What one signal says and another denies is not raised, and ECG_SUSPENDED says so: a pulse after
   the last beat denies asystole, pulses that are faster deny bradycardia, slower ones tachycardia,
   any strong one fibrillation; so does a lead with another rhythm, and a baseline that has just
   jumped denies that a heart stands. A tachycardia of the ventricles
   may have a pulse: only beats deny it.
3. In a noisy ECG beats are found that are none. Then a heart stands when no lead shows anything as
   high as its beats, or when every pulse is silent; it is slow when its pulse is.
4. A slow beat, however broad and small, is a beat: bradycardia, no asystole.
5. One rhythm at a time, the worst by the order of `Condition` that has its ground: VT while beats
   are regular, VF when they are not.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms import pulse, rhythm
from monitor.alarms.condition import Condition
from transport.kernel.jit import jit

MS: Final = 1_000_000
#: An ECG is learnt for so long: the sensor's filters and levels.
LEARN_NS: Final = 3_600 * MS
STANDS_NS: Final = 4_000 * MS
#: A pulse that comes so long after a beat is not that beat's.
PULSE_AFTER_NS: Final = 600 * MS
#: A foot lies so long behind its R wave, and is known so long after: what silence is counted from.
PULSE_BEHIND_NS: Final = 200 * MS
#: A strong pulse so long after its begin denies fibrillation.
PULSE_LAST_NS: Final = 1_000 * MS
#: A window whose measure is above it is a wave; a lead below `WAVE_NOT` denies one.
WAVE: Final = 0.05
WAVE_NOT: Final = -0.06
#: Windows in a row until uneven waves are fibrillation, and even ones a tachycardia.
WAVES: Final = 9
WAVES_AFTER: Final = 7  # behind a tachycardia, whose end is in the window for so long
ROLLS: Final = 2
ROLLS_SURE: Final = 8
#: Even is a wave that comes back on time, this part of its periods, no faster than 270 bpm.
EVEN: Final = 0.9
PERIOD_S: Final = 0.22
#: What was said of a run lets go of it only then.
RUN_SURE: Final = 10
#: mV, top to bottom: less is no fibrillation that could be told from noise.
WAVE_MV: Final = 0.15
WAVE_NOT_MV: Final = 0.08
PIECE_NS: Final = 400 * MS
WINDOW_NS: Final = 4_000 * MS
#: Where nothing is higher than this part of the usual, nor stands out so far, no beat is.
FLAT: Final = 0.5
STANDS_OUT: Final = 3.5
#: mV: what stands out and is as high may be a beat that is not found yet (AAMI EC13); and so long
#: it is waited for, in which the sensor lets its levels go.
MAY_BEAT_MV: Final = 0.15
MAY_BEAT_NS: Final = 6_200 * MS
#: mV, or of the usual height where that is more: between pieces a baseline jumps, or has settled.
JUMP_MV: Final = 0.5
SETTLED_MV: Final = 0.05
#: Pieces in a row that must be: an amplifier at its rail stands still as well, for a while; and
#: pieces after which it is not waited for: 10 s.
SETTLED: Final = 2
ADRIFT: Final = 25
#: A lead whose quietest pieces are this part of the usual height is noisy.
NOISY: Final = 0.1
#: Slower by this than what the ECG says denies it.
SLOWER: Final = 0.9
FASTER: Final = 1.5
BRADY_BPM: Final = 40.0
TACHY_BPM: Final = 140.0
#: A quality below it for so long, of every lead, and no rhythm: the ECG is not judged.
POOR: Final = 0.25
POOR_NS: Final = 5_000 * MS
#: What was denied is told for so long.
DENIED_NS: Final = 3_000 * MS
_FOLLOW: Final = 1.0 / 32.0
LEADS: Final = 3
_ASYSTOLE, _VF, _VT = int(Condition.ASYSTOLE), int(Condition.VF), int(Condition.VT)
_TACHY, _BRADY = int(Condition.EXTREME_TACHY), int(Condition.EXTREME_BRADY)
_SUSPENDED: Final = int(Condition.ECG_SUSPENDED)

#: One patient.
FUSION: Final = np.dtype(
    [
        ("on_ns", np.int64),  # since when a lead is there, 0: none is
        ("usual", np.float64, (LEADS,)),  # height of the highest piece, mV, 0: unknown
        ("judged", np.int64, (LEADS,)),  # pieces of each lead that were looked at
        ("adrift", np.int64, (LEADS,)),  # pieces that a baseline may take to settle; 0: it has
        ("settled", np.int64, (LEADS,)),  # pieces in a row
        ("adrift_ns", np.int64),  # when there last was no lead but such
        ("waves", np.int64),  # windows in a row that are waves
        ("rolls", np.int64),  # of them, in a row, that are even
        ("period", np.float64),  # of even waves, s
        ("wide_ns", np.int64),  # when a tachycardia of the ventricles last held
        ("fibrillates", np.bool_),
        ("denied_ns", np.int64),  # when something was last denied
        ("poor_ns", np.int64),  # since when quality is poor, 0: it is not
    ],
    align=True,
)


@jit
def judge(
    states: NDArray[Any],
    rhythms: NDArray[Any],
    pulses: NDArray[Any],
    strips: NDArray[Any],
    lead_off: NDArray[np.bool_],
    quality: NDArray[np.float64],
    now_ns: int,
    holds: NDArray[np.bool_],
    onset_ns: NDArray[np.int64],
    value: NDArray[np.float32],
) -> None:
    """Judge all patients.

    Parameters
    ----------
    states : (patients,) FUSION
    rhythms : (patients,) RHYTHM
    pulses : (patients, SOURCES) PULSE
    strips : (patients, leads) LEAD of `monitor.alarms.strip`
    lead_off, quality : (patients, leads), of the ECG's sensor
    now_ns : end of the tick
    holds, onset_ns, value : of `Evidence`, filled in the columns of rhythms
    """
    for who in range(states.shape[0]):
        state, beats, leads = states[who], rhythms[who], strips[who]
        said, since, number = holds[who], onset_ns[who], value[who]
        for column in (_ASYSTOLE, _VF, _VT, _TACHY, _BRADY, _SUSPENDED):
            said[column] = False
        if _is_off(lead_off[who]):
            state["on_ns"] = state["poor_ns"] = state["denied_ns"] = 0
            state["waves"] = state["rolls"] = 0
            state["fibrillates"] = False
            state["usual"][:] = 0.0
            continue
        if state["on_ns"] == 0:
            state["on_ns"] = now_ns
        _look(state, beats, leads, lead_off[who], now_ns)
        if now_ns - state["on_ns"] < LEARN_NS:
            continue
        _judge(state, beats, pulses[who], leads, lead_off[who], now_ns, said, since, number)
        _suspend(state, quality[who], now_ns, said, since)


@jit
def _is_off(lead_off: NDArray[np.bool_]) -> bool:
    found = 0
    for lead in range(lead_off.shape[0]):
        found += lead_off[lead]
    return bool(found == lead_off.shape[0])


@jit
def _look(state: Any, beats: Any, leads: Any, lead_off: NDArray[np.bool_], now_ns: int) -> None:
    """Take new pieces: learn how high they usually are, and count windows that are waves."""
    is_new = False
    is_known = rhythm.credible_since(beats, now_ns - STANDS_NS) >= 3
    is_own = now_ns - beats["own_ns"] < 1500 * MS
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead_off[i]:
            state["usual"][i] = 0.0
        if lead["pieces"] == state["judged"][i]:
            continue
        state["judged"][i] = lead["pieces"]
        _follow(state, lead, i)
        is_new = is_new or not lead_off[i]
        if is_known and is_own and lead["high"] > 0.0:
            usual = state["usual"][i]
            state["usual"][i] += (lead["high"] - usual) * (_FOLLOW if usual > 0.0 else 1.0)
    if _is_adrift(state, lead_off):
        state["adrift_ns"] = now_ns
    if is_new:
        is_wave = _is_wave(leads, lead_off)
        state["period"] = _period(leads, lead_off)
        is_even = is_wave and state["period"] >= PERIOD_S
        state["waves"] = state["waves"] + 1 if is_wave else 0
        state["rolls"] = state["rolls"] + 1 if is_even else 0


@jit
def _follow(state: Any, lead: Any, i: int) -> None:
    """Notice that an electrode lost its grip: its amplifier takes seconds to come back."""
    scale = max(1.0, float(state["usual"][i]))
    is_settled = lead["drift"] < SETTLED_MV * scale
    state["settled"][i] = state["settled"][i] + 1 if is_settled else 0
    if lead["drift"] >= JUMP_MV * scale:
        state["adrift"][i] = ADRIFT
    elif state["settled"][i] >= SETTLED:
        state["adrift"][i] = 0
    else:
        state["adrift"][i] = max(0, state["adrift"][i] - 1)


@jit
def _is_adrift(state: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether no lead stands on its baseline."""
    found = 0
    for i in range(lead_off.shape[0]):
        found += not lead_off[i] and state["adrift"][i] == 0
    return found == 0


@jit
def _is_wave(leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether every lead that shows anything shows a wave, and one surely."""
    best = -1.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead_off[i] or not lead["middle"] >= WAVE_MV:
            continue
        if lead["wave"] < WAVE_NOT:
            return False
        best = max(best, lead["wave"])
    return best >= WAVE


@jit
def _period(leads: Any, lead_off: NDArray[np.bool_]) -> float:
    """Give the period of a wave that is even in most leads, s; 0: it is not."""
    shown = even = 0
    longest = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead_off[i] or not lead["middle"] >= WAVE_MV:
            continue
        shown += 1
        if lead["even"] >= EVEN:
            even += 1
            longest = max(longest, lead["period"])
    return longest if 2 * even > shown else 0.0


@jit
def _is_flat(state: Any, leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether no lead shows anything like a beat."""
    found = False
    for i in range(leads.shape[0]):
        lead, usual = leads[i], state["usual"][i]
        if lead_off[i] or usual == 0.0:
            continue
        if not lead["high"] < FLAT * usual or lead["high"] > STANDS_OUT * lead["low"]:
            return False
        if lead["wave"] >= WAVE and lead["middle"] >= WAVE_NOT_MV:
            return False
        found = True
    return found


@jit
def _may_beat(leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether something stands out of the line in most leads, as another kind of beat does."""
    shown = out = 0
    highest = 0.0
    for i in range(leads.shape[0]):
        high = leads[i]["high"]
        if not lead_off[i]:
            shown += 1
            out += high > STANDS_OUT * leads[i]["low"]
            highest = max(highest, high)
    return 2 * out > shown and highest >= MAY_BEAT_MV


@jit
def _is_higher(state: Any, leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether some lead shows more than its beats are: what that is, is not known."""
    for i in range(leads.shape[0]):
        if not lead_off[i] and leads[i]["high"] > state["usual"][i]:
            return True
    return False


@jit
def _is_noisy(state: Any, leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether no lead is quiet between beats."""
    found = False
    for i in range(leads.shape[0]):
        if lead_off[i] or state["usual"][i] == 0.0:
            continue
        if leads[i]["low"] < NOISY * state["usual"][i]:
            return False
        found = True
    return found


@jit
def _judge(
    state: Any,
    beats: Any,
    pulses: Any,
    leads: Any,
    lead_off: NDArray[np.bool_],
    now_ns: int,
    said: NDArray[np.bool_],
    since: NDArray[np.int64],
    number: NDArray[np.float32],
) -> None:
    begin_ns, bpm = _wide(state, beats, now_ns)
    if begin_ns:
        state["wide_ns"] = now_ns
        if state["rolls"] > 0:
            state["waves"] = min(state["waves"], WAVES - WAVES_AFTER)
        state["fibrillates"] = False
        _say(_VT, begin_ns, bpm, said, since, number)
        return
    begin_ns = _waves(state, pulses, now_ns)
    state["fibrillates"] = begin_ns > 0
    if begin_ns:
        _say(_VF, begin_ns, np.nan, said, since, number)
        return
    begin_ns = _stands(state, beats, pulses, leads, lead_off, now_ns)
    if begin_ns:
        _say(_ASYSTOLE, begin_ns, (now_ns - begin_ns) / 1e9, said, since, number)
        return
    begin_ns = _fast(state, beats, pulses, now_ns)
    if begin_ns:
        bpm = rhythm.bpm(beats, rhythm.FAST_BEATS)
        _say(_TACHY, begin_ns, bpm, said, since, number)
    _slow(state, beats, pulses, now_ns, said, since, number)


@jit
def _say(
    column: int,
    begin_ns: int,
    shown: float,
    said: NDArray[np.bool_],
    since: NDArray[np.int64],
    number: NDArray[np.float32],
) -> None:
    said[column] = True
    since[column] = begin_ns
    number[column] = shown


@jit
def _wide(state: Any, beats: Any, now_ns: int) -> tuple[int, float]:
    """Give when a tachycardia of the ventricles began, and its rate; or 0.

    It is known by its beats, or as even waves. What is fibrillation by its waves needs more of it.
    """
    begin_ns = rhythm.ventricular_ns(beats, now_ns)
    is_uneven = state["waves"] >= WAVES and state["rolls"] == 0
    if begin_ns and (beats["wide"] >= RUN_SURE or not (state["fibrillates"] or is_uneven)):
        return begin_ns, rhythm.ventricular_bpm(beats)
    if state["rolls"] >= (ROLLS_SURE if state["fibrillates"] else ROLLS):
        begin_ns = now_ns - WINDOW_NS // 2 - (state["rolls"] - 1) * PIECE_NS
        return begin_ns, 60.0 / state["period"]
    return 0, np.nan


@jit
def _waves(state: Any, pulses: Any, now_ns: int) -> int:
    """Give when fibrillation began, 0: it is none, or has a pulse."""
    if state["waves"] < WAVES:
        return 0
    begin_ns = int(now_ns - WINDOW_NS // 2 - (state["waves"] - 1) * PIECE_NS)
    if pulse.latest_ns(pulses) > begin_ns + PULSE_LAST_NS:
        state["denied_ns"] = now_ns
        return 0
    return begin_ns


@jit
def _stands(
    state: Any, beats: Any, pulses: Any, leads: Any, lead_off: NDArray[np.bool_], now_ns: int
) -> int:
    """Give when the last beat was, if the heart stands; else 0."""
    if state["waves"] > 0:
        return 0
    is_silent = pulse.silent_ns(pulses, now_ns) >= STANDS_NS + PULSE_BEHIND_NS
    begin_ns = state["on_ns"] + LEARN_NS
    last_ns = max(begin_ns, beats["beat_ns"])
    if now_ns - last_ns < STANDS_NS:
        last_ns = max(begin_ns, beats["credible_ns"])
        if now_ns - last_ns < STANDS_NS or not _is_flat(state, leads, lead_off):
            last_ns = max(begin_ns, beats["own_ns"])
            if now_ns - last_ns < STANDS_NS or not is_silent:
                return 0
            if not _is_noisy(state, leads, lead_off) or _is_higher(state, leads, lead_off):
                return 0
    if now_ns - last_ns < MAY_BEAT_NS and _may_beat(leads, lead_off):
        return 0
    if not is_silent and now_ns - state["adrift_ns"] < STANDS_NS:
        state["denied_ns"] = now_ns
        return 0
    if pulse.latest_ns(pulses) > last_ns + PULSE_AFTER_NS:
        if now_ns - pulse.latest_ns(pulses) < STANDS_NS:
            state["denied_ns"] = now_ns
            return 0
        last_ns = pulse.latest_ns(pulses)
    return int(last_ns)


@jit
def _fast(state: Any, beats: Any, pulses: Any, now_ns: int) -> int:
    """Give when the heart became too fast; 0: it is not, or its pulse is slow."""
    begin_ns = rhythm.fast_ns(beats, now_ns)
    if begin_ns < state["wide_ns"]:  # these were a tachycardia of the ventricles, which is over
        return 0
    if begin_ns and pulse.rate_bpm(pulses, now_ns, 7) < SLOWER * TACHY_BPM:
        state["denied_ns"] = now_ns
        return 0
    return begin_ns


@jit
def _slow(
    state: Any,
    beats: Any,
    pulses: Any,
    now_ns: int,
    said: NDArray[np.bool_],
    since: NDArray[np.int64],
    number: NDArray[np.float32],
) -> None:
    """Say that the heart is too slow, by its beats or, in noise, by its pulse."""
    intervals = rhythm.SLOW_BEATS - 1
    pulse_bpm = pulse.rate_bpm(pulses, now_ns, intervals)
    begin_ns = rhythm.slow_ns(beats)
    if begin_ns:
        bpm = rhythm.bpm(beats, rhythm.SLOW_BEATS)
        if pulse_bpm > max(BRADY_BPM, FASTER * bpm):
            state["denied_ns"] = now_ns
        else:
            _say(_BRADY, begin_ns, bpm, said, since, number)
    elif pulse_bpm < BRADY_BPM:
        begin_ns = now_ns - int(intervals * 60e9 / pulse_bpm)
        if rhythm.sure_since(beats, begin_ns) <= FASTER * rhythm.SLOW_BEATS:
            _say(_BRADY, begin_ns, pulse_bpm, said, since, number)
        else:
            state["denied_ns"] = now_ns


@jit
def _suspend(
    state: Any,
    quality: NDArray[np.float64],
    now_ns: int,
    said: NDArray[np.bool_],
    since: NDArray[np.int64],
) -> None:
    """Say that the ECG is not judged: something was denied, or every lead is poor."""
    best = 0.0
    for lead in range(quality.shape[0]):
        best = max(best, quality[lead])
    if best >= POOR:
        state["poor_ns"] = 0
    elif state["poor_ns"] == 0:
        state["poor_ns"] = now_ns
    is_poor = state["poor_ns"] > 0 and now_ns - state["poor_ns"] >= POOR_NS
    is_denied = state["denied_ns"] > 0 and now_ns - state["denied_ns"] < DENIED_NS
    for column in (_ASYSTOLE, _VF, _VT, _TACHY, _BRADY):
        is_poor = is_poor and not said[column]
    if is_poor or is_denied:
        said[_SUSPENDED] = True
        since[_SUSPENDED] = state["poor_ns"] if is_poor else state["denied_ns"]
