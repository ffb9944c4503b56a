"""How long a command takes from hand to driver through our relay, and through its peers.

The same two ends for every variant, 1 kHz open loop, the real frame, one way from the intended
send to the driver's call. Each variant runs once a block, blocks are shuffled, and the parts of
one run share their blocks, so that every ratio compares the same minutes:

quiet          ordinary power management
pmqos          the same with the cores kept awake (/dev/cpu_dma_latency = 0)
load           our relay and the proxy with x264 and numpy on every core, beside quiet
floor          every relay once with bare echo ends
stall-robotd   the oldest command applied after robotd stood still for half a second
stall-relayd   the same for relayd
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

from rich.console import Console
from rich.markup import escape

from bench import load, stall
from bench.blocks import Campaign, Measured, Slot
from bench.claims import Claims, Condition, failed, judge, load_claims
from bench.course import (
    PARTS,
    QUICK,
    Course,
    Label,
    add_length,
    floor_labels,
    labels_of,
    pairs_of,
    shaped,
)
from bench.join import Fate, spread
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
from bench.stage import SHM, Keys, Recording, Spoiled, Stage
from bench.tables import show
from bench.variants import BY_NAME, has_zenoh
from transport.io import realtime

STALLED = ("trocar-zmq", "trocar-udp")
TRIES = 2
"""A measurement that did not come about is repeated once; a port may have been taken."""
SPARE_S = 4.0
"""A load lasts longer than what it is a load for, and ends by itself if nobody ends it."""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a minute or two, to see that all runs: too short to judge, so claims are only shown",
    )
    parser.add_argument(
        "--part", choices=PARTS, action="append", default=[], help="only this part; may repeat"
    )
    parser.add_argument("--load", choices=["mix"], help="only the part under load")
    parser.add_argument("--stall", choices=stall.TARGETS, help="only the stall of this process")
    add_length(parser, "6")


def course_of(arguments: argparse.Namespace) -> Course:
    """Say what the arguments ask for."""
    course = shaped(QUICK if arguments.quick else Course(), arguments)
    parts = [
        *arguments.part,
        *(["load"] if arguments.load else []),
        *([f"stall-{arguments.stall}"] if arguments.stall else []),
    ]
    return course._replace(parts=tuple(parts) or PARTS)


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    return run(course_of(arguments), console, arguments.json)


def run(course: Course, console: Console, json: Path | None) -> int:
    """Measure, report and judge; return the exit code (1: a claim failed)."""
    claims = load_claims()
    conditions = _conditions(claims)
    bench = Bench(course, console)
    lacks = {condition.id: condition.why for condition in conditions}
    labels, missing = labels_of(course.parts, lacks)
    campaign = Campaign(
        labels,
        pairs_of(labels, claims),
        seed=course.seed,
        blocks=course.blocks,
        repeats_max=course.repeats_max,
    )
    with tempfile.TemporaryDirectory(prefix="trocar-bench-", dir=SHM) as directory:
        bench.keys = Keys(Path(directory) / "keys")
        bench.directory = Path(directory)
        with Sentinel(Path(directory)) as sentinel:
            sentinel.wait_ticking()
            bench.expect(len(campaign.plan(0)))
            campaign.run(bench.measure)
            if "floor" in course.parts:
                bench.floor(floor_labels(lacks))
            stalled = bench.stalls([t for t in stall.TARGETS if f"stall-{t}" in course.parts])
        watches, steal_ms = sentinel.watches(), sentinel.steal_ms()
    rows = [*bench.rows(stall_table(watches)), *stalled]
    ratios = campaign.ratios()
    conditions += steal_condition(watches, steal_ms)
    report = Report(
        bench="relay",
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=course.seed,
        parts=list(course.parts),
        quick=course.quick,
        host=host(),
        sentinel=sentinel_table(watches, steal_ms),
        rows=rows,
        ratios=ratio_tables(ratios),
        claims=judge(claims.claim, course.parts, conditions, numbers(rows), ratios),
        missing=missing,
        spoiled=bench.spoiled,
    )
    show(report, console)
    if json is not None:
        write(report, json)
    if course.quick:
        return int(bool(bench.spoiled))
    return int(bool(failed(report.claims)))


class Bench:
    """Measures one label at a time and keeps what each gave."""

    keys: Keys
    directory: Path

    def __init__(self, course: Course, console: Console) -> None:
        self.course = course
        self.spoiled: list[str] = []
        self._console = console
        self._recordings: dict[str, list[Recording]] = {}
        self._blocks: dict[str, list[dict[str, float]]] = {}
        self._done = self._expected = 0

    def expect(self, slots: int) -> None:
        """Note how many measurements are planned, for the progress."""
        self._expected += slots

    def measure(self, slot: Slot) -> Measured:
        """Measure one slot; nothing when it was spoiled twice."""
        self._done += 1
        self._expected = max(self._expected, self._done)
        label = slot.variant
        for attempt in range(TRIES):
            try:
                recording = self._record(Label.parse(label), f"{slot}/{attempt}")
                return self._keep(slot, recording)
            except (Spoiled, load.MissingEncoder) as error:
                self._spoil(label, error, slot)
        return {}

    def floor(self, labels: Sequence[str]) -> None:
        """Measure each relay once with bare ends."""
        self.expect(len(labels))
        for label in labels:
            self.measure(Slot(0, 0, label))

    def stalls(self, targets: Sequence[str]) -> list[Row]:
        """Freeze the targets under each of our links; return a row each."""
        labels = [(f"{name}!{target}", name, target) for target in targets for name in STALLED]
        self.expect(len(labels))
        return [self._stall(*label) for label in labels]

    def rows(self, stalls: StallTable) -> list[Row]:
        """Pool every label's measurements, and say which outliers a stall of the host overlaps."""
        return [
            row(label, recordings, self._blocks[label], stalls)
            for label, recordings in self._recordings.items()
        ]

    def _record(self, label: Label, place: str) -> Recording:
        course = self.course
        seed = _seed(course.seed, place)
        with self._under(label):
            variant = BY_NAME[label.variant]
            with Stage(variant, bare=label.bare, keys=self.keys, seed=seed) as stage:
                stage.wait_moving()
                window = stage.window(course.warm_s, course.measure_s)
                stage.finish()
                return stage.recording(window)

    @contextlib.contextmanager
    def _under(self, label: Label) -> Iterator[None]:
        """Hold the label's conditions."""
        with contextlib.ExitStack() as held:
            if label.pm_qos:
                awake = realtime.PmQos(allowed=True)
                held.callback(awake.close)
                if not awake.hold(on=True):
                    raise Spoiled(realtime.NO_PM_QOS.remedy)
            if label.loaded:
                seconds = self.course.warm_s + self.course.measure_s + SPARE_S
                held.enter_context(load.mix(seconds, self.directory))
            yield

    def _keep(self, slot: Slot, recording: Recording) -> Measured:
        times = spread(recording.joined.latency_ns)
        if times is None:
            raise Spoiled("no command reached the driver")
        measured = {"p50": times.p50, "p99": times.p99, "p999": times.p999}
        trips = spread(recording.round_trips_ns)
        if trips is not None:
            measured |= {"rtt_p50": trips.p50, "rtt_p99": trips.p99}
        block = {"run": float(slot.run), "block": float(slot.block), "max": times.max, **measured}
        self._recordings.setdefault(slot.variant, []).append(recording)
        self._blocks.setdefault(slot.variant, []).append(block)
        lost = recording.joined.counts[Fate.LOST]
        words = f"p50 {times.p50:4.0f}  p99 {times.p99:5.0f}  max {times.max:6.0f} us  lost {lost}"
        self._say(slot.variant, words, slot)
        return measured

    def _stall(self, label: str, name: str, target: str) -> Row:
        self._done += 1
        for attempt in range(TRIES):
            seed = _seed(self.course.seed, f"{label}/{attempt}")
            try:
                found = stall.measure(BY_NAME[name], target, keys=self.keys, seed=seed)
            except Spoiled as error:
                self._spoil(label, error)
                continue
            extra, counts = found.numbers, found.joined.counts
            beyond = extra["oldest_beyond_floor_ms"]
            self._say(label, f"oldest applied {beyond:.2f} ms beyond the floor")
            return Row(
                variant=label,
                n=counts[Fate.APPLIED],
                lost=counts[Fate.LOST],
                late=counts[Fate.LATE],
                merged=counts[Fate.MERGED],
                refused=counts[Fate.REFUSED],
                extra=extra,
            )
        return Row(variant=label, n=0, lost=0, late=0, merged=0)

    def _spoil(self, label: str, error: Exception, slot: Slot | None = None) -> None:
        self._say(label, f"[red]spoiled: {escape(str(error))}", slot)
        where = "" if slot is None else f" run {slot.run + 1} block {slot.block + 1}"
        self.spoiled.append(f"{label}{where}: {error}")

    def _say(self, label: str, words: str, slot: Slot | None = None) -> None:
        where = "" if slot is None else f"run {slot.run + 1} block {slot.block + 1} "
        self._console.print(
            f"{self._done:3}/{self._expected} {where}{label:26} {words}", soft_wrap=True
        )


def _seed(seed: int, place: str) -> int:
    """Give every measurement clocks of its own, the same in every run of this seed."""
    return crc32(f"{seed}/{place}".encode())


def _conditions(claims: Claims) -> list[Condition]:
    """Find what is true of this machine that can make a claim unmeasurable."""
    lacks = realtime.explain()
    found = {
        "no-fifo": realtime.NO_FIFO in lacks,
        "no-pm-qos": realtime.NO_PM_QOS in lacks,
        "one-core": len(os.sched_getaffinity(0)) < 2,
        "no-zenoh": not has_zenoh(),
        "no-x264": not load.has_encoder(),
    }
    return [Condition(name, claims.conditions[name]) for name, holds in found.items() if holds]
