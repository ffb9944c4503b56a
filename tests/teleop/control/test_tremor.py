"""The filter takes tremor out of a motion and says what that costs, measured on the kernel."""

import importlib
import math
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import teleop.control
from teleop.control.tremor import (
    PERIOD_NS_MAX,
    STEPS_MAX,
    delay_us,
    design,
    prime,
    steady,
)

MS = 1_000_000
PERIODS = (MS // 4, MS // 2, MS, 2 * MS, 4 * MS)
STILL = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])

every_period = pytest.mark.parametrize("period_ns", PERIODS)
metres = st.floats(-1.0, 1.0)


class Filter:
    """The kernel beside its state, as a shape holds them."""

    def __init__(self, period_ns, start=STILL, kernels=(prime, steady)):
        self.sections = design(period_ns)
        self.state = np.full((7, 7), math.nan)
        self._prime, self._steady = kernels
        self.reference(start)

    def reference(self, hand):
        self._prime(self.state, np.array(hand))

    def __call__(self, hand, steps=1):
        out = np.full(7, math.nan)
        self._steady(self.sections, self.state, np.array(hand), steps, out)
        return out


def at(x):
    return np.array([x, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])


def turned(axis, angle):
    axis = np.array(axis) / np.linalg.norm(axis)
    return np.array([0.0, 0.0, 0.0, math.cos(angle / 2), *(math.sin(angle / 2) * axis)])


def product(a, b):
    """Hamilton's product of the orientations of two poses; positions stay out of it."""
    w, v, u, r = a[3], a[4:7], b[3], b[4:7]
    return np.array([0.0, 0.0, 0.0, w * u - v @ r, *(w * r + u * v + np.cross(v, r))])


def angle(a, b):
    """Measure the angle between two orientations of any length."""
    turn = product(a * [1, 1, 1, 1, -1, -1, -1], b)
    return 2.0 * math.atan2(np.linalg.norm(turn[4:7]), abs(turn[3]))


