"""How the tip of a simulated arm follows a hand through the whole node, and what an arm costs.

A hand's script goes from console over relay and robot to the simulator with its joints and masses,
over UDP, each process with a clock of its own; the tip is where the physics has it.

figure8    20 mm at 0.5 Hz, scale 1: the tip against the hand's path, delayed by what is stated: the
           drive's delay, the filter's as the robot says it, and this run's median way from hand to
           driver. Nothing is fitted. What a fitted delay would leave is shown beside it.
tremor*    0.2 mm at 6, 9 and 14 Hz on the figure: what of it is at the tip, filter off and on
chord      slow tones, filter off and on: gain and delay by the filter; the arm's own cancel
release    the clutch is released where the hand rests, after it moved on: how far the tip moves
           within 20 ms. At a hand that moves the tip sets off with it, and nothing could be told.
simd       processor time with two moving arms, and whether the physics kept time
kernels, chain, 640x360, 1280x720
           processor time of what one command or picture takes
truth      filters in pieces, kinematics there and back, labels of pixels: how often not exact
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench import arm_tracking as tracking
from bench import arm_truth
from bench.arm_pair import Kept, PairStage
from bench.arm_record import Motion, Path, take
from bench.arm_timing import CHAIN, SIZES, Timed
from bench.arm_tracking import Tone
from bench.children import spawn, stop
from bench.claims import Condition, Verdict, failed, judge, load_claims
from bench.join import spread
from bench.report import (
    STEAL_MAX,
    Report,
    host,
    now_utc,
    sentinel_table,
    steal_condition,
    write,
)
from bench.rows import Row, numbers
from bench.sentinel import Sentinel, StallTable, stall_table, steal_ns
from bench.stage import SHM, Keys, Play, Spoiled, Stage
from bench.variants import BY_NAME
from teleop.console.script import CHORD_HZ, figure8
from teleop.node.kernels import compile_all
from teleop.node.processes import PROCESSES
from teleop.robot.fixture import ShapeSettings
from teleop.sim.drive import STATED_DELAY_S
from transport.io import realtime

PART = "arm"
LINK = BY_NAME["trocar-udp"]
SCALE = 1.0
TRIES = 3
"""A robot that fell from motion, a process that ended, a hole: they spoil a run; it is repeated."""
TREMORS = {"tremor6": 6.0, "tremor": 9.0, "tremor14": 14.0}
"""Scripts by the frequency of their tremor, Hz."""
FIGURE_S, CHORD_S = 2.0, 10.0
"""All scripts repeat after the one, and the chord's tones after the other."""
LOST_MAX = 5
"""Commands of a run that may be missing: longer holes are the host's stalls, not the arm's."""
SPARE_S = 0.05
"""A console's clock may be slow: a whole period of it is longer than one of the machine's."""
RELEASES_MIN = 50
STEADY = ShapeSettings(tremor=True)
PLAIN = ShapeSettings()
TIMING_WAIT_S = 240.0
SHOWN_MAX = 8
"""Numbers of a row that are shown as soon as they are there; all are, at the end."""


class Course(NamedTuple):
    """How much is measured; times in s.

    Parameters
    ----------
    figure_s, tremor_s, chord_s, release_s, pair_s : windows; of releases one with filter, one not
    warm_s : before each
    calls, frames : that are timed
    streams, trips, scenes : that are checked for exactness
    quick : too short to judge: claims are shown, and do not fail the run
    """

    figure_s: float = 20.0
    tremor_s: float = 6.0
    chord_s: float = 10.0
    release_s: float = 14.5
    pair_s: float = 12.0
    warm_s: float = 1.5
    calls: int = 8_000
    frames: int = 250
    streams: int = 10
    trips: int = 100_000
    scenes: int = 20
    quick: bool = False


QUICK = Course(
    figure_s=4.0,
    tremor_s=2.0,
    chord_s=10.0,
    release_s=3.0,
    pair_s=3.0,
    warm_s=1.0,
    calls=1_000,
    frames=30,
    streams=1,
    trips=5_000,
    scenes=3,
    quick=True,
)


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=File, metavar="FILE", help="write the whole report there")
    parser.add_argument("--quick", action="store_true", help="a minute or so, too short to judge")
    parser.add_argument("--seed", type=int, default=0, help="of clocks and random inputs (0)")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    course = QUICK if arguments.quick else Course()
    return run(course, console, arguments.json, arguments.seed)


