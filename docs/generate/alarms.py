"""The table of conditions in docs/alarms.md: each row as `monitor.alarms.condition` has it.

The page is prose, by hand, but for what stands between two marks. How a limit is judged is said by
its row; how the others are, is said here, and a condition without words has no page to stand on.
"""

from __future__ import annotations

import re
from pathlib import Path

from monitor.alarms.condition import CONDITIONS, Condition, Row

PAGE = Path(__file__).parent.parent / "alarms.md"
_BEGIN, _END = "<!-- conditions -->", "<!-- end of conditions -->"
_COLUMNS = ("condition", "kind", "priority", "latches", "holds when", "code")
_UNITS = {"SPO2": "%", "SYS": "mmHg", "DIA": "mmHg", "MEAN": "mmHg", "TEMP": "°C"}

C = Condition
HOW: dict[Condition, str] = {
    C.ASYSTOLE: "no QRS for 4 s",
    C.VF: "waves instead of beats in every lead, uneven, for 4 s",
    C.VT: "5 ventricular beats above 100 bpm, or even waves in most leads",
    C.EXTREME_TACHY: "17 beats above 140 bpm",
    C.EXTREME_BRADY: "5 beats below 40 bpm",
    C.APNOEA: "no breath for 20 s in a good signal",
    C.AF: "entropy of 24 intervals without ectopic beats above -1.4, most of them uneven",
    C.ECG_OFF: "no lead has a signal, or all are flat",
    C.ECG_SUSPENDED: "a rhythm was denied by another signal, or every lead is poor for 5 s",
    C.SPO2_OFF: "the light is off, flat or not sampled",
    C.ABP_OFF: "the line is flat, open or not sampled",
    C.RESP_OFF: "the chest's signal is flat or not sampled",
    C.FEED_SILENT: "a device that was heard has said nothing for 2 s",
    C.ROBOT_STOPPED: "the robot says so",
}


def build() -> str:
    """Write the page anew around its prose."""
    text = PAGE.read_text()
    mark = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
    return mark.sub(lambda _: f"{_BEGIN}\n{table()}\n{_END}", text, count=1)


def table() -> str:
    """Write the table."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    return "\n".join(lines + [_line(_cells(condition, row)) for condition, row in _rows()])


def _rows() -> list[tuple[Condition, Row]]:
    return sorted(CONDITIONS.items(), key=lambda item: (-item[1].priority, item[0]))


def _cells(condition: Condition, row: Row) -> list[str]:
    latches = "yes" if row.latching else ""
    how = HOW[condition] if row.metric is None else _limit(row)
    if row.delay_s:
        how += f", for {row.delay_s:g} s"
    return [row.words, row.kind, row.priority.name, latches, how, row.code]


def _limit(row: Row) -> str:
    assert row.metric is not None
    side = "above" if row.is_upper else "below"
    return f"{row.metric.name} {side} {row.limit:g} {_UNITS.get(row.metric.name, '/min')}"


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
