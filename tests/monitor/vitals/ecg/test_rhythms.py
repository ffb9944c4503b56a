"""What a monitor must make of the rhythms that IEC 60601-2-27 and AAMI EC13 name."""

from itertools import pairwise

import numpy as np
import pytest

from monitor.sim.patient import make
from monitor.sim.scripts import SCRIPTS
from monitor.vitals.events import Label
from tests.monitor.vitals.ecg.rhythm import RATE, draw, match, regular, watch, wave

TICK_S = 0.04


@pytest.mark.parametrize("bpm", [15, 30, 40, 60, 80, 120, 200, 250, 300])
def test_a_steady_rate_is_told_to_one_beat_a_minute(bpm):
    fast = {"qrs_s": 0.05, "t_length_s": 0.08, "qt_s": 0.15} if bpm > 150 else {}
    times_s = regular(bpm, 60)
    beats, rates, _, sensor = watch(draw(times_s, 60, **fast))
    assert rates[-1] == pytest.approx(bpm, abs=1)
    _, missed, invented = match(times_s, beats, 16, 59)
    assert (missed, invented) == (0, 0)
    assert sensor.quality[0, 0] > 0.5


@pytest.mark.parametrize("seed", [0, 11])
@pytest.mark.parametrize(
    ("name", "bpm"),
    [
        ("steady-15", 15),
        ("steady-20", 20),
        ("steady-240", 240),
        ("bidirectional-90", 90),
        ("tall-t", 80),
    ],
)
def test_waves_like_a_persons_give_the_rate_to_one_beat_a_minute(name, bpm, seed):
    patient = make(SCRIPTS[name], seed, leads=("II", "V5"))
    _, rates, *_ = watch(*patient.ecg)
    assert rates[round(20 / TICK_S) :] == pytest.approx(bpm, abs=1)


@pytest.mark.parametrize(("before", "after"), [(80, 120), (80, 40)])
def test_a_step_of_the_rate_is_followed_within_seven_seconds(before, after):
    first = regular(before, 30)
    then = first[-1] + 60 / after * np.arange(1, 60)
    _, rates, *_ = watch(draw([*first, *then[then < 60]], 60))
    at = round((first[-1] + 7) / TICK_S)
    assert rates[round(first[-1] / TICK_S)] == pytest.approx(before, abs=1)
    assert rates[at:] == pytest.approx(after, abs=1)


@pytest.mark.parametrize("t_mv", [0.3, 0.6, 0.9, 1.2])
def test_t_waves_up_to_more_than_the_qrs_are_not_counted(t_mv):
    times_s = regular(80, 60)
    beats, rates, *_ = watch(draw(times_s, 60, qrs_s=0.1, t_mv=t_mv))
    assert rates[-1] == pytest.approx(80, abs=1)
    assert match(times_s, beats, 10, 59)[1:] == (0, 0)


@pytest.mark.parametrize(
    ("pattern_s", "bpm"), [((0.5, 1.0), 80), ((0.7, 1.3), 60), ((0.4, 0.6), 120)]
)
def test_a_rhythm_that_alternates_gives_its_mean(pattern_s, bpm):
    times_s = 0.5 + np.concatenate([[0.0], np.cumsum(np.tile(pattern_s, 100))])
    times_s = times_s[times_s < 60]
    _, rates, *_ = watch(draw(times_s, 60, qt_s=0.3))
    assert rates[round(20 / TICK_S) :] == pytest.approx(bpm, abs=1)


def test_what_is_less_than_a_tenth_of_a_millivolt_is_no_heart():
    beats, rates, *_ = watch(draw(regular(80, 30), 30, qrs_mv=0.1, t_mv=0.02))
    assert len(beats) == 0
    assert np.isnan(rates[-1])


@pytest.mark.parametrize("qrs_mv", [0.25, 1.0, 5.0])
def test_any_other_amplitude_is(qrs_mv):
    times_s = regular(80, 30)
    beats, *_ = watch(draw(times_s, 30, qrs_mv=qrs_mv, t_mv=0.2 * qrs_mv))
    assert match(times_s, beats, 8, 29.5)[1:] == (0, 0)


def test_a_heart_that_stops_is_not_replaced_by_noise():
    x = draw(regular(80, 30), 60, noise_mv=0.02)
    beats, rates, *_ = watch(x)
    assert not (beats["at"] > 30.2 * RATE).any()
    assert rates[-1] < 3


