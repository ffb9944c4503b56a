"""One bad lead neither adds nor removes beats; what it is worth is said."""

import numpy as np
import pytest

from tests.monitor.vitals.ecg.rhythm import RATE, draw, match, regular, watch

LENGTH_S = 60
TIMES_S = regular(75, LENGTH_S)
GOOD = draw(TIMES_S, LENGTH_S, noise_mv=0.02)


def moved(seed=3, mv=1.0):
    """An electrode that is moved about: humps of a tenth of a second and more, no heart."""
    rng = np.random.default_rng(seed)
    humps = np.convolve(rng.standard_normal(len(GOOD) + 50), np.hanning(25), "same")[: len(GOOD)]
    return (mv * humps / humps.std()).astype(np.float32)


def muscle(seed=4, mv=0.5):
    return (mv * np.random.default_rng(seed).standard_normal(len(GOOD))).astype(np.float32)


def now_and_then(x, on_s=10, period_s=20, from_s=15):
    t_s = np.arange(len(x)) / RATE
    return x * ((t_s > from_s) & (t_s % period_s < on_s))


BAD = {
    "moved throughout": moved(),
    "muscle throughout": muscle(),
    "moved now and then": 0.7 * GOOD + now_and_then(moved()),
    "muscle now and then": 0.7 * GOOD + now_and_then(muscle()),
    "flat": np.zeros_like(GOOD),
    "none": np.full_like(GOOD, np.nan),
    "falling off": np.where(now_and_then(np.ones_like(GOOD)) > 0, np.nan, GOOD).astype(np.float32),
    "at the rail": np.where(now_and_then(np.ones_like(GOOD)) > 0, 5, GOOD).astype(np.float32),
    "tiny": 0.02 * GOOD,
}


@pytest.mark.parametrize("order", ["before", "behind"])
@pytest.mark.parametrize("how", BAD)
def test_a_bad_lead_beside_a_good_one_changes_no_beat(how, order):
    leads = (BAD[how], GOOD) if order == "before" else (GOOD, BAD[how])
    beats, rates, *_ = watch(*(lead.astype(np.float32) for lead in leads))
    _, missed, invented = match(TIMES_S, beats, 8, LENGTH_S - 0.5)
    assert missed <= 1
    assert invented <= 1
    assert rates[-1] == pytest.approx(75, abs=1)


def errors(*leads):
    beats, *_ = watch(*(lead.astype(np.float32) for lead in leads))
    return sum(match(TIMES_S, beats, 8, LENGTH_S - 0.5)[1:])


def test_two_noisy_leads_are_better_than_either():
    together, first, second = 0, 0, 0
    for seed in range(5, 13, 2):
        one = draw(TIMES_S, LENGTH_S) + moved(seed, mv=0.2)
        two = 0.8 * draw(TIMES_S, LENGTH_S, seed=1) + moved(seed + 1, mv=0.16)
        together += errors(one, two)
        first += errors(one)
        second += errors(two)
    assert together < 0.7 * min(first, second)


def test_three_leads_go_on_when_two_are_gone():
    gone = GOOD.copy()
    gone[20 * RATE :] = np.nan
    beats, *_, sensor = watch(gone, gone, 0.5 * GOOD)
    assert match(TIMES_S, beats, 8, LENGTH_S - 0.5)[1:] == (0, 0)
    assert list(sensor.lead_off[0]) == [True, True, False]


def test_quality_says_what_a_lead_is_worth():
    humming = GOOD + np.sin(2 * np.pi * 50 * np.arange(len(GOOD)) / RATE).astype(np.float32)
    *_, sensor = watch(GOOD, humming, muscle())
    good, humming, noise = sensor.quality[0]
    assert good > 0.9
    assert noise < 0.4
    assert noise < humming < 0.9 * good
    indices = sensor.indices()
    assert indices.agreement[0, 0] > 0.9
    assert indices.kurtosis[0, 0] > 4 > indices.kurtosis[0, 2]
    assert indices.restlessness[0, 1] > 0.5 > indices.restlessness[0, 0]


def test_a_lead_without_signal_has_no_quality_and_says_since_when():
    gone = GOOD.copy()
    gone[-250:] = np.nan
    still = GOOD.copy()
    still[-200:] = still[-200]
    *_, sensor = watch(gone, still)
    assert list(sensor.quality[0]) == [0, 0]
    indices = sensor.indices()
    assert indices.invalid_s[0, 0] == 1.0
    assert indices.flat_s[0, 1] == pytest.approx(0.8, abs=0.01)