def run(course: Course, console: Console, json: File | None, seed: int = 0) -> int:
    """Measure, report and judge; return the exit code (1: a claim failed)."""
    claims = load_claims()
    conditions = _conditions(claims.conditions)
    compile_all(PROCESSES, lambda report: console.print(f"{report.name}: {report.detail}"))
    with tempfile.TemporaryDirectory(prefix="trocar-bench-", dir=SHM) as directory:
        bench = ArmBench(course, console, File(directory), seed)
        with Sentinel(File(directory)) as sentinel:
            sentinel.wait_ticking()
            if any(condition.id == "no-mujoco" for condition in conditions):
                bench.without_physics()
            else:
                bench.with_physics()
        watches, steal_ms = sentinel.watches(), sentinel.steal_ms()
        conditions += steal_condition(watches, steal_ms)
        # Without the sentinel: its tick, 50 us each millisecond, would be the p99 of short calls.
        before, began_ns = steal_ns(), time.monotonic_ns()
        bench.timings()
        conditions += _stolen(before, time.monotonic_ns() - began_ns)
        bench.truth()
    rows = bench.finish(stall_table(watches))
    report = Report(
        bench=PART,
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=seed,
        parts=[PART],
        quick=course.quick,
        host=host(),
        sentinel=sentinel_table(watches, steal_ms),
        rows=rows,
        ratios={},
        claims=judge(claims.claim, [PART], conditions, numbers(rows), {}),
        missing=bench.missing,
        spoiled=bench.spoiled,
    )
    show(report, console)
    if json is not None:
        write(report, json)
    if course.quick:
        return int(not all(row.n for row in rows))
    return int(bool(failed(report.claims)))


