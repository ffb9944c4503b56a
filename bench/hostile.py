"""What an attacker costs the rightful hand: its commands' latency with and without each attack.

The processes of a node, a hand at 1 kHz, and beside them one attack at a time (`bench.attacks`),
as a process of ordinary priority. Quiet and attacked measurements are interleaved in blocks; the
ratio is attacked to quiet. Each measurement also says whether every refusal was counted under its
name, and whether any command that is not the hand's has moved the arm.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from rich.console import Console

from bench import attacks, forge, readings
from bench.attacks import Attack, Counter
from bench.blocks import Campaign, Pair
from bench.children import spawn, stop
from bench.claims import Condition, failed, judge, load_claims
from bench.course import Course, Label, add_length, shaped
from bench.readings import Window
from bench.relay import Bench
from bench.report import (
    Report,
    host,
    now_utc,
    ratio_tables,
    sentinel_table,
    steal_condition,
    write,
)
from bench.rows import Row, numbers
from bench.sentinel import Sentinel, StallTable, stall_table
from bench.stage import SHM, Keys, Recording, Spoiled, Stage
from bench.tables import show
from bench.variants import BY_NAME
from safety import gate
from transport.io import realtime

LINKS = ("trocar-udp", "trocar-zmq")
PART = "hostile"
ANY = "+any"
WARM_S, MEASURE_S = 1.5, 3.0
"""A flood of 4,000 commands that are judged, and mostly merged, laps the relay's ring in seven."""
AFTER_S = 1.0
COURSE = Course(parts=(PART,), warm_s=WARM_S, measure_s=MEASURE_S)
QUICK = COURSE._replace(blocks=1, repeats_max=0, measure_s=1.0, quick=True)
NEEDS = {"udp-forged": "no-sniff"}


class Harm(NamedTuple):
    """What an attack did beside taking time.

    Parameters
    ----------
    struck : how often it struck
    uncounted : counters that should have risen and did not
    moved : commands that moved the arm and were not the hand's, or moved it twice
    """

    struck: int
    uncounted: int
    moved: int


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument("--quick", action="store_true", help="a minute or two, too short to judge")
    parser.add_argument(
        "--attack", action="append", choices=sorted(attacks.BY_NAME), help="only it"
    )
    parser.add_argument("--link", action="append", choices=LINKS, help="only this one")
    add_length(parser, "3")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    course = shaped(QUICK if arguments.quick else COURSE, arguments)
    links = tuple(arguments.link or LINKS)
    return run(course, console, arguments.json, links, tuple(arguments.attack or attacks.BY_NAME))


def run(
    course: Course,
    console: Console,
    json: Path | None,
    links: Sequence[str] = LINKS,
    names: Sequence[str] = tuple(attacks.BY_NAME),
) -> int:
    """Measure, report and judge; return the exit code (1: a claim failed)."""
    claims = load_claims()
    conditions = _conditions(claims.conditions)
    lacks = {condition.id: condition.why for condition in conditions}
    missing = {name: lacks[need] for name, need in NEEDS.items() if need in lacks}
    pairs = [
        Pair(f"{link}+{name}/{link}", f"{link}+{name}", link, ("p99",))
        for link in links
        for name in names
        if name not in missing
    ]
    labels = [*links, *(pair.numerator for pair in pairs)]
    campaign = Campaign(
        labels, pairs, seed=course.seed, blocks=course.blocks, repeats_max=course.repeats_max
    )
    bench = HostileBench(course, console)
    with tempfile.TemporaryDirectory(prefix="trocar-bench-", dir=SHM) as directory:
        bench.keys, bench.directory = Keys(Path(directory) / "keys"), Path(directory)
        attacks.arm(bench.keys.directory)
        with Sentinel(Path(directory)) as sentinel:
            sentinel.wait_ticking()
            bench.expect(len(campaign.plan(0)))
            campaign.run(bench.measure)
        watches, steal_ms = sentinel.watches(), sentinel.steal_ms()
    measured = {pair.name for pair in pairs} | {link + ANY for link in links}
    rows = bench.all_rows(stall_table(watches), links)
    ratios = campaign.ratios()
    conditions += steal_condition(watches, steal_ms)
    report = Report(
        bench=PART,
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=course.seed,
        parts=list(course.parts),
        quick=course.quick,
        host=host(),
        sentinel=sentinel_table(watches, steal_ms),
        rows=rows,
        ratios=ratio_tables(ratios),
        claims=judge(
            [claim for claim in claims.claim if claim.key.split(".")[1] in measured],
            course.parts,
            conditions,
            numbers(rows),
            ratios,
        ),
        missing=missing,
        spoiled=bench.spoiled,
    )
    show(report, console)
    if json is not None:
        write(report, json)
    if course.quick:
        return int(bool(bench.spoiled))
    return int(bool(failed(report.claims)))