def test_nor_by_its_p_waves():
    def p_wave(t_s, at_s):
        return 0.1 * np.cos(np.pi * np.clip((t_s - at_s) / 0.1, -0.5, 0.5))

    x = draw(regular(80, 30), 60) + draw(regular(80, 59, 30.5), 60, p_wave, noise_mv=0)
    beats, *_ = watch(x)
    assert not (beats["at"] > 30.6 * RATE).any()


def test_a_dying_heart_is_slow_and_wide_and_there():
    x = draw(regular(80, 30), 90)
    x += draw(regular(30, 90, 31.5), 90, noise_mv=0, qrs_mv=0.3, qrs_s=0.24, t_mv=0.03, qt_s=0.6)
    beats, rates, *_ = watch(x)
    hits, missed, _ = match(regular(30, 90, 31.5), beats, 40, 89)
    assert missed == 0
    assert hits > 20
    assert rates[-1] == pytest.approx(30, abs=1)


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("bpm", "mv"), [(206, 1.0), (195, 2.0)])
def test_a_ventricular_tachycardia_is_seen_in_time_for_its_alarm(bpm, mv, gain):
    sinus = regular(80, 30)
    first_s = sinus[-1] + 60 / bpm
    times_s = np.arange(first_s, 59, 60 / bpm)
    x = draw(sinus, 60) + draw(times_s, 60, wave, noise_mv=0, bpm=bpm, mv=mv * gain)
    beats, rates, *_ = watch(x)
    wild = beats[(beats["at"] > first_s * RATE) & (beats["label"] == Label.VENTRICULAR)]
    assert wild["emitted"][4] / RATE - first_s < 7  # five of them make the alarm, due at 11 s
    assert rates[round(58 / TICK_S)] == pytest.approx(bpm, rel=0.1)  # the accuracy asked for


def test_a_tachycardia_stays_ventricular_however_long_it_lasts():
    sinus = regular(80, 12)  # a dozen beats are known, and then there are many more of the others
    wild = np.arange(sinus[-1] + 0.3, 80, 0.3)
    x = draw(sinus, 110) + draw(wild, 110, wave, noise_mv=0, bpm=200, mv=1.5)
    x += draw(regular(80, 109, 81), 110, noise_mv=0)
    beats, *_ = watch(x)
    at_s = beats["at"] / RATE
    late = beats["label"][(at_s > 40) & (at_s < 79.5)]
    assert len(late) > 120
    assert (late == Label.VENTRICULAR).mean() > 0.95
    after = beats["label"][(at_s > 85) & (at_s < 109)]
    assert (after == Label.NORMAL).mean() > 0.95


def test_ectopic_beats_are_named():
    times_s, ectopic, early = list(regular(75, 60)), [], []
    wild, quick = range(20, 70, 10), range(25, 70, 10)
    for k in wild:
        times_s[k] -= 0.28
        ectopic.append(times_s[k])
    for k in quick:
        times_s[k] -= 0.25
        early.append(times_s[k])
    normal = [t for t in times_s if t not in ectopic]
    x = draw(normal, 60) + draw(
        ectopic, 60, noise_mv=0, qrs_mv=-1.5, qrs_s=0.18, t_mv=0.4, qt_s=0.45
    )
    beats, *_ = watch(x)
    assert match(times_s, beats, 8, 59)[1:] == (0, 0)

    def label_at(t_s):
        return beats["label"][np.argmin(np.abs(beats["at"] / RATE - t_s))]

    assert {label_at(t) for t in ectopic} == {Label.VENTRICULAR}
    assert {label_at(t) for t in early} == {Label.SUPRAVENTRICULAR}
    widths = {t: beats["value"][np.argmin(np.abs(beats["at"] / RATE - t)), 1] for t in times_s}
    assert min(widths[t] for t in ectopic) > max(widths[t] for t in early)


def test_intervals_are_those_of_the_rhythm():
    times_s = regular(70, 40)
    beats, *_ = watch(draw(times_s, 40, noise_mv=0.005))
    assert beats["value"][1:, 0] == pytest.approx(60 / 70, abs=0.009)
    assert np.isnan(beats["value"][0, 0])
    assert all(b > a for a, b in pairwise(beats["at"]))


@pytest.mark.parametrize("bpm", [40, 75, 130, 180])
def test_a_beat_is_told_within_a_quarter_of_a_second(bpm):
    times_s = regular(bpm, 60)
    beats, *_ = watch(draw(times_s, 60, qt_s=0.28), tick=1)
    late = [
        b["emitted"] / RATE - times_s[np.argmin(abs(times_s - b["at"] / RATE))] for b in beats[1:]
    ]
    assert max(late) <= 0.28
    assert np.median(late) <= 0.22
