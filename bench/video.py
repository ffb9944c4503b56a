"""How old the picture is when it can be shown: ours beside aiortc as it comes, on the same chart.

ours    videod with the chart at 1280x720, to our own receiver
stock   aiortc's sender and receiver, on the same chart, at the bit rate that it allows itself

Each picture bears its number; its age is from the instant at which the chart was taken to the end
of decoding, on the machine's own clock. 29 pictures a second, in interleaved blocks, over this
machine's network address.
"""

from __future__ import annotations

import argparse
import json as text
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bench.children import spawn, stop
from bench.claims import failed, judge, load_claims
from bench.demo import cpu_by_process
from bench.report import Report, host, now_utc, write
from bench.rows import Row, numbers
from transport.io.mapping import Mapping
from transport.telemetry.flight import FlightReader

PART = "video"
RATE_HZ = 29
BIT_RATE = 4_000_000
WARM_S = 2.0
"""Until the picture has come, the encoder is warm and what estimates have settled."""
BLOCKS, BLOCK_S = 5, 15.0
START_S = 60.0


class Block(NamedTuple):
    """One measurement.

    Parameters
    ----------
    ages_ms, psnr_db : of the pictures that were shown
    taken : how many the camera took meanwhile
    share : of a core, the sender's
    kbit_s : of the stream; 0 where the sender does not say
    """

    ages_ms: NDArray[np.float64]
    psnr_db: NDArray[np.float64]
    taken: int
    share: float
    kbit_s: float


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help=f"of each ({BLOCKS})")
    parser.add_argument("--seconds", type=float, default=BLOCK_S, help=f"a block ({BLOCK_S:g})")


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    found: dict[str, list[Block]] = {"ours": [], "stock": []}
    for number in range(arguments.blocks):
        order = list(found)[:: 1 if number % 2 else -1]
        for name in order:
            found[name].append(_measure(name, arguments.seconds))
            console.print(f"  block {number + 1} of {arguments.blocks}, {name}", highlight=False)
    rows = [_row(name, blocks) for name, blocks in found.items()]
    rows.append(_ratios(found))
    verdicts = judge(load_claims().claim, [PART], [], numbers(rows), {})
    for row in rows:
        shown = "  ".join(f"{name} {value:.3g}" for name, value in row.extra.items())
        console.print(f"  {row.variant:10} n {row.n:5}  {shown}", highlight=False)
    for claim in verdicts:
        kept = {True: "kept", False: "NOT KEPT", None: claim.why}[claim.ok]
        console.print(f"  {claim.words}: {claim.measured} {claim.unit}, {kept}", markup=False)
    if arguments.json is not None:
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
        write(report, arguments.json)
    return int(bool(failed(verdicts)))


def _measure(name: str, seconds: float) -> Block:
    """Run a sender and a viewer once."""
    with tempfile.TemporaryDirectory(prefix="trocar-bench-", dir="/dev/shm") as folder:
        place = Path(folder)
        socket, taken, seen = place / "video-0.sock", place / "taken.npz", place / "seen.npz"
        how: list[str] = []
        if name == "ours":
            settings = {
                "process": {"name": "videod", "run_dir": folder},
                "camera": {"module": "transport.io.cameras.chart", "rate_hz": RATE_HZ},
                "bit_rate": BIT_RATE,
            }
            (place / "videod.json").write_text(text.dumps(settings))
            command = ["-m", "teleop.videod", str(place / "videod.json")]
        else:
            command = ["-m", "bench.peers.video_stock", str(socket), str(RATE_HZ), str(taken)]
            how = ["--stock"]
        sender = spawn(command, output=place / "sender.log")
        try:
            _wait(lambda: socket.exists(), place)
            lasts = WARM_S + seconds
            viewer = spawn(
                ["-m", "bench.video_viewerd", str(socket), str(lasts), str(seen), *how],
                output=place / "viewer.log",
            )
            _wait(lambda: seen.with_name(f"{seen.name}.begun").exists(), place)
            time.sleep(WARM_S)
            share = _share(sender.pid, seconds)
            viewer.wait(seconds + START_S)
        finally:
            stop([sender])
        numbered = _taken(place, taken, name)
        return _block(np.load(seen), *numbered, share)


