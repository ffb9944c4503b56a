"""Noise is not taken for a heart, nor a heart for noise."""

import numpy as np
import pytest

from monitor.sim import noise
from monitor.vitals.ecg.crest import clearness
from monitor.vitals.ecg.rules import Rules
from tests.monitor.vitals.ecg.rhythm import RATE, draw, match, regular, watch, wave

MIXED = ("electrode", "muscle", "baseline")
LENGTH_S = 120


def drawn(kinds, level_db, seed, length_s=LENGTH_S, qrs_mv=1.0):
    rng = np.random.default_rng(seed)
    n = length_s * RATE
    return (noise.factor(qrs_mv, level_db) * noise.mixed(rng, RATE, n, kinds)).astype(np.float32)


def f1(times_s, beats, from_s=20):
    hits, missed, invented = match(times_s, beats, from_s, LENGTH_S - 1)
    return 2 * hits / (2 * hits + missed + invented)


@pytest.mark.parametrize("seed", [100, 101, 102])
@pytest.mark.parametrize(
    ("kinds", "level_db", "least"),
    [
        (("electrode",), 6, 0.96),
        (("electrode",), 0, 0.85),
        (MIXED, 6, 0.93),
    ],
)
def test_beats_are_found_in_noise_as_high_as_they_are(kinds, level_db, least, seed):
    times_s = regular(75, LENGTH_S)
    beats, *_ = watch(draw(times_s, LENGTH_S) + drawn(kinds, level_db, seed))
    assert f1(times_s, beats) > least


def test_who_learnt_from_noise_finds_the_heart_when_it_is_over():
    times_s = regular(75, LENGTH_S)
    x = draw(times_s, LENGTH_S)
    x[: 40 * RATE] += drawn(("electrode",), -6, 100)[: 40 * RATE]
    beats, *_ = watch(x)
    _, missed, invented = match(times_s, beats, 50, LENGTH_S - 1)
    assert (missed, invented) == (0, 0)


def clear(x):
    *_, sensor = watch(x)
    return clearness(sensor._leads[0, 0], Rules().peaked)


def test_a_heart_is_clear_and_so_is_its_tachycardia_but_noise_is_not():
    sinus, wild = regular(75, 60), np.arange(0.5, 60, 60 / 206)
    assert clear(draw(sinus, 60)) == 1.0
    assert clear(draw(wild, 60, wave, bpm=206, mv=1.0)) == 1.0
    loud = [drawn(("electrode",), -6, seed, 60) for seed in range(100, 108)]
    assert np.mean([clear(draw(sinus, 60) + x) for x in loud]) < 0.5
