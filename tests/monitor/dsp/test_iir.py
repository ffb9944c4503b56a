"""Sections do at their corner, at rest and far away what their design says."""

import math

import numpy as np
import pytest

from monitor.dsp.iir import BUTTERWORTH, advance, highpass, lowpass, notched

RATE_HZ = 250.0


def gain(section, hz):
    z = np.exp(-2j * np.pi * hz / RATE_HZ)
    return abs(
        (section.b0 + section.b1 * z + section.b2 * z * z)
        / (1 + section.a1 * z + section.a2 * z * z)
    )


def run(section, x):
    memory = np.zeros(2)
    return np.array([advance(section, memory, 0, float(v)) for v in x])


@pytest.mark.parametrize("hz", [0.5, 8.0, 16.0, 40.0, 110.0])
def test_gains(hz):
    low, high = lowpass(hz, RATE_HZ), highpass(hz, RATE_HZ)
    assert gain(low, 0) == pytest.approx(1)
    assert gain(low, hz) == pytest.approx(BUTTERWORTH)
    assert gain(high, hz) == pytest.approx(BUTTERWORTH)
    assert gain(high, 0) == pytest.approx(0, abs=1e-12)
    assert gain(high, RATE_HZ / 2) == pytest.approx(1)
    assert gain(low, min(2 * hz, 124)) < BUTTERWORTH


def test_a_zero_below_the_corner_keeps_one_frequency_out():
    section = notched(13.5, 9.0, RATE_HZ, 1.0)
    assert gain(section, 9.0) == pytest.approx(0, abs=1e-12)
    assert gain(section, RATE_HZ / 2) == pytest.approx(1)
    assert gain(section, 0) == pytest.approx((9.0 / 13.5) ** 2, rel=0.05)
    assert gain(section, 8.0) < gain(section, 6.0) < gain(highpass(8.0, RATE_HZ), RATE_HZ / 2)
    assert gain(section, 11.0) > gain(section, 10.0)


def test_what_runs_is_what_was_designed():
    section = lowpass(16.0, RATE_HZ)
    x = np.sin(2 * np.pi * 16.0 * np.arange(2000) / RATE_HZ)
    assert np.abs(run(section, x)[1000:]).max() == pytest.approx(math.sqrt(0.5), rel=0.01)


def test_a_constant_comes_to_rest():
    assert run(highpass(3.0, RATE_HZ), np.ones(1000))[-1] == pytest.approx(0, abs=1e-9)
    assert run(lowpass(3.0, RATE_HZ), np.ones(1000))[-1] == pytest.approx(1)


def test_the_plain_function_agrees():
    section, x = highpass(8.0, RATE_HZ), np.random.default_rng(1).standard_normal(50)
    memory = np.zeros(2)
    plain = [advance.py_func(section, memory, 0, float(v)) for v in x]
    assert plain == run(section, x).tolist()
