"""What the other processes saw around a moment: the relay of the commands, the watchdog of them.

Each process has a clock of its own; the recorder noted how far each was behind the wall's, to a
millisecond or so. So what is told here may be off by that much, and says nothing of order within
it; the robot's own tape (teleop.record.causes) is exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from safety.profile import MS
from safety.state import Cause
from safety.watchdog import FENCED, WORDS, Fault
from teleop.record.causes import Link, Told
from teleop.record.recording import Rows
from teleop.relay import Verdict

RELAY: Final = "relayd.relay"
NOTICE: Final = "watchdogd.notice"
#: What was noticed or forwarded is of the same story for so long.
STORY_NS: Final = 500 * MS
#: Two processes' clocks are laid beside each other no better than this.
ABOUT_NS: Final = 2 * MS

_PASSED: Final = frozenset({Verdict.FORWARDED, Verdict.MERGED})
_OF_THE_STREAM: Final = frozenset(
    {Cause.GAP, Cause.SILENCE, Cause.LONG_SILENCE, Cause.LATE, Cause.LOSS}
)


class _Row(NamedTuple):
    """A row of a ring, its time the wall's: a command's fate, or what was noticed of a process.

    There are a thousand a second, so only what is told is kept.
    """

    t_utc_ns: int
    whose: int
    what: int
    age_ns: int


#: Which fields of a ring those are; 0 for none.
_KEPT: Final[dict[str, tuple[str, str, str]]] = {
    RELAY: ("seq", "verdict", ""),
    NOTICE: ("pid", "fault", "age_ns"),
}


class Around:
    """The rings of a recording that say something of a robot's stops."""

    def __init__(self) -> None:
        self._rows: dict[str, list[_Row]] = {name: [] for name in _KEPT}

    def take(self, rows: Rows) -> None:
        """Keep what a ring held."""
        names = _KEPT.get(rows.name)
        if names is None or not {"t_ns", *filter(None, names)} <= set(rows.fields):
            return
        at = rows.fields.index("t_ns")
        places = [rows.fields.index(name) if name else None for name in names]
        kept = self._rows[rows.name]
        for record in rows.records:
            values = (0 if place is None else record[place] for place in places)
            kept.append(_Row(record[at] + rows.ahead_ns, *values))

    def links(self, told: Told, t_utc_ns: int) -> Iterator[Link]:
        """Say what stood around a transition."""
        if told.new >= told.old:
            return
        if told.cause in _OF_THE_STREAM:
            yield from self._relay(told, t_utc_ns)
        for row in self._before(NOTICE, t_utc_ns + ABOUT_NS, STORY_NS):
            fault = Fault(row.what)
            if fault is Fault.WORKS:
                continue
            what = WORDS[fault].format(row.age_ns / MS)
            end = ", and was fenced" if fault in FENCED else ""
            words = f"watchdogd saw that process {row.whose} {what}{end}"
            yield Link(t_utc_ns - row.t_utc_ns, words)

    def _relay(self, told: Told, t_utc_ns: int) -> Iterator[Link]:
        rows = self._before(RELAY, t_utc_ns, STORY_NS)
        passed = [row for row in rows if row.what in _PASSED]
        if not passed:
            if self._rows[RELAY]:
                yield Link(STORY_NS, "the relay forwarded no command from here on")
            return
        newest = passed[-1]
        seq = newest.whose
        missed = seq - told.seq
        fate = f", {missed} more than reached the robot" if missed > 1 else ", the last"
        yield Link(t_utc_ns - newest.t_utc_ns, f"the relay forwarded command {seq}{fate}")
        refused = [row for row in rows if row.what not in _PASSED]
        since = [row for row in refused if row.t_utc_ns > newest.t_utc_ns]
        for verdict, count in Counter(row.what for row in since).items():
            words = f"from here the relay refused {count} commands: {Verdict(verdict).name}"
            yield Link(t_utc_ns - since[0].t_utc_ns, words)

    def _before(self, name: str, t_utc_ns: int, within_ns: int) -> list[_Row]:
        rows = self._rows[name]
        end = bisect_right(rows, t_utc_ns, key=lambda row: row.t_utc_ns)
        start = bisect_right(rows, t_utc_ns - within_ns, key=lambda row: row.t_utc_ns)
        return rows[start:end]
