"""Lays the bedside's screen out: what is shown in so many columns and lines, and what is left out.

Rules
-----
- From `COLUMNS_MIN` columns on all is legible: what is too long goes on in the next line, and a key
  never stands apart from its word.
- How the robot stands, the emergency stop and the way out are always shown. What else finds no
  room is left out from the least important on, and the last line names it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from safety.bedside import Report
from safety.state import State
from teleop.node.bedside import LABEL_COLUMNS, facts, standing

#: 28 columns beside a fact's name: a pseudonym of a bed in one line.
COLUMNS_MIN: Final = 40
#: Shown however little room there is.
VITAL: Final = ("x E-STOP", "q quit")
KEYS: Final = (
    "l take (LOCAL)",
    "g give back",
    "hold r retract",
    "hold o open the jaw",
    "z reset",
    *VITAL,
)
#: Said where the terminal does not tell of a key's release.
REPEATS: Final = "(a key moves from its first repeat on)"
GAP, NEWS, OTHER_KEYS = "", "news", "other keys"
_FACTS: Final = ("stands at", "moving", "authority", "control")
#: Left out in this order where there are too few lines.
LEAVES: Final = (GAP, *_FACTS, OTHER_KEYS, NEWS)
#: Left out where there are fewer columns than `COLUMNS_MIN`.
WIDE: Final = (*_FACTS, OTHER_KEYS)
_RED, _PLAIN = "\x1b[1;37;41m", "\x1b[0m"
_BETWEEN: Final = "   "


def page(
    report: Report, news: str, *, releases: bool, columns: int = 80, lines: int = 24
) -> list[str]:
    """Draw the rows, none wider than `columns` and no more than `lines`.

    Parameters
    ----------
    news : what came of the last key
    releases : whether the terminal tells of a key's release
    """
    hint = [] if releases else textwrap.wrap(REPEATS, columns)
    parts = {
        **{name: _fact(name, what, columns) for name, what in facts(report)},
        NEWS: textwrap.wrap(news, columns) or [""],
        GAP: [""],
        OTHER_KEYS: [*flow(KEYS, columns), *hint],
    }
    first = [_coloured(report, row) for row in textwrap.wrap(standing(report), columns)]
    left_out = {name for name in WIDE if name in parts and columns < COLUMNS_MIN}
    rows: list[str] = []
    for leaves in (None, *LEAVES):
        if leaves in parts:
            left_out.add(leaves)
        rows = [
            *first,
            *(row for name, part in parts.items() if name not in left_out for row in part),
            *(flow(VITAL, columns) if OTHER_KEYS in left_out else ()),
            *_missing([name for name in parts if name in left_out], columns, lines),
        ]
        if len(rows) <= lines:
            break
    return rows[:lines]


def flow(words: Sequence[str], columns: int) -> list[str]:
    """Put words into as few lines as they need; one that does not fit begins the next."""
    rows: list[str] = []
    for word in words:
        if rows and len(rows[-1]) + len(_BETWEEN) + len(word) <= columns:
            rows[-1] += _BETWEEN + word
        else:
            rows.append(word)
    return rows


def _fact(name: str, what: str, columns: int) -> list[str]:
    """Put a fact beside its name, and what is too long below itself."""
    indent = " " * LABEL_COLUMNS
    return textwrap.wrap(
        what, columns, initial_indent=name.ljust(LABEL_COLUMNS), subsequent_indent=indent
    )


def _coloured(report: Report, row: str) -> str:
    is_stopped = report.state <= State.PROTECTIVE_STOP
    return f"{_RED if is_stopped else ''}{row}{_PLAIN}"


def _missing(names: Sequence[str], columns: int, lines: int) -> list[str]:
    """Say what finds no room; an empty line is no loss."""
    missing = ", ".join(name for name in names if name != GAP)
    if not missing:
        return []
    needed = f"; {COLUMNS_MIN} columns are needed" if columns < COLUMNS_MIN else ""
    return textwrap.wrap(f"no room ({columns} x {lines}{needed}) for: {missing}", columns)
