"""Random worlds by the thousand: every core under chance faults, in virtual time, watched.

Each seed is a script of faults over a whole node (tests/world): links that lose, delay, double and
reorder, processes that stand still, die and come back, disks, drivers that lie, attackers, people.
A witness holds the rules that no world may break; after each storm the hand must have its robot
again. The first seed that breaks a rule is printed with its script, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import faults_real
from bench.claims import failed, judge, load_claims
from bench.faults_quiet import MINUTES
from bench.report import Report, host, now_utc, write
from bench.rows import Row, numbers
from tests.world.storm import Storm, told

PART = "faults"
SEEDS_MIN = 1000
STEPS_MIN = 10_000_000
#: Worlds that wait for a core, for each core.
AHEAD = 4


class Weathered(NamedTuple):
    """What one world showed.

    Parameters
    ----------
    seed : the world's
    events, applied : delivered to its cores; commands that moved the robot
    virtual_s, cpu_s : how long it lasted, in it and here
    wrong : the rule that it broke, or nothing
    """

    seed: int
    events: int
    applied: int
    virtual_s: float
    cpu_s: float
    wrong: str


def weather(seed: int) -> Weathered:
    """Let the storm of one seed pass."""
    began = time.process_time()
    storm = Storm(seed)
    wrong = ""
    try:
        storm.run()
    except Exception as error:  # whatever a core raises is a finding too
        wrong = f"{type(error).__name__}: {error}"
    world = storm.world
    cpu_s = time.process_time() - began
    return Weathered(seed, world.events, world.witness.applied, world.now_ns / 1e9, cpu_s, wrong)


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument("--steps", type=float, default=STEPS_MIN, help="events at least (1e7)")
    parser.add_argument("--seeds", type=int, default=SEEDS_MIN, help="worlds at least (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first world (0)")
    parser.add_argument(
        "--real", action="store_true", help="real faults instead, on real processes"
    )
    parser.add_argument("--trials", type=int, default=faults_real.TRIALS, help="--real: each (300)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=faults_real.PARTS,
        default=faults_real.PARTS,
        metavar="PART",
        help=f"--real: of {', '.join(faults_real.PARTS)} (all)",
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="--real: of `quiet` (10)")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    if arguments.real:
        return faults_real.run(
            console,
            arguments.json,
            trials=arguments.trials,
            seed=arguments.seed,
            parts=arguments.only,
            minutes=arguments.minutes,
        )
    steps, seeds = int(arguments.steps), arguments.seeds
    return run(console, arguments.json, steps=steps, seeds=seeds, first=arguments.seed)


def run(
    console: Console,
    json: Path | None,
    *,
    steps: int = STEPS_MIN,
    seeds: int = SEEDS_MIN,
    first: int = 0,
) -> int:
    """Run worlds until there were so many and so many events; return 1 when a rule was broken."""
    found: list[Weathered] = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task("events", total=steps)
        events = 0
        for world in _worlds(first):
            found.append(world)
            events += world.events
            words = f"{len(found)} worlds, {sum(bool(w.wrong) for w in found)} broke a rule"
            progress.update(bar, completed=events, description=words)
            if len(found) >= seeds and events >= steps:
                break
    broken = sorted(world for world in found if world.wrong)
    for world in broken[:1]:
        console.print(f"{world.wrong}\n{told(world.seed)}", markup=False)
    return _report(found, console, json, first) | bool(broken)


def _worlds(first: int) -> Iterator[Weathered]:
    """Give worlds as they are ready, on every core, for as long as somebody takes them."""
    cores = len(os.sched_getaffinity(0))
    seed = first
    with ProcessPoolExecutor(cores) as pool:
        going: set[Future[Weathered]] = set()
        try:
            while True:
                while len(going) < AHEAD * cores:
                    going.add(pool.submit(weather, seed))
                    seed += 1
                done, going = wait(going, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _report(found: list[Weathered], console: Console, json: Path | None, first: int) -> int:
    """Say what all worlds showed together, and judge it; return 1 when a claim failed."""
    events = sum(world.events for world in found)
    cpu_s = sum(world.cpu_s for world in found)
    row = Row(variant="worlds", n=len(found), lost=0, late=0, merged=0)
    row.extra = {
        "events": float(events),
        "applied": float(sum(world.applied for world in found)),
        "violations": float(sum(bool(world.wrong) for world in found)),
        "virtual_s": sum(world.virtual_s for world in found),
        "us_per_event": cpu_s / events * 1e6,
    }
    claims = judge(load_claims().claim, [PART], [], numbers([row]), {})
    for name, value in row.extra.items():
        console.print(f"  {name:14} {value:,.1f}", highlight=False)
    for claim in claims:
        kept = "kept" if claim.ok else "NOT KEPT"
        console.print(f"  {claim.words}: {claim.measured} {claim.unit}, {kept}", markup=False)
    if json is not None:
        command = " ".join(["python -m bench", *sys.argv[1:]])
        report = Report(
            bench=PART,
            command=command,
            t_utc=now_utc(),
            seed=first,
            parts=[PART],
            quick=False,
            host=host(),
            sentinel={"virtual time": "no stall of the host changes what a world shows"},
            rows=[row],
            ratios={},
            claims=claims,
            spoiled=[f"{world.seed}: {world.wrong}" for world in found if world.wrong],
        )
        write(report, json)
    return int(bool(failed(claims)))
