"""What a whole node costs while a hand moves its robot, and whether anything held it without cause.

`trocar demo` itself runs, as a person would start it, for the minutes asked. Beside it this bench
adds up the processor time of every process of the demo, and collects the flight rings. Each fall
of the robot from motion to HOLD or below is then explained by the records, or it is not (see
`bench.falls`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console

from bench.children import spawn, stop
from bench.claims import failed, judge, load_claims
from bench.falls import LOOK_S, Record, in_words, told
from bench.report import Report, host, now_utc, sentinel_table, steal_condition, write
from bench.rows import Row, numbers
from bench.sentinel import Sentinel, stall_table
from bench.tables import show

SETTLE_S = 5.0
"""Start-up is not counted as cost."""
READY_S_MAX = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (10)")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    return run(arguments.minutes, console, arguments.json)


def run(minutes: float, console: Console, json: Path | None) -> int:
    """Run the demo for so long; print, write, and return 1 if a claim failed."""
    claims = load_claims()
    with tempfile.TemporaryDirectory(prefix="trocar-demo-") as directory:
        with Sentinel(Path(directory)) as sentinel:
            sentinel.wait_ticking()
            seen = _watch(minutes * 60, Path(directory), console)
        watches, steal_ms = sentinel.watches(), sentinel.steal_ms()
    stalls = stall_table(watches)
    falls = [told(stalls, *found) for found in seen.record.found]
    row = Row(variant="demo", n=seen.record.commands, lost=seen.result["lost"], late=0, merged=0)
    row.late, row.merged = seen.result["late"], seen.result["merged"]
    row.extra = {
        "cpu_share": seen.cpu_share,
        "ready_s": seen.ready_s,
        "holds": float(len(falls)),
        "unexplained_holds": float(sum(not fall.explanation for fall in falls)),
        "holds_in_host_stalls": float(sum(fall.stalled for fall in falls)),
    }
    row.rtt_p50_us, row.rtt_p99_us = (seen.result["rtt_us"][name] for name in ("p50", "p99"))
    conditions = steal_condition(watches, steal_ms)
    report = Report(
        bench="demo",
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=0,
        parts=["demo"],
        quick=False,
        host=host(),
        sentinel=sentinel_table(watches, steal_ms),
        rows=[row],
        ratios={},
        claims=judge(claims.claim, ["demo"], conditions, numbers([row]), {}),
        spoiled=[],
    )
    for name, share in sorted(seen.by_process.items(), key=lambda item: -item[1]):
        console.print(f"  {share:6.1%} of a core  {name}")
    for fall in falls:
        console.print(f"  {in_words(fall)}")
    show(report, console)
    if json is not None:
        write(report, json)
    return int(bool(failed(report.claims)))


class Seen(NamedTuple):
    """What one run of the demo showed."""

    record: Record
    result: dict[str, Any]
    cpu_share: float
    by_process: dict[str, float]
    ready_s: float


def _watch(seconds: float, directory: Path, console: Console) -> Seen:
    result = directory / "result.json"
    log = directory / "demo.log"
    command = ["-m", "teleop", "demo", "--dir", str(directory / "demo")]
    command += ["--seconds", str(seconds), "--json", str(result)]
    started = time.monotonic()
    log.touch()
    child = spawn(command, output=log)
    try:
        ready_s = _wait_ready(child, log, started)
        base = Path(f"/dev/shm/trocar-{os.getuid()}")
        time.sleep(SETTLE_S)
        record = Record(base / "demo", next(base.glob("console-*")))
        first, first_s = cpu_by_process(child.pid), time.monotonic()
        last, last_s = first, first_s
        while child.poll() is None:
            time.sleep(LOOK_S)
            found = cpu_by_process(child.pid)
            if child.poll() is not None or len(found) < len(first):
                break
            last, last_s = found, time.monotonic()
            record.look()
            console.print(f"\r{last_s - first_s:5.0f} s  {len(record.found)} holds", end="")
        console.print()
        child.wait(READY_S_MAX)
    finally:
        stop([child])
    shares = {
        name: (last[name] - first.get(name, 0.0)) / max(last_s - first_s, 1e-9) for name in last
    }
    measured = msgspec.json.decode(result.read_bytes())
    return Seen(record, measured, sum(shares.values()), shares, ready_s)


def _wait_ready(child: subprocess.Popen[bytes], log: Path, started: float) -> float:
    while time.monotonic() - started < READY_S_MAX:
        if "node      ready" in log.read_text(errors="replace"):
            return time.monotonic() - started
        if child.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"the demo did not start:\n{log.read_text(errors='replace')}")


def cpu_by_process(root: int) -> dict[str, float]:
    """Return processor seconds of `root` and its descendants, by what they run."""
    rows: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        rows[int(path.parent.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS)
    family, grown = {root}, True
    while grown:
        more = {pid for pid, (parent, _) in rows.items() if parent in family} - family
        family |= more
        grown = bool(more)
    found: dict[str, float] = {}
    for pid in family & rows.keys():
        name = _name(pid)
        found[name] = found.get(name, 0.0) + rows[pid][1]
    return found


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return str(pid)
    module = words[words.index("-m") + 1] if "-m" in words else words[0]
    return f"{module} {words[words.index('-m') + 2]}" if module == "teleop" else module
