"""Real deaths, hangs, freezes and full disks on a running node, each beside what it is measured by.

killed     the only relay is killed (SIGKILL) in the midst of motion; nothing restarts it before the
           robot holds
stops      the console just stops sending (SIGSTOP): the control that a killed relay is held against
hung       the relay stands still (SIGSTOP) until the watchdog ends it
frozen     every process of the node stands still for half a second (cgroup freezer, or SIGSTOP)
clock      the relay comes back in a time namespace whose monotonic clock is days ahead
disk       the disk of stores and audit is full: who moves goes on, nobody new is granted anything
files      the relay has no file descriptor left, and strangers connect
quiet      nothing fails, for minutes: no HOLD without a recorded cause, and the same ones in replay

Trials of `killed`, `stops` and `hung` are interleaved. Whoever interrupts gets what there is.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench import faults_trials
from bench.claims import Condition, Verdict, failed, judge, load_claims
from bench.falls import in_words
from bench.faults_disk import disk
from bench.faults_frozen import frozen
from bench.faults_quiet import MINUTES, REPLAY_SHARE, SETTLE_S, quiet
from bench.faults_relay import clock, files
from bench.faults_scene import WATCHDOG, NotHere
from bench.report import Report, host, now_utc, write
from bench.rows import Row, numbers
from bench.stage import SHM, Keys, Spoiled
from transport.io import keys, realtime
from transport.io.keys import Role

PART = "faults-real"
TRIALS = 300
INTERRUPTED = 130
#: Each needs no more than the devices and a seed.
ONCE: Final[dict[str, Callable[[Keys, int], Row]]] = {
    "frozen": frozen,
    "clock": clock,
    "disk": disk,
    "files": files,
}
QUIET: Final = "quiet"
PARTS: Final = (*faults_trials.NAMES, *ONCE, QUIET)
#: What they take on two cores that nobody else uses, s: of a trial, and of a part (measured).
TRIAL_S: Final = {"killed": 2.2, "stops": 1.4, "hung": 2.2}
ONCE_S: Final = {"frozen": 72.0, "clock": 11.0, "disk": 13.0, "files": 12.0}
SAY_S = 30.0
"""Where nobody sees a bar, a line says so often how far it is."""


def expected_s(parts: Collection[str], trials: int, minutes: float) -> float:
    """Estimate how long it takes, seconds."""
    quiet_s = minutes * 60 * (1.0 + REPLAY_SHARE) + 2 * SETTLE_S
    return sum(
        trials * TRIAL_S[part] if part in TRIAL_S else ONCE_S.get(part, quiet_s) for part in parts
    )


class Bench:
    """What is found, part by part; whoever is interrupted has it up to there."""

    def __init__(self, console: Console, trials: int, minutes: float, seed: int) -> None:
        self.rows: list[Row] = []
        self.spoiled: list[str] = []
        self.missing: dict[str, str] = {}
        self._console = console
        self._trials = trials
        self._minutes = minutes
        self._seed = seed
        self._begun_s = self._said_s = time.monotonic()

    def run(self, parts: Collection[str], devices: Keys) -> None:
        """Play the parts."""
        bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        times = (
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with Progress(*bar, *times, console=self._console, transient=True) as progress:
            self._progress = progress
            self._trial(parts, devices)
            for name in [name for name in (*ONCE, QUIET) if name in parts]:
                task = progress.add_task(name, total=None)
                try:
                    if name == QUIET:
                        self._quiet(devices)
                    else:
                        self.rows.append(ONCE[name](devices, self._seed))
                except Spoiled as error:
                    self.spoiled.append(f"{name}: {error}")
                except NotHere as error:
                    self.missing[name] = str(error)
                progress.remove_task(task)
                self._done(name)

    def _trial(self, parts: Collection[str], devices: Keys) -> None:
        names = [name for name in faults_trials.NAMES if name in parts]
        if not names:
            return
        found: faults_trials.Found = {name: [] for name in names}
        say = self._sayer(", ".join(names))
        try:
            trials = faults_trials.play(devices, found, self._trials, self._seed, self.spoiled)
            for done, wanted in trials:
                say(done, wanted)
        finally:
            self.rows += faults_trials.rows(found)
            self._done(", ".join(names))

    def _quiet(self, devices: Keys) -> None:
        say = self._sayer(QUIET)
        row, falls, is_whole = quiet(devices, self._seed, self._minutes, say)
        for fall in falls:
            self._console.print(f"  {in_words(fall)}", highlight=False)
        self.rows.append(row)
        if not is_whole:
            raise KeyboardInterrupt

    def _done(self, name: str) -> None:
        """Say how long a part took."""
        took_s, self._begun_s = time.monotonic() - self._begun_s, time.monotonic()
        self._console.print(f"{name}: took {took_s:.0f} s")

    def _sayer(self, name: str) -> Callable[[float, float], None]:
        """Show how far a part is: a bar, or where there is no terminal a line now and then."""
        task = self._progress.add_task(name, total=None)
        begun_s = self._said_s = time.monotonic()

        def say(done: float, wanted: float) -> None:
            self._progress.update(task, completed=int(done), total=int(wanted))
            now_s = time.monotonic()
            if done and not self._console.is_terminal and now_s - self._said_s >= SAY_S:
                self._said_s = now_s
                left_s = (now_s - begun_s) / done * (wanted - done)
                self._console.print(
                    f"{name}: {done:.0f} of {wanted:.0f}, {left_s / 60:.1f} min left"
                )

        return say


def run(
    console: Console,
    json: Path | None,
    *,
    trials: int = TRIALS,
    seed: int = 0,
    parts: Collection[str] = PARTS,
    minutes: float = MINUTES,
) -> int:
    """Measure, print, write; return 1 when a claim failed, 130 when it was interrupted."""
    bench = Bench(console, trials, minutes, seed)
    wait_s = expected_s(parts, trials, minutes)
    console.print(f"{', '.join(parts)}: about {wait_s / 60:.0f} min on a quiet machine")
    is_whole = True
    with tempfile.TemporaryDirectory(prefix="trocar-bench-keys-", dir=SHM) as directory:
        devices = Keys(Path(directory))
        keys.new(devices.directory, WATCHDOG, Role.GUARD)
        try:
            bench.run(parts, devices)
        except KeyboardInterrupt:
            is_whole = False
    verdicts = _judged(bench)
    _show(bench, verdicts, console)
    if json is not None:
        report = Report(
            bench=PART,
            command=" ".join(["python -m bench", *sys.argv[1:]]),
            t_utc=now_utc(),
            seed=seed,
            parts=[PART, *parts],
            quick=trials < TRIALS or not is_whole,
            host=host(),
            sentinel={"control": "`stops` is measured between the other trials"},
            rows=bench.rows,
            ratios={},
            claims=verdicts,
            missing=bench.missing,
            spoiled=bench.spoiled,
        )
        write(report, json)
    if not is_whole:
        console.print("interrupted: every process is ended; this is what there was")
        return INTERRUPTED
    return int(bool(failed(verdicts)))


def _judged(bench: Bench) -> list[Verdict]:
    """Judge the claims about what was played."""
    claims = load_claims()
    true = {
        "no-fifo": realtime.NO_FIFO in realtime.explain(),
        "one-core": len(os.sched_getaffinity(0)) < 2,
        "no-root": bool(bench.missing),
    }
    conditions = [Condition(name, claims.conditions[name]) for name, so in true.items() if so]
    played = {row.variant for row in bench.rows} | set(bench.missing)
    played |= {line.partition(":")[0] for line in bench.spoiled}
    about = [claim for claim in claims.claim if claim.key.split(".")[1] in played]
    return judge(about, [PART], conditions, numbers(bench.rows), {})


def _show(bench: Bench, verdicts: list[Verdict], console: Console) -> None:
    for row in bench.rows:
        shown = "  ".join(f"{name} {value:.3g}" for name, value in row.extra.items())
        console.print(f"  {row.variant:8} n {row.n:5}  {shown}", highlight=False)
    for name, why in bench.missing.items():
        console.print(f"  {name:8} not here: {why}", highlight=False)
    for claim in verdicts:
        kept = {True: "kept", False: "NOT KEPT", None: claim.why}[claim.ok]
        console.print(f"  {claim.words}: {claim.measured} {claim.unit}, {kept}", markup=False)
