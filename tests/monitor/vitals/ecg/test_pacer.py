"""Pacing spikes are found, taken out, and never beats; the beats they evoke are."""

import numpy as np
import pytest

from monitor.dsp.resample import Resampler
from monitor.vitals.events import Kind, Label
from tests.monitor.vitals.ecg.rhythm import RATE, draw, match, regular, watch

TIMES_S = regular(70, 40)


def paced(height_mv, ahead_s, times_s=TIMES_S, **how):
    x = draw(times_s, 40, **how)
    for at_s in times_s:
        x[round((at_s - ahead_s) * RATE)] += height_mv
    return x


@pytest.mark.parametrize("height_mv", [-20.0, -2.0, 0.5, 2.0, 20.0])
def test_paced_beats_are_counted_once_and_named(height_mv):
    x = paced(height_mv, 0.12, qrs_s=0.16, qt_s=0.42)
    beats, rates, events, _ = watch(x)
    assert match(TIMES_S, beats, 8, 39)[1:] == (0, 0)
    assert rates[-1] == pytest.approx(70, abs=1)
    late = beats["at"] > 8 * RATE
    assert (beats["label"][late] == Label.PACED).all()
    spikes = events[(events["kind"] == Kind.PACE) & (events["at"] > 5 * RATE)]
    assert spikes["value"][:, 0] == pytest.approx(height_mv, rel=0.2, abs=0.1)
    true_s = TIMES_S[TIMES_S - 0.12 > 5] - 0.12
    assert spikes["at"] / RATE == pytest.approx(true_s, abs=0.005)


def test_a_pacemaker_that_does_not_capture_is_no_heart():
    x = draw([], 40)
    for at_s in TIMES_S:
        x[round(at_s * RATE)] += 3.0
    beats, _, events, _ = watch(x)
    assert len(beats) == 0
    assert (events["kind"] == Kind.PACE).sum() >= len(TIMES_S) - 1


def test_a_heart_that_stops_under_its_pacemaker_has_stopped():
    x = draw(TIMES_S[TIMES_S < 20], 40)
    for at_s in TIMES_S:
        x[round((at_s - 0.12) * RATE)] += 2.0
    beats, *_ = watch(x)
    assert not (beats["at"] > 20.2 * RATE).any()


def test_spikes_that_a_faster_converter_saw_survive_the_change_of_rate():
    fine = np.zeros(40 * 500, np.float32)
    for at_s in TIMES_S:
        fine[round((at_s - 0.12) * 500)] += 8.0  # 2 ms
    spikes = Resampler(1, 500, RATE).step(fine[None])[0]
    x = draw(TIMES_S, 40, qrs_s=0.16, qt_s=0.42)[: len(spikes)] + spikes
    beats, _, events, _ = watch(x)
    assert match(TIMES_S, beats, 8, 39)[1:] == (0, 0)
    assert (events["kind"] == Kind.PACE).sum() >= len(TIMES_S) - 2


@pytest.mark.parametrize("qrs_s", [0.05, 0.08, 0.12])
@pytest.mark.parametrize("qrs_mv", [0.5, 2.0, 5.0])
def test_no_qrs_is_taken_for_a_spike(qrs_s, qrs_mv):
    times_s = regular(150, 40)
    *_, events, _ = watch(draw(times_s, 40, qrs_s=qrs_s, qrs_mv=qrs_mv, qt_s=0.28))
    assert Kind.PACE not in events["kind"]


def test_nor_is_muscle():
    x = draw(TIMES_S, 40, noise_mv=0.3)
    *_, events, _ = watch(x)
    assert (events["kind"] == Kind.PACE).sum() <= 2
