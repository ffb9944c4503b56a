"""A histogram's percentiles are those of the data within 1 %, whatever the data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.telemetry.histogram import SIZE, TOP_NS, Histogram

PERCENTS = (0, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100)

durations = st.one_of(st.integers(0, 5000), st.integers(0, 10**7), st.integers(0, 60 * 10**9))


def histogram_of(values):
    histogram = Histogram()
    for value in values:
        histogram.record(int(value))
    return histogram


def assert_close(found_ns, true_ns):
    assert abs(found_ns - true_ns) <= max(0.01 * true_ns, 8)


def test_an_empty_one_is_all_zero():
    histogram = Histogram()
    assert histogram.percentiles(PERCENTS) == [0] * len(PERCENTS)
    assert (histogram.count, histogram.sum_ns, histogram.max_ns) == (0, 0, 0)
    assert list(histogram.buckets()) == []


@given(durations)
def test_one_duration_is_every_percentile(duration_ns):
    histogram = histogram_of([duration_ns])
    for found_ns in histogram.percentiles(PERCENTS):
        assert_close(found_ns, duration_ns)
    assert histogram.percentile(100) == duration_ns


@given(st.lists(durations, min_size=1, max_size=300))
def test_percentiles_are_numpys_within_one_percent(values):
    histogram = histogram_of(values)
    true = np.percentile(values, PERCENTS, method="inverted_cdf")
    for found_ns, true_ns in zip(histogram.percentiles(PERCENTS), true, strict=True):
        assert_close(found_ns, true_ns)
    assert histogram.count == len(values)
    assert histogram.sum_ns == sum(values)
    assert histogram.max_ns == max(values)


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_of_a_heavy_tail_as_numpy_interpolates_them(seed):
    rng = np.random.default_rng(seed)
    values = np.clip(rng.lognormal(mean=12.5, sigma=0.8, size=30_000), 1000, 6e10).astype(np.int64)
    found = histogram_of(values).percentiles((50, 90, 99, 99.9))
    np.testing.assert_allclose(found, np.percentile(values, (50, 90, 99, 99.9)), rtol=0.01)


def test_no_duration_is_too_short_or_too_long():
    histogram = histogram_of([-5, 10**30, TOP_NS, TOP_NS - 1])
    assert histogram.count == 4
    assert histogram.max_ns == TOP_NS - 1
    assert histogram.percentile(0) <= 8


@given(st.lists(durations, max_size=100), st.lists(durations, max_size=100))
def test_merging_is_concatenating(left, right):
    merged = histogram_of(left)
    merged.merge(histogram_of(right))
    assert bytes(merged._words) == bytes(histogram_of(left + right)._words)


@given(st.lists(durations, max_size=100))
def test_buckets_tile_the_line_and_hold_every_value(values):
    histogram = histogram_of(values)
    buckets = list(histogram.buckets())
    ends = [end for end, _ in buckets]
    assert ends == sorted(set(ends))
    passed = 0
    for end_ns, count in buckets:
        passed += count
        assert passed == sum(value < end_ns for value in values)


def test_neighbouring_buckets_touch():
    """Walk over every border: the end of one bucket is the start of the next."""
    border = 0
    for _ in range(1728):
        (end_ns, count) = next(histogram_of([border]).buckets())
        assert count == 1
        assert end_ns > border
        assert next(histogram_of([end_ns - 1]).buckets())[0] == end_ns
        border = end_ns
    assert border == TOP_NS


def test_it_lives_in_memory_that_others_read():
    memory = memoryview(bytearray(SIZE + 8))
    writer, reader = Histogram(memory[8:]), Histogram(memory[8:].toreadonly())
    writer.record(1234)
    assert reader.count == 1
    assert memory[:8] == bytes(8)


def test_clearing_forgets_everything():
    histogram = histogram_of([1, 10**6])
    histogram.clear()
    assert (histogram.count, histogram.sum_ns, histogram.max_ns) == (0, 0, 0)