class ArmBench:
    """Measures one row after the other."""

    def __init__(self, course: Course, console: Console, directory: File, seed: int) -> None:
        self.course = course
        self.missing: dict[str, str] = {}
        self.spoiled: list[str] = []
        self._console = console
        self._directory = directory
        self._keys = Keys(directory / "keys")
        self._seed = seed
        self._rows: list[Row] = []
        self._kept: Kept | None = None
        self._done = 0

    def with_physics(self) -> None:
        """Measure all that takes a simulated arm with joints and masses."""
        self._figure()
        for script, hz in TREMORS.items():
            self._tremor(script, hz)
        self._chord()
        self._release()
        self._pair()

    def without_physics(self) -> None:
        """Say what cannot be measured."""
        names = ("figure8", *TREMORS, "chord", "release", "simd")
        self.missing = dict.fromkeys(names, "MuJoCo is not installed")

    def timings(self) -> None:
        """Time kernels, shaping and pictures, each in a process of its own."""
        control = self._timed("control", self.course.calls)
        chain = {name: control.pop(name) for name in list(control) if name.startswith(CHAIN)}
        self._add(_timing_row("kernels", control, {k: f"{k}_" for k in control}))
        self._add(_timing_row("chain", chain, {k: f"{k.removeprefix(CHAIN)}_" for k in chain}))
        pictures = self._timed("pictures", self.course.frames)
        for width, height in SIZES:
            name = f"{width}x{height}"
            one = {name: pictures[name]} if name in pictures else {}
            self._add(_timing_row(name, one, {name: ""}, per_us=1000, unit="ms"))

    def truth(self) -> None:
        """Count what is not exact."""
        course, rng = self.course, np.random.default_rng(self._seed)
        filters = arm_truth.filters(rng, course.streams)
        trip = arm_truth.round_trips(rng, course.trips)
        pixels = arm_truth.labels(rng, course.scenes)
        row = _row("truth", filters.n + trip.poses.n + pixels.n)
        row.extra = {
            "filter_samples": float(filters.n),
            "filter_wrong": float(filters.wrong),
            "trips": float(trip.poses.n),
            "trips_wrong": float(trip.poses.wrong),
            "trip_worst_um": trip.worst_m * 1e6,
            "trip_worst_urad": trip.worst_rad * 1e6,
            "pixels": float(pixels.n),
            "labels_wrong": float(pixels.wrong),
        }
        self._add(row)

    def finish(self, stalls: StallTable) -> list[Row]:
        """Return all rows, when it is known which stalls of the host there were."""
        kept = self._kept
        if kept is not None:
            row = next(row for row in self._rows if row.variant == "simd")
            row.extra["lost_unexplained_ms"] = kept.unexplained_ns(stalls) / 1e6
        return self._rows

    # One hand ------------------------------------------------------------------------------------

    def _figure(self) -> None:
        motion = self._play("figure8", "figure8", PLAIN, self.course.figure_s)
        row = _row("figure8", 0 if motion is None else len(motion.latency_ns))
        if motion is not None:
            row.extra = _followed(motion)
            _fill(row, motion)
        self._add(row)

    def _tremor(self, script: str, hz: float) -> None:
        off, on = self._both(script, self.course.tremor_s)
        row = _row(script, 0)
        if off is not None and on is not None:
            row.n = len(off.latency_ns) + len(on.latency_ns)
            tones = {"off": _shake(off, hz), "on": _shake(on, hz)}
            hand = tracking.tone(_figures(off, off.hand), off.start_ns, hz, off.rate)
            # A tremor is in y and z alike: its amplitude in one of them.
            row.extra = {
                f"{name}_um": tone.size_m / math.sqrt(2.0) * 1e6 for name, tone in tones.items()
            }
            row.extra["hand_um"] = hand.size_m / math.sqrt(2.0) * 1e6
            row.extra["gain_db"] = 20.0 * math.log10(tones["on"].size_m / tones["off"].size_m)
        self._add(row)

    def _chord(self) -> None:
        off, on = self._both("chord", self.course.chord_s)
        row = _row("chord", 0)
        if off is not None and on is not None:
            row.n = len(off.latency_ns) + len(on.latency_ns)
            before, after = _chord_of(off), _chord_of(on)
            row.extra = _filtered(before, after) | {"stated_ms": on.filter_s * 1e3}
        self._add(row)

    def _release(self) -> None:
        runs = self._both("clutch", self.course.release_s)
        row = _row("release", 0)
        if None not in runs:
            found = [
                release
                for motion in runs
                if motion is not None
                for release in tracking.releases(motion, _stated_s(motion))
            ]
            row.n = len(found)
            row.extra = {"short": float(max(0, RELEASES_MIN - len(found)))}
            for name in tracking.Release._fields:
                ways_um = [getattr(release, name) * 1e6 for release in found]
                kind = name.removesuffix("_m")
                row.extra[f"{kind}_min_um"] = min(ways_um, default=0.0)
                row.extra[f"{kind}_max_um"] = max(ways_um, default=0.0)
        self._add(row)

    def _both(self, script: str, seconds: float) -> tuple[Motion | None, Motion | None]:
        """Play a script with the tremor filter off, and on."""
        off = self._play(f"{script}, filter off", script, PLAIN, seconds)
        return off, self._play(f"{script}, filter on", script, STEADY, seconds)

    def _play(self, label: str, script: str, shape: ShapeSettings, seconds: float) -> Motion | None:
        for attempt in range(TRIES):
            play = Play(script, SCALE, "psm", shape)
            seed = self._seed_of(f"{label}/{attempt}")
            try:
                with Stage(LINK, bare=False, keys=self._keys, seed=seed, play=play) as stage:
                    stage.wait_moving()
                    window = stage.window(self.course.warm_s, seconds + SPARE_S)
                    stage.finish()
                    motion = take(stage, window)
                _judge(motion, is_last=attempt == TRIES - 1)
            except Spoiled as error:
                self._spoil(label, error)
                continue
            self._say(f"{label:22} way {motion.latency_s * 1e6:.0f} us, lost {motion.lost}")
            return motion
        return None

    # The rest ------------------------------------------------------------------------------------

    def _pair(self) -> None:
        row = _row("simd", 0)
        for attempt in range(TRIES):
            seed = self._seed_of(f"simd/{attempt}")
            try:
                with PairStage(LINK, bare=False, keys=self._keys, seed=seed) as stage:
                    stage.wait_moving()
                    watched = stage.watch(self.course.warm_s, self.course.pair_s)
                    stage.finish()
                    self._kept = kept = stage.kept(*watched)
            except Spoiled as error:
                self._spoil("simd", error)
                continue
            row.n = kept.steps
            row.extra = {
                "cpu_share": kept.cpu_share,
                "lost_ms": sum(b - a for a, b in kept.lost) / 1e6,
                "lost_gauge_ms": kept.lost_gauge_ns / 1e6,
                "ticks": float(kept.ticks),
                "late_ticks": float(kept.late_ticks),
                "moved_mm": kept.moved_m * 1e3,
                "refused": float(kept.refused),
            }
            break
        self._add(row)

    def _timed(self, part: str, count: int) -> dict[str, Timed]:
        out, log = self._directory / f"{part}.json", self._directory / f"{part}.log"
        command = ["-m", "bench.arm_timing", part, "--count", str(count), "--out", str(out)]
        child = spawn(command, output=log)
        try:
            child.wait(TIMING_WAIT_S)
        except subprocess.TimeoutExpired:
            self._say(f"[red]{part}: still not done after {TIMING_WAIT_S:g} s")
        finally:
            stop([child])
        if not out.exists():
            self._spoil(part, Spoiled(log.read_text(errors="replace")[-600:]))
            return {}
        return msgspec.json.decode(out.read_bytes(), type=dict[str, Timed])

    def _add(self, row: Row) -> None:
        self._rows.append(row)
        shown = list(row.extra.items())[:SHOWN_MAX]
        words = "  ".join(f"{name} {value:.4g}" for name, value in shown)
        self._say(f"[bold]{row.variant}[/]  {words or 'no number'}")

    def _spoil(self, label: str, error: Spoiled) -> None:
        self._say(f"[red]{label}: spoiled: {escape(str(error))}")
        self.spoiled.append(f"{label}: {error}")

    def _say(self, words: str) -> None:
        self._done += 1
        self._console.print(f"{self._done:3}  {words}", soft_wrap=True)

    def _seed_of(self, place: str) -> int:
        return crc32(f"{self._seed}/{place}".encode())


