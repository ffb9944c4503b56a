"""Show a report to a person."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.report import Report


def show(report: Report, console: Console) -> None:
    """Print the tables for a person."""
    console.print(_row_table(report))
    if report.ratios:
        console.print(_ratio_print(report))
    for variant, why in report.missing.items():
        console.print(f"[yellow]{variant}: not measured: {why}")
    for words in report.spoiled:
        console.print(f"[yellow]spoiled: {escape(words)}")
    if report.quick:
        console.print("a quick run is too short to judge: claims are shown, and fail nothing")
    console.print(
        f"sentinel: {report.sentinel['stalls']} stalls of the host over 1 ms; outliers are listed "
        "in the JSON, each with whether a stall overlaps it"
    )
    if report.claims:
        console.print(_claim_table(report))


def _row_table(report: Report) -> Table:
    table = Table(title=f"{report.bench}: one way, intended send to driver called, us")
    table.add_column("variant", no_wrap=True)
    columns = ("n", "lost", "late", "merged", "p50", "p99", "p99.9", "max", "RTT p50", "RTT p99")
    for column in (*columns, ">10 ms", "no stall"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in report.rows:
        counts = (row.n, row.lost, row.late, row.merged)
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
    table.add_column("pair", no_wrap=True)
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
