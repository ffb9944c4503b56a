"""No breath for twenty seconds in a good signal, as the respiration's sensor finds it.

Rules
-----
1. It begins with the last breath, and holds until the next one, or until the signal is gone.
2. The sensor tells it once, as an event; that it goes on is read from the reason why there is no
   rate. So a monitor that starts within an apnoea misses no more than its event.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.condition import Condition
from monitor.messages import Metric, Reason
from monitor.vitals.events import Kind
from transport.kernel.jit import jit

_APNOEA: Final = int(Kind.APNOEA)
_COLUMN: Final = int(Condition.APNOEA)
_RR: Final = int(Metric.RR)
_NO_PULSE: Final = int(Reason.NO_PULSE)


@jit
def hear(
    rows: NDArray[Any],
    times_ns: NDArray[np.int64],
    onset_ns: NDArray[np.int64],
) -> None:
    """Note when pauses began; `onset_ns` is (patients, conditions), of `Evidence`."""
    for k in range(times_ns.shape[0]):
        row = rows[k]
        if row["kind"] == _APNOEA:
            who = row["patient"]
            onset_ns[who, _COLUMN] = times_ns[k] - int(float(row["value"][0]) * 1e9)


@jit
def judge(
    reason: NDArray[np.uint8],
    now_ns: int,
    holds: NDArray[np.bool_],
    onset_ns: NDArray[np.int64],
    value: NDArray[np.float32],
) -> None:
    """Say of whom it holds; see `Evidence`, and `Numbers.reason`. The value is its length, s."""
    for who in range(reason.shape[0]):
        holds[who, _COLUMN] = reason[who, _RR] == _NO_PULSE
        if holds[who, _COLUMN]:
            if onset_ns[who, _COLUMN] == 0:
                onset_ns[who, _COLUMN] = now_ns
            value[who, _COLUMN] = (now_ns - onset_ns[who, _COLUMN]) / 1e9
        else:
            onset_ns[who, _COLUMN] = 0
