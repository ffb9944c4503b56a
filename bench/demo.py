"""What a whole node costs while a hand moves its robot, and whether anything held it without cause.

`trocar demo` itself runs, as a person would start it, for the minutes asked. Beside it this bench
adds up the processor time of every process of the demo, and collects the flight rings. Each fall
of the robot from motion to HOLD or below is then explained by the records, or it is not:

console    the console sent nothing for as long as the ladder's HOLD
relay      it sent, and the relay heard nothing
robot      the relay heard, and the robot judged nothing
late       commands came, too old

Every gap also says whether a stall of the host overlaps it. A fall without any is unexplained.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console

from bench.children import spawn, stop
from bench.claims import failed, judge, load_claims
from bench.report import Report, host, now_utc, sentinel_table, steal_condition, write
from bench.rows import Row, numbers
from bench.sentinel import Sentinel, StallTable, stall_table
from bench.tables import show
from safety.gate import Verdict
from safety.profile import LADDERS, MS, Profile
from safety.state import Cause, State
from teleop.robot.doubt import SELF_LATE_NS
from transport.io.clock import Skew
from transport.io.mapping import Mapping
from transport.telemetry.flight import FlightReader

HOLD_NS = LADDERS[Profile.NATIVE].hold_ns
LOOK_S = 2.0
"""A ring of 16,384 records at 1 kHz is lapped after 16 s."""
SETTLE_S = 5.0
"""Start-up is not counted as cost."""
READY_S_MAX = 30.0
KEPT_NS = 3_000 * MS
"""Records older than this before a look belong to no fall that is still to be explained."""
TICKS = os.sysconf("SC_CLK_TCK")

RINGS = {"sent": ("natived", "sent"), "relay": ("relayd", "relay"), "robot": ("robotd", "command")}


class Fall(NamedTuple):
    """A fall from motion: when (raw monotonic ns), to what, why, and what the records say."""

    t_ns: int
    new: str
    cause: str
    explanation: str
    gap_ms: float
    stalled: bool


class Ring:
    """One process's ring, read as it fills, its times on the machine's clock."""

    def __init__(self, run_dir: Path, process: str, name: str) -> None:
        settings = msgspec.json.decode((run_dir / f"{process}.json").read_bytes())
        seed = settings["process"]["skew_seed"]
        self._skew = Skew.NONE if seed is None else Skew.draw(seed)
        path = run_dir / "flight" / f"{process}.{name}.ring"
        self._reader = FlightReader(Mapping.open(path).view)
        self._newest = 0

    def take(self) -> Iterator[dict[str, int]]:
        """Yield the records that are new since the last call."""
        batch = self._reader.read(self._newest)
        self._newest = batch.newest
        for record in batch.records:
            line = dict(zip(self._reader.fields, record, strict=True))
            times = {key: self._skew.undo(value) for key, value in line.items() if key in _TIMES}
            yield {**line, **times}


_TIMES = ("t_ns", "t_intended_ns", "t_sent_ns")


class Record:
    """The newest seconds of the rings, and the falls in them."""

    def __init__(self, run_dir: Path, console_dir: Path) -> None:
        folder = {"natived": console_dir}
        self._rings = {
            where: Ring(folder.get(process, run_dir), process, name)
            for where, (process, name) in RINGS.items()
        }
        self._events = Ring(run_dir, "robotd", "event")
        self._times: dict[str, deque[int]] = {where: deque() for where in RINGS}
        self._late: deque[int] = deque()
        self._waiting: list[dict[str, int]] = []
        self.found: list[tuple[dict[str, int], str, int, int]] = []
        self.commands = 0

    def look(self) -> None:
        """Read what is new, and explain the falls of the look before: their records are all in."""
        for where, ring in self._rings.items():
            for line in ring.take():
                self.commands += where == "sent"
                t_ns = line["t_sent_ns"] if where == "sent" else line["t_ns"]
                late = where == "robot" and line["verdict"] == Verdict.LATE
                (self._late if late else self._times[where]).append(t_ns)
        for event in self._waiting:
            self.found.append((event, *self._explain(event["t_ns"], event["cause"])))
        self._waiting = [event for event in self._events.take() if _is_fall(event)]
        for times in (*self._times.values(), self._late):
            while times and times[0] < time.monotonic_ns() - KEPT_NS - 2 * int(LOOK_S * 1e9):
                times.popleft()

    def _explain(self, t_ns: int, cause: int) -> tuple[str, int, int]:
        """Find the first place that was silent before `t_ns`: its name, the gap's start and end."""
        least_ns = SELF_LATE_NS if cause == Cause.SELF_LATE else HOLD_NS
        for where, name in (("sent", "console"), ("relay", "relay"), ("robot", "robot")):
            start_ns, end_ns = gap_around(self._times[where], t_ns)
            if end_ns - start_ns >= least_ns - MS:
                return name, start_ns, end_ns
        if any(t_ns - 2 * HOLD_NS <= late_ns <= t_ns for late_ns in self._late):
            return "late", t_ns - HOLD_NS, t_ns
        return "", t_ns - HOLD_NS, t_ns


def gap_around(times: Iterable[int], t_ns: int) -> tuple[int, int]:
    """Return the longest silence that touches the HOLD's time before `t_ns`: its start and end.

    `times` ascend (raw monotonic ns); a silence that nothing has ended yet ends at `t_ns`.
    """
    longest = (t_ns, t_ns)
    known = list(times)
    for start_ns, end_ns in pairwise([*known, max([t_ns, *known[-1:]])]):
        touches = start_ns < t_ns and end_ns > t_ns - HOLD_NS
        if touches and end_ns - start_ns > longest[1] - longest[0]:
            longest = (start_ns, end_ns)
    return longest


def _is_fall(event: dict[str, int]) -> bool:
    return event["old"] >= State.DEGRADED and event["new"] <= State.HOLD


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
    falls = [_judge(stall_table(watches), *found) for found in seen.record.found]
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
        why = fall.explanation or "UNEXPLAINED"
        host_too = ", a stall of the host overlaps it" if fall.stalled else ""
        console.print(f"  {fall.new} ({fall.cause}): {why}, {fall.gap_ms:.1f} ms{host_too}")
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


def _judge(
    stalls: StallTable, event: dict[str, int], explanation: str, start_ns: int, end_ns: int
) -> Fall:
    return Fall(
        event["t_ns"],
        State(event["new"]).name,
        Cause(event["cause"]).name,
        explanation,
        (end_ns - start_ns) / MS,
        stalls.overlaps(start_ns, end_ns),
    )
