"""Shows the vital signs of the running node's beds: a subscriber to its monitor's publisher.

Rules
-----
- Looking needs no key here: the socket is in the run directory, which is its user's alone.
- Newest wins. A number that is not there is a dash, with its reason; one that nobody has said for
  longer than it is repeated is gone.
- A monitor that is not heard for a second shows nothing that may be true, and it says so.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import zmq
from rich.console import Console as Terminal
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from monitor.alarms.listener import SILENCE_NS
from monitor.alarms.messages import Alive
from monitor.bulletin import REPEAT_NS
from monitor.messages import Metric, Numeric, Reason
from monitor.settings import vitals
from teleop.node.errors import NodeError
from teleop.node.sections import NodeConfig
from teleop.node.signals import Signals
from teleop.node.watch import DRAIN_S_MAX, Wish
from transport.io.zmq import Context, Tuning, tune
from transport.wire.codec import Registry
from transport.wire.errors import WireError

PATIENCE_NS: Final = 5_000_000_000
DRAIN_PARTS_MAX: Final = 4096
ROWS_MAX: Final = 40
#: Columns of the table: a heading, and what stands under it, of which the first that is there.
COLUMNS: Final[dict[str, tuple[Metric, ...]]] = {
    "HR": (Metric.HR,),
    "PR": (Metric.PR, Metric.PR_ART),
    "SpO2": (Metric.SPO2,),
    "ABP": (Metric.SYS,),
    "RR": (Metric.RR,),
    "T": (Metric.TEMP,),
}
_NUMBERS: Final = Registry((Numeric, Alive))


class VitalsError(NodeError):
    """No monitor is heard."""


class Chart:
    """The newest numbers of every bed.

    Attributes
    ----------
    news : numbers that came since they were last taken from here
    """

    def __init__(self, now_ns: int) -> None:
        self.news: list[Numeric] = []
        self._numbers: dict[str, dict[Metric, tuple[Numeric, int]]] = {}
        self._alive_ns = now_ns

    @property
    def beds(self) -> list[str]:
        """Return the beds that were heard of."""
        return sorted(self._numbers)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take what the monitor says; beats are passed over."""
        try:
            message = _NUMBERS.decode(data)
            if isinstance(message, Numeric):
                bed = self._numbers.setdefault(message.bed, {})
                bed[Metric(message.metric)] = message, now_ns
                self.news.append(message)
        except (WireError, ValueError):
            return
        self._alive_ns = now_ns

    def is_silent(self, now_ns: int) -> bool:
        """Tell whether the monitor has not been heard for too long."""
        return now_ns - self._alive_ns >= SILENCE_NS

    def shown(self, bed: str, metrics: Iterable[Metric], now_ns: int) -> str:
        """Say the first of these numbers that is there, or a dash."""
        for metric in metrics:
            found = self._numbers[bed].get(metric)
            if found is None or now_ns - found[1] > 2 * REPEAT_NS or found[0].value is None:
                continue
            value = found[0].value
            if metric is Metric.SYS:
                rest = (self.shown(bed, (m,), now_ns) for m in (Metric.DIA, Metric.MEAN))
                return "{:.0f}/{} ({})".format(value, *rest)
            return f"{value:.1f}" if metric is Metric.TEMP else f"{value:.0f}"
        return "–"

    def on_screen(self, now_ns: int) -> Group:
        """Show all beds in a table of 60 columns."""
        table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
        table.add_column("bed", no_wrap=True)
        for heading in COLUMNS:
            table.add_column(heading, justify="right", no_wrap=True)
        style = "dim" if self.is_silent(now_ns) else ""
        for bed in self.beds[:ROWS_MAX]:
            cells = (self.shown(bed, metrics, now_ns) for metrics in COLUMNS.values())
            table.add_row(bed, *cells, style=style)
        words = "THE MONITOR IS SILENT: nothing here may be true" if style else ""
        return Group(Text(words, style="bold white on red"), table) if words else Group(table)


def in_facts(number: Numeric) -> dict[str, Any]:
    """Give a number as plain values."""
    return {
        "bed": number.bed,
        "metric": Metric(number.metric).name.lower(),
        "value": number.value,
        "quality": number.quality,
        "reason": Reason(number.reason).name.lower(),
        "age_s": round(number.age_us / 1e6, 3),
    }


def watch(config: NodeConfig, wish: Wish) -> int:
    """Show vital signs until told to stop, or for the seconds wished.

    Raises
    ------
    VitalsError : no monitor was heard in time
    """
    terminal, live = Terminal(), None
    if terminal.is_terminal and not wish.json:
        live = Live(console=terminal, auto_refresh=False)
    with Signals() as signals, Ear(config.run_dir) as ear, live or contextlib.nullcontext():
        began_ns = due_ns = time.monotonic_ns()
        chart = Chart(began_ns)
        while not signals.wait(min(1 / wish.rate_hz, DRAIN_S_MAX)):
            now_ns = time.monotonic_ns()
            ear.drain(chart, now_ns)
            if not chart.beds and now_ns - began_ns > PATIENCE_NS:
                raise VitalsError(
                    f"no monitor was heard for {PATIENCE_NS // 1_000_000_000} s: does the node "
                    "run, and does its node.toml name beds?"
                )
            if live is None:
                _tell(chart.news, as_json=wish.json)
            elif now_ns >= due_ns:
                due_ns = now_ns + round(1e9 / wish.rate_hz)
                live.update(chart.on_screen(now_ns), refresh=True)
            chart.news = []
            if wish.seconds and now_ns - began_ns >= wish.seconds * 1e9:
                break
    return 0


class Ear:
    """A subscription to the monitor of this machine."""

    def __init__(self, run_dir: Path) -> None:
        self._context: Context = zmq.Context(1)
        self._socket = tune(self._context.socket(zmq.SUB), Tuning(hwm=64))
        self._socket.subscribe(b"vital/")
        self._socket.subscribe(b"alive/")
        self._socket.connect(vitals(run_dir))

    def __enter__(self) -> Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def drain(self, chart: Chart, now_ns: int) -> None:
        """Take all that waits, up to a limit."""
        for _ in range(DRAIN_PARTS_MAX):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            chart.receive(parts[-1], now_ns)


def _tell(news: Iterable[Numeric], *, as_json: bool) -> None:
    for number in news:
        facts = in_facts(number)
        value = "–" if number.value is None else f"{number.value:g}"
        why = "" if number.value is not None else f"  {facts['reason']}"
        words = f"{number.bed}  {facts['metric']}  {value}{why}"
        sys.stdout.write(f"{msgspec.json.encode(facts).decode() if as_json else words}\n")
    sys.stdout.flush()
