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

from monitor.alarms import fibrillation, pulse, rhythm, standstill
from monitor.alarms.condition import Condition
from monitor.alarms.fibrillation import FIBRILLATION
from monitor.alarms.standstill import LEARN_NS, MS, STANDS_NS, STANDSTILL
from transport.kernel.jit import jit

#: A pulse that comes so long after a beat is not that beat's.
PULSE_AFTER_NS: Final = 600 * MS
#: A foot lies so long behind its R wave: silence of the pulse is counted from there.
PULSE_BEHIND_NS: Final = 200 * MS
#: A strong pulse so long after its begin denies fibrillation.
PULSE_LAST_NS: Final = 1_000 * MS
#: Ventricular beats in a row that make a tachycardia of what was fibrillation.
RUN_SURE: Final = 10
#: A pulse slower or faster by this than what the ECG says denies it.
SLOWER: Final = 0.9
FASTER: Final = 1.5
BRADY_BPM: Final = 40.0
TACHY_BPM: Final = 140.0
_TACHY_INTERVALS: Final = 7
#: A slow rhythm whose last beat is older is none that is known.
_SLOW_OVER_NS: Final = 10_000 * MS
#: A quality below it for so long, of every lead, and no rhythm: the ECG is not judged.
POOR: Final = 0.25
POOR_NS: Final = 5_000 * MS
#: What was denied is told for so long.
DENIED_NS: Final = 3_000 * MS
_ASYSTOLE, _VF, _VT = int(Condition.ASYSTOLE), int(Condition.VF), int(Condition.VT)
_TACHY, _BRADY = int(Condition.EXTREME_TACHY), int(Condition.EXTREME_BRADY)
_RHYTHMS: Final = (_ASYSTOLE, _VF, _VT, _TACHY, _BRADY)
_SUSPENDED: Final = int(Condition.ECG_SUSPENDED)

#: One patient.
FUSION: Final = np.dtype(
    [
        ("on_ns", np.int64),  # since when a lead is there, 0: none is
        ("standstill", STANDSTILL),
        ("fibrillation", FIBRILLATION),
        ("wide_ns", np.int64),  # when a tachycardia of the ventricles last held
        ("denied_ns", np.int64),  # when something was last denied, 0: never
        ("poor_ns", np.int64),  # since when quality is poor, 0: it is not
        ("suspended_ns", np.int64),  # since when nothing is judged, 0: it is
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
        for column in _RHYTHMS:
            said[column] = False
        said[_SUSPENDED] = False
        if _is_off(lead_off[who]):
            _forget(state)
            continue
        if state["on_ns"] == 0:
            state["on_ns"] = now_ns
        if standstill.look(state["standstill"], beats, leads, lead_off[who], now_ns):
            fibrillation.look(state["fibrillation"], leads, lead_off[who])
        if now_ns - state["on_ns"] < LEARN_NS:
            continue
        _judge(state, beats, pulses[who], leads, lead_off[who], now_ns, said, since, number)
        _suspend(state, quality[who], now_ns, said, since)


@jit
def _forget(state: Any) -> None:
    """Begin anew: there is no lead."""
    state["on_ns"] = state["denied_ns"] = state["poor_ns"] = state["suspended_ns"] = 0
    state["standstill"]["usual"][:] = 0.0
    state["standstill"]["adrift"][:] = 0
    state["standstill"]["adrift_ns"] = 0
    fibrillation.forget(state["fibrillation"])


@jit
def _is_off(lead_off: NDArray[np.bool_]) -> bool:
    found = 0
    for lead in range(lead_off.shape[0]):
        found += lead_off[lead]
    return bool(found == lead_off.shape[0])


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
        fibrillation.is_tachycardia(state["fibrillation"])
        _say(_VT, begin_ns, bpm, said, since, number)
        return
    begin_ns = _waves(state, pulses, now_ns)
    state["fibrillation"]["holds"] = begin_ns > 0
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
    seen = state["fibrillation"]
    begin_ns = rhythm.ventricular_ns(beats, now_ns)
    is_doubtful = seen["holds"] or fibrillation.is_uneven(seen)
    if begin_ns and (beats["wide"] >= RUN_SURE or not is_doubtful):
        return begin_ns, rhythm.ventricular_bpm(beats)
    begin_ns = fibrillation.even_ns(seen, now_ns)
    return begin_ns, float(60.0 / seen["period"]) if begin_ns else np.nan


@jit
def _waves(state: Any, pulses: Any, now_ns: int) -> int:
    """Give when fibrillation began; 0: it is none, or has a pulse."""
    begin_ns = fibrillation.began_ns(state["fibrillation"], now_ns)
    if begin_ns and pulse.latest_ns(pulses) > begin_ns + PULSE_LAST_NS:
        state["denied_ns"] = now_ns
        return 0
    return begin_ns


@jit
def _stands(
    state: Any, beats: Any, pulses: Any, leads: Any, lead_off: NDArray[np.bool_], now_ns: int
) -> int:
    """Give when the last beat was, if the heart stands; else 0."""
    if state["fibrillation"]["waves"] > 0:
        return 0
    seen, pulse_ns = state["standstill"], pulse.latest_ns(pulses)
    is_silent = pulse.silent_ns(pulses, now_ns) >= STANDS_NS + PULSE_BEHIND_NS
    last_ns = standstill.last_ns(seen, beats, leads, lead_off, state["on_ns"], is_silent, now_ns)
    if last_ns == 0:
        return 0
    has_pulse = pulse_ns > last_ns + PULSE_AFTER_NS
    if (has_pulse and now_ns - pulse_ns < STANDS_NS) or (
        not is_silent and standstill.is_adrift(seen, now_ns)
    ):
        state["denied_ns"] = now_ns
        return 0
    return max(last_ns, pulse_ns) if has_pulse else last_ns


@jit
def _fast(state: Any, beats: Any, pulses: Any, now_ns: int) -> int:
    """Give when the heart became too fast; 0: it is not, or its pulse is slow."""
    begin_ns = rhythm.fast_ns(beats, now_ns)
    if begin_ns < state["wide_ns"]:  # these were a tachycardia of the ventricles, which is over
        return 0
    if begin_ns and pulse.rate_bpm(pulses, now_ns, _TACHY_INTERVALS) < SLOWER * TACHY_BPM:
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
    if begin_ns and now_ns - beats["beat_ns"] < _SLOW_OVER_NS and begin_ns > state["on_ns"] - MS:
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
    for column in _RHYTHMS:
        is_poor = is_poor and not said[column]
    if not is_poor and not is_denied:
        state["suspended_ns"] = 0
        return
    if state["suspended_ns"] == 0:
        state["suspended_ns"] = state["poor_ns"] if is_poor else state["denied_ns"]
    said[_SUSPENDED] = True
    since[_SUSPENDED] = state["suspended_ns"]