class HostileBench(Bench):
    """Measures the hand's latency beside one attack."""

    def __init__(self, course: Course, console: Console) -> None:
        super().__init__(course, console)
        self._harm: dict[str, list[Harm]] = {}
        self._refused: dict[str, dict[str, float]] = {}

    def all_rows(self, stalls: StallTable, links: Sequence[str]) -> list[Row]:
        """Pool every label, and for each link what all attacks together did."""
        rows = self.rows(stalls)
        for row in rows:
            row.extra |= self._sum(row.variant)
        return [*rows, *(self._any(link, rows) for link in links)]

    def _record(self, label: Label, place: str) -> Recording:
        link, _, name = label.variant.partition("+")
        attack = attacks.BY_NAME.get(name)
        seed = crc32(f"{self.course.seed}/{place}".encode())
        with Stage(BY_NAME[link], bare=False, keys=self.keys, seed=seed) as stage:
            stage.wait_moving()
            if attack is None:
                window = stage.window(self.course.warm_s, self.course.measure_s)
                stage.finish()
                _check_rings(stage, window)
            else:
                window = self._attacked(stage, attack, label.variant)
            return stage.recording(window)

    def _attacked(self, stage: Stage, attack: Attack, label: str) -> Window:
        """Let time pass under attack, and take down what else it did."""
        before = _counters(stage, attack)
        struck = stage.run_dir / "struck"
        seconds = self.course.warm_s + self.course.measure_s + AFTER_S
        command = ["-m", "bench.attacks", attack.name, "--run-dir", str(stage.run_dir)]
        command += ["--seconds", str(seconds), "--struck", str(struck)]
        child = spawn(command, output=stage.run_dir / "attack.log")
        try:
            window = stage.window(self.course.warm_s, self.course.measure_s)
            if child.poll() not in (None, 0):
                words = (stage.run_dir / "attack.log").read_text(errors="replace")
                raise Spoiled(f"the attack itself failed: {words[-600:]}")
        finally:
            stop([child])
        stage.finish()
        _check_rings(stage, window)
        risen = {c: _counters(stage, attack)[c] - before[c] for c in attack.refused}
        moved = len(list(_moved_by_others(stage)))
        strikes = int(struck.read_text()) if struck.exists() else 0
        uncounted = sum(value <= 0 for value in risen.values())
        self._harm.setdefault(label, []).append(Harm(strikes, uncounted, moved))
        totals = self._refused.setdefault(label, {})
        for counter, value in risen.items():
            totals[_words(counter)] = totals.get(_words(counter), 0.0) + value
        return window

    def _sum(self, label: str) -> dict[str, float]:
        harm = self._harm.get(label)
        if harm is None:
            return {}
        fields = {field: float(sum(getattr(h, field) for h in harm)) for field in Harm._fields}
        return fields | self._refused[label]

    def _any(self, link: str, rows: Sequence[Row]) -> Row:
        """Add up all attacks on a link."""
        own = [row for row in rows if row.variant.startswith(f"{link}+")]
        return Row(
            variant=link + ANY,
            n=sum(row.n for row in own),
            lost=sum(row.lost for row in own),
            late=sum(row.late for row in own),
            merged=sum(row.merged for row in own),
            refused=sum(row.refused for row in own),
            missed=sum(row.missed for row in own),
            falls=sum(row.falls for row in own),
            over_10ms=sum(row.over_10ms for row in own),
            over_10ms_unexplained=sum(row.over_10ms_unexplained for row in own),
            extra={field: sum(row.extra.get(field, 0.0) for row in own) for field in Harm._fields},
        )


def _counters(stage: Stage, attack: Attack) -> dict[Counter, int]:
    found = {}
    for counter in attack.refused:
        board = readings.board(stage.run_dir, counter.process)
        if board is None:
            raise Spoiled(f"{counter.process} has no board")
        found[counter] = board.counter(counter.name).value
    return found


def _moved_by_others(stage: Stage) -> Iterator[int]:
    """Yield the numbers of commands that moved the arm and were not the hand's, or did so twice."""
    given = {line["seq"] for line in readings.flight(stage.run_dir, "natived", "sent")}
    seen: set[int] = set()
    for line in readings.flight(stage.run_dir, "robotd", "command"):
        if line["t_called_ns"] and line["verdict"] == gate.Verdict.ADMITTED:
            if line["seq"] not in given or line["seq"] in seen:
                yield line["seq"]
            seen.add(line["seq"])


def _check_rings(stage: Stage, window: Window) -> None:
    """Refuse a measurement whose records were overwritten before they were read."""
    for process, ring in (("robotd", "command"), ("relayd", "relay")):
        skew = stage.skew(process)
        first = next(iter(readings.flight(stage.run_dir, process, ring)), None)
        if first is not None and skew.undo(first["t_ns"]) > window.start_ns:
            raise Spoiled(f"{process}'s ring was lapped within the measurement")


def _words(counter: Counter) -> str:
    value = counter.name.partition('"')[2].partition('"')[0]
    return f"refused_{counter.process}_{value}"


def _conditions(words: dict[str, str]) -> list[Condition]:
    """Find what is true of this machine that can make a claim unmeasurable."""
    found = {
        "no-fifo": realtime.NO_FIFO in realtime.explain(),
        "one-core": len(os.sched_getaffinity(0)) < 2,
        "no-sniff": not forge.may_sniff(),
    }
    return [Condition(name, words[name]) for name, holds in found.items() if holds]
