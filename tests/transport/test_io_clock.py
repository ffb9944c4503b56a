"""The one clock, and the skews that keep everybody from leaning on it."""

import time

from hypothesis import given
from hypothesis import strategies as st

from transport.io.clock import DRIFT_PPB_MAX, OFFSET_NS_MAX, Clock, Skew

SEEDS = st.integers(0, 2**63)
UPTIMES = st.integers(0, 10**18)


def test_without_skew_it_is_the_kernel_s_clock():
    before = time.monotonic_ns()
    now = Clock().now_ns()
    assert before <= now <= time.monotonic_ns()
    assert Clock().raw_ns(now) == now


@given(SEEDS, UPTIMES)
def test_an_oracle_undoes_a_skew_to_a_nanosecond(seed, raw):
    skew = Skew.draw(seed)
    assert abs(skew.undo(skew.apply(raw)) - raw) <= 1


@given(SEEDS, UPTIMES, st.integers(0, 10**12))
def test_a_skewed_clock_never_steps_back_and_stays_positive(seed, raw, later):
    skew = Skew.draw(seed)
    assert 0 <= skew.apply(raw) <= skew.apply(raw + later)


def test_the_same_seed_draws_the_same_skew_and_another_one_another():
    assert Skew.draw(7) == Skew.draw(7) != Skew.draw(8)
    drawn = [Skew.draw(seed) for seed in range(200)]
    assert all(0 <= s.offset_ns < OFFSET_NS_MAX for s in drawn)
    assert all(abs(s.drift_ppb) <= DRIFT_PPB_MAX for s in drawn)
    assert {s.drift_ppb > 0 for s in drawn} == {True, False}


@given(SEEDS)
def test_a_skewed_clock_says_what_its_skew_says(seed):
    skew = Skew.draw(seed)
    before = time.monotonic_ns()
    now = Clock(skew).now_ns()
    assert skew.apply(before) <= now <= skew.apply(time.monotonic_ns())


def test_a_skewed_clock_runs():
    clock = Clock(Skew(5_000_000_000_000, 200_000))
    before = clock.now_ns()
    assert clock.now_ns() >= before > 5_000_000_000_000
    assert abs(clock.raw_ns(before) - time.monotonic_ns()) < 10**9
