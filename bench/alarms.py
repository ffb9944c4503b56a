"""Which alarms are raised, how soon, and which should not have been.

rhythms     generated patients: asystole, extreme bradycardia and tachycardia, ventricular
            tachycardia and fibrillation, clean and in five noises from 24 to 12 dB; the figures of
            IEC 60601-2-27 at three gains; rhythms that are none of these; atrial fibrillation
recordings  every recording of a folder, whole: each alarm with its time, code and priority. Nobody
            says what is true of them; a HIGH is to be looked at
cost        a tick of judging a thousand beds, beside the engine's

A recording is whatever `trocar feed` reads: NPZ, EDF, WFDB, CSV. Reported seeds begin at 0; those
from 100 on are for tuning.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import alarms_cost, alarms_recordings, alarms_rhythms, alarms_rows
from bench.claims import Condition, Verdict, failed, judge, load_claims
from bench.report import STEAL_MAX, Report, host, now_utc, write
from bench.rows import numbers
from bench.sentinel import steal_ns
from monitor import engine
from monitor.alarms import judge as judging
from monitor.feed.recording import FeedFault

PART = "alarms"
BAD_INPUT = 2
SEEDS, SEEDS_QUICK = 8, 1

Say = Callable[[str], None]


class AlarmsReport(Report, kw_only=True):
    """A whole run.

    Attributes
    ----------
    alarms : of recordings: record, t_s, onset_s, code, priority, lasted_s
    episodes : of generated patients, each
    figures : of IEC 60601-2-27: seconds until VT was told, by figure
    """

    alarms: list[dict[str, Any]] = msgspec.field(default_factory=list)
    episodes: list[dict[str, Any]] = msgspec.field(default_factory=list)
    figures: dict[str, list[float]] = msgspec.field(default_factory=dict)


def rhythms(report: AlarmsReport, arguments: argparse.Namespace, say: Say) -> None:
    """Judge generated patients."""
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    levels_db = (*alarms_rhythms.LEVELS_DB, *(alarms_rhythms.BELOW_DB if arguments.below else ()))
    listed = alarms_rhythms.cases(seeds, levels_db)
    found = alarms_rhythms.episodes(listed, say, arguments.leads, not arguments.no_pulse)
    counted = [one for one in found if one.level_db >= min(alarms_rhythms.LEVELS_DB)]
    figures = alarms_rhythms.figures(seeds, say)
    report.rows += alarms_rows.of_episodes(counted)
    report.rows.append(alarms_rows.of_figures(figures))
    report.rows.append(alarms_rows.of_af(*alarms_rhythms.af_windows(seeds, say), len(seeds)))
    report.rows += alarms_rows.of_noises(found)
    report.figures = figures
    report.episodes = [one._asdict() for one in found]


def recordings(report: AlarmsReport, arguments: argparse.Namespace, say: Say) -> None:
    """Judge recordings, where a folder was named."""
    if arguments.records is not None:
        found = alarms_recordings.judged(arguments.records, say)
        report.rows += alarms_rows.of_recordings(found)
        report.alarms = [alarm._asdict() for one in found for alarm in one.alarms]


def cost(report: AlarmsReport, arguments: argparse.Namespace, say: Say) -> None:
    """Time a ward."""
    say("a ward of a thousand beds")
    report.rows.append(alarms_rows.of_cost(alarms_cost.measure(arguments.seed)))


PARTS: Final[dict[str, Callable[[AlarmsReport, argparse.Namespace, Say], None]]] = {
    "rhythms": rhythms,
    "recordings": recordings,
    "cost": cost,
}


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--records", type=Path, metavar="DIR", help="recordings to be judged")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=tuple(PARTS),
        metavar="PART",
        help=", ".join(PARTS),
    )
    parser.add_argument("--quick", action="store_true", help=f"{SEEDS_QUICK} seed, not {SEEDS}")
    parser.add_argument("--seed", type=int, default=0, help="the first of what is generated (0)")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"how many ({SEEDS})")
    parser.add_argument("--leads", type=int, default=3, choices=(1, 2, 3), help="of the ECG (3)")
    parser.add_argument("--no-pulse", action="store_true", help="the ECG alone")
    parser.add_argument("--below", action="store_true", help="6 dB as well; claims leave it out")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    arguments.seeds = SEEDS_QUICK if arguments.quick else arguments.seeds
    report = AlarmsReport(
        bench=PART,
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=arguments.seed,
        parts=[PART],
        quick=arguments.quick,
        host=host(),
        sentinel={},
        rows=[],
        ratios={},
        claims=[],
        missing={},
    )
    before, began_ns = steal_ns(), time.monotonic_ns()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("compiling", total=None)

        def say(what: str) -> None:
            progress.update(task, description=escape(what))

        engine.warm()
        judging.warm()
        try:
            for part in arguments.only:
                PARTS[part](report, arguments, say)
        except FeedFault as fault:
            console.print(f"alarms: {fault}", markup=False)
            return BAD_INPUT
    conditions = _conditions(arguments, before, time.monotonic_ns() - began_ns)
    asked = [claim for claim in load_claims().claim if claim.part == PART]
    asked = [one for one in asked if alarms_rows.PART_OF[one.key.split(".")[1]] in arguments.only]
    report.claims = judge(asked, [PART], conditions, numbers(report.rows), {})
    _show(report, console)
    if arguments.json is not None:
        write(report, arguments.json)
    return int(bool(failed(report.claims)))


def _conditions(
    arguments: argparse.Namespace, before: dict[int, int], lasted_ns: int
) -> list[Condition]:
    """Find what is true of this run that makes a claim unmeasurable."""
    words = load_claims().conditions
    found = []
    if arguments.records is None:
        found.append(Condition("no-records", words["no-records"]))
    taken = max((ns - before.get(cpu, 0)) / lasted_ns for cpu, ns in steal_ns().items())
    if taken > STEAL_MAX:
        found.append(Condition("steal", f"the hypervisor took {taken:.1%} of a core"))
    return found


def _show(report: AlarmsReport, console: Console) -> None:
    for row in report.rows:
        shown = ", ".join(f"{key} {value:.4g}" for key, value in row.extra.items())
        console.print(f"  {row.variant:22} {row.n:>7,}  {shown}", markup=False)
    for alarm in report.alarms:
        console.print(f"  {_line(alarm)}", markup=False)
    _show_claims(report.claims, console)


def _line(alarm: dict[str, Any]) -> str:
    told = f"{alarm['t_s']:9.2f} s  {alarm['priority']:6} {alarm['code']:15}"
    return f"{alarm['record']:16} {told} since {alarm['onset_s']:.2f} s for {alarm['lasted_s']:.2f}"


def _show_claims(claims: Sequence[Verdict], console: Console) -> None:
    for claim in claims:
        word = {True: "kept", False: "NOT KEPT", None: "open"}[claim.ok]
        measured = "-" if claim.measured is None else f"{claim.measured:.4g}"
        why = f" ({claim.why})" if claim.why else ""
        line = f"{word:8} {claim.words}: {measured} of {claim.target:.4g} {claim.unit}{why}"
        console.print(f"  {line}", markup=False)
