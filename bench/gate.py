"""What the gate and the limits cost: of each command, its admission and its step, tag included.

hot     one after another, with everything in the caches: what the code itself takes
paced   one each millisecond, the process asleep between: what a command meets at the robot, with
        the cores kept awake as robotd does while it is armed
memory  a million commands, and how much more memory there is after them than before

The hand is an honest one, so every command passes all checks and all limits: the longest way
through. Sealing is the console's, and not counted.
"""

from __future__ import annotations

import argparse
import gc
import math
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.claims import Condition, failed, judge, load_claims
from bench.join import spread
from bench.report import Report, host, now_utc, write
from bench.rows import Row, numbers
from safety.gate import Gate, Session, Verdict
from safety.grant import SessionKeys
from safety.limiter import Limiter
from safety.limits import Limits
from safety.messages import DEADMAN, NO_TAG, Command
from safety.profile import LADDERS, MS, Profile
from safety.seal import seal
from transport.io import realtime
from transport.link.age import EchoAge
from transport.wire.vector import ORIGIN, Setpoint, pack_setpoint

PART = "gate"
N_HOT, N_PACED, N_MEMORY = 200_000, 20_000, 1_000_000
N_TRACED = 20_000
WARM = 5_000
FIFO = 60
_BATCH = 10_000
_HOME = ORIGIN._replace(z=-0.13)
_KEYS = SessionKeys(bytes(range(32)), bytes(32))
_PAGE_KB = 4


class Robot:
    """A gate with a session in force, and the limits of one arm."""

    def __init__(self, now_ns: int) -> None:
        self.ticks = EchoAge()
        self.gate = Gate("psm1", 1, self.ticks)
        ladder = LADDERS[Profile.NATIVE]
        self.gate.session = Session(b"session1", 1, _KEYS, ladder, 1)
        self.gate.session.persisted = True
        self._limiter = Limiter(Limits())
        self._limiter.reset(_HOME, now_ns)

    def take(self, part: bytes, now_ns: int) -> None:
        """Judge one command and follow it."""
        admission = self.gate.admit(part, now_ns)
        assert admission.setpoint is not None, admission.verdict
        step = self._limiter.step(admission.setpoint, degraded=False, now_ns=now_ns)
        assert not step.rule, step.rule


def commands(first: int, n: int) -> list[bytes]:
    """Seal the commands of a hand that draws an eight while it turns."""
    return [_command(seq) for seq in range(first, first + n)]


def hot(n: int) -> Row:
    """Take commands one after another."""
    times, robot, seq = [], Robot(0), 0
    for batch in _batches(n + WARM):
        for part in batch:
            seq += 1
            now_ns = seq * MS
            robot.ticks.sent(seq, now_ns)
            began = time.perf_counter_ns()
            robot.take(part, now_ns)
            times.append(time.perf_counter_ns() - began)
    return _row("gate-hot", robot, times[WARM:])


