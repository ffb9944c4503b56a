"""Of what the driver accepted after a stall, the oldest counts, by when the console formed it."""

from __future__ import annotations

import pytest

from bench.join import join
from bench.stage import Spoiled
from bench.stall import Frozen, Stalled, Stalls, judge

MS = 1_000_000
STALL = Frozen(100 * MS, 600 * MS)

Times = dict[tuple[int, int], int]


def accepted(*pairs: tuple[float, float]) -> tuple[Times, Times]:
    formed = {(0, seq): round(formed * MS) for seq, (formed, _) in enumerate(pairs)}
    done = {(0, seq): round(done * MS) for seq, (_, done) in enumerate(pairs)}
    return formed, done


def test_the_oldest_is_measured_beyond_the_floor() -> None:
    formed, done = accepted((10, 10.5), (20, 20.25), (590, 605), (700, 700.5))
    found = judge(formed, done, formed, STALL)
    assert found == Stalled(2, 14_750_000, 250_000, 1, True)


def test_old_motion_is_seen() -> None:
    formed, done = accepted((10, 10.5), (110, 601), (700, 700.5))
    assert judge(formed, done, formed, STALL).beyond_floor_ns > 490 * MS


def test_what_the_driver_refused_was_not_applied() -> None:
    formed, done = accepted((10, 10.5), (110, 601), (700, 700.5))
    del done[0, 1]
    assert judge(formed, done, formed, STALL).beyond_floor_ns == 0


def test_an_arm_that_stays_braked_applied_nothing_old_and_says_so() -> None:
    formed, done = accepted((10, 10.5), (700, 700.5))
    del done[0, 1]
    assert judge(formed, done, formed, STALL) == Stalled(0, 0, 500_000, 0, False)


def test_a_stall_after_which_nothing_is_heard_proves_nothing() -> None:
    formed, done = accepted((10, 10.5), (110, 300))
    with pytest.raises(Spoiled, match="heard nothing"):
        judge(formed, done, formed, STALL)
    formed, done = accepted((700, 700.5))
    with pytest.raises(Spoiled, match="before"):
        judge(formed, done, formed, STALL)


def test_of_several_stalls_the_worst_counts() -> None:
    stalls = (Stalled(3, 2 * MS, 300_000, 1, True), Stalled(0, 0, 250_000, 0, False))
    numbers = Stalls(stalls, join({}, [])).numbers
    assert numbers["oldest_beyond_floor_ms"] == 2.0
    assert numbers["floor_us"] == 250.0
    assert (numbers["moved_again"], numbers["stalls"]) == (1, 2)
