"""Numbers beyond their limits, and for how long a condition must hold before it is said to.

Rules
-----
1. Limits are a patient's own and may change at any tick; the table's are where they begin.
2. A limit is crossed by more than itself, and left by its hysteresis: a number that sits at its
   limit does not ring.
3. A number that is missing crosses nothing; why it is missing is another condition's matter.
4. A condition holds once it has been so for its delay, without a break (`Row.delay_s`). Its onset
   is when it began, by the sample behind the number.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.condition import CONDITIONS, Condition
from monitor.messages import Metric
from transport.kernel.jit import jit

#: By how much a number must come back: what a screen shows as a change, and a little noise.
HYSTERESIS: Final[dict[Metric, float]] = {
    Metric.HR: 2.0,
    Metric.PR: 2.0,
    Metric.SPO2: 1.0,
    Metric.SYS: 2.0,
    Metric.DIA: 2.0,
    Metric.MEAN: 2.0,
    Metric.RR: 1.0,
    Metric.TEMP: 0.1,
}


class Limits(NamedTuple):
    """What is watched of every patient, and where its limits are.

    Parameters
    ----------
    limit : (patients, conditions) float64, in the metric's unit; NaN where the condition has none
    enabled : (patients, conditions) bool; what is not never holds
    """

    limit: NDArray[np.float64]
    enabled: NDArray[np.bool_]

    @classmethod
    def of(cls, patients: int) -> Limits:
        """Begin with the table's."""
        row = np.array([CONDITIONS[condition].limit for condition in Condition])
        return cls(np.tile(row, (patients, 1)), np.ones((patients, len(Condition)), np.bool_))


class Columns(NamedTuple):
    """Conditions that are limits, a row each; (limits,) arrays.

    Parameters
    ----------
    condition, metric : columns of `Evidence` and of `Numbers`
    side : 1: crossed from below, -1: from above
    hysteresis : in the metric's unit
    """

    condition: NDArray[np.int64]
    metric: NDArray[np.int64]
    side: NDArray[np.float64]
    hysteresis: NDArray[np.float64]


def _columns() -> Columns:
    found = [(c, row.metric, row) for c, row in CONDITIONS.items() if row.metric is not None]
    return Columns(
        np.array([condition for condition, _, _ in found], np.int64),
        np.array([metric for _, metric, _ in found], np.int64),
        np.array([1.0 if row.is_upper else -1.0 for _, _, row in found]),
        np.array([HYSTERESIS[metric] for _, metric, _ in found]),
    )


COLUMNS: Final = _columns()


@jit
def cross(
    columns: Columns,
    limit: NDArray[np.float64],
    values: NDArray[np.float64],
    age_ns: NDArray[np.int64],
    now_ns: int,
    begin_ns: NDArray[np.int64],
    shown: NDArray[np.float32],
) -> None:
    """Find what is beyond its limit.

    Parameters
    ----------
    limit : of `Limits`
    values, age_ns : (patients, metrics), of `Numbers`
    now_ns : end of the tick
    begin_ns : (patients, conditions), since when it has been so, 0: it is not; brought up to date
    shown : (patients, conditions), the number, filled
    """
    for who in range(values.shape[0]):
        for k in range(columns.condition.shape[0]):
            at, metric, side = columns.condition[k], columns.metric[k], columns.side[k]
            x = values[who, metric]
            beyond = side * (x - limit[who, at])
            began = begin_ns[who, at]
            is_beyond = beyond > (-columns.hysteresis[k] if began else 0.0)  # NaN: no
            if not is_beyond:
                begin_ns[who, at] = 0
            elif not began:
                begin_ns[who, at] = now_ns - age_ns[who, metric]
            shown[who, at] = x


@jit
def mature(
    columns: NDArray[np.int64],
    begin_ns: NDArray[np.int64],
    delay_ns: NDArray[np.int64],
    now_ns: int,
    holds: NDArray[np.bool_],
    onset_ns: NDArray[np.int64],
) -> None:
    """Let what has been so for its delay hold.

    Parameters
    ----------
    columns : conditions that this is asked of
    begin_ns : (patients, conditions), see `cross`
    delay_ns : (conditions,)
    holds, onset_ns : of `Evidence`, filled in those columns
    """
    for who in range(begin_ns.shape[0]):
        for k in range(columns.shape[0]):
            at = columns[k]
            began = begin_ns[who, at]
            holds[who, at] = began != 0 and now_ns - began >= delay_ns[at]
            onset_ns[who, at] = began
