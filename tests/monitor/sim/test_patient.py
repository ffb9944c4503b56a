"""A patient that does not exist is the same every time, and is what its script says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sim.noise import factor, mixed, qrs_height
from monitor.sim.patient import AMPLIFIER_MV, Episode, Heard, Patient, Script, make
from monitor.sim.pulses import Body
from monitor.sim.scripts import IRREGULAR_BPM, REGULAR_BPM, SCRIPTS, STEP_AT_S, STEPS_BPM
from monitor.sim.waves import LEADS, WAVES
from monitor.vitals.events import Label

SHORT = Script((Episode("ectopic", 20.0), Episode("atrial-fibrillation", 10.0)))


def signals(patient: Patient) -> list[bytes]:
    names = ("ecg", "pleth", "red", "abp", "resp")
    return [getattr(patient, name).tobytes() for name in names]


def test_the_same_seed_and_number_make_the_same_patient_to_the_bit():
    assert signals(make(SHORT, 7, 3)) == signals(make(SHORT, 7, 3))


def test_another_seed_or_number_makes_another_patient():
    hearts = {make(SHORT, seed, number).ecg.tobytes() for seed in (0, 1) for number in (0, 1)}
    assert len(hearts) == 4


def test_noise_that_is_added_moves_no_beat_and_changes_no_pulse():
    clean = make(SHORT, 7)
    noisy = make(SHORT._replace(heard=(Heard(("electrode", "muscle"), 0.0),)), 7)
    assert noisy.truth.beats.at_s.tobytes() == clean.truth.beats.at_s.tobytes()
    assert signals(noisy)[1:] == signals(clean)[1:]
    assert noisy.ecg.tobytes() != clean.ecg.tobytes()


def test_the_rate_of_sampling_moves_no_beat_and_no_wave():
    slow, fast = make(SHORT, 7), make(SHORT, 7, ecg_hz=500.0)
    assert fast.truth.beats.at_s.tobytes() == slow.truth.beats.at_s.tobytes()
    ectopic = slice(0, 20 * 250)  # fibrillation is drawn at the rate itself
    assert np.allclose(fast.ecg[:, ::2][:, ectopic], slow.ecg[:, ectopic], atol=12 * AMPLIFIER_MV)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_makes_a_patient_whose_beats_are_in_order(name: str):
    script = SCRIPTS[name]
    patient = make(script, 1, leads=("II",))
    at_s = patient.truth.beats.at_s
    assert patient.ecg.shape == (1, round(script.lasts_s * 250))
    assert (np.diff(at_s) > 0.15).all()
    assert len(at_s) == 0 or (at_s[0] >= 0.0 and at_s[-1] < script.lasts_s)
    for signal in (patient.pleth, patient.red, patient.abp, patient.resp):
        assert np.isfinite(signal).all()


@pytest.mark.parametrize("name", IRREGULAR_BPM)
def test_an_irregular_rhythm_of_the_standard_has_the_rate_of_the_standard(name: str):
    at_s = make(SCRIPTS[name], 1).truth.beats.at_s
    whole = at_s[: len(at_s) // 2 * 2 - 1]  # pairs
    assert 60.0 / np.diff(whole).mean() == pytest.approx(IRREGULAR_BPM[name], abs=1e-9)


@pytest.mark.parametrize("bpm", REGULAR_BPM)
def test_a_steady_rhythm_has_its_rate(bpm: int):
    at_s = make(SCRIPTS[f"steady-{bpm}"], 1).truth.beats.at_s
    assert 60.0 / np.diff(at_s) == pytest.approx(bpm)


@pytest.mark.parametrize("name", STEPS_BPM)
def test_a_step_takes_place_at_its_time(name: str):
    at_s = make(SCRIPTS[name], 1).truth.beats.at_s
    before, after = at_s[at_s < STEP_AT_S], at_s[at_s >= STEP_AT_S]
    assert 60.0 / np.diff(before) == pytest.approx(80.0)
    assert 60.0 / np.diff(after) == pytest.approx(STEPS_BPM[name])


@pytest.mark.parametrize(
    ("name", "height_mv"),
    [
        (f"tachycardia-{bpm}{letter}", mv * times)
        for bpm, mv in ((206, 1.0), (195, 2.0))
        for letter, times in (("h", 0.5), ("", 1.0), ("d", 2.0))
    ],
)
def test_a_tachycardia_of_the_standard_is_as_high_as_it_should_be(name: str, height_mv: float):
    running = make(SCRIPTS[name], 1).ecg[0, 65 * 250 : 85 * 250]
    assert np.ptp(running) == pytest.approx(height_mv, rel=0.005, abs=9 * AMPLIFIER_MV)


def test_a_tall_t_wave_is_1200_microvolts_beside_a_qrs_of_1000():
    patient = make(SCRIPTS["tall-t"], 1)
    lead, at = patient.ecg[0], np.round(patient.truth.beats.at_s * 250).astype(int)[1:-1]
    assert lead[at] == pytest.approx(1.0, abs=0.03)
    assert lead[at + round(0.21 * 250)] == pytest.approx(1.2, abs=0.03)


@pytest.mark.parametrize("name", ["asystole", "ventricular-fibrillation"])
def test_a_heart_that_does_not_beat_has_no_pulse(name: str):
    patient = make(SCRIPTS[name], 1)
    assert not ((patient.truth.beats.at_s > 60.0) & (patient.truth.beats.at_s < 90.0)).any()
    standing = slice(70 * 125, 90 * 125)
    assert np.ptp(patient.abp[standing]) < 5.0 < 20.0 < np.ptp(patient.abp[: 60 * 125])
    fibrillates = name == "ventricular-fibrillation"
    assert (np.ptp(patient.ecg[0, 65 * 250 : 85 * 250]) > 0.2) == fibrillates


def test_a_heart_that_stands_still_is_no_cable_that_is_off():
    standing = make(SCRIPTS["asystole"], 1).ecg[0, 62 * 250 : 90 * 250]
    assert 0.0 < np.ptp(standing) < 0.03
    assert np.ptp(make(SCRIPTS["zero"], 1).ecg[:, 41 * 250 : 54 * 250]) == 0.0


def test_fibrillation_lies_between_2_and_9_hertz():
    patient = make(SCRIPTS["ventricular-fibrillation"], 1)
    wavy = patient.ecg[0, 62 * 250 : 90 * 250]
    power = np.abs(np.fft.rfft(wavy * np.hanning(len(wavy)))) ** 2
    hz = np.fft.rfftfreq(len(wavy), 1 / 250)
    assert power[(hz >= 2.0) & (hz <= 9.0)].sum() > 0.95 * power.sum()


def test_early_beats_are_broad_and_are_told_as_ventricular():
    beats = make(SCRIPTS["ectopic"], 1).truth.beats
    rr_s = np.diff(beats.at_s)
    ventricular = beats.label[1:] == Label.VENTRICULAR
    assert 0.05 < ventricular.mean() < 0.25
    assert rr_s[ventricular].max() < rr_s[~ventricular].min() * 1.05


@pytest.mark.parametrize("snr_db", [24.0, 6.0, 0.0, -6.0])
@pytest.mark.parametrize("kind", ["electrode", "muscle", "baseline", "mains-50"])
def test_noise_has_the_ratio_that_was_asked(kind: str, snr_db: float):
    drawn = factor(1.0, snr_db) * mixed(np.random.default_rng(1), 250.0, 60 * 250, (kind,))
    powers = np.sort(drawn.reshape(60, 250).var(axis=1))[3:-3].mean()
    assert 10.0 * np.log10(1.0 / 8.0 / powers) == pytest.approx(snr_db, abs=0.2)


def test_the_height_of_a_qrs_is_measured_where_the_beats_are():
    patient = make(SCRIPTS["steady-80"], 1)
    at = np.round(patient.truth.beats.at_s * 250).astype(np.int64)
    assert qrs_height(patient.ecg[0], at, 250.0) == pytest.approx(1.1, abs=0.1)


@settings(max_examples=15, deadline=None)
@given(st.floats(80, 200), st.floats(40, 75), st.floats(70, 100))
def test_pressure_and_light_are_as_the_body_says(systolic: float, diastolic: float, spo2: float):
    body = Body(systolic, diastolic, spo2)
    script = Script((Episode("steady", 20.0, 75.0),), body)
    patient = make(script, 1)
    settled = patient.abp[10 * 125 :]
    pulse = systolic - diastolic
    assert settled.min() == pytest.approx(diastolic, abs=0.1 * pulse)
    assert settled.max() == pytest.approx(systolic, abs=0.1 * pulse)
    ratio = (np.ptp(patient.red) / patient.red.mean()) / (
        np.ptp(patient.pleth) / patient.pleth.mean()
    )
    assert 110.0 - 25.0 * ratio == pytest.approx(spo2, abs=0.5)


def test_no_breath_is_taken_in_an_apnoea():
    patient = make(SCRIPTS["apnoea"], 1)
    assert np.ptp(patient.resp[int(61 * 62.5) : int(89 * 62.5)]) < 1e-6
    breaths_s = patient.truth.breaths_s
    assert not ((breaths_s > 60.5) & (breaths_s < 90.0)).any()
    assert np.diff(breaths_s[breaths_s < 60.0]) == pytest.approx(4.0, abs=0.05)


def test_leads_are_projections_so_that_limb_leads_agree():
    patient = make(SHORT, 7, leads=tuple(LEADS))
    assert np.linalg.matrix_rank(patient.ecg.astype(np.float64), tol=1.0) == 3


def test_every_wave_lies_within_a_beat():
    for waves in WAVES.values():
        assert all(abs(wave.at_s) < 0.4 and 0.0 < wave.width_s <= 0.1 for wave in waves)
