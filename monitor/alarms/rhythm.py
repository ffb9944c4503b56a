"""What the last beats of a patient are as a rhythm: too slow, too fast, from a ventricle, or none.

The definitions are those of the PhysioNet/CinC Challenge 2015 (Clifford et al., Comput. Cardiol.
2015): extreme bradycardia is below 40 bpm for 5 consecutive beats, extreme tachycardia above 140
for 17, ventricular tachycardia 5 ventricular beats above 100 bpm. Whether another signal denies it
is not decided here (`monitor.alarms.fusion`).

Rules
-----
1. A beat is credible when it looks like this patient's own, or is at least `CREDIBLE` as high as
   they are. What was found by a search in a pause has no shape; it counts as a beat, but makes no
   rhythm by itself.
2. A run of ventricular beats ends with `_OTHERS` beats in a row that are not, or with a pause. A
   beat that nobody knows neither makes nor ends one.
3. An interval across a time without a lead is none: a run does not go on through it.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.vitals.events import Kind, Label
from transport.kernel.jit import jit

#: Beats that are remembered.
BEATS: Final = 32
SLOW_NS: Final = 1_500_000_000
SLOW_BEATS: Final = 5
FAST_NS: Final = 428_571_428
FAST_BEATS: Final = 17
#: One interval of a fast run may be this long: a beat was missed.
_MISSED_NS: Final = 1_000_000_000
#: Of them, so many must be credible.
_FAST_CREDIBLE: Final = 12
WIDE_NS: Final = 600_000_000
WIDE_BEATS: Final = 5
#: Beats of a run are no further apart than so many of its shortest intervals.
_UNEVEN: Final = 2.2
_OTHERS: Final = 2
_PAUSE_NS: Final = 1_200_000_000
#: Of the usual height: from there on a beat is credible, and no noise made it.
CREDIBLE: Final = 0.35
SURE: Final = 0.6
_FOLLOW: Final = 1.0 / 16.0
_QRS: Final = int(Kind.QRS)
_UNKNOWN, _NORMAL, _SUPRAVENTRICULAR, _VENTRICULAR, _PACED = map(int, Label)

#: One patient; times are ours, ns, 0: never.
RHYTHM: Final = np.dtype(
    [
        ("count", np.int64),
        ("usual", np.float64),  # height of beats of this patient's own kind, mV; 0: unknown
        ("beat_ns", np.int64),  # the last, of whatever kind
        ("credible_ns", np.int64),
        ("own_ns", np.int64),  # the last that looks like this patient's own
        ("own_before_ns", np.int64),  # the one before it
        ("times_ns", np.int64, (BEATS,)),
        ("gap", np.uint8, (BEATS,)),  # before it there was no lead
        ("credible", np.uint8, (BEATS,)),
        ("sure", np.uint8, (BEATS,)),
        ("wide", np.int64),  # ventricular beats of this run
        ("wide_ns", np.int64),  # the run's first
        ("last_wide_ns", np.int64),
        ("shortest_ns", np.int64),
        ("longest_ns", np.int64),
        ("others", np.int64),  # beats since, that are not ventricular
    ],
    align=True,
)


@jit
def hear(
    states: NDArray[Any],
    rows: NDArray[Any],
    times_ns: NDArray[np.int64],
) -> None:
    """Take the beats of a tick; see `monitor.alarms.pulse.hear`."""
    for k in range(times_ns.shape[0]):
        row = rows[k]
        if row["kind"] == _QRS:
            who = row["patient"]
            _take(states[who], times_ns[k], row)


@jit
def _take(state: Any, at_ns: int, row: Any) -> None:
    label, height = row["label"], float(row["value"][2])
    is_own = label in (_NORMAL, _SUPRAVENTRICULAR, _PACED)
    is_high = state["usual"] == 0.0 or height >= CREDIBLE * state["usual"]
    is_credible = not math.isnan(height) and (is_own or is_high)
    is_gap = math.isnan(float(row["value"][0])) or state["count"] == 0
    slot = state["count"] % BEATS
    state["times_ns"][slot] = at_ns
    state["gap"][slot] = is_gap
    state["credible"][slot] = is_credible
    is_sure = is_own or height >= SURE * state["usual"]
    state["sure"][slot] = is_credible and is_sure
    _run(state, at_ns, label == _VENTRICULAR and is_credible, is_own, is_gap)
    state["count"] += 1
    state["beat_ns"] = at_ns
    if is_credible:
        state["credible_ns"] = at_ns
    if is_own:
        state["own_before_ns"], state["own_ns"] = state["own_ns"], at_ns
        if state["usual"] == 0.0:
            state["usual"] = height
        state["usual"] += (height - state["usual"]) * _FOLLOW


@jit
def _run(state: Any, at_ns: int, is_wide: bool, is_own: bool, is_gap: bool) -> None:
    """Let a run of ventricular beats grow, or end."""
    interval = at_ns - state["last_wide_ns"]
    state["others"] = 0 if is_wide else state["others"] + int(is_own)
    if is_gap or state["others"] >= _OTHERS or interval > _PAUSE_NS:
        state["wide"] = 0
    if not is_wide:
        return
    if state["wide"] > 0:
        shortest, longest = state["shortest_ns"], state["longest_ns"]
        shortest, longest = min(shortest, interval), max(longest, interval)
        if interval > WIDE_NS or longest > _UNEVEN * shortest:
            state["wide"] = 0
        else:
            state["shortest_ns"], state["longest_ns"] = shortest, longest
    if state["wide"] == 0:
        state["wide_ns"] = at_ns
        state["shortest_ns"], state["longest_ns"] = WIDE_NS, 0
    state["wide"] += 1
    state["last_wide_ns"] = at_ns


@jit
def ventricular_ns(state: Any, now_ns: int) -> int:
    """Give when a ventricular tachycardia that still goes on began; 0: there is none."""
    goes_on = now_ns - state["last_wide_ns"] < _PAUSE_NS and state["others"] < _OTHERS
    return int(state["wide_ns"]) if goes_on and state["wide"] >= WIDE_BEATS else 0


@jit
def ventricular_bpm(state: Any) -> float:
    """Give the rate of the run of ventricular beats."""
    span = state["last_wide_ns"] - state["wide_ns"]
    return float(60e9 * (state["wide"] - 1) / span) if span > 0 else math.nan


@jit
def slow_ns(state: Any) -> int:
    """Give when the last 5 beats, each more than 1.5 s behind the other, began; 0: they did not."""
    return _since(state, SLOW_BEATS) if _is_slow(state) else 0


@jit
def _is_slow(state: Any) -> bool:
    if state["count"] < SLOW_BEATS:
        return False
    for k in range(SLOW_BEATS - 1):
        if _gap(state, k) or _interval_ns(state, k) <= SLOW_NS:
            return False
    return True


@jit
def fast_ns(state: Any, now_ns: int) -> int:
    """Give when the last 17 beats, above 140 bpm, began; 0: they were not, or are over."""
    if state["count"] < FAST_BEATS or now_ns - state["beat_ns"] > _MISSED_NS:
        return 0
    total = credible = 0
    for k in range(FAST_BEATS - 1):
        if _gap(state, k) or _interval_ns(state, k) > _MISSED_NS:
            return 0
        total += _interval_ns(state, k)
        credible += state["credible"][(state["count"] - 1 - k) % BEATS]
    is_fast = total < (FAST_BEATS - 1) * FAST_NS and credible >= _FAST_CREDIBLE
    return _since(state, FAST_BEATS) if is_fast else 0


@jit
def bpm(state: Any, beats: int) -> float:
    """Give the mean rate of the last beats."""
    span = state["beat_ns"] - _since(state, beats)
    return float(60e9 * (beats - 1) / span) if span > 0 else math.nan


@jit
def credible_since(state: Any, since_ns: int) -> int:
    """Count credible beats after a time, of those that are remembered."""
    found = 0
    for k in range(min(state["count"], BEATS)):
        slot = (state["count"] - 1 - k) % BEATS
        found += state["times_ns"][slot] > since_ns and state["credible"][slot]
    return found


@jit
def sure_since(state: Any, since_ns: int) -> int:
    """Count beats after a time that no noise made."""
    found = 0
    for k in range(min(state["count"], BEATS)):
        slot = (state["count"] - 1 - k) % BEATS
        found += state["times_ns"][slot] > since_ns and state["sure"][slot]
    return found


@jit
def _since(state: Any, beats: int) -> int:
    return int(state["times_ns"][(state["count"] - beats) % BEATS])


@jit
def _gap(state: Any, ago: int) -> bool:
    return bool(state["gap"][(state["count"] - 1 - ago) % BEATS])


@jit
def _interval_ns(state: Any, ago: int) -> int:
    times, n = state["times_ns"], state["count"]
    return int(times[(n - 1 - ago) % BEATS] - times[(n - 2 - ago) % BEATS])
