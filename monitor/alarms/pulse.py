"""What the pulse says of the heart: a beat that moved blood, or a silence that a lead may not deny.

Two sources, the light through a finger and the pressure in an artery. Each remembers how high its
pulses usually are, for a chest that breathes makes small ones of its own while the heart stands.

Rules
-----
1. A pulse is strong when it is like those before it and at least `STRONG` of the usual height. Only
   a strong one contradicts an alarm.
2. A source is silent when it has a signal, once had strong pulses, and has had none of `WEAK` of
   that height since. Only silence agrees with an asystole that a noisy ECG cannot show by itself.
3. What is usual follows strong pulses within sixteen, and weak ones within five hundred: perfusion
   that falls is learnt, an arrest is not.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.vitals.events import Kind
from transport.kernel.jit import jit

LIGHT, ARTERY = 0, 1
SOURCES: Final = 2
#: Intervals that are remembered: those of eight pulses, for a rate.
INTERVALS: Final = 8
STRONG: Final = 0.35
WEAK: Final = 0.15
#: Orphanidou's limit for one pulse (`monitor.vitals.ppg`).
ALIKE: Final = 0.7
#: Strong pulses before a source's silence means something.
KNOWN: Final = 5
_FOLLOW, _FORGET = 1.0 / 16.0, 1.0 / 512.0
_PULSE, _ONSET = int(Kind.PULSE), int(Kind.ONSET)

#: One source of one patient; times are ours, ns, 0: never.
PULSE: Final = np.dtype(
    [
        ("strong_ns", np.int64),
        ("any_ns", np.int64),  # of WEAK height or more
        ("strong", np.int64),  # since it began
        ("usual", np.float64),  # height
        ("valid_ns", np.int64),  # since when there has been a signal, 0: there is none
        ("times_ns", np.int64, (INTERVALS,)),  # of strong pulses
    ],
    align=True,
)


@jit
def hear(
    pulses: NDArray[Any],
    rows: NDArray[Any],
    times_ns: NDArray[np.int64],
) -> None:
    """Take the pulses of a tick.

    Parameters
    ----------
    pulses : (patients, SOURCES) PULSE
    rows : of `Events`
    times_ns : when each was, of as many as there are (`monitor.alarms.dating`)
    """
    for k in range(times_ns.shape[0]):
        row = rows[k]
        kind, who = row["kind"], row["patient"]
        if kind == _PULSE:
            _take(pulses[who, LIGHT], times_ns[k], float(row["value"][1]), row["quality"] >= ALIKE)
        elif kind == _ONSET:
            height = float(row["value"][0]) - float(row["value"][1])
            _take(pulses[who, ARTERY], times_ns[k], height, row["quality"] > 0.0)


@jit
def _take(pulse: Any, at_ns: int, height: float, is_alike: bool) -> None:
    usual = pulse["usual"]
    if is_alike and height >= STRONG * usual:
        pulse["usual"] += (height - usual) * (_FOLLOW if pulse["strong"] > 0 else 1.0)
        pulse["times_ns"][pulse["strong"] % INTERVALS] = at_ns
        pulse["strong"] += 1
        pulse["strong_ns"] = at_ns
    elif is_alike:
        pulse["usual"] += (height - usual) * _FORGET
    if height >= WEAK * usual:
        pulse["any_ns"] = at_ns


@jit
def watch(pulses: NDArray[Any], source: int, is_valid: NDArray[np.bool_], now_ns: int) -> None:
    """Note of which patients a source has a signal, (patients,)."""
    for who in range(pulses.shape[0]):
        pulse = pulses[who, source]
        if not is_valid[who]:
            pulse["valid_ns"] = 0
        elif pulse["valid_ns"] == 0:
            pulse["valid_ns"] = now_ns


@jit
def latest_ns(pulses: Any) -> int:
    """Give the time of the last strong pulse of any source, 0: never."""
    return int(max(pulses[LIGHT]["strong_ns"], pulses[ARTERY]["strong_ns"]))


@jit
def silent_ns(pulses: Any, now_ns: int) -> int:
    """Give how long every source that is valid has shown no pulse; 0: one has, or none is valid."""
    least = -1
    for source in range(SOURCES):
        pulse = pulses[source]
        if pulse["valid_ns"] > 0 and pulse["strong"] >= KNOWN:
            since = now_ns - max(pulse["any_ns"], pulse["valid_ns"])
            least = since if least < 0 else min(least, since)
    return max(0, least)


@jit
def rate_bpm(pulses: Any, now_ns: int, over: int) -> float:
    """Give the rate of the last strong pulses, `over` intervals; NaN unless one source is steady.

    Steady: the last is no older than twice the mean interval, and no interval is more than half
    longer or shorter than the mean.
    """
    best = np.nan
    for source in range(SOURCES):
        pulse = pulses[source]
        n = pulse["strong"]
        if n <= over:
            continue
        times = pulse["times_ns"]
        newest, oldest = times[(n - 1) % INTERVALS], times[(n - 1 - over) % INTERVALS]
        mean_ns = (newest - oldest) / over
        is_steady = mean_ns > 0 and now_ns - newest < 2.0 * mean_ns + 1e9
        for k in range(over):
            interval = times[(n - 1 - k) % INTERVALS] - times[(n - 2 - k) % INTERVALS]
            is_steady = is_steady and 0.5 * mean_ns < interval < 1.5 * mean_ns
        if is_steady:
            best = 60e9 / mean_ns
    return float(best)