def show(report: Report, console: Console) -> None:
    """Print what was found, and the claims."""
    table = Table("", "", "", title="found")
    for row in report.rows:
        for name, value in row.extra.items():
            table.add_row(row.variant, name, f"{value:,.4g}")
        table.add_section()
    console.print(table)
    for variant, why in report.missing.items():
        console.print(f"[yellow]{variant}: not measured: {why}")
    for words in report.spoiled:
        console.print(f"[yellow]spoiled: {escape(words)}")
    if report.quick:
        console.print("a quick run is too short to judge: claims are shown, and fail nothing")
    console.print(f"sentinel: {report.sentinel['stalls']} stalls of the host over 1 ms")
    for verdict in report.claims:
        console.print(_words(verdict))


def _words(verdict: Verdict) -> str:
    state = {True: "[green]kept", False: "[red]FAILED", None: "[yellow]not measurable"}[verdict.ok]
    measured = "-" if verdict.measured is None else f"{verdict.measured:.4g}"
    return f"{state}[/]  {verdict.words}: {measured}, <= {verdict.target:g} {verdict.unit}" + (
        f"  {verdict.why}" if verdict.why else ""
    )


def _row(variant: str, n: int) -> Row:
    return Row(variant=variant, n=n, lost=0, late=0, merged=0)


def _fill(row: Row, motion: Motion) -> None:
    times = spread(motion.latency_ns)
    assert times is not None
    row.p50_us, row.p99_us, row.p999_us, row.max_us = times
    row.lost = motion.lost


def _judge(motion: Motion, *, is_last: bool) -> None:
    """Refuse a run that says more of the host's stalls than of the arm; of the last only a fall."""
    if motion.falls:
        raise Spoiled(f"the robot fell from motion {motion.falls} times")
    if motion.lost > LOST_MAX and not is_last:
        raise Spoiled(f"{motion.lost} commands were not applied")


def _stated_s(motion: Motion) -> float:
    """Add up the delay of the tip behind the hand, as it is stated."""
    return STATED_DELAY_S + motion.filter_s + motion.latency_s


