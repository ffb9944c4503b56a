"""What of our view of a patient is wrong: a probe that is off, a line that is flat, a silent feed.

It is read from the reasons that numbers give for not being there (`monitor.messages.Reason`), so no
number is missing without a condition that says why. Devices that a bed never had are no fault.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.condition import Condition
from monitor.messages import Metric, Reason, Signal
from monitor.rows import SILENCE_NS
from transport.kernel.jit import jit

#: condition -> the numbers whose reasons tell it, each of them
OFF: Final[dict[Condition, tuple[Metric, Metric]]] = {
    Condition.ECG_OFF: (Metric.HR, Metric.HR),
    Condition.SPO2_OFF: (Metric.PR, Metric.SPO2),
    Condition.ABP_OFF: (Metric.MEAN, Metric.SYS),
    Condition.RESP_OFF: (Metric.RR, Metric.RR),
}
COLUMNS: Final = np.array([*OFF, Condition.FEED_SILENT], np.int64)
_CONDITIONS: Final = np.array(list(OFF), np.int64)
_METRICS: Final = np.array(list(OFF.values()), np.int64)
_LEAD_OFF: Final = int(Reason.LEAD_OFF)
_FEED_SILENT: Final = int(Condition.FEED_SILENT)
_SIGNALS: Final = len(Signal)


@jit
def look(
    rows: NDArray[Any],
    reason: NDArray[np.uint8],
    now_ns: int,
    begin_ns: NDArray[np.int64],
) -> None:
    """Find what is off or silent.

    Parameters
    ----------
    rows : (patients * signals,) ROW of `monitor.rows`
    reason : (patients, metrics), of `Numbers`
    now_ns : end of the tick
    begin_ns : (patients, conditions), since when it has been so, 0: it is not; brought up to date
    """
    for who in range(reason.shape[0]):
        for k in range(_CONDITIONS.shape[0]):
            is_off = reason[who, _METRICS[k, 0]] == _LEAD_OFF
            is_off = is_off or reason[who, _METRICS[k, 1]] == _LEAD_OFF
            _note(begin_ns[who], _CONDITIONS[k], is_off, now_ns)
        silent_ns = 0
        for signal in range(_SIGNALS):
            row = rows[who * _SIGNALS + signal]
            if row["device"] != 0 and now_ns - row["heard_ns"] >= SILENCE_NS:
                silent_ns = max(silent_ns, row["heard_ns"])
        _note(begin_ns[who], _FEED_SILENT, silent_ns != 0, silent_ns)


@jit
def _note(begin_ns: NDArray[np.int64], condition: int, is_so: bool, since_ns: int) -> None:
    if not is_so:
        begin_ns[condition] = 0
    elif begin_ns[condition] == 0:
        begin_ns[condition] = since_ns
