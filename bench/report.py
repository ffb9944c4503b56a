"""Say what was measured, to a machine (JSON) and to a person (tables).

Percentiles are over every sample. Outliers that a stall of the host overlaps are counted apart and
listed; nothing is ever taken out.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.blocks import Ratio
from bench.claims import Condition, Ratios, Verdict
from bench.sentinel import Watch

STEAL_MAX = 0.01
"""Part of a core's time that may go to other guests before absolute times mean little."""
LIBRARIES = ("pyzmq", "uvloop", "msgspec", "cryptography", "numpy", "eclipse-zenoh", "av")


class Outlier(msgspec.Struct, frozen=True):
    """One command that took longer than the outlier limit, and whether a stall overlaps it."""

    t_intended_ns: int
    latency_us: float
    stalled: bool


class Row(msgspec.Struct, kw_only=True):
    """All measurements of one variant, pooled; times are one way, intended send to driver called.

    `outliers` lists the worst, each with whether a sentinel stall overlaps it; they stay in every
    percentile above.
    """

    variant: str
    n: int
    lost: int
    late: int
    merged: int
    refused: int = 0
    p50_us: float | None = None
    p99_us: float | None = None
    p999_us: float | None = None
    max_us: float | None = None
    rtt_p50_us: float | None = None
    rtt_p99_us: float | None = None
    rtt_p999_us: float | None = None
    rtt_max_us: float | None = None
    over_10ms: int = 0
    over_10ms_unexplained: int = 0
    stalled: int = 0
    outliers: list[Outlier] = []
    blocks: list[dict[str, float]] = []
    extra: dict[str, float] = {}


class Report(msgspec.Struct, kw_only=True):
    """A whole run."""

    bench: str
    command: str
    t_utc: str
    seed: int
    parts: list[str]
    quick: bool
    host: dict[str, object]
    sentinel: dict[str, object]
    rows: list[Row]
    ratios: dict[str, dict[str, dict[str, object]]]
    claims: list[Verdict]
    missing: dict[str, str] = {}


def numbers(rows: Iterable[Row]) -> dict[str, float]:
    """Return every number of the rows by its key; a variant without a sample has none."""
    found: dict[str, float] = {}
    for row in rows:
        if row.n:
            fields = {**msgspec.structs.asdict(row), **row.extra}
            for field, value in fields.items():
                if isinstance(value, int | float):
                    found[f"rows.{row.variant}.{field}"] = float(value)
    return found


def ratio_tables(ratios: Ratios) -> dict[str, dict[str, dict[str, object]]]:
    """Lay ratios out for JSON: value, lo, hi; every run's own interval; "too noisy" where so."""
    return {
        name: {quantity: _ratio_table(ratio) for quantity, ratio in by_quantity.items()}
        for name, by_quantity in ratios.items()
    }


def host() -> dict[str, object]:
    """Describe this machine and the libraries that were measured with."""
    versions: dict[str, str] = {}
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return {
        "cpu": _first_value("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _first_value("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "preemption": _text("/sys/kernel/debug/sched/preempt"),
        "cpuidle": _text("/sys/devices/system/cpu/cpuidle/current_driver"),
        "clocksource": _text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "python": platform.python_version(),
        "libraries": versions,
    }


def sentinel_table(watches: Sequence[Watch], steal_ms: Mapping[int, float]) -> dict[str, object]:
    """Lay the sentinels' record out for JSON."""
    return {
        "cores": [
            {**msgspec.to_builtins(watch), "steal_ms": steal_ms.get(watch.cpu, 0.0)}
            for watch in watches
        ],
        "stalls": sum(len(watch.stalls) + watch.stalls_dropped for watch in watches),
    }


def steal_condition(watches: Sequence[Watch], steal_ms: Mapping[int, float]) -> list[Condition]:
    """Say so if the hypervisor took more of a core than absolute times can bear."""
    taken = [
        (watch.cpu, steal_ms.get(watch.cpu, 0.0) / max(1, watch.ticks + watch.missed))
        for watch in watches
    ]
    return [
        Condition("steal", f"the hypervisor took {part:.1%} of core {cpu}")
        for cpu, part in taken
        if part > STEAL_MAX
    ]


def now_utc() -> str:
    """Return the wall time for the report's head; nothing is computed from it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def show(report: Report, console: Console) -> None:
    """Print the tables for a person."""
    console.print(_row_table(report))
    if report.ratios:
        console.print(_ratio_print(report))
    for variant, why in report.missing.items():
        console.print(f"[yellow]{variant}: not measured: {why}")
    console.print(
        f"sentinel: {report.sentinel['stalls']} stalls of the host over 1 ms; outliers are listed "
        "in the JSON, each with whether a stall overlaps it"
    )
    console.print(_claim_table(report))


def _ratio_table(ratio: Ratio) -> dict[str, object]:
    table: dict[str, object] = {
        **ratio.overall._asdict(),
        "runs": [run._asdict() for run in ratio.runs],
    }
    if ratio.too_noisy:
        table["note"] = "too noisy"
    return table


def _row_table(report: Report) -> Table:
    table = Table(title=f"{report.bench}: one way, intended send to driver called, us")
    table.add_column("variant")
    columns = ("n", "lost", "late", "merged", "refused", "p50", "p99", "p99.9", "max")
    for column in (*columns, "RTT p50", "RTT p99", ">10 ms", "unexplained"):
        table.add_column(column, justify="right")
    for row in report.rows:
        counts = (row.n, row.lost, row.late, row.merged, row.refused)
        times = (row.p50_us, row.p99_us, row.p999_us, row.max_us, row.rtt_p50_us, row.rtt_p99_us)
        table.add_row(
            row.variant,
            *(str(count) for count in counts),
            *("-" if time is None else f"{time:.0f}" for time in times),
            str(row.over_10ms),
            str(row.over_10ms_unexplained),
        )
    return table


def _ratio_print(report: Report) -> Table:
    table = Table(title="ratios: median over blocks [95 % interval]")
    table.add_column("pair")
    quantities = ("p50", "p99", "p999")
    for quantity in quantities:
        table.add_column(quantity, justify="right")
    for name, by_quantity in report.ratios.items():
        table.add_row(name, *(_ratio_words(by_quantity.get(quantity)) for quantity in quantities))
    return table


def _ratio_words(ratio: Mapping[str, object] | None) -> str:
    if ratio is None:
        return "-"
    noisy = " noisy" if "note" in ratio else ""
    return f"{ratio['value']:.2f} ({ratio['lo']:.2f}-{ratio['hi']:.2f}){noisy}"


def _claim_table(report: Report) -> Table:
    table = Table(title="claims")
    for column, justify in (("claim", "left"), ("target", "right"), ("measured", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("")
    words = {True: "[green]kept", False: "[red]FAILED", None: "[yellow]not measurable"}
    for verdict in report.claims:
        measured = "-" if verdict.measured is None else f"{verdict.measured:.4g}"
        table.add_row(
            verdict.words,
            f"<= {verdict.target:g} {verdict.unit}",
            measured,
            f"{words[verdict.ok]}[/] {verdict.why}",
        )
    return table


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _first_value(path: str, label: str) -> str:
    for line in _text(path).splitlines():
        if line.startswith(label):
            return line.partition(":")[2].strip()
    return ""
