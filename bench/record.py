"""What it costs the hand that all is recorded, what the recorder misses, and what a kill loses.

The same hand, relay, robot and arm at 1 kHz, in interleaved blocks:

bare        no tape, no recorder
recorded    robot and relay write their tapes, recordd copies them, and every flight ring

At the end of each recorded block robotd or recordd, in turn, is killed (SIGKILL) in the midst of
motion; what of the robot's tape is in no file then is lost. Each recording is replayed afterwards.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bench import readings
from bench.blocks import Campaign, Measured, Pair, Slot
from bench.children import stop
from bench.claims import Condition, failed, judge, load_claims
from bench.course import QUICK, Course, add_length, shaped
from bench.join import spread
from bench.report import (
    Report,
    host,
    now_utc,
    ratio_tables,
    sentinel_table,
    steal_condition,
    write,
)
from bench.rows import Row, numbers, row
from bench.sentinel import Sentinel, StallTable, stall_table
from bench.stage import PLAY, SHM, Keys, Recording, Spoiled, Stage
from bench.tables import show
from bench.variants import BY_NAME
from teleop.node.explain import explain
from teleop.record.archive import files_of
from teleop.record.recording import reels
from transport.io import realtime
from transport.io.mapping import Mapping
from transport.telemetry.tape import Tape, TapeReader

BARE, RECORDED = "bare", "recorded"
VARIANT = "trocar-udp"
PAIR = Pair(f"{RECORDED}/{BARE}", RECORDED, BARE, ("p99",))
TRIES = 2
SETTLE_S = 0.6
"""After a kill of the robot: its recorder looks, and flushes."""
APPENDS, APPEND_BYTES = 200_000, 400
LOST = ('lost_total{where="memory"}', 'lost_total{where="disk"}')


class Recorded(NamedTuple):
    """What one recorded block showed beside its latencies."""

    recorder_share: float
    dropped: int
    lost_ms: float
    records: int
    differing: int
    bytes_s: float


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument("--quick", action="store_true", help="a minute or so, too short to judge")
    add_length(parser, "6")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    course = shaped(QUICK if arguments.quick else Course(), arguments)
    return run(course, console, arguments.json)


def run(course: Course, console: Console, json: Path | None) -> int:
    """Measure, report and judge; return the exit code (1: a claim failed)."""
    claims = load_claims()
    bench = Bench(course, console)
    campaign = Campaign(
        (BARE, RECORDED),
        (PAIR,),
        seed=course.seed,
        blocks=course.blocks,
        repeats_max=course.repeats_max,
    )
    append = append_row()
    with tempfile.TemporaryDirectory(prefix="trocar-bench-", dir=SHM) as directory:
        bench.keys = Keys(Path(directory) / "keys")
        with Sentinel(Path(directory)) as sentinel:
            sentinel.wait_ticking()
            campaign.run(bench.measure)
        watches, steal_ms = sentinel.watches(), sentinel.steal_ms()
    rows = [*bench.rows(stall_table(watches)), append]
    ratios = campaign.ratios()
    conditions = [*_conditions(claims.conditions), *steal_condition(watches, steal_ms)]
    report = Report(
        bench="record",
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=course.seed,
        parts=["record"],
        quick=course.quick,
        host=host(),
        sentinel=sentinel_table(watches, steal_ms),
        rows=rows,
        ratios=ratio_tables(ratios),
        claims=judge(claims.claim, ["record"], conditions, numbers(rows), ratios),
        spoiled=bench.spoiled,
    )
    show(report, console)
    if json is not None:
        write(report, json)
    if course.quick:
        return int(bool(bench.spoiled))
    return int(bool(failed(report.claims)))


class Bench:
    """Measures one block at a time and keeps what each gave."""

    keys: Keys

    def __init__(self, course: Course, console: Console) -> None:
        self.course = course
        self.spoiled: list[str] = []
        self._console = console
        self._recordings: dict[str, list[Recording]] = {}
        self._blocks: dict[str, list[dict[str, float]]] = {}
        self._recorded: list[Recorded] = []

    def measure(self, slot: Slot) -> Measured:
        """Measure one block; nothing when it was spoiled twice."""
        for attempt in range(TRIES):
            try:
                return self._measure(slot, attempt)
            except Spoiled as error:
                self.spoiled.append(f"{slot.variant} block {slot.block + 1}: {error}")
        return {}

    def rows(self, stalls: StallTable) -> list[Row]:
        """Pool the blocks."""
        rows = [
            row(label, recordings, self._blocks[label], stalls)
            for label, recordings in self._recordings.items()
        ]
        for found in rows:
            if found.variant == RECORDED and self._recorded:
                found.extra |= pooled(self._recorded)
        return rows

    def _measure(self, slot: Slot, attempt: int) -> Measured:
        course, is_recorded = self.course, slot.variant == RECORDED
        with tempfile.TemporaryDirectory(prefix="trocar-record-", dir="/var/tmp") as folder:
            play = PLAY._replace(tape=is_recorded, records=folder if is_recorded else "")
            seed = course.seed * 1000 + slot.run * 100 + slot.block * 10 + attempt
            variant = BY_NAME[VARIANT]
            with Stage(variant, bare=False, keys=self.keys, seed=seed, play=play) as stage:
                stage.wait_moving()
                before_s, begun = _recorder_s(stage), time.monotonic()
                window = stage.window(course.warm_s, course.measure_s)
                share = (_recorder_s(stage) - before_s) / (time.monotonic() - begun)
                if is_recorded:
                    victim = ("recordd", "robotd")[slot.block % 2]
                    self._recorded.append(_killed(stage, Path(folder), victim, share))
                stage.finish()
                return self._keep(slot, stage.recording(window))

    def _keep(self, slot: Slot, recording: Recording) -> Measured:
        times = spread(recording.joined.latency_ns)
        if times is None:
            raise Spoiled("no command reached the driver")
        measured = {"p50": times.p50, "p99": times.p99, "p999": times.p999}
        block = {"run": float(slot.run), "block": float(slot.block), "max": times.max, **measured}
        self._recordings.setdefault(slot.variant, []).append(recording)
        self._blocks.setdefault(slot.variant, []).append(block)
        words = f"p50 {times.p50:4.0f}  p99 {times.p99:5.0f}  p99.9 {times.p999:5.0f} us"
        if slot.variant == RECORDED:
            seen = self._recorded[-1]
            words += f"  recordd {seen.recorder_share:.1%}  kill lost {seen.lost_ms:.0f} ms"
        self._console.print(f"run {slot.run + 1} block {slot.block + 1} {slot.variant:9} {words}")
        return measured


def pooled(recorded: list[Recorded]) -> dict[str, float]:
    """Give the worst of all blocks; of losses the sum."""
    return {
        "recorder_share": max(seen.recorder_share for seen in recorded),
        "dropped": float(sum(seen.dropped for seen in recorded)),
        "lost_ms": max(seen.lost_ms for seen in recorded),
        "kills": float(len(recorded)),
        "records": float(sum(seen.records for seen in recorded)),
        "differing": float(sum(seen.differing for seen in recorded)),
        "bytes_s": max(seen.bytes_s for seen in recorded),
    }


def append_row() -> Row:
    """Measure what one record of 400 bytes costs its writer."""
    memory = memoryview(bytearray(Tape.size("bench", 24 << 20)))
    tape, body = Tape(memory, "bench", 24 << 20), os.urandom(APPEND_BYTES)
    begun_ns = time.perf_counter_ns()
    for number in range(APPENDS):
        tape.append(4, number, body)
    took_ns = time.perf_counter_ns() - begun_ns
    found = Row(variant="append", n=APPENDS, lost=0, late=0, merged=0)
    found.extra = {"append_us": took_ns / APPENDS / 1e3}
    return found


def _killed(stage: Stage, folder: Path, victim: str, share: float) -> Recorded:
    """Kill a process in the midst of motion, and look at what of the robot's tape is on disk."""
    board = readings.board(stage.run_dir, "recordd")
    if board is None:
        raise Spoiled("the recorder has no board")
    tape = TapeReader(Mapping.open(stage.run_dir / "flight" / "robotd.tape").view)
    child = stage.children.pop(victim)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    newest = tape.newest
    if victim != "recordd":
        time.sleep(SETTLE_S)
    # Whoever has real-time rights ends before anything is read: it would be kept waiting by them.
    stop([child for name, child in stage.children.items() if name != "recordd"])
    pieces = list(reels(files_of(folder), ("robotd",), []))
    kept = [entry for piece in pieces for entry in piece.entries]
    if not kept:
        raise Spoiled("nothing of the robot is recorded")
    last = [entry for entry in tape.read(max(newest - 2, 0)).entries if entry.number <= newest]
    told = explain(folder)
    size = sum(path.stat().st_size for path in files_of(folder))
    return Recorded(
        recorder_share=share,
        dropped=sum(board.counter(name).value for name in LOST),
        lost_ms=max(0, last[-1].t_ns - kept[-1].t_ns) / 1e6,
        records=board.counter("records_total").value,
        differing=sum(
            done.replay.difference is not None for done in told.replays if not done.other_build
        ),
        bytes_s=size / max((kept[-1].t_ns - kept[0].t_ns) / 1e9, 1e-9),
    )


def _recorder_s(stage: Stage) -> float:
    """Return the processor seconds of the recorder so far."""
    child = stage.children.get("recordd")
    if child is None:
        return 0.0
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _conditions(known: dict[str, str]) -> list[Condition]:
    found = {
        "no-fifo": realtime.NO_FIFO in realtime.explain(),
        "one-core": len(os.sched_getaffinity(0)) < 2,
    }
    return [Condition(name, known[name]) for name, so in found.items() if so]