def paced(n: int) -> Row:
    """Take one command each millisecond, at absolute times."""
    times = []
    awake = realtime.PmQos(allowed=True)
    awake.hold(True)
    parts = commands(1, n + WARM // 10)
    due_ns = time.monotonic_ns() + MS
    robot = Robot(due_ns)
    for seq, part in enumerate(parts, 1):
        time.sleep(max(0, due_ns - time.monotonic_ns()) * 1e-9)
        now_ns = due_ns  # the grid: a stall of the host is no unevenness of the hand
        robot.ticks.sent(seq, now_ns)
        began = time.perf_counter_ns()
        robot.take(part, now_ns)
        times.append(time.perf_counter_ns() - began)
        due_ns += MS
    awake.close()
    return _row("gate-paced", robot, times[WARM // 10 :])


def memory(n: int) -> Row:
    """Take commands by the million and see what stays behind."""
    robot, seq, sizes = Robot(0), 0, []
    for batch in _batches(n):
        for part in batch:
            seq += 1
            robot.ticks.sent(seq, seq * MS)
            robot.take(part, seq * MS)
        sizes.append(_resident_kb())
    row = _row("gate-memory", robot, [])
    settled = len(sizes) // 10
    slope, _ = np.polyfit(np.arange(len(sizes) - settled), sizes[settled:], 1)
    row.extra = {
        "growth_kb": float(slope) * (len(sizes) - settled),
        "traced_bytes": float(_traced(robot, seq, N_TRACED)),
    }
    return row


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    return run(console, arguments.json)


def run(console: Console, json: Path | None) -> int:
    """Measure, print, write; return 1 when a claim failed."""
    claims = load_claims()
    lacks = realtime.explain()
    realtime.enter(FIFO, 0)
    missing = {"no-fifo": realtime.NO_FIFO, "no-pm-qos": realtime.NO_PM_QOS}
    conditions = [
        Condition(name, claims.conditions[name]) for name, lack in missing.items() if lack in lacks
    ]
    realtime.settle()
    rows = [hot(N_HOT), paced(N_PACED), memory(N_MEMORY)]
    verdicts = judge(claims.claim, [PART], conditions, numbers(rows), {})
    for row in rows[:2]:
        console.print(
            f"  {row.variant:12} {row.n:,} commands, us: p50 {row.p50_us:.1f}  p99 {row.p99_us:.1f}"
            f"  p99.9 {row.p999_us:.1f}  max {row.max_us:.1f}",
            highlight=False,
        )
    console.print(
        f"  {rows[2].variant:12} {rows[2].n:,} commands, {rows[2].extra}", highlight=False
    )
    for claim in verdicts:
        kept = {True: "kept", False: "NOT KEPT", None: claim.why}[claim.ok]
        console.print(f"  {claim.words}: {claim.measured} {claim.unit}, {kept}", markup=False)
    if json is not None:
        report = Report(
            bench=PART,
            command=" ".join(["python -m bench", *sys.argv[1:]]),
            t_utc=now_utc(),
            seed=0,
            parts=[PART],
            quick=False,
            host=host(),
            sentinel={},
            rows=rows,
            ratios={},
            claims=verdicts,
        )
        write(report, json)
    return int(bool(failed(verdicts)))


def _row(variant: str, robot: Robot, times_ns: list[int]) -> Row:
    admitted = robot.gate.counts[Verdict.ADMITTED]
    row = Row(variant=variant, n=len(times_ns) or admitted, lost=0, late=0, merged=0)
    row.refused = sum(robot.gate.counts) - admitted
    found = spread(np.array(times_ns, np.int64))
    if found is not None:
        row.p50_us, row.p99_us, row.p999_us, row.max_us = found
    return row


def _batches(n: int) -> Iterator[list[bytes]]:
    for first in range(1, n + 1, _BATCH):
        yield commands(first, min(_BATCH, n + 1 - first))


def _command(seq: int) -> bytes:
    angle = 2.0 * math.pi * 0.5 * seq * 1e-3
    ease = min(1.0, seq * 1e-3) ** 2
    x, y = 0.03 * ease * math.sin(angle), 0.02 * ease * math.sin(2.0 * angle)
    half = 0.1 * ease * math.sin(angle)
    pose = Setpoint(x, y, _HOME.z, math.cos(half), math.sin(half), 0.0, 0.0, 0.0)
    command = Command(
        kind=16,
        robot="psm1",
        arm=0,
        session=b"session1",
        epoch=1,
        seq=seq,
        t_tx=seq * MS,
        tick_echo=seq,
        press_id=1,
        clutch_id=1,
        input_seq=seq,
        input_age=0,
        flags=DEADMAN,
        seen_frame_id=0,
        mode=0,
        tool=0,
        setpoint=pack_setpoint(pose),
        previous=pack_setpoint(pose),
        earlier=pack_setpoint(pose),
        tag=NO_TAG,
    )
    return seal(command, _KEYS.to_robot)


def _resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_KB


def _traced(robot: Robot, seq: int, n: int) -> int:
    """Count the bytes that are allocated and not freed by so many commands more."""
    parts = commands(seq + 1, 2 * n)
    kept = 0
    tracemalloc.start()
    for half in (parts[:n], parts[n:]):  # the first fills whatever fills once
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for part in half:
            seq += 1
            robot.ticks.sent(seq, seq * MS)
            robot.take(part, seq * MS)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return kept
