"""How long it takes to read a million records of the audit, and whether each change is found.

verify    a chain on disk, read from its beginning, every hash made anew
found     changes, deletions, swaps and cuts at random places: how many were found, and where
append    one record, until it and its head are on disk, in a thread that nobody waits for
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from rich.console import Console
from rich.progress import Progress

from bench.claims import failed, judge, load_claims
from bench.join import spread
from bench.report import Report, host, now_utc, write
from bench.rows import Row, numbers
from safety.audit import Entry, Head, Verifier, sign
from safety.store.audit import AuditLog, verify

PART = "audit"
RECORDS = 1_000_000
BATCH = 5_000
CHAIN, TRIES = 400, 400
APPENDS = 300
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ACTS = ("request", "grant", "stop", "reset", "release", "acknowledge")

Lines = list[bytes]


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument("--records", type=int, default=RECORDS, help="of the chain (1,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (0)")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure, print, write; return 1 when a claim failed."""
    with tempfile.TemporaryDirectory(prefix="trocar-audit-") as folder:
        rows = [
            _verified(Path(folder) / "large", arguments.records, console),
            _appended(Path(folder) / "small"),
            _found(random.Random(arguments.seed)),
        ]
    verdicts = judge(load_claims().claim, [PART], [], numbers(rows), {})
    for row in rows:
        console.print(f"  {row.variant:14} {row.n:,}  {row.extra}", highlight=False)
    for claim in verdicts:
        kept = {True: "kept", False: "NOT KEPT", None: claim.why}[claim.ok]
        console.print(f"  {claim.words}: {claim.measured} {claim.unit}, {kept}", markup=False)
    if arguments.json is not None:
        report = Report(
            bench=PART,
            command=" ".join(["python -m bench", *sys.argv[1:]]),
            t_utc=now_utc(),
            seed=arguments.seed,
            parts=[PART],
            quick=arguments.records < RECORDS,
            host=host(),
            sentinel={},
            rows=rows,
            ratios={},
            claims=verdicts,
        )
        write(report, arguments.json)
    return int(bool(failed(verdicts)))


def _verified(folder: Path, records: int, console: Console) -> Row:
    """Write a long chain, and read it."""
    log = AuditLog(folder, folder / "second", "node", KEY)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("writing", total=records)
        for first in range(0, records, BATCH):
            log.append([_entry(n) for n in range(first, min(records, first + BATCH))])
            progress.advance(task, BATCH)
    began = time.perf_counter()
    verdict = verify(folder, folder / "second", _signers)
    took_s = time.perf_counter() - began
    assert verdict.fault is None, verdict
    row = Row(variant="audit-verify", n=verdict.records, lost=0, late=0, merged=0)
    row.extra = {"s_per_million": took_s * 1e6 / verdict.records}
    return row


def _appended(folder: Path) -> Row:
    """Append records one by one, each until it is on disk."""
    log = AuditLog(folder, folder / "second", "node", KEY)
    times = []
    for n in range(APPENDS):
        began = time.perf_counter_ns()
        log.append([_entry(n)])
        times.append(time.perf_counter_ns() - began)
    row = Row(variant="audit-append", n=APPENDS, lost=0, late=0, merged=0)
    found = spread(np.array(times, np.int64))
    assert found is not None
    row.p50_us, row.p99_us, row.p999_us, row.max_us = found
    row.extra = {"p50_ms": found.p50 / 1e3, "p99_ms": found.p99 / 1e3}
    return row


def _found(rng: random.Random) -> Row:
    """Tamper with a chain in every way at random places; count what was not found, or elsewhere."""
    lines, head = _chain(CHAIN)
    missed = misplaced = tried = 0
    for tamper in (_edit, _delete, _swap, _cut):
        for _ in range(TRIES):
            other = list(lines)
            n = tamper(other, rng)
            fault = _reading(other, head)
            tried += 1
            missed += fault is None
            misplaced += fault is not None and fault != n
    assert _reading(lines, head) is None
    row = Row(variant="audit-found", n=tried, lost=0, late=0, merged=0)
    row.extra = {"missed": float(missed), "misplaced": float(misplaced)}
    return row


def _edit(lines: Lines, rng: random.Random) -> int:
    at = rng.randrange(len(lines))
    line = bytearray(lines[at])
    place = rng.randrange(len(line) - 1)  # the line's end would make one line of two
    line[place] ^= rng.choice((1, 2, 4))  # never a line's end itself
    lines[at] = bytes(line)
    return at + 1


def _delete(lines: Lines, rng: random.Random) -> int:
    at = rng.randrange(len(lines) - 1)
    del lines[at]
    return at + 1


def _swap(lines: Lines, rng: random.Random) -> int:
    first, second = sorted(rng.sample(range(len(lines)), 2))
    lines[first], lines[second] = lines[second], lines[first]
    return first + 1


def _cut(lines: Lines, rng: random.Random) -> int:
    at = rng.randrange(len(lines))
    del lines[at:]
    return at


def _chain(n: int) -> tuple[Lines, Head]:
    """Make a chain in memory, and the signed head that is kept elsewhere."""
    with tempfile.TemporaryDirectory(prefix="trocar-audit-") as name:
        folder = Path(name)
        log = AuditLog(folder, folder / "second", "node", KEY)
        log.append([_entry(k) for k in range(n)])
        lines = (folder / "audit-000001.jsonl").read_bytes().splitlines(keepends=True)
    last = lines[-1]
    return lines, sign(n, last[-67:-3].decode(), "node", KEY)


def _reading(lines: Lines, head: Head) -> int | None:
    """Read a chain; return where the first fault is."""
    verifier = Verifier(_signers)
    verifier.expect(head)
    for line in lines:
        if fault := verifier.read(line):
            return fault.n
    end = verifier.end()
    return end.n if end else None


def _signers(_: str) -> tuple[Ed25519PublicKey]:
    return (KEY.public_key(),)


def _entry(n: int) -> Entry:
    return Entry(
        1_795_602_000_000_000_000 + n * 1_000_000,
        f"console-{n % 7}",
        ACTS[n % len(ACTS)],
        f"robot-{n % 3}",
        detail=f"epoch {n}, native, 1000 Hz",
    )