def _block(
    seen: dict[str, NDArray[np.int64]],
    captured: dict[int, int],
    sizes: NDArray[np.int64],
    share: float,
) -> Block:
    """Join what was seen with when it was taken, without the warm-up."""
    if not len(seen["t_ns"]):
        raise SystemExit("a viewer saw no picture")
    begins_ns = int(seen["t_ns"][0]) + round(WARM_S * 1e9)
    ends_ns = int(seen["t_ns"][-1])
    ages = [
        (t_ns - captured[number]) / 1e6
        for number, t_ns in zip(seen["number"].tolist(), seen["t_ns"].tolist(), strict=True)
        if t_ns >= begins_ns and number in captured
    ]
    taken = sum(begins_ns <= t_ns <= ends_ns for t_ns in captured.values())
    psnr = seen["psnr_db"][np.isfinite(seen["psnr_db"])]
    lasted_s = (ends_ns - begins_ns) / 1e9
    kbit_s = float(sizes.mean()) * 8 * len(ages) / lasted_s / 1e3 if len(sizes) else 0.0
    return Block(np.array(ages), np.asarray(psnr, np.float64), taken, share, kbit_s)


def _taken(place: Path, path: Path, name: str) -> tuple[dict[int, int], NDArray[np.int64]]:
    """Read when each picture was taken."""
    if name != "ours":
        stock = np.load(path)
        pairs = zip(stock["number"].tolist(), stock["captured_ns"].tolist(), strict=True)
        return dict(pairs), np.array([], np.int64)
    reader = FlightReader(Mapping.open(place / "flight" / "videod.sent.ring").view)
    records = [dict(zip(reader.fields, record, strict=True)) for record in reader.records()]
    captured = {one["frame_id"] & 0xFFFF_FFFF: one["captured_ns"] for one in records}
    return captured, np.array([one["bytes"] for one in records], np.int64)


def _share(pid: int, seconds: float) -> float:
    """Tell what part of a core a process takes in so many seconds."""
    before = sum(cpu_by_process(pid).values())
    began = time.monotonic()
    time.sleep(seconds)
    return (sum(cpu_by_process(pid).values()) - before) / (time.monotonic() - began)


def _row(name: str, blocks: list[Block]) -> Row:
    ages = np.concatenate([block.ages_ms for block in blocks])
    row = Row(variant=f"video-{name}", n=len(ages), lost=0, late=0, merged=0)
    row.extra = {
        "p50_ms": float(np.percentile(ages, 50)),
        "p99_ms": float(np.percentile(ages, 99)),
        "max_ms": float(ages.max()),
        "shown": len(ages) / max(1, sum(block.taken for block in blocks)),
        "psnr_db": float(np.median(np.concatenate([block.psnr_db for block in blocks]))),
        "share": float(np.median([block.share for block in blocks])),
        "kbit_s": float(np.median([block.kbit_s for block in blocks])),
    }
    return row


def _ratios(found: dict[str, list[Block]]) -> Row:
    """Return the medians of the blocks' ratios, ours to stock."""
    row = Row(variant="video-ours/stock", n=len(found["ours"]), lost=0, late=0, merged=0)
    for quantile in (50, 99):
        row.extra[f"p{quantile}"] = float(
            np.median(
                [
                    np.percentile(ours.ages_ms, quantile) / np.percentile(stock.ages_ms, quantile)
                    for ours, stock in zip(found["ours"], found["stock"], strict=True)
                ]
            )
        )
    row.extra["share"] = float(
        np.median([a.share / b.share for a, b in zip(found["ours"], found["stock"], strict=True)])
    )
    return row


def _wait(done: Callable[[], bool], place: Path) -> None:
    until = time.monotonic() + START_S
    while not done():
        if time.monotonic() > until:
            logs = "\n".join(log.read_text(errors="replace") for log in place.glob("*.log"))
            raise SystemExit(f"no picture within {START_S:g} s\n{logs[-800:]}")
        time.sleep(0.02)