def _followed(motion: Motion) -> dict[str, float]:
    stated_s = _stated_s(motion)
    fitted_s = tracking.fitted_delay_s(motion, SCALE, stated_s)
    error = tracking.error(motion, SCALE, stated_s)
    return {
        "rms_um": error.rms_m * 1e6,
        "max_um": error.max_m * 1e6,
        "stated_ms": stated_s * 1e3,
        "of_it_drive_ms": STATED_DELAY_S * 1e3,
        "of_it_filter_ms": motion.filter_s * 1e3,
        "of_it_way_ms": motion.latency_s * 1e3,
        "fitted_ms": fitted_s * 1e3,
        "fitted_rms_um": tracking.error(motion, SCALE, fitted_s).rms_m * 1e6,
    }


def _figures(motion: Motion, path: Path) -> Path:
    return tracking.whole(path, *motion.window, FIGURE_S, motion.rate)


def _shake(motion: Motion, hz: float) -> Tone:
    """Find the tremor at the tip, the figure taken away where it is known to be."""
    tip = _figures(motion, motion.tip)
    began_ns = motion.start_ns + round(_stated_s(motion) * 1e9)
    known = SCALE * tracking.script_at(figure8, tip.t_ns - began_ns, motion.rate)
    return tracking.tone(tip, began_ns, hz, motion.rate, known)


def _chord_of(motion: Motion) -> list[Tone]:
    """Find the slow tones at the tip; their phases are behind the commands' arrival."""
    tip = tracking.whole(motion.tip, *motion.window, CHORD_S, motion.rate)
    began_ns = motion.start_ns + round(motion.latency_s * 1e9)
    return [tracking.tone(tip, began_ns, hz, motion.rate) for hz in CHORD_HZ]


def _filtered(before: Sequence[Tone], after: Sequence[Tone]) -> dict[str, float]:
    """Say what the filter does to slow motion: gain, and delay at 1 Hz."""
    gains = {tone.hz: after_.size_m / tone.size_m for tone, after_ in _pairs(before, after)}
    delays = {
        tone.hz: tracking.delay_between(tone, after_) for tone, after_ in _pairs(before, after)
    }
    group_s = tracking.group_delay_s(list(delays), list(delays.values()), 1.0)
    return {
        "gain_off_percent": max(abs(gain - 1.0) for gain in gains.values()) * 100.0,
        "delay_ms": max(delays[1.0], group_s) * 1e3,
        "phase_delay_ms": delays[1.0] * 1e3,
        "group_delay_ms": group_s * 1e3,
    }


def _pairs(before: Sequence[Tone], after: Sequence[Tone]) -> list[tuple[Tone, Tone]]:
    return list(zip(before, after, strict=True))


def _timing_row(
    variant: str, found: dict[str, Timed], prefix: dict[str, str], per_us: int = 1, unit: str = "us"
) -> Row:
    row = _row(variant, sum(timed.n for timed in found.values()))
    for name, timed in found.items():
        for quantity in ("min", "p50", "p99", "max"):
            key = f"{prefix[name]}{quantity}_{unit}"
            row.extra[key] = getattr(timed, quantity) / per_us
    return row


def _stolen(before: Mapping[int, int], lasted_ns: int) -> list[Condition]:
    """Say so if the hypervisor took more of a core than times can bear, since then."""
    parts = {cpu: (ns - before.get(cpu, 0)) / lasted_ns for cpu, ns in steal_ns().items()}
    return [
        Condition("steal", f"the hypervisor took {part:.1%} of core {cpu}")
        for cpu, part in parts.items()
        if part > STEAL_MAX
    ]


def _conditions(words: dict[str, str]) -> list[Condition]:
    """Find what is true of this machine that can make a claim unmeasurable."""
    lacks = realtime.explain()
    found = {
        "no-mujoco": importlib.util.find_spec("mujoco") is None,
        "no-fifo": realtime.NO_FIFO in lacks,
        "no-pm-qos": realtime.NO_PM_QOS in lacks,
        "one-core": len(os.sched_getaffinity(0)) < 2,
    }
    return [Condition(name, words[name]) for name, holds in found.items() if holds]
