"""What is watched is judged by its counts, its times, its order; and each bound is exact."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety import supervision
from safety.rotation import rotation_angle
from safety.supervision import (
    FROZEN_RAD,
    Alive,
    Between,
    Burst,
    Frozen,
    Order,
    Pace,
    Share,
    Status,
)
from transport.wire.vector import ORIGIN

MS = 1_000_000
PACE = Pace(cycle_ns=10 * MS, counts_min=8, counts_max=12, failures_max=2)


# Alive -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "status"),
    [(7, Status.FAILED), (8, Status.OK), (12, Status.OK), (13, Status.FAILED), (-5, Status.FAILED)],
)
def test_a_counter_is_alive_within_its_margins(came, status):
    alive = Alive(PACE, 100, 0)
    assert alive.look(100 + came, 10 * MS) is status


def test_nothing_is_judged_before_the_cycle_is_over():
    alive = Alive(PACE, 0, 0)
    assert alive.look(0, 10 * MS - 1) is Status.OK
    assert alive.look(0, 10 * MS) is Status.FAILED


def test_a_look_before_the_cycle_is_over_takes_nothing_from_its_counts():
    alive = Alive(PACE, 0, 0)
    assert alive.look(5, 5 * MS) is Status.OK
    assert alive.look(10, 10 * MS) is Status.OK


def test_a_row_that_says_nothing_of_bad_cycles_bears_none():
    pace = Pace(cycle_ns=10 * MS, counts_min=8, counts_max=12)
    assert Alive(pace, 0, 0).look(0, 10 * MS) is Status.EXPIRED


def test_so_many_bad_cycles_are_borne_and_one_more_is_for_good():
    alive = Alive(PACE, 0, 0)
    seen = [alive.look(0, n * 10 * MS) for n in (1, 2, 3)]
    assert seen == [Status.FAILED, Status.FAILED, Status.EXPIRED]
    assert alive.look(10, 40 * MS) is Status.EXPIRED, "until it is started anew"


def test_a_good_cycle_ends_the_bad_ones():
    alive = Alive(PACE, 0, 0)
    count = 0
    for n, came in enumerate((0, 10, 0, 0, 10), 1):
        count += came
        status = alive.look(count, n * 10 * MS)
    assert status is Status.OK


def test_a_watcher_that_was_late_itself_does_not_blame_the_watched():
    alive = Alive(PACE, 0, 0)
    assert alive.look(50, 53 * MS) is Status.OK
    assert alive.look(60, 60 * MS) is Status.OK, "cycles keep their own time"


def test_a_dead_counter_seen_late_has_failed_every_cycle():
    assert Alive(PACE, 0, 0).look(0, 53 * MS) is Status.EXPIRED


# Deadline, order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since_ms", "arrived", "status"),
    [
        (1, True, Status.EXPIRED),
        (2, True, Status.OK),
        (1, False, Status.OK),
        (5, True, Status.OK),
        (6, True, Status.EXPIRED),
        (6, False, Status.EXPIRED),
    ],
)
def test_a_deadline_is_neither_too_soon_nor_late(since_ms, arrived, status):
    assert Between(2 * MS, 5 * MS).status(since_ms * MS, arrived=arrived) is status


LOOP = {0: frozenset({1}), 1: frozenset({2, 3}), 2: frozenset({0}), 3: frozenset({0})}


def test_checkpoints_come_in_an_order_of_the_graph():
    order = Order(LOOP, 0)
    assert {order.reach(c) for c in (1, 2, 0, 1, 3, 0)} == {Status.OK}
    assert order.reach(2) is Status.EXPIRED
    assert order.reach(0) is Status.EXPIRED, "one way off the graph is one too many"
    assert Order(LOOP, 9).reach(1) is Status.EXPIRED, "a checkpoint that is not on it"


# Share, burst ------------------------------------------------------------------------------------


def test_a_share_is_too_much_at_its_bound_and_clears_at_its_lower_one():
    share = Share(100, 5, 2)
    for _ in range(4):
        assert not share.add(bad=True)
    assert share.add(bad=True)
    for _ in range(97):
        share.add(bad=False)
    assert share.is_bad, "three are left of the last hundred"
    assert not share.add(bad=False), "two"


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 30), st.data())
def test_a_share_counts_the_last_n_and_does_not_flicker(said, n, data):
    enter = data.draw(st.integers(1, n))
    leave = data.draw(st.integers(0, enter - 1))
    share, was = Share(n, enter, leave), False
    for i, bad in enumerate(said):
        now = share.add(bad=bad)
        count = sum(said[max(0, i + 1 - n) : i + 1])
        assert now == (count > leave if was else count >= enter)
        was = now


def test_a_burst_is_so_many_within_so_long_and_counts_anew():
    burst = Burst(3, 10 * MS)
    assert [burst.add(t * MS) for t in (0, 5, 10)] == [False, False, True]
    assert [burst.add(t * MS) for t in (11, 12)] == [False, False]
    assert burst.add(13 * MS)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=50))
def test_a_burst_never_counts_what_is_too_old(gaps):
    burst, t, since = Burst(3, 10), 0, []
    for gap in gaps:
        t += gap
        since.append(t)
        told = burst.add(t)
        assert told == (len(since) >= 3 and t - since[-3] <= 10)
        if told:
            since = []


# Frozen ------------------------------------------------------------------------------------------


def told_at(ms, m_s=0.05):
    return ORIGIN._replace(x=m_s * ms / 1000)


def test_a_sensor_that_repeats_itself_under_way_is_frozen_after_40_ms():
    frozen, t0 = Frozen(), 5000 * MS
    seen = [frozen.measured(ORIGIN, told_at(ms), t0 + ms * MS) for ms in range(100)]
    assert seen.index(True) == 40
    assert all(seen[seen.index(True) :])
    seeing = ORIGIN._replace(y=1e-9)
    assert not frozen.measured(seeing, told_at(100), t0 + 100 * MS), "it sees again"


@pytest.mark.parametrize("turn", [False, True])
def test_a_slow_motion_must_have_gone_some_way(turn):
    frozen = Frozen()
    for ms in range(2000):
        half = math.radians(0.7) * ms / 1000 / 2
        slow = ORIGIN._replace(qw=math.cos(half), qx=math.sin(half)) if turn else told_at(ms, 7e-4)
        is_frozen = frozen.measured(ORIGIN, slow, ms * MS)
        assert is_frozen == (ms >= 1429)


def test_the_bound_of_40_ms_and_of_a_millimetre_is_exact():
    frozen = Frozen()
    assert not frozen.measured(ORIGIN, ORIGIN, MS)
    assert not frozen.measured(ORIGIN, ORIGIN._replace(x=0.001), 41 * MS - 1)
    assert not frozen.measured(ORIGIN, ORIGIN._replace(x=0.000999), 41 * MS)
    assert frozen.measured(ORIGIN, ORIGIN._replace(x=0.001), 41 * MS)


def test_the_bound_of_an_angle_is_exact_too(monkeypatch):
    assert math.degrees(FROZEN_RAD) == pytest.approx(1.0)
    turned = ORIGIN._replace(qw=math.cos(0.01), qx=math.sin(0.01))
    monkeypatch.setattr(supervision, "FROZEN_RAD", rotation_angle(ORIGIN, turned))
    frozen = Frozen()
    assert not frozen.measured(ORIGIN, ORIGIN, 0)
    assert frozen.measured(ORIGIN, turned, 40 * MS)


def test_an_arm_that_is_told_nothing_may_be_silent_of_motion():
    frozen = Frozen()
    assert not any(frozen.measured(ORIGIN, ORIGIN, ms * MS) for ms in range(500))
    frozen.reset()
    assert not frozen.measured(ORIGIN, told_at(999), 501 * MS), "and begins anew"
