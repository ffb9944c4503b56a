"""What a person sees of a native console: its board, read by another process and put into words.

Nothing here runs in the hot process. A view is one look at the board; percentiles in live lines
are those of the time between two views, in a result those of the whole run.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from safety import clamp
from safety.clamp import Rule
from safety.state import WORDS, Cause, State
from teleop.console.ledger import BUDGET_NS, SLICES
from transport.telemetry.board import Board
from transport.telemetry.histogram import Histogram

PERCENTILES: Final = (50.0, 99.0, 99.9)
US: Final = 1000
#: How a state looks: green moves, yellow could move soon, red will not without help.
COLOURS: Final = {
    State.ESTOP: "bold white on red",
    State.PROTECTIVE_STOP: "bold red",
    State.BOOT: "dim",
    State.IDLE: "dim",
    State.HOLD: "bold yellow",
    State.ARMED: "yellow",
    State.DEGRADED: "bold yellow",
    State.ENGAGED: "bold green",
}
LABELS: Final = {
    "console": "this console",
    "relay_up": "relay, up",
    "robot": "robot",
    "relay_down": "relay, down",
    "net": "network and kernels",
    "filter": "tremor filter, beside it",
}


class Durations(NamedTuple):
    """Durations of one kind.

    Parameters
    ----------
    buckets : how many ended in each bucket of the histogram, by its end, ns
    percentiles_ns : one for each of `PERCENTILES`
    max_ns : the longest
    """

    buckets: dict[int, int]
    percentiles_ns: tuple[int, ...]
    max_ns: int

    @classmethod
    def of(cls, histogram: Histogram) -> Durations:
        """Copy what a histogram has counted."""
        percentiles_ns = tuple(histogram.percentiles(PERCENTILES))
        return cls(dict(histogram.buckets()), percentiles_ns, histogram.max_ns)

    def since(self, earlier: Durations | None) -> Durations:
        """Return what was counted after `earlier`, each rounded up to its bucket's end."""
        if earlier is None:
            return self
        left = Counter(self.buckets)
        left.subtract(earlier.buckets)
        buckets = {end_ns: count for end_ns, count in sorted(left.items()) if count > 0}
        ends_ns = [end_ns for end_ns, count in buckets.items() for _ in range(count)]
        if not ends_ns:
            return Durations({}, (0,) * len(PERCENTILES), 0)
        ranks = (math.ceil(percent * len(ends_ns) / 100) for percent in PERCENTILES)
        percentiles_ns = tuple(min(self.max_ns, ends_ns[max(1, rank) - 1]) for rank in ranks)
        return Durations(buckets, percentiles_ns, min(self.max_ns, ends_ns[-1]))

    @property
    def total(self) -> int:
        """How many."""
        return sum(self.buckets.values())


class View(NamedTuple):
    """One look at a console's board."""

    state: State
    cause: Cause
    granted: bool
    counts: dict[str, int]
    over_budget: dict[str, int]
    rule: Rule
    fixture: int
    error_mm: float
    rms_mm: float | None
    link_rtt_us: float
    rtt: Durations
    dwell: dict[str, Durations]

    @property
    def lost(self) -> int:
        """Commands that nobody has accounted for, of those acknowledged or older."""
        counts = self.counts
        return max(0, counts["seq"] - counts["admitted"] - counts["merged"] - counts["late"])


COUNTS: Final = ("seq", "admitted", "merged", "late", "missed", "dropped", "unverified", "holds")


def view(board: Board) -> View:
    """Look at a board of `teleop.console.natived`."""

    def gauge(name: str) -> int:
        return board.gauge(name).value

    moving = gauge("error_n")
    return View(
        state=State(gauge("state")),
        cause=Cause(gauge("cause")),
        granted=bool(gauge("granted")),
        counts={name: gauge(name) for name in COUNTS},
        over_budget={name: gauge(f'over_budget{{slice="{name}"}}') for name in SLICES},
        rule=Rule(gauge("rule")),
        fixture=gauge("fixture"),
        error_mm=gauge("error_um") / 1000,
        rms_mm=math.sqrt(gauge("error_um2") / moving) / 1000 if moving else None,
        link_rtt_us=gauge("link_rtt_ns") / US,
        rtt=Durations.of(board.histogram("rtt_ns")),
        dwell={
            name: Durations.of(board.histogram(f'dwell_ns{{slice="{name}"}}')) for name in SLICES
        },
    )


def in_line(now: View, before: View | None) -> str:
    """Say in one plain line how it goes: for logs and pipes."""
    label = now.state.name if now.granted else "WAITING"
    line = _line(label, now, now.rtt.since(before.rtt if before else None))
    return f"{line}  {_why(now)}".rstrip()


