"""What a person has set of a bed's alarms: limits, and which conditions are judged.

A limit has a range, so that no number switches a condition off by the back door; ranges are
the common ones of bedside monitors, narrower for a HIGH condition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from monitor.alarms.condition import CONDITIONS, Condition, Row
from monitor.messages import Metric

# fmt: off
#: Least and greatest limit of a metric, in its unit.
RANGES: Final[dict[Metric, tuple[float, float]]] = {
    Metric.HR:   (20.0, 250.0),
    Metric.PR:   (20.0, 250.0),
    Metric.SPO2: (70.0, 100.0),
    Metric.SYS:  (40.0, 260.0),
    Metric.DIA:  (20.0, 200.0),
    Metric.MEAN: (30.0, 220.0),
    Metric.RR:   (4.0,   90.0),
    Metric.TEMP: (25.0,  43.0),
}
#: Of one condition, instead of its metric's.
NARROWER: Final[dict[Condition, tuple[float, float]]] = {
    Condition.DESATURATION: (70.0, 90.0),
}
# fmt: on


class Setting(NamedTuple):
    """Of one condition.

    Parameters
    ----------
    limit : in the metric's unit; None = its row's
    enabled : judged at all
    """

    limit: float | None = None
    enabled: bool = True


_DEFAULT: Final = Setting()


class Settings:
    """Of one bed: only what differs from the table is kept."""

    def __init__(self) -> None:
        self._changed: dict[Condition, Setting] = {}

    def __getitem__(self, condition: Condition) -> Setting:
        return self._changed.get(condition, _DEFAULT)

    def __iter__(self) -> Iterator[tuple[Condition, Setting]]:
        return iter(self._changed.items())

    def set(self, condition: Condition, setting: Setting) -> bool:
        """Change one; False, and nothing changes, when its limit is out of range."""
        if setting.limit is not None and not _is_within(condition, setting.limit):
            return False
        self._changed.pop(condition, None)
        if setting != _DEFAULT:
            self._changed[condition] = setting
        return True


def range_of(condition: Condition) -> tuple[float, float] | None:
    """Return the least and greatest limit, None of a condition without one."""
    metric = CONDITIONS[condition].metric
    return None if metric is None else NARROWER.get(condition, RANGES[metric])


def limit_of(row: Row, setting: Setting) -> float | None:
    """Return the limit that counts, None of a condition without one."""
    return None if row.metric is None else row.limit if setting.limit is None else setting.limit


def _is_within(condition: Condition, limit: float) -> bool:
    span = range_of(condition)
    return span is not None and span[0] <= limit <= span[1]
