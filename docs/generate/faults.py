"""The page of the fault matrix: the rows of tests/world/matrix.py beside what their worlds showed.

Virtual time, fixed seeds: the numbers are the same wherever and whenever this is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.world.matrix import ROWS, Bound, Row, measure

PAGE = Path(__file__).parent.parent / "fault-matrix.md"

_HEAD = """# The fault matrix

What may go wrong, who notices, what happens, and within which bound. Each row is a scene in a
virtual world (`tests/world/`): the real console, relay, robot agent, session service and simulated
arm, each on a clock of its own, over links that delay and lose. Times are virtual, so they are
exact: a rung of the silence ladder is met to the nanosecond on the robot's clock, and what stands
under *measured* is the worst of several seeds. `make docs` writes this page; a test plays every row
and compares. Numbers are the `native` profile's unless a row names another one.

Rows that wait name the part of the node that they are about. A row says in its last column where
the rest of it is proven: what needs a real socket or a real process cannot be shown in a world.
"""
_COLUMNS = ("#", "fault", "noticed by", "reaction", "bound", "measured", "also, or waits for")


def build() -> str:
    """Play every row and write the page."""
    return page({row.number: measure(row) for row in ROWS if row.scene is not None})


def page(found: Mapping[int, tuple[float, ...]]) -> str:
    """Write the page around what was measured."""
    lines = [_row(_COLUMNS), _row("---" for _ in _COLUMNS)]
    lines += [line(row, found.get(row.number, ())) for row in ROWS]
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def line(row: Row, found: tuple[float, ...]) -> str:
    """Write one row."""
    waits = f"waits for {row.waits}" if row.waits else ""
    return _row(
        (
            str(row.number),
            row.fault,
            row.detected,
            row.reaction,
            "; ".join(map(_bound, row.bounds)) or "—",
            "; ".join(_value(value, bound) for value, bound in zip(found, row.bounds, strict=False))
            or "—",
            "; ".join(filter(None, (row.elsewhere, waits))),
        )
    )


def _bound(bound: Bound) -> str:
    if bound.limit == 0.0:
        return f"no {bound.what}"
    sign = "" if bound.exact else "≤ "
    return f"{bound.what} {sign}{_number(bound.limit)}{_unit(bound)}"


def _value(value: float, bound: Bound) -> str:
    return f"{_number(value)}{_unit(bound)}"


def _number(value: float) -> str:
    """Three decimals where they say something."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _unit(bound: Bound) -> str:
    return f" {bound.unit}" if bound.unit else ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
