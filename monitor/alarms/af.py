"""Atrial fibrillation: intervals that are irregular all over, once ectopic beats are left out.

The coefficient of sample entropy of the last intervals (CosEn; Lake & Moorman, Am J Physiol Heart
300, 2011) is high when no interval tells the next. It is high, too, when ventricular beats come now
and then, and when a heart breathes deeply. So

Rules
-----
1. Intervals before and after a ventricular or paced beat, and those across a time without a lead,
   are no part of it (after Sarkar, Ritscher & Mehra, IEEE Trans Biomed Eng 55, 2008); where more
   than a third of the last were such, nothing is judged anew.
2. Most intervals must differ from the one before by a tenth of the mean: breath changes them, but
   smoothly.
3. It begins when that has been so for `ON` intervals in a row, and ends when it has not been for
   `OFF`. Its onset is the first interval of the window that was the first to show it.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.condition import Condition
from monitor.vitals.events import Kind, Label
from transport.kernel.jit import jit

#: Intervals of a window; Lake & Moorman have 12, which breath alone often reaches.
WINDOW: Final = 24
#: Lake & Moorman: the cut, the tolerance s, and the matches that it is widened for.
CUT: Final = -1.4
TOLERANCE_S: Final = 0.03
WIDER_S: Final = 0.005
MATCHES: Final = 5
WIDENED_MAX: Final = 60
#: Part of the differences that are large, and what is.
LARGE_PART: Final = 0.45
LARGE: Final = 0.1
#: Intervals of a heart, s.
LEAST_S, MOST_S = 0.24, 2.0
#: Of the last ones, how many may be left out.
LEFT_OUT: Final = 1.0 / 3.0
_FORGET: Final = 1.0 / WINDOW
ON, OFF = 6, 12
_QRS: Final = int(Kind.QRS)
_VENTRICULAR, _PACED = int(Label.VENTRICULAR), int(Label.PACED)
_COLUMN: Final = int(Condition.AF)

#: One patient.
FLUTTER: Final = np.dtype(
    [
        ("intervals", np.float64, (WINDOW,)),  # s
        ("ends_ns", np.int64, (WINDOW,)),  # ours
        ("count", np.int64),
        ("left_out", np.float64),  # part of the last intervals
        ("after_ectopic", np.bool_),
        ("beat_ns", np.int64),
        ("irregular", np.int64),  # windows in a row
        ("regular", np.int64),
        ("holds", np.bool_),
        ("onset_ns", np.int64),
        ("entropy", np.float64),
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
            _take(states[who], times_ns[k], float(row["value"][0]), row["label"])


@jit
def _take(state: Any, at_ns: int, interval_s: float, label: int) -> None:
    is_ectopic = label in (_VENTRICULAR, _PACED)
    is_one = LEAST_S < interval_s < MOST_S
    is_kept = is_one and not is_ectopic and not state["after_ectopic"]
    state["after_ectopic"] = is_ectopic
    state["beat_ns"] = at_ns
    state["left_out"] += ((0.0 if is_kept else 1.0) - state["left_out"]) * _FORGET
    if not is_kept:
        return
    slot = state["count"] % WINDOW
    state["intervals"][slot], state["ends_ns"][slot] = interval_s, at_ns
    state["count"] += 1
    if state["count"] < WINDOW or state["left_out"] > LEFT_OUT:
        return
    state["entropy"] = entropy(state["intervals"], state["count"])
    if state["entropy"] > CUT and large(state["intervals"], state["count"]) >= LARGE_PART:
        state["irregular"], state["regular"] = state["irregular"] + 1, 0
    else:
        state["irregular"], state["regular"] = 0, state["regular"] + 1
    if state["irregular"] == ON and not state["holds"]:
        state["holds"] = True
        state["onset_ns"] = state["ends_ns"][state["count"] % WINDOW]
    elif state["regular"] >= OFF:
        state["holds"] = False


@jit
def entropy(intervals: NDArray[np.float64], count: int) -> float:
    """Give CosEn of a full ring, of which the next to be written is the oldest: m = 1."""
    n = intervals.shape[0]
    mean = 0.0
    for k in range(n):
        mean += intervals[k] / n
    near = TOLERANCE_S
    ones = twos = 0
    for _ in range(WIDENED_MAX):
        ones = twos = 0
        for i in range(n - 1):
            for j in range(i + 1, n - 1):
                a, b = (count + i) % n, (count + j) % n
                if abs(intervals[a] - intervals[b]) < near:
                    ones += 1
                    c, d = (a + 1) % n, (b + 1) % n
                    twos += abs(intervals[c] - intervals[d]) < near
        if twos >= MATCHES:
            break
        near += WIDER_S
    return -math.log(max(twos, 1) / max(ones, 1)) + math.log(2.0 * near) - math.log(mean)


@jit
def large(intervals: NDArray[np.float64], count: int) -> float:
    """Give the part of differences between neighbours that are more than a tenth of the mean."""
    n = intervals.shape[0]
    mean = 0.0
    for k in range(n):
        mean += intervals[k] / n
    found = 0
    for i in range(n - 1):
        a = (count + i) % n
        found += abs(intervals[(a + 1) % n] - intervals[a]) > LARGE * mean
    return float(found / (n - 1))


@jit
def judge(
    states: NDArray[Any],
    is_off: NDArray[np.bool_],
    holds: NDArray[np.bool_],
    onset_ns: NDArray[np.int64],
    value: NDArray[np.float32],
) -> None:
    """Say of whom it holds; see `Evidence`. The value is the entropy.

    Parameters
    ----------
    is_off : (patients,) without a lead there is none, and all of it begins anew
    """
    for who in range(states.shape[0]):
        state = states[who]
        if is_off[who]:
            state["count"] = state["irregular"] = state["regular"] = 0
            state["holds"] = False
        holds[who, _COLUMN] = state["holds"]
        if state["holds"]:
            onset_ns[who, _COLUMN] = state["onset_ns"]
            value[who, _COLUMN] = state["entropy"]
