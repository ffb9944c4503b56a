"""How alarms look in a terminal, and as JSON: by the words and colours of IEC 60601-1-8.

HIGH is red, MEDIUM yellow, LOW cyan. What nobody has answered stands on its colour; what was
acknowledged is in its colour; what is over and was not acknowledged is dim. Nothing blinks: what is
urgent stands at the top. A line fits into 60 columns.

Pure: what a listener knows comes in, lines go out (teleop/node/alarms.py has the sockets).
"""

from __future__ import annotations

from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from monitor.alarms.alert import Presence
from monitor.alarms.condition import CONDITIONS, Condition, Priority, Row
from monitor.alarms.listener import Listener, Shown
from monitor.alarms.messages import AlertRow

#: What stands on its colour, and what has it.
COLOURS: Final[dict[Priority, tuple[str, str]]] = {
    Priority.HIGH: ("bold white on red", "red"),
    Priority.MEDIUM: ("black on yellow", "yellow"),
    Priority.LOW: ("black on cyan", "cyan"),
    Priority.NONE: ("", ""),
}
#: SDC's words.
PRIORITIES: Final = {
    Priority.NONE: "None",
    Priority.LOW: "Lo",
    Priority.MEDIUM: "Me",
    Priority.HIGH: "Hi",
}
SAID: Final = {
    Presence.ON: "",
    Presence.ACK: "acknowledged",
    Presence.LATCH: "over, not acknowledged",
    Presence.OFF: "over",
}
WORDS_MAX: Final = 34
ROWS_MAX: Final = 40


def on_screen(listener: Listener, now_ns: int) -> Group:
    """Show everything that is known, the most urgent first."""
    shown = listener.alerts()
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, width=WORDS_MAX)
    table.add_column(justify="right", no_wrap=True)
    for each in shown[:ROWS_MAX]:
        table.add_row(*_cells(each, now_ns))
    more = len(shown) - ROWS_MAX
    rest = Text(f"and {more} more" if more > 0 else "", style="dim")
    return Group(*(Text(line, style=style) for line, style in head(listener, now_ns)), table, rest)


def head(listener: Listener, now_ns: int) -> list[tuple[str, str]]:
    """Say, each with its style, whether what is shown may be believed, and how much it is."""
    loud = COLOURS[Priority.HIGH][0]
    lines = [(line, loud) for line in local(listener, now_ns)]
    if listener.alive is not None and listener.alive.trouble:
        lines.append((listener.alive.trouble, COLOURS[Priority.LOW][1]))
    if not lines and not listener.is_whole:
        lines.append(("asking what holds", "dim"))
    paused = sorted(bed for bed, v in listener.beds.items() if v.paused_until_ns > now_ns)
    count, beds = len(listener.alerts()), len(listener.beds)
    words = f"{count or 'no'} alarm{'' if count == 1 else 's'}, {beds} beds"
    return [*lines, (words + (f", sound paused: {', '.join(paused)}" if paused else ""), "dim")]


def local(listener: Listener, now_ns: int) -> list[str]:
    """Say the technical alarms of this place."""
    if listener.is_silent(now_ns):
        return ["FEED SILENT: no alarm would be seen here"]
    if listener.is_unjudged(now_ns):
        return ["NOT JUDGED: the monitor is silent, alarms stay as they were"]
    return []


def in_line(shown: Shown, now_ns: int) -> str:
    """Say an alert in one line."""
    row = _row(shown.row)
    words = f"{row.priority.name:<6}  {shown.bed:<9}  {_words(shown.row)}"
    said = SAID[Presence(shown.row.presence)]
    by = f" by {shown.row.by}" if shown.row.by and said else ""
    return f"{words}  {_since(shown, now_ns)}  {said}{by}".rstrip()


def in_facts(shown: Shown, now_ns: int) -> dict[str, Any]:
    """Give an alert as plain values, by SDC's names."""
    row, kind = shown.row, _row(shown.row)
    since_ns = now_ns - shown.heard_ns
    return {
        "bed": shown.bed,
        "condition": Condition(row.condition).name.lower(),
        "presence": Presence(row.presence).name.title(),
        "priority": PRIORITIES[kind.priority],
        "kind": str(kind.kind),
        "code": kind.code,
        "words": kind.words,
        "value": None if row.value is None else round(row.value, 2),
        "id": row.id,
        "onset_s": round((row.onset_us * 1000 + since_ns) / 1e9, 3),
        "detected_s": round((row.detected_us * 1000 + since_ns) / 1e9, 3),
        "by": row.by,
        "where": row.where,
    }


def _cells(shown: Shown, now_ns: int) -> tuple[Text, Text, Text]:
    priority, presence = _row(shown.row).priority, Presence(shown.row.presence)
    loud, quiet = COLOURS[priority]
    style = {Presence.ON: loud, Presence.ACK: quiet}.get(presence, f"dim {quiet}")
    words = Text(f" {_words(shown.row)}", style=style, overflow="ellipsis")
    if presence is Presence.ACK:
        words.append("  ✓", style="dim")
    elif presence is Presence.LATCH:
        words.append("  over", style="dim")
    return Text(f"{shown.bed:<9}"), words, Text(_since(shown, now_ns), style="dim")


def _words(row: AlertRow) -> str:
    kind = _row(row)
    value = "" if row.value is None or kind.metric is None else f" {row.value:.0f}"
    return f"{kind.words}{value}"


def _since(shown: Shown, now_ns: int) -> str:
    """Say for how long, in minutes and seconds, or hours and minutes."""
    seconds = (shown.row.onset_us * 1000 + now_ns - shown.heard_ns) // 1_000_000_000
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600} h {seconds // 60 % 60:02}"


def _row(row: AlertRow) -> Row:
    return CONDITIONS[Condition(row.condition)]
