"""Whether a heart stands: no beat for four seconds, in a signal that would show one.

Rules
-----
1. No beat of any kind for four seconds is standstill. Where noise is taken for beats, it is as well
   when no lead shows anything half as high as this patient's beats, or when every pulse is silent.
2. What stands out of the line in most leads may be a beat of another kind, broad and small, that
   the sensor has not learnt: it is waited for, once, unless the pulse is silent.
3. An electrode that lost its grip drives its amplifier to the rail and back, for seconds, without a
   beat to be seen. Such a lead says nothing, unless the pulse is silent too.
4. A lead that is off, or has not been learnt, says nothing either.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms import rhythm
from monitor.alarms.fibrillation import FAINT_MV, WAVE
from transport.kernel.jit import jit

MS: Final = 1_000_000
#: CinC 2015: asystole.
STANDS_NS: Final = 4_000 * MS
#: An ECG is learnt for so long: the sensor's filters and levels.
LEARN_NS: Final = 3_600 * MS
#: Where nothing is higher than this part of the usual, nor stands out so far, no beat is.
FLAT: Final = 0.5
STANDS_OUT: Final = 3.5
#: mV: as high, it may be a beat (AAMI EC13); and so long it is waited for, in which the sensor lets
#: its levels go.
MAY_BEAT_MV: Final = 0.15
MAY_BEAT_NS: Final = 6_200 * MS
#: mV, or of the usual height where that is more: between pieces a baseline jumps, or has settled.
JUMP_MV: Final = 0.5
SETTLED_MV: Final = 0.05
#: Pieces in a row that must be settled: an amplifier at its rail stands still as well, for a while;
#: and pieces after which it is not waited for: 10 s.
SETTLED: Final = 2
ADRIFT: Final = 25
#: A lead whose quietest pieces are this part of the usual height is noisy.
NOISY: Final = 0.06
#: Beats from which the usual height is learnt: some, of this patient's own kind, of late.
_BEATS: Final = 3
_OWN_NS: Final = 1_500 * MS
_FOLLOW: Final = 1.0 / 32.0
LEADS: Final = 3

#: One patient.
STANDSTILL: Final = np.dtype(
    [
        ("usual", np.float64, (LEADS,)),  # height of the highest piece, mV, 0: unknown
        ("judged", np.int64, (LEADS,)),  # pieces of each lead that were looked at
        ("adrift", np.int64, (LEADS,)),  # pieces that a baseline may take to settle; 0: it has
        ("settled", np.int64, (LEADS,)),  # pieces in a row
        ("adrift_ns", np.int64),  # when there last was no lead but such
    ],
    align=True,
)


@jit
def look(state: Any, beats: Any, leads: Any, lead_off: NDArray[np.bool_], now_ns: int) -> bool:
    """Take new pieces of the leads; tell whether the first that is there had one."""
    is_new, first = False, -1
    is_known = rhythm.credible_since(beats, now_ns - STANDS_NS) >= _BEATS
    is_known = is_known and now_ns - beats["own_ns"] < _OWN_NS
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead_off[i]:
            state["usual"][i] = 0.0
        elif first < 0:
            first = i
        if lead["pieces"] == state["judged"][i]:
            continue
        state["judged"][i] = lead["pieces"]
        is_new = is_new or i == first
        _follow(state, lead, i)
        if is_known and lead["high"] > 0.0:
            usual = state["usual"][i]
            state["usual"][i] += (lead["high"] - usual) * (_FOLLOW if usual > 0.0 else 1.0)
    if _is_adrift(state, lead_off):
        state["adrift_ns"] = now_ns
    return is_new


@jit
def last_ns(
    state: Any,
    beats: Any,
    leads: Any,
    lead_off: NDArray[np.bool_],
    on_ns: int,
    is_silent: bool,
    now_ns: int,
) -> int:
    """Give when the last beat was, if the heart seems to stand; else 0.

    Parameters
    ----------
    on_ns : since when there is a lead
    is_silent : every pulse is silent
    """
    begin_ns = on_ns + LEARN_NS
    last = max(begin_ns, beats["beat_ns"])
    if now_ns - last < STANDS_NS:
        last = max(begin_ns, beats["credible_ns"])
        if now_ns - last < STANDS_NS or not _is_flat(state, leads, lead_off):
            last = max(begin_ns, beats["own_ns"])
            if now_ns - last < STANDS_NS:  # noise may look like a beat, once
                last = max(begin_ns, beats["own_before_ns"])
            if now_ns - last < STANDS_NS or not is_silent:
                return 0
            if not _is_noisy(state, leads, lead_off) or _is_higher(state, leads, lead_off):
                return 0
    if not is_silent and now_ns - last < MAY_BEAT_NS and _may_beat(leads, lead_off):
        return 0
    return int(last)


@jit
def is_adrift(state: Any, now_ns: int) -> bool:
    """Tell whether no lead would have shown a beat throughout the last four seconds."""
    return bool(state["adrift_ns"] > 0 and now_ns - state["adrift_ns"] < STANDS_NS)


@jit
def _follow(state: Any, lead: Any, i: int) -> None:
    """Notice that a baseline jumped, and that it has settled."""
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
def _is_flat(state: Any, leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether no lead shows anything like a beat, or a wave."""
    found = False
    for i in range(leads.shape[0]):
        lead, usual = leads[i], state["usual"][i]
        if lead_off[i] or usual == 0.0:
            continue
        if not lead["high"] < FLAT * usual or lead["high"] > STANDS_OUT * lead["low"]:
            return False
        if lead["wave"] >= WAVE and lead["middle"] >= FAINT_MV:
            return False
        found = True
    return found


@jit
def _may_beat(leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether something stands out of the line in most leads, as another kind of beat does."""
    shown = out = 0
    highest = 0.0
    for i in range(leads.shape[0]):
        high = leads[i]["late_high"]
        if not lead_off[i]:
            shown += 1
            out += high > STANDS_OUT * leads[i]["late_low"]
            highest = max(highest, high)
    return 2 * out > shown and highest >= MAY_BEAT_MV


@jit
def _is_higher(state: Any, leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether most leads show more than beats are high: what that is, is not known."""
    shown = higher = 0
    for i in range(leads.shape[0]):
        if not lead_off[i]:
            shown += 1
            higher += leads[i]["high"] > state["usual"][i]
    return 2 * higher > shown


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
