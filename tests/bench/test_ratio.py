"""A ratio is the median over blocks, and its interval says how far to trust it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ratio import Interval, median_ratio

times = st.floats(1, 1e6)


def test_steady_blocks_give_a_narrow_interval() -> None:
    ratio = median_ratio([110, 220, 330, 440, 550], [100, 200, 300, 400, 500])
    assert ratio.value == pytest.approx(1.1)
    assert ratio.width == pytest.approx(0)


def test_one_bad_block_moves_the_interval_but_not_the_value() -> None:
    ratio = median_ratio([1, 1, 1, 1, 9], [1, 1, 1, 1, 1])
    assert (ratio.value, ratio.lo, ratio.hi) == (1, 1, 9)


def test_a_zero_value_is_infinitely_wide() -> None:
    assert Interval(0, 0, 1).width == float("inf")


@given(st.lists(st.tuples(times, times), min_size=1, max_size=12), st.integers(0, 2**32))
def test_the_value_lies_within_its_interval_and_the_seed_repeats_it(
    blocks: list[tuple[float, float]], seed: int
) -> None:
    above, below = [a for a, _ in blocks], [b for _, b in blocks]
    ratio = median_ratio(above, below, seed)
    assert ratio.lo <= ratio.value <= ratio.hi
    assert ratio == median_ratio(above, below, seed)


@pytest.mark.parametrize(("above", "below"), [([], []), ([1.0], [1.0, 2.0]), ([1.0], [0.0])])
def test_what_is_no_ratio_is_refused(above: list[float], below: list[float]) -> None:
    with pytest.raises(ValueError, match="denominator"):
        median_ratio(above, below)
