"""When in our time an event was, whose sensor counts samples.

    event's time = end of the tick - age of the newest sample - samples since

The age is that of the oldest of the sensor's signals (`monitor.rows`, `delay_ns`): so events of
different devices, which arrive with different delays, can be compared.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.engine import Found
from monitor.messages import Signal
from transport.kernel.jit import jit

_SIGNALS: Final = len(Signal)


def dated(found: Found, rows: NDArray[Any], now_ns: int) -> NDArray[np.int64]:
    """Give the times of one sensor's events, (n,), ns; `rows` are the engine's (`monitor.rows`)."""
    sensor = found.sensor
    times_ns = np.empty(len(found.events), np.int64)
    first, signals = int(min(sensor.SIGNALS)), len(sensor.SIGNALS)
    sample_ns = round(1e9 / sensor.RATE_HZ)
    _date(found.events.rows, found.at, sample_ns, rows, first, signals, now_ns, times_ns)
    return times_ns


@jit
def _date(
    events: NDArray[Any],
    at: int,
    sample_ns: int,
    rows: NDArray[Any],
    first: int,
    signals: int,
    now_ns: int,
    times_ns: NDArray[np.int64],
) -> None:
    for k in range(times_ns.shape[0]):
        event = events[k]
        delay_ns = 0
        for signal in range(first, first + signals):
            row = rows[event["patient"] * _SIGNALS + signal]
            delay_ns = max(delay_ns, row["delay_ns"])
        times_ns[k] = now_ns - delay_ns - (at - event["at"]) * sample_ns
