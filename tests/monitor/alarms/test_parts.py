"""The parts that rhythms are judged by: beats in a row, pulses, strips, entropy."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.alarms import af, fibrillation, pulse, rhythm, strip
from monitor.vitals.events import EVENT, Kind, Label

pytestmark = pytest.mark.timeout(300)

S = 1_000_000_000


def beats(times_s, label=Label.NORMAL, height=1.0, kind=Kind.QRS):
    times_s = np.asarray(times_s, float)
    rows = np.zeros(len(times_s), EVENT)
    rows["kind"], rows["label"], rows["quality"] = kind, label, 1.0
    rows["value"][:, 0] = np.diff(times_s, prepend=times_s[:1] - 0.8)
    rows["value"][:, 2] = height
    return rows, np.round(times_s * S).astype(np.int64)


def heard(*parts):
    state = np.zeros(1, rhythm.RHYTHM)
    for rows, times_ns in parts:
        rhythm.hear(state, rows, times_ns)
    return state[0]


def every(interval_s, n, start_s=100.0):
    return start_s + interval_s * np.arange(n)


SINUS = beats(every(0.8, 20, 80.0))


def test_five_beats_below_forty_are_slow_and_four_are_not():
    assert rhythm.slow_ns(heard(beats(every(1.6, 4)))) == 0
    assert rhythm.slow_ns(heard(beats(every(1.6, 5)))) == 100 * S
    assert rhythm.slow_ns(heard(beats(every(1.45, 9)))) == 0


def test_one_pause_makes_no_slow_rhythm():
    assert rhythm.slow_ns(heard(beats([*every(0.8, 9), 112.0]))) == 0


def test_seventeen_beats_above_a_hundred_and_forty_are_fast():
    now_ns = 107 * S
    assert rhythm.fast_ns(heard(beats(every(0.41, 16))), now_ns) == 0
    assert rhythm.fast_ns(heard(beats(every(0.41, 17))), now_ns) == 100 * S
    assert rhythm.fast_ns(heard(beats(every(0.44, 30))), now_ns) == 0
    assert rhythm.fast_ns(heard(beats(every(0.41, 17))), 109 * S) == 0  # it is over


def test_five_ventricular_beats_above_a_hundred_are_a_tachycardia_while_they_go_on():
    wide = Label.VENTRICULAR
    assert rhythm.ventricular_ns(heard(SINUS, beats(every(0.5, 4), wide)), 102 * S) == 0
    run = heard(SINUS, beats(every(0.5, 5), wide))
    assert rhythm.ventricular_ns(run, 102 * S) == 100 * S
    assert rhythm.ventricular_bpm(run) == pytest.approx(120)
    assert rhythm.ventricular_ns(run, 104 * S) == 0
    assert rhythm.ventricular_ns(heard(SINUS, beats(every(0.62, 9), wide)), 106 * S) == 0


def test_beats_of_ones_own_end_a_run_and_an_unknown_one_does_not():
    wide, own, unknown = Label.VENTRICULAR, Label.NORMAL, Label.UNKNOWN
    run = [beats(every(0.4, 5), wide)]
    assert rhythm.ventricular_ns(heard(*run, beats([102.0, 102.7], own)), 102 * S + S // 2) == 0
    assert rhythm.ventricular_ns(heard(*run, beats([102.0], unknown)), 102 * S) == 100 * S


def test_what_is_far_lower_than_this_patients_beats_makes_no_run():
    low = beats(every(0.4, 8), Label.VENTRICULAR, height=0.2)
    assert rhythm.ventricular_ns(heard(SINUS, low), 103 * S) == 0


def test_a_run_does_not_go_on_through_a_time_without_a_lead():
    rows, times_ns = beats(every(1.6, 5))
    rows["value"][2, 0] = np.nan
    assert rhythm.slow_ns(heard((rows, times_ns))) == 0


# Pulses ----------------------------------------------------------------------------------------


def pulsed(times_s, height=1.0, alike=0.95, state=None):
    state = np.zeros((1, pulse.SOURCES), pulse.PULSE) if state is None else state
    rows, times_ns = beats(times_s, kind=Kind.PULSE)
    rows["value"][:, 1], rows["quality"] = height, alike
    pulse.hear(state, rows, times_ns)
    return state


def test_the_chests_own_waves_are_no_pulse_and_break_no_silence():
    state = pulsed(every(0.8, 10, 90.0))
    last_ns = pulse.latest_ns(state[0])
    pulsed(every(0.5, 8, 100.0), height=0.06, state=state)
    assert pulse.latest_ns(state[0]) == last_ns
    pulse.watch(state, pulse.LIGHT, np.array([True]), 80 * S)
    assert pulse.silent_ns(state[0], 104 * S) == 104 * S - last_ns
    pulsed([103.0], height=0.2, state=state)  # weak, but one
    assert pulse.silent_ns(state[0], 104 * S) == S


def test_a_source_without_a_signal_or_without_a_past_is_not_silent():
    state = pulsed(every(0.8, 10, 90.0))
    assert pulse.silent_ns(state[0], 200 * S) == 0
    state = pulsed(every(0.8, 3, 90.0))
    pulse.watch(state, pulse.LIGHT, np.array([True]), 80 * S)
    assert pulse.silent_ns(state[0], 200 * S) == 0


def test_a_pulse_has_a_rate_while_it_is_steady():
    state = pulsed(every(2.0, 8, 90.0))
    assert pulse.rate_bpm(state[0], 105 * S, 4) == pytest.approx(30)
    assert np.isnan(pulse.rate_bpm(state[0], 115 * S, 4))
    assert np.isnan(pulse.rate_bpm(pulsed([90, 91, 92, 94, 94.3, 96])[0], 97 * S, 4))


# Strips ----------------------------------------------------------------------------------------


def stripped(x, tick=10):
    leads = np.zeros((1, 1), strip.LEAD)
    strip.forget(leads[0, 0])
    for first in range(0, len(x), tick):
        strip.take(leads, 0, x[None, first : first + tick].astype(np.float32))
    return leads


T_S = np.arange(10 * 250) / 250


def test_a_wave_leaks_little_and_beats_leak_much():
    wave = stripped(0.5 * np.sin(2 * np.pi * 4.0 * T_S))[0, 0]
    spikes = stripped(np.exp(-(((T_S % 0.8) - 0.4) ** 2) / 2 / 0.02**2))[0, 0]
    assert wave["wave"] > 0.4
    assert wave["even"] == 1.0
    assert wave["period"] == pytest.approx(0.25, abs=0.005)
    assert spikes["wave"] < -0.2


def test_a_strip_is_the_same_however_the_stream_is_cut():
    x = np.random.default_rng(3).standard_normal(len(T_S))
    x[500:540] = np.nan
    assert stripped(x, 10).tobytes() == stripped(x, 1).tobytes() == stripped(x, 7).tobytes()


def test_a_lead_without_samples_begins_anew_and_nothing_stays_nan():
    x = np.sin(2 * np.pi * 4.0 * T_S)
    x[500:700] = np.nan
    lead = stripped(x)[0, 0]
    assert lead["pieces"] < 20
    assert lead["wave"] > 0.4
    assert np.isfinite(lead["memory"]).all()


def test_even_waves_are_a_tachycardia_and_uneven_ones_fibrillation():
    even = stripped(np.sin(2 * np.pi * 3.4 * T_S))
    turn = np.cumsum(2 * np.pi / 250 * (5.0 + 2.5 * np.sign(np.sin(2 * np.pi * 0.9 * T_S))))
    uneven = stripped(np.sin(turn))
    found = []
    for leads in (even, uneven):
        state = np.zeros(1, fibrillation.FIBRILLATION)[0]
        for _ in range(fibrillation.UNEVEN_WINDOWS):
            fibrillation.look(state, leads[0], np.array([False]))
        found.append((fibrillation.is_uneven(state), fibrillation.even_ns(state, 100 * S) > 0))
    assert found == [(False, True), (True, False)]


def test_a_lead_with_beats_denies_a_wave_in_another():
    leads = np.concatenate(
        [
            stripped(np.sin(2 * np.pi * 3.4 * T_S)),
            stripped(np.exp(-(((T_S % 0.8) - 0.4) ** 2) / 2 / 0.02**2)),
        ],
        axis=1,
    )
    state = np.zeros(1, fibrillation.FIBRILLATION)[0]
    fibrillation.look(state, leads[0], np.array([False, False]))
    assert state["waves"] == 0
    fibrillation.look(state, leads[0], np.array([False, True]))
    assert state["waves"] == 1


# Atrial fibrillation ---------------------------------------------------------------------------


def judged_af(intervals_s, label=Label.NORMAL):
    state = np.zeros(1, af.FLUTTER)
    times_s = 100.0 + np.cumsum(intervals_s)
    rows, times_ns = beats(times_s, label)
    af.hear(state, rows, times_ns)
    return state[0]


def irregular(n, spread=0.24, seed=5):
    return 0.65 * np.exp(spread * np.random.default_rng(seed).standard_normal(n))


def test_intervals_that_say_nothing_of_the_next_are_atrial_fibrillation():
    state = judged_af(irregular(60))
    assert state["holds"]
    assert state["onset_ns"] < 120 * S


def test_breath_and_pairs_are_not():
    turn = 2 * np.pi * np.arange(80)
    assert not judged_af(0.8 * (1 + 0.15 * np.sin(turn * 0.2)))["holds"]
    assert not judged_af(np.tile([0.95, 0.55], 40))["holds"]


def test_ectopic_beats_are_left_out_and_many_of_them_are_not_judged():
    labels = np.full(80, Label.NORMAL)
    intervals = np.full(80, 0.85)
    rng = np.random.default_rng(7)
    early = np.arange(3, 78, 9)
    labels[early], intervals[early] = Label.VENTRICULAR, rng.uniform(0.4, 0.6, len(early))
    intervals[early + 1] = 1.7 - intervals[early]
    assert not judged_af(intervals, labels)["holds"]
    every_second = np.where(np.arange(120) % 2, Label.VENTRICULAR, Label.NORMAL)
    assert judged_af(irregular(120), every_second)["count"] < af.WINDOW


def test_it_ends_when_the_rhythm_is_regular_again():
    assert not judged_af([*irregular(60), *np.full(60, 0.8)])["holds"]


def test_entropy_is_that_of_lake_and_moorman():
    """Against the definition, written out."""
    x = irregular(af.WINDOW, seed=9)
    near = af.TOLERANCE_S
    while True:
        pairs = [(i, j) for i in range(len(x) - 1) for j in range(i + 1, len(x) - 1)]
        ones = [(i, j) for i, j in pairs if abs(x[i] - x[j]) < near]
        twos = [(i, j) for i, j in ones if abs(x[i + 1] - x[j + 1]) < near]
        if len(twos) >= af.MATCHES:
            break
        near += af.WIDER_S
    expected = -np.log(len(twos) / len(ones)) + np.log(2 * near) - np.log(x.mean())
    assert af.entropy(x, af.WINDOW) == pytest.approx(expected)
