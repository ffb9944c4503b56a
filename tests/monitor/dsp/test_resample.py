"""A stream that changes its rate keeps its time, its gaps and its bits."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.dsp.resample import Resampler


def tone(rate_hz, hz=5.0, length_s=8.0):
    return np.sin(2 * np.pi * hz * np.arange(round(length_s * rate_hz)) / rate_hz)[None].astype(
        "f4"
    )


@pytest.mark.parametrize("rate_hz", [125, 128, 200, 300, 360, 500, 512, 1000])
def test_sample_k_is_the_signal_at_k(rate_hz):
    out = Resampler(1, rate_hz, 250).step(tone(rate_hz))
    settled = slice(50, out.shape[1])
    assert out[:, settled] == pytest.approx(tone(250)[:, : out.shape[1]][:, settled], abs=2e-3)


@pytest.mark.parametrize("rate_hz", [125, 360, 1000])
def test_what_the_lower_rate_cannot_carry_is_gone(rate_hz):
    limit_hz = min(rate_hz, 250) / 2
    if rate_hz > 250:
        out = Resampler(1, rate_hz, 250).step(tone(rate_hz, 1.15 * limit_hz))
        assert np.abs(out[:, 50:]).max() < 0.01
    constant = Resampler(1, rate_hz, 250).step(np.full((1, 2000), 3.0, np.float32))
    assert constant[:, 60:] == pytest.approx(3.0, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([125, 360, 500, 62.5]),
    st.lists(st.integers(1, 999), max_size=30),
    st.booleans(),
)
def test_how_the_stream_is_cut_changes_no_bit(rate_hz, cuts, has_gap):
    x = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    if has_gap:
        x[1, 300:420] = np.nan
    whole = Resampler(2, rate_hz, 250).step(x)
    pieces = Resampler(2, rate_hz, 250)
    edges = [0, *sorted(set(cuts)), 1000]
    parts = [pieces.step(np.ascontiguousarray(x[:, a:b])) for a, b in pairwise(edges)]
    assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_gap_neither_grows_nor_shrinks_nor_spreads(missing):
    x = np.repeat(tone(360), 2, axis=0)
    x[0, 1440:1800] = missing  # 4 s to 5 s
    out = Resampler(2, 360, 250).step(x)
    gap = np.flatnonzero(np.isnan(out[0, 50:])) + 50
    assert gap[0] == pytest.approx(1000, abs=1)
    assert gap[-1] == pytest.approx(1249, abs=1)
    assert len(gap) == gap[-1] - gap[0] + 1
    assert np.isfinite(out[1, 50:]).all()
    later = slice(1300, out.shape[1])
    assert out[0, later].tobytes() == out[1, later].tobytes()


@pytest.mark.parametrize("rate_hz", [125, 360, 500])
def test_a_sample_is_told_no_later_than_is_said(rate_hz):
    resampler, given_ = Resampler(1, rate_hz, 250), 0
    for n, value in enumerate(tone(rate_hz)[0]):
        given_ += resampler.step(value.reshape(1, 1)).shape[1]
        due = int(((n + 1) / rate_hz - resampler.delay_s) * 250)
        assert given_ >= due
    assert resampler.delay_s <= 0.08


def test_equal_rates_pass_untouched():
    x = tone(250)
    x[0, 3] = np.nan
    resampler = Resampler(1, 250, 250)
    assert resampler.step(x) is x
    assert resampler.delay_s == 0.0


def test_rates_without_a_ratio_are_refused():
    with pytest.raises(ValueError, match="no ratio"):
        Resampler(1, 4095.3, 250)
