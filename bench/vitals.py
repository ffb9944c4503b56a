"""How well, how soon and how cheaply beats are found in an ECG, beside others in the same run.

accuracy  every recording of a folder, streamed through the sensor; its beats beside the reference's
          as EC57 asks (150 ms; the first five minutes are not scored, of records under six minutes
          the first eight seconds). Without a folder: five minutes of a real ECG with the beats that
          three peers agree on, and generated patients
noise     clean beats, drowned in drawn noise from 24 to -6 dB
rate      the heart rate shown for the rhythms of IEC 60601-2-27; with recordings that tell `pvc`,
          tachycardia that is made of these beats
speed     a thousand patients: the sensor, and the engine with all its sensors; a recording whole;
          peers who look again at ten seconds each tick

A recording is `NAME.npz` with `x` (n,) or (n, leads) and `names`, `fs`, `units`, and `beats`, the
samples of the reference's beats; without beats it is run and not scored. `se`, `ppv` and `der` in
the JSON are over all beats of all recordings; `clean` is without those named nst_NNNeDB.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import vitals_accuracy as accuracy
from bench import vitals_consensus as consensus
from bench import vitals_engine, vitals_noise, vitals_rate, vitals_rows, vitals_speed
from bench.claims import Claim, Condition, Verdict, failed, judge, load_claims
from bench.peers import qrs
from bench.report import STEAL_MAX, Report, host, now_utc, write
from bench.rows import numbers
from bench.sentinel import steal_ns
from bench.vitals_match import Score, total
from bench.vitals_records import RecordFault, Recording, read_all
from bench.vitals_spliced import spliced
from monitor.vitals.ecg import sensor

PART = "vitals"
PARTS = ("accuracy", "noise", "rate", "speed")
BAD_INPUT = 2
OTHERS_MAX = 0.1
"""Part of the time that a tick was kept from its core, above which times say nothing of a tick."""
RHYTHMS = ("sinus", "ectopic", "bigeminy", "atrial-fibrillation")
"""Generated patients that are scored where no folder is named."""

Say = Callable[[str], None]


class VitalsReport(Report, kw_only=True):
    """A whole run, with what is asked first at the top.

    Attributes
    ----------
    se, ppv, der : over all beats of all recordings, fractions
    clean : the same without the noise stress test
    records : by recording: the same, and every peer's
    noise : recordings of a noise stress test, by dB
    drawn : the sweep: by mixture, dB and detector
    peers : over all beats, by peer
    rate : by rhythm
    """

    se: float | None = None
    ppv: float | None = None
    der: float | None = None
    clean: dict[str, float] = msgspec.field(default_factory=dict)
    records: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)
    noise: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)
    drawn: dict[str, Any] = msgspec.field(default_factory=dict)
    peers: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    rate: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--records", type=Path, metavar="DIR", help="recordings to be scored, .npz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--no-peers", action="store_true", help="the sensor alone")
    parser.add_argument("--seed", type=int, default=0, help="of what is generated (0)")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    try:
        recordings = _recordings(arguments)
    except RecordFault as fault:
        console.print(f"vitals: {fault}", markup=False)
        return BAD_INPUT
    peers = {} if arguments.no_peers else qrs.installed()
    report = VitalsReport(
        bench=PART,
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=arguments.seed,
        parts=[PART],
        quick=False,
        host=host(),
        sentinel={},
        rows=[],
        ratios={},
        claims=[],
        missing={name: "not installed" for name in qrs.PEERS if name not in peers},
    )
    before, began_ns = steal_ns(), time.monotonic_ns()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("compiling", total=None)

        def say(what: str) -> None:
            progress.update(task, description=escape(what))

        sensor.warm()
        _measure(report, recordings, peers, arguments, say)
    conditions = _conditions(arguments, peers, report, before, time.monotonic_ns() - began_ns)
    claims = [claim for claim in load_claims().claim if _is_asked(claim, arguments.only)]
    report.claims = judge(claims, [PART], conditions, numbers(report.rows), {})
    _show(report, console)
    if arguments.json is not None:
        write(report, arguments.json)
    return int(bool(failed(report.claims)))


def _measure(
    report: VitalsReport,
    recordings: list[Recording],
    peers: dict[str, qrs.Peer],
    arguments: argparse.Namespace,
    say: Say,
) -> None:
    """Measure every part that is wanted, and put its numbers into the report."""
    runs: list[accuracy.Run] = []
    if "accuracy" in arguments.only or "noise" in arguments.only:
        runs = [accuracy.run(recording, peers, say) for recording in recordings]
    if "accuracy" in arguments.only:
        _put_accuracy(report, runs)
    if "noise" in arguments.only:
        found = vitals_noise.sweep(runs, peers, arguments.seed, say)
        report.drawn = vitals_noise.told(found)
        report.rows += vitals_rows.of_sweep(found)
    if "rate" in arguments.only:
        say("rhythms of IEC 60601-2-27")
        shown = vitals_rate.shown()
        report.rate = {name: one._asdict() for name, one in shown.items()}
        report.rows += vitals_rows.of_rates(shown)
        say("tachycardia of real premature beats")
        report.rows += vitals_rows.of_spliced(spliced(recordings, arguments.seed))
    if "speed" in arguments.only:
        one = next(one for one in recordings if one.beats_s is not None)
        report.rows += vitals_rows.of_speed(vitals_speed.measure(one, peers, arguments.seed, say))
        say("the engine, a ward of a thousand patients")
        report.rows += vitals_rows.of_ward(vitals_engine.measure(arguments.seed))


def _put_accuracy(report: VitalsReport, runs: list[accuracy.Run]) -> None:
    totals = accuracy.totals(runs)
    ours = totals.get(accuracy.OURS, Score())
    report.se, report.ppv, report.der = ours.se, ours.ppv, ours.der
    quiet = [run.scores[accuracy.OURS] for run in runs if run.scores and not _is_stress(run)]
    report.clean = total(quiet).told()
    report.peers = {name: one.told() for name, one in totals.items() if name != accuracy.OURS}
    report.records = accuracy.told(runs)
    report.noise = accuracy.noise_told(runs)
    report.rows += vitals_rows.of_accuracy(runs)
    report.spoiled += [
        f"{run.recording.name}: {name}: {why}" for run in runs for name, why in run.failed.items()
    ]


def _is_stress(run: accuracy.Run) -> bool:
    return run.recording.noise_db is not None


def _recordings(arguments: argparse.Namespace) -> list[Recording]:
    """Read what was named, or make what always is there."""
    if arguments.records is not None:
        found = list(read_all(arguments.records))
        if all(one.beats_s is None for one in found):
            raise RecordFault(f"{arguments.records}: expected `beats` in a recording, found none")
        return found
    agreed = consensus.recording()
    return [
        *([agreed] if agreed else []),
        *(vitals_noise.generated(arguments.seed, name) for name in RHYTHMS),
    ]


def _conditions(
    arguments: argparse.Namespace,
    peers: Mapping[str, object],
    report: VitalsReport,
    before: Mapping[int, int],
    lasted_ns: int,
) -> list[Condition]:
    """Find what is true of this run that makes a claim unmeasurable."""
    words = load_claims().conditions
    taken = max((ns - before.get(cpu, 0)) / lasted_ns for cpu, ns in steal_ns().items())
    found = {
        "no-records": arguments.records is None,
        "no-noise-records": "12" not in report.noise,
        "no-peers": not peers,
    }
    conditions = [Condition(name, words[name]) for name, holds in found.items() if holds]
    others = max((row.extra.get("others_part", 0.0) for row in report.rows), default=0.0)
    if others > OTHERS_MAX:
        conditions.append(Condition("busy", f"others had the core for {others:.0%} of the time"))
    if taken > STEAL_MAX:
        conditions.append(Condition("steal", f"the hypervisor took {taken:.1%} of a core"))
    return conditions


def _is_asked(claim: Claim, parts: Sequence[str]) -> bool:
    return claim.part == PART and vitals_rows.PART_OF[claim.key.split(".")[1]] in parts


def _show(report: VitalsReport, console: Console) -> None:
    for row in report.rows:
        shown = ", ".join(f"{key} {_short(value)}" for key, value in row.extra.items())
        console.print(f"  {row.variant:22} {row.n:>9,}  {shown}", markup=False)
    for line in report.spoiled:
        console.print(f"  {line}", markup=False)
    for claim in report.claims:
        console.print(f"  {_judged(claim)}", markup=False)


def _judged(claim: Verdict) -> str:
    word = {True: "kept", False: "NOT KEPT", None: "open"}[claim.ok]
    measured = "-" if claim.measured is None else _short(claim.measured)
    why = f" ({claim.why})" if claim.why else ""
    return f"{word:8} {claim.words}: {measured} of {_short(claim.target)} {claim.unit}{why}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.4g}"
