"""What is no sample is held over, marked and counted; what leaves is always finite."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.dsp.mask import MASK, hold, hold_all

VALUES = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=60))
def test_what_leaves_is_finite_and_within_limits(values):
    x = np.array([values], np.float32)
    out, valid = np.empty_like(x), np.empty(x.shape, np.bool_)
    state = np.zeros(1, MASK)
    hold_all(state, x, 10.0, 0.0, out, valid)
    last = 0.0
    for value, kept, is_valid in zip(x[0], out[0], valid[0], strict=True):
        assert is_valid == (math.isfinite(value) and abs(value) <= 10)
        last = value if is_valid else last
        assert kept == last
    assert state["bad"][0] == len(values) - 1 - max(np.flatnonzero(valid[0]), default=-1)


def test_a_flat_stretch_is_measured():
    mask = np.zeros(1, MASK)[0]
    for value in (1.0, 1.0, 1.0, 1.0):
        hold(mask, value, 10.0, 0.0)
    assert mask["run"] == 3
    hold(mask, 1.1, 10.0, 0.0)
    assert mask["run"] == 0
    hold(mask, 1.15, 10.0, 0.1)
    assert mask["run"] == 1


@pytest.mark.parametrize("function", [hold_all, hold_all.py_func])
def test_channels_know_nothing_of_each_other(function):
    x = np.array([[1, np.nan, 3], [np.inf, 5, 60]], np.float32)
    out, valid = np.empty_like(x), np.empty(x.shape, np.bool_)
    function(np.zeros(2, MASK), x, 10.0, 0.0, out, valid)
    assert out.tolist() == [[1, 1, 3], [0, 5, 5]]
    assert valid.tolist() == [[True, False, True], [False, True, False]]