def in_the_end(now: View) -> str:
    """Say in one plain line how the whole run went."""
    return _line("ENDED", now, now.rtt)


def _line(label: str, now: View, rtt: Durations) -> str:
    p50, p99 = (value_ns / US for value_ns in rtt.percentiles_ns[:2])
    return (
        f"{label:<10} rtt {p50:.0f}/{p99:.0f}/{rtt.max_ns / US:.0f} us (p50/p99/max)  "
        f"error {now.error_mm:.2f} mm  sent {now.counts['seq']}  lost {now.lost}  "
        f"late {now.counts['late']}  merged {now.counts['merged']}  "
        f"missed {now.counts['missed']}"
    )


def on_screen(now: View, before: View | None, title: str) -> Group:
    """Show how it goes: state, round trip by slice, tracking, misses."""
    return Group(_headline(now, title), _ledger(now, before), _misses(now))


def _why(now: View) -> str:
    """Say why the robot does not just follow, and where a latched stop is reset."""
    if not now.granted:
        return "no session; asking for the robot"
    if now.state is State.ENGAGED:
        return ""
    is_latched = now.state <= State.PROTECTIVE_STOP
    return WORDS[now.cause] + (" (at the robot: trocar bedside reset)" if is_latched else "")


def _headline(now: View, title: str) -> Text:
    state = Text(f" {now.state.name} ", style=COLOURS[now.state])
    why = _why(now)
    clamped = clamp.WORDS[now.rule] + (f" ({now.fixture})" if now.fixture else "")
    line = Text.assemble((title, "bold"), "   ", state, "  ", (why, "dim"))
    return line.append(f"   {clamped}", style="yellow") if clamped else line


def _ledger(now: View, before: View | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    table.add_column("microseconds")
    for header in ("p50", "p99", "p99.9", "max", "max, whole run"):
        table.add_column(header, justify="right")
    table.add_column(f"over {BUDGET_NS // 1_000_000} ms by", justify="right")
    past = before.rtt if before else None
    _add_durations(table, "round trip", now.rtt, past, sum(now.over_budget.values()), "bold")
    for name in SLICES:
        if name == "filter" and not now.dwell[name].max_ns:
            continue
        past = before.dwell[name] if before else None
        label = f"  {LABELS[name]}"
        _add_durations(table, label, now.dwell[name], past, now.over_budget[name], "")
    return table


def _add_durations(
    table: Table, label: str, run: Durations, past: Durations | None, over: int, style: str
) -> None:
    recent = run.since(past)
    values = (*recent.percentiles_ns, recent.max_ns, run.max_ns)
    cells = [f"{value_ns / US:,.0f}" for value_ns in values]
    table.add_row(label, *cells, str(over) if over else "·", style=style)


def _misses(now: View) -> Text:
    rms = "·" if now.rms_mm is None else f"{now.rms_mm:.2f}"
    counts = now.counts
    bad = {
        "lost": now.lost,
        "late": counts["late"],
        "merged": counts["merged"],
        "missed": counts["missed"],
        "holds": counts["holds"],
    }
    rare = {"dropped at send": counts["dropped"], "unverified states": counts["unverified"]}
    bad |= {name: count for name, count in rare.items() if count}
    text = Text(f"tracking error {now.error_mm:.2f} mm, rms {rms} mm   ")
    text.append(f"{counts['seq']:,} commands", style="dim")
    for name, count in bad.items():
        text.append(f"   {name} ")
        text.append(str(count), style="bold yellow" if count else "green")
    return text


def result(run: View) -> dict[str, object]:
    """Return what a whole run showed, for a program."""
    return {
        "state": run.state.name,
        "sent": run.counts["seq"],
        "lost": run.lost,
        "late": run.counts["late"],
        "merged": run.counts["merged"],
        "missed": run.counts["missed"],
        "dropped": run.counts["dropped"],
        "unverified": run.counts["unverified"],
        "holds": run.counts["holds"],
        "tracking_rms_mm": None if run.rms_mm is None else round(run.rms_mm, 4),
        "rtt_us": {**_summary(run.rtt), "n": run.rtt.total},
        "dwell_us": {name: _summary(durations) for name, durations in run.dwell.items()},
        "over_budget": run.over_budget,
    }


def _summary(durations: Durations) -> dict[str, float]:
    names = [f"p{percent:g}".replace(".", "") for percent in PERCENTILES]
    values = [value_ns / US for value_ns in (*durations.percentiles_ns, durations.max_ns)]
    return dict(zip([*names, "max"], values, strict=True))
