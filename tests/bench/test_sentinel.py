"""The sentinel counts what the machine withheld, once, and explains only what overlaps it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bench.sentinel import (
    LATENESS_US_MAX,
    PERIOD_NS,
    STALL_NS,
    Lateness,
    Sentinel,
    Stall,
    StallTable,
    Watch,
    stall_table,
    steal_ns,
)

MS = 1_000_000


def test_punctual_ticks_are_no_stall() -> None:
    lateness = Lateness(cpu=0)
    due = PERIOD_NS
    for _ in range(100):
        due = lateness.note(due, due + 30_000)
    seen = lateness.watch(fifo=True)
    assert (seen.ticks, seen.missed, seen.stalls) == (100, 0, [])
    assert seen.late_p50_us == seen.late_p999_us == 30
    assert due == 101 * PERIOD_NS


def test_one_long_stall_is_counted_once_and_its_ticks_as_missed() -> None:
    lateness = Lateness(cpu=1)
    due = lateness.note(10 * MS, 10 * MS + 7 * MS + 5)
    assert lateness.stalls == [(10 * MS, 17 * MS + 5)]
    assert lateness.missed == 7
    assert due == 18 * MS  # back on the grid, in the future
    lateness.note(due, due)
    assert len(lateness.stalls) == 1


def test_a_tick_seen_early_is_punctual() -> None:
    lateness = Lateness(cpu=0)
    assert lateness.note(5 * MS, 5 * MS - 10) == 6 * MS
    assert lateness.max_ns == 0


def test_lateness_beyond_the_last_bin_keeps_its_maximum() -> None:
    lateness = Lateness(cpu=0)
    lateness.note(0, 3_600_000 * MS)
    seen = lateness.watch(fifo=False)
    assert seen.late_p50_us == LATENESS_US_MAX
    assert seen.late_max_us == 3_600_000_000


def test_an_interval_is_explained_only_by_a_stall_it_touches() -> None:
    table = StallTable([Stall(10, 20, 0), Stall(15, 60, 1), Stall(100, 110, 0)])
    assert table.overlaps(5, 10)
    assert table.overlaps(60, 61)
    assert table.overlaps(30, 31)
    assert not table.overlaps(61, 99)
    assert not table.overlaps(111, 500)
    assert not StallTable([]).overlaps(0, 10**18)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), max_size=20),
    st.integers(0, 230),
    st.integers(0, 40),
)
def test_the_table_agrees_with_looking_at_every_stall(
    stalls: list[tuple[int, int]], start: int, length: int
) -> None:
    held = [Stall(at, at + duration, 0) for at, duration in stalls]
    expected = any(s.start_ns <= start + length and s.end_ns >= start for s in held)
    assert StallTable(held).overlaps(start, start + length) == expected


def test_stalls_of_all_cores_are_gathered() -> None:
    watches = [Watch(cpu, True, 1, 0, 0, 0, 0, 0, [(cpu, cpu + STALL_NS)]) for cpu in (0, 1)]
    assert len(stall_table(watches).stalls) == 2


def test_steal_is_read_for_each_core() -> None:
    stat = "cpu  9 0 0 0 0 0 0 7 0 0\ncpu0 4 0 0 0 0 0 0 5 0 0\ncpu1 5 0 0 0 0 0 0 2 0 0\nintr 3\n"
    assert steal_ns(stat) == {0: 50 * MS, 1: 20 * MS}


def test_real_sentinels_tick_and_leave_their_record(tmp_path: Path) -> None:
    with Sentinel(tmp_path) as sentinel:
        for child in sentinel.children:
            assert child.poll() is None
        sentinel.wait_ticking()
    watches = sentinel.watches()
    assert watches
    assert all(watch.ticks > 0 for watch in watches)
    assert all(child.poll() is not None for child in sentinel.children)
    assert set(sentinel.steal_ms()) == {watch.cpu for watch in watches}


def test_a_core_without_a_record_is_absent(tmp_path: Path) -> None:
    (tmp_path / "sentinel-0.json").write_bytes(msgspec.json.encode({"cpu": 0}))
    assert Sentinel(tmp_path, cpus=[0, 1]).watches() == []
