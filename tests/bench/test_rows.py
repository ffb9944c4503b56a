"""A row pools every sample, counts apart what a stall of the host overlaps, and hides nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from bench.blocks import Ratio
from bench.claims import Condition
from bench.join import Fate, Seen, join
from bench.ratio import Interval
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
from bench.sentinel import Stall, StallTable, Watch
from bench.stage import Recording
from bench.tables import show

MS, US = 1_000_000, 1_000


def recording(latencies_ms: list[float], lost: int = 0) -> Recording:
    sent = {(0, seq): seq * MS for seq in range(len(latencies_ms) + lost)}
    seen = [
        Seen((0, seq), Fate.APPLIED, seq * MS + round(latency * MS))
        for seq, latency in enumerate(latencies_ms)
    ]
    return Recording(join(sent, seen), np.array([2 * MS, 3 * MS], np.int64), missed=1, falls=0)


def test_an_outlier_within_a_stall_is_explained_and_kept() -> None:
    stalls = StallTable([Stall(1 * MS, 10 * MS, 0)])
    found = row("x", [recording([0.3, 12.0, 0.3]), recording([0.3] * 20 + [11.0], 2)], [], stalls)
    assert (found.n, found.lost, found.missed) == (24, 2, 2)
    assert (found.over_10ms, found.over_10ms_unexplained) == (2, 1)
    assert found.max_us == 12_000
    assert found.p50_us == 300
    assert (found.rtt_p50_us, found.rtt_max_us) == (2000, 3000)
    assert [(o.latency_us, o.stalled) for o in found.outliers] == [(12_000, True), (11_000, False)]
    assert found.extra["clear_max_us"] == 11_000


def test_a_row_without_a_sample_has_no_numbers() -> None:
    empty = row("x", [recording([], lost=3)], [], StallTable([]))
    assert (empty.n, empty.lost, empty.p50_us) == (0, 3, None)
    assert numbers([empty]) == {}


def test_numbers_are_found_by_their_key() -> None:
    found = Row(variant="a@mix", n=1, lost=0, late=0, merged=0, p50_us=7.0, extra={"floor_us": 3.0})
    keys = numbers([found])
    assert keys["rows.a@mix.p50_us"] == 7.0
    assert keys["rows.a@mix.floor_us"] == 3.0
    assert keys["rows.a@mix.lost"] == 0.0
    assert "rows.a@mix.p99_us" not in keys


def test_a_core_that_was_stolen_is_a_condition() -> None:
    watch = Watch(0, True, 1000, 0, 0, 0, 0, 0, [])
    assert steal_condition([watch], {0: 5.0}) == []
    assert steal_condition([watch], {0: 50.0}) == [
        Condition("steal", "the hypervisor took 5.0% of core 0")
    ]


def test_the_report_is_json_of_the_promised_shape_and_can_be_shown(tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console

    interval = Interval(1.1, 0.9, 1.4)
    ratios = {"a/b": {"p50": Ratio(interval, (interval,), too_noisy=True)}}
    report = Report(
        bench="relay",
        command="python -m bench relay",
        t_utc=now_utc(),
        seed=0,
        parts=["quiet"],
        quick=False,
        host=host(),
        sentinel=sentinel_table([], {}),
        rows=[row("a", [recording([0.3] * 5)], [], StallTable([]))],
        ratios=ratio_tables(ratios),
        claims=[],
        missing={"b": "not installed"},
    )
    write(report, tmp_path / "new" / "r.json")
    found = msgspec.json.decode((tmp_path / "new" / "r.json").read_bytes())
    assert set(found) >= {"bench", "host", "sentinel", "rows", "ratios", "claims"}
    assert set(found["rows"][0]) >= {"variant", "n", "lost", "late", "merged", "p50_us", "max_us"}
    assert found["ratios"]["a/b"]["p50"]["value"] == 1.1
    assert found["ratios"]["a/b"]["p50"]["note"] == "too noisy"
    paper = Console(file=StringIO(), width=140)
    show(report, paper)
    text = paper.file.getvalue()  # type: ignore[attr-defined]
    assert "noisy" in text
    assert "not installed" in text
