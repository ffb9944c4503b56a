"""What the gate and the limits cost: of each command, its admission and its step, tag included.

hot     one after another, with everything in the caches: what the code itself takes
paced   one each millisecond, the process asleep between: what a command meets at the robot, with
        the cores kept awake as robotd does while it is armed
memory  a million commands, and how much more memory there is after them than before

The hand is an honest one, so every command passes all checks and all limits: the longest way
through. It comes over one relay, and its tag is held against the session's key as in robotd.
Sealing is the console's, and not counted.

Beside each, in turn with it, runs the floor: the same bytes read by msgspec, and one call of the
library's HMAC over them, with no rule kept at all. A slow or busy machine slows both alike, so
their ratio tells more of the gate than either's microseconds do.
"""

from __future__ import annotations

import argparse
import gc
import hmac
import math
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console

from bench.claims import Condition, failed, judge, load_claims
from bench.join import spread
from bench.report import Report, host, now_utc, write
from bench.rows import Row, numbers
from safety.gate import Gate, Session, Verdict
from safety.grant import SessionKeys
from safety.limiter import Limiter
from safety.limits import Limits
from safety.messages import DEADMAN, NO_TAG, TAG_BYTES, Command
from safety.profile import LADDERS, MS, Profile
from safety.seal import seal
from safety.secret import Secret
from transport.io import realtime
from transport.link.age import EchoAge
from transport.wire.messages import encode_hop
from transport.wire.vector import ORIGIN, Setpoint, pack_setpoint

PART = "gate"
N_HOT, N_PACED, N_MEMORY = 200_000, 20_000, 1_000_000
N_TRACED = 20_000
WARM = 5_000
FIFO = 60
_BATCH = 10_000
_HOME = ORIGIN._replace(z=-0.13)
_KEYS = SessionKeys(bytes(range(32)), bytes(32))
_SECRET = Secret(ec.derive_private_key(7, ec.SECP256R1()))
_HOP = encode_hop(1, 1, 120_000)
_PAGE_KB = 4


class Robot:
    """A gate with a session in force, and the limits of one arm."""

    def __init__(self, now_ns: int) -> None:
        self.ticks = EchoAge()
        self.gate = Gate("psm1", 1, self.ticks, _SECRET.holds)
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


class Floor:
    """The least that any gate written in Python does for a command."""

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(Command).decode

    def take(self, part: bytes, now_ns: int) -> None:
        """Read a command and make its tag anew."""
        data = part[: -len(_HOP)]
        self._decode(data)
        tag = hmac.digest(_KEYS.to_robot, data[:-TAG_BYTES], "sha256")
        assert hmac.compare_digest(tag[:TAG_BYTES], data[-TAG_BYTES:])


def commands(first: int, n: int) -> list[bytes]:
    """Seal the commands of a hand that draws an eight while it turns."""
    return [_command(seq) for seq in range(first, first + n)]


def hot(n: int) -> list[Row]:
    """Take commands one after another; every batch by the gate, then by the floor."""
    times, floor_times, seq = [], [], 0
    robot, floor = Robot(0), Floor()
    for batch in _batches(n + WARM):
        for part in batch:
            seq += 1
            now_ns = seq * MS
            robot.ticks.sent(seq, now_ns)
            times.append(_timed(robot, part, now_ns))
        floor_times += [_timed(floor, part, 0) for part in batch]
    return _rows("hot", robot, times[WARM:], floor_times[WARM:])


def paced(n: int) -> list[Row]:
    """Take one command each millisecond, at absolute times, by gate and floor in turn."""
    times, floor_times = [], []
    awake = realtime.PmQos(allowed=True)
    awake.hold(True)
    parts = commands(1, n + WARM // 10)
    due_ns = time.monotonic_ns() + MS
    robot, floor = Robot(due_ns), Floor()
    for seq, part in enumerate(parts, 1):
        _sleep_until(due_ns)
        now_ns = due_ns  # the grid: a stall of the host is no unevenness of the hand
        robot.ticks.sent(seq, now_ns)
        times.append(_timed(robot, part, now_ns))
        _sleep_until(due_ns + MS // 2)
        floor_times.append(_timed(floor, part, 0))
        due_ns += MS
    awake.close()
    return _rows("paced", robot, times[WARM // 10 :], floor_times[WARM // 10 :])


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
    rows = [*hot(N_HOT), *paced(N_PACED), memory(N_MEMORY)]
    verdicts = judge(claims.claim, [PART], conditions, numbers(rows), {})
    for row in rows[:-1]:
        above = [f"{name} {ratio:.1f}" for name, ratio in row.extra.items()]
        console.print(
            f"  {row.variant:12} {row.n:,} commands, us: p50 {row.p50_us:.1f}  p99 {row.p99_us:.1f}"
            f"  p99.9 {row.p999_us:.1f}  max {row.max_us:.1f}  {'  '.join(above)}",
            highlight=False,
        )
    console.print(
        f"  {rows[-1].variant:12} {rows[-1].n:,} commands, {rows[-1].extra}", highlight=False
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


def _timed(taker: Robot | Floor, part: bytes, now_ns: int) -> int:
    began = time.perf_counter_ns()
    taker.take(part, now_ns)
    return time.perf_counter_ns() - began


def _sleep_until(due_ns: int) -> None:
    time.sleep(max(0, due_ns - time.monotonic_ns()) * 1e-9)


def _rows(how: str, robot: Robot, times_ns: list[int], floor_ns: list[int]) -> list[Row]:
    """Make the gate's row, with its ratio to the floor's, and the floor's."""
    gate, floor = _row(f"gate-{how}", robot, times_ns), _timed_row(f"floor-{how}", floor_ns)
    assert gate.p50_us and gate.p99_us and floor.p50_us and floor.p99_us
    gate.extra = {
        "p50_floors": gate.p50_us / floor.p50_us,
        "p99_floors": gate.p99_us / floor.p99_us,
    }
    return [gate, floor]


def _row(variant: str, robot: Robot, times_ns: list[int]) -> Row:
    row = _timed_row(variant, times_ns)
    admitted = robot.gate.counts[Verdict.ADMITTED]
    row.n = row.n or admitted
    row.refused = sum(robot.gate.counts) - admitted
    return row


def _timed_row(variant: str, times_ns: list[int]) -> Row:
    row = Row(variant=variant, n=len(times_ns), lost=0, late=0, merged=0)
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
    return seal(command, _KEYS.to_robot) + _HOP


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
