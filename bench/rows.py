"""Pool what was measured of one label into a row, and set apart what a stall of the host overlaps.

Percentiles are over every sample. Nothing is ever taken out: samples that a sentinel's stall
overlaps are counted beside, and `clear_*` says what the percentiles are without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from bench.join import Fate, Times, concatenate, spread
from bench.sentinel import StallTable
from bench.stage import Recording

OUTLIER_NS = 10_000_000
OUTLIERS_MAX = 50


class Outlier(msgspec.Struct, frozen=True):
    """One command that took longer than the outlier limit, and whether a stall overlaps it."""

    t_intended_ns: int
    latency_us: float
    stalled: bool


class Row(msgspec.Struct, kw_only=True):
    """All measurements of one variant, pooled; times are one way, intended send to driver called.

    Attributes
    ----------
    n : commands of which the driver was called
    lost, late, merged, refused : the others, by fate (bench.join)
    missed : slots in which the console itself did not get to send: not in any percentile
    falls : times the robot left motion
    over_10ms, over_10ms_unexplained : applied that late; of them, without a stall of the host
    stalled : samples that a stall of the host overlaps; they stay in every percentile
    outliers : the worst beyond 10 ms, each with whether a stall overlaps it
    blocks : percentiles of each block
    extra : what only this kind of row has
    """

    variant: str
    n: int
    lost: int
    late: int
    merged: int
    refused: int = 0
    missed: int = 0
    falls: int = 0
    p50_us: float | None = None
    p99_us: float | None = None
    p999_us: float | None = None
    max_us: float | None = None
    rtt_p50_us: float | None = None
    rtt_p99_us: float | None = None
    rtt_p999_us: float | None = None
    rtt_max_us: float | None = None
    over_10ms: int = 0
    over_10ms_unexplained: int = 0
    stalled: int = 0
    outliers: list[Outlier] = []
    blocks: list[dict[str, float]] = []
    extra: dict[str, float] = {}


def row(
    label: str,
    recordings: Sequence[Recording],
    blocks: list[dict[str, float]],
    stalls: StallTable,
) -> Row:
    """Pool the measurements of one label."""
    joined = concatenate(recording.joined for recording in recordings)
    latency_ns = joined.latency_ns
    stalled = np.array(
        [
            stalls.overlaps(int(start), int(end))
            for start, end in zip(joined.intended_ns, joined.called_ns, strict=True)
        ],
        bool,
    )
    late = latency_ns > OUTLIER_NS
    found = Row(
        variant=label,
        n=len(latency_ns),
        lost=joined.counts[Fate.LOST],
        late=joined.counts[Fate.LATE],
        merged=joined.counts[Fate.MERGED],
        refused=joined.counts[Fate.REFUSED],
        missed=sum(recording.missed for recording in recordings),
        falls=sum(recording.falls for recording in recordings),
        over_10ms=int(late.sum()),
        over_10ms_unexplained=int((late & ~stalled).sum()),
        stalled=int(stalled.sum()),
        blocks=blocks,
    )
    worst = sorted(np.flatnonzero(late), key=lambda index: -int(latency_ns[index]))
    found.outliers = [
        Outlier(int(joined.intended_ns[i]), float(latency_ns[i]) / 1e3, bool(stalled[i]))
        for i in worst[:OUTLIERS_MAX]
    ]
    _fill(found, "", latency_ns)
    _fill(found, "rtt_", np.concatenate([r.round_trips_ns for r in recordings]))
    clear = spread(latency_ns[~stalled])
    if clear is not None:
        found.extra = {"clear_p99_us": clear.p99, "clear_p999_us": clear.p999}
        found.extra["clear_max_us"] = clear.max
    return found


def numbers(rows: Iterable[Row]) -> dict[str, float]:
    """Return every number of the rows by its key; a variant without a sample has none."""
    found: dict[str, float] = {}
    for row in rows:
        if row.n:
            fields = {**msgspec.structs.asdict(row), **row.extra}
            for field, value in fields.items():
                if isinstance(value, int | float):
                    found[f"rows.{row.variant}.{field}"] = float(value)
    return found


def _fill(found: Row, prefix: str, times_ns: Times) -> None:
    times = spread(times_ns)
    if times is not None:
        for name, value in times._asdict().items():
            setattr(found, f"{prefix}{name}_us", value)