@cache
def impulse_response(period_ns):
    """Four seconds of it, by when it is below 1e-15 of its height."""
    steadied = Filter(period_ns)
    return np.array([steadied(at(float(k == 0)))[0] for k in range(4_000 * MS // period_ns)])


@cache
def response(period_ns):
    """Give frequencies, every 0.01 Hz or finer, and the complex gain there."""
    h = impulse_response(period_ns)
    size = 1 << math.ceil(math.log2(100_000 * MS / period_ns))
    return np.fft.rfftfreq(size, period_ns * 1e-9), np.fft.rfft(h, size)


def leap(period_ns):
    return np.cumsum(impulse_response(period_ns))


# What it lets through ----------------------------------------------------------------------------


@every_period
def test_every_frequency_of_the_band_is_attenuated_by_ten_decibels(period_ns):
    hz, gain = response(period_ns)
    band = (hz >= 6.0) & (hz <= 14.0)
    assert band.sum() >= 800
    assert 20 * np.log10(abs(gain[band]).max()) <= -10.1


@every_period
def test_voluntary_motion_keeps_its_size(period_ns):
    hz, gain = response(period_ns)
    assert abs(abs(gain[hz <= 2.0]) - 1.0).max() <= 0.003
    assert abs(gain[0] - 1.0) <= 1e-10


@every_period
def test_no_frequency_is_amplified(period_ns):
    _, gain = response(period_ns)
    assert abs(gain).max() <= 1.0 + 1e-9


@every_period
def test_slow_motion_is_delayed_by_what_is_stated_and_by_25_ms_at_most(period_ns):
    hz, gain = response(period_ns)
    phase = -np.unwrap(np.angle(gain))
    one = np.searchsorted(hz, 1.0)
    group_us = (phase[one + 1] - phase[one - 1]) / (hz[one + 1] - hz[one - 1]) / math.tau * 1e6
    phase_us = phase[one] / (math.tau * hz[one]) * 1e6
    stated_us = delay_us(design(period_ns), period_ns, hz[one])
    assert phase_us < group_us
    assert group_us == pytest.approx(stated_us, abs=2)
    assert delay_us(design(period_ns), period_ns) <= 25_000


@every_period
def test_a_sine_of_one_hertz_comes_out_later_and_as_large(period_ns):
    steadied = Filter(period_ns)
    t = np.arange(3_000 * MS // period_ns) * period_ns * 1e-9
    y = np.array([steadied(at(0.01 * math.sin(math.tau * s)))[0] for s in t])[len(t) // 3 * 2 :]
    wave = np.exp(-1j * math.tau * t[len(t) // 3 * 2 :])
    seen = 2j * np.mean(y * wave)  # over one whole period
    assert abs(seen) == pytest.approx(0.01, rel=0.003)
    assert 0.022 <= -np.angle(seen) / math.tau <= 0.025


@every_period
def test_a_leap_passes_swings_back_overshoots_and_settles_as_stated(period_ns):
    y = leap(period_ns)
    assert y[0] >= 0.75  # nothing is delayed that is fast
    assert 0.27 <= y.min() <= 0.28
    assert 1.17 <= y.max() <= 1.18
    assert abs(y[320 * MS // period_ns :] - 1.0).max() <= 0.02
    assert abs(y[-1] - 1.0) <= 1e-10


@pytest.mark.parametrize(("reach_s", "overshoot"), [(0.3, 0.018), (0.5, 0.005)])
@every_period
def test_a_reach_hardly_overshoots(period_ns, reach_s, overshoot):
    t = np.minimum(np.arange(1_500 * MS // period_ns) * period_ns * 1e-9 / reach_s, 1.0)
    reach = 10 * t**3 - 15 * t**4 + 6 * t**5  # minimum jerk (Flash & Hogan 1985)
    y = np.convolve(reach, impulse_response(period_ns))[: len(t)]
    assert y.max() <= 1.0 + overshoot
    assert y[-1] == pytest.approx(1.0, abs=1e-4)


def test_every_channel_is_the_same_filter():
    h = impulse_response(MS)[:200]
    for channel in range(7):
        steadied = Filter(MS)
        hand = STILL.copy()
        out = []
        for k in range(200):
            hand[channel] = STILL[channel] + 0.25 * (k == 0)
            out.append(steadied(hand)[channel] - STILL[channel])
        assert np.array(out) == pytest.approx(0.25 * h, abs=1e-15)


@pytest.mark.parametrize("period_ms", [6, 8, 12, 16, 20])
def test_slower_streams_are_filtered_too_for_a_little_more_delay(period_ms):
    period_ns = period_ms * MS
    hz, gain = response(period_ns)
    assert abs(gain[(hz >= 6.0) & (hz <= 14.0)]).max() <= 10 ** (-10.1 / 20)
    assert abs(abs(gain[hz <= 2.0]) - 1.0).max() <= 0.01
    assert 24_000 <= delay_us(design(period_ns), period_ns) <= 27_000


def test_a_stream_too_slow_is_a_programming_error():
    with pytest.raises(AssertionError):
        design(PERIOD_NS_MAX + 1)


# Orientation -------------------------------------------------------------------------------------

SOMEWHERE = turned((1, 2, -1), 2.5)


@pytest.mark.parametrize("hz", [6.0, 8.0, 11.0, 14.0])
def test_a_trembling_wrist_is_steadied_wherever_it_points(hz):
    steadied = Filter(MS, SOMEWHERE)
    amplitude, left = 0.02, 0.0
    for k in range(2_000):
        tremor = amplitude * math.sin(math.tau * hz * k * 1e-3)
        out = steadied(product(SOMEWHERE, turned((0, 1, 1), tremor)))
        left = max(left, angle(out, SOMEWHERE)) if k > 1_000 else 0.0
    assert left <= amplitude * 10 ** (-10 / 20)


def test_a_turning_wrist_is_followed_all_the_way_round_and_never_through_a_singular_angle():
    steadied = Filter(MS)
    rate = 3.0  # rad/s
    for k in range(4_700):  # more than two turns
        hand = turned((0.2, 1, 0), rate * k * 1e-3)
        out = steadied(hand)
        if k >= 500:  # the onset is over
            assert angle(out, hand) == pytest.approx(rate * 0.0228, rel=0.02)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_the_choice_of_frames_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    left, right, start = (np.array([0, 0, 0, *rng.normal(size=4)]) for _ in range(3))
    left, right, start = (q / np.linalg.norm(q) for q in (left, right, start))
    here, there = Filter(MS, start), Filter(MS, product(product(left, start), right))
    hand = start
    for _ in range(50):
        hand = product(hand, turned(rng.normal(size=3), 0.02))
        out, same = here(hand), there(product(product(left, hand), right))
        assert product(product(left, out), right) == pytest.approx(same, abs=1e-12)


def test_both_signs_of_a_quaternion_are_one_orientation():
    one, other = Filter(MS), Filter(MS)
    for k in range(300):
        hand = turned((1, 1, 0), 0.004 * k)
        sign = np.array([1, 1, 1, *[(-1) ** (k // 7)] * 4])
        assert np.array_equal(one(hand), other(sign * hand))


def test_half_a_turn_within_a_period_is_no_wrists_and_the_orientation_never_vanishes():
    steadied = Filter(MS)
    wheel = np.vstack([np.eye(4), -np.eye(4)])  # each half a turn from the next, 8 times a second
    shortest = 1.0
    for k in range(2_000):
        hand = STILL.copy()
        hand[3:7] = wheel[k // 16 % 8]
        shortest = min(shortest, np.linalg.norm(steadied(hand)[3:7]))
    assert 0.5 <= shortest <= 0.6, "it was held where it would have vanished"


# Streaming ---------------------------------------------------------------------------------------


@given(metres, metres, st.integers(0, 300))
@settings(max_examples=50)
def test_at_a_reference_the_output_is_the_hands_pose_to_the_last_bit(x, y, before):
    steadied = Filter(MS)
    for k in range(before):
        steadied(at(x * math.sin(k)))
    hand = turned((x, y, 1.0), y)
    hand[:3] = x, y, 0.1
    steadied.reference(hand)
    for steps in (0, 1, 20):
        assert np.array_equal(steadied(hand, steps), hand)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=30)
def test_a_gap_is_the_straight_line_bit_for_bit(seed, gap):
    rng = np.random.default_rng(seed)
    lossy, whole = Filter(MS), Filter(MS)
    last = np.zeros(3)
    for _ in range(12):
        hand = at(0.0)
        hand[:3] = rng.uniform(-0.1, 0.1, 3)
        for k in range(1, gap + 1):
            between = at(0.0)
            between[:3] = hand[:3] if k == gap else last + (hand[:3] - last) / gap * k
            expected = whole(between)
        assert np.array_equal(lossy(hand, gap), expected)
        assert np.array_equal(lossy.state, whole.state)
        last = hand[:3]


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(max_examples=30)
def test_all_memory_is_the_state_so_a_stream_can_be_cut_anywhere(seed, cut):
    rng = np.random.default_rng(seed)
    hands = np.cumsum(rng.normal(0.0, 1e-3, (120, 7)), axis=0) + STILL
    whole, first, second = Filter(MS), Filter(MS), Filter(MS)
    one_shot = [whole(hand) for hand in hands]
    chunked = [first(hand) for hand in hands[:cut]]
    second.state[:] = first.state
    chunked += [second(hand) for hand in hands[cut:]]
    assert np.array_equal(one_shot, chunked)


@pytest.mark.parametrize("lost", [1, 5, 20, 60])
def test_losses_leave_no_break_in_a_moving_hands_path(lost):
    """A hand of 1 Hz and 20 mm loses commands: the tip is where it would have been, nearly."""
    lossy, whole = Filter(MS), Filter(MS)
    bend = 0.02 * math.tau**2 * (lost * 1e-3) ** 2 / 8  # a chord's greatest distance from its arc
    gap = 0
    for k in range(3_000):
        hand = at(0.02 * math.sin(math.tau * k * 1e-3))
        expected = whole(hand)
        gap += 1
        if k % (lost + 40) < 40:
            assert abs(lossy(hand, gap)[0] - expected[0]) <= 1e-6 + bend
            gap = 0


def test_work_is_bounded_however_long_the_gap():
    endless, bounded = Filter(MS), Filter(MS)
    for steps in (10**9, 2**62):
        assert np.array_equal(endless(at(0.1), steps), bounded(at(0.1), STEPS_MAX))
    assert endless(at(0.1), 10**9)[0] == pytest.approx(0.1, rel=1e-3)


def test_a_step_that_takes_no_time_changes_nothing():
    steadied = Filter(MS)
    out = steadied(at(0.01))
    state = steadied.state.copy()
    for steps in (0, -1):
        assert np.array_equal(steadied(at(0.5), steps), out)
        assert np.array_equal(steadied.state, state)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e308])
def test_what_no_gate_lets_through_ends_all_the_same_and_a_reference_heals_it(bad):
    steadied = Filter(MS)
    for hand in (np.full(7, bad), at(bad), at(-bad)):
        steadied(hand, 3)
    steadied.reference(STILL)
    assert np.array_equal(steadied(STILL), STILL)


# The source --------------------------------------------------------------------------------------


def test_the_undecorated_functions_give_the_same(monkeypatch):
    monkeypatch.setattr("transport.kernel.jit.jit", lambda function: function)
    monkeypatch.delitem(sys.modules, "teleop.control.tremor")
    monkeypatch.delattr(teleop.control, "tremor")
    plain = importlib.import_module("teleop.control.tremor")
    assert not hasattr(plain.steady, "py_func")
    compiled, interpreted = Filter(MS), Filter(MS, kernels=(plain.prime, plain.steady))
    rng = np.random.default_rng(5)
    hand = STILL.copy()
    for _ in range(200):
        hand += rng.normal(0.0, 1e-2, 7)
        steps = int(rng.integers(0, 5))
        assert compiled(hand, steps) == pytest.approx(interpreted(hand, steps), abs=1e-14)
