"""What light and pressure show of a beating heart, and when they show nothing that can be said."""

import numpy as np
import pytest

from monitor.messages import Reason
from monitor.vitals.abp import Abp
from monitor.vitals.events import Kind
from monitor.vitals.ppg import SHAPE, Ppg
from monitor.vitals.seam import Options
from monitor.vitals.spo2 import CURVES, SpO2, connect
from tests.monitor.vitals import body

#: Whoever runs first compiles the kernels, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)

SYS, DIA, MEAN, RATE = range(4)


# The photoplethysmogram ------------------------------------------------------------------------


@pytest.mark.parametrize("bpm", [35, 60, 95, 140, 190])
def test_every_pulse_is_found_once_and_the_rate_is_right(bpm):
    events, values, _ = body.run(Ppg(1), body.pleth(40, bpm)[None])
    at_s = events["at"] / 125
    steady = at_s[at_s > 8]
    assert len(steady) == pytest.approx(32 * bpm / 60, rel=0.05)
    assert values[-1, 0, 0] == pytest.approx(bpm, abs=1)
    assert (events["kind"] == Kind.PULSE).all()


def test_a_pulse_is_told_when_it_was_compared_and_not_later():
    events, _, _ = body.run(Ppg(1), body.pleth(20)[None])
    assert set(events["emitted"] - events["at"]) == {SHAPE}


def test_the_perfusion_index_is_the_pulse_in_percent_of_the_level():
    x = body.pleth(20)
    _, values, _ = body.run(Ppg(1), x[None])
    assert values[-1, 0, 1] == pytest.approx(100 * np.ptp(x) / x.mean(), rel=0.15)


def test_a_signal_without_its_level_has_pulses_and_no_perfusion_index():
    x = body.pleth(20) - 10.1
    sensor = Ppg(1)
    _, values, _ = body.run(sensor, x[None])
    assert values[-1, 0, 0] == pytest.approx(72, abs=1)
    assert np.isnan(values[-1, 0, 1])
    assert sensor.reason[0, 1] == Reason.NEVER


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_rate(seed):
    rng = np.random.default_rng(seed)
    x = 10 + np.convolve(rng.standard_normal(6000), np.ones(9) / 9, "same")
    _, values, _ = body.run(Ppg(1), x.astype(np.float32)[None])
    assert np.isnan(values[:, 0, 0]).mean() > 0.95


def test_motion_takes_the_rate_away_and_rest_gives_it_back():
    x = body.pleth(60)
    motion = 0.8 * np.cumsum(np.random.default_rng(3).standard_normal(1250)) / 10
    x[2500:3750] += motion.astype(np.float32)
    sensor = Ppg(1)
    _, _, reasons = body.run(sensor, x[None])
    moving = reasons[530:750, 0, 0]
    assert (moving == Reason.ARTEFACT).mean() > 0.6
    assert (reasons[1000:, 0, 0] == Reason.PRESENT).all()


def test_a_heart_that_stands_still_is_no_probe_that_is_off():
    quiet = body.pleth(15, bpm=0.001)
    x = np.concatenate([body.pleth(20), quiet])
    _, _, reasons = body.run(Ppg(1), x[None])
    late = set(reasons[-100:, 0, 0])
    assert late <= {Reason.NO_PULSE, Reason.ARTEFACT}
    off = np.concatenate([body.pleth(20), np.full(1000, 10.0, np.float32)])
    _, _, reasons = body.run(Ppg(1), off[None])
    assert reasons[-1, 0, 0] == Reason.LEAD_OFF


# Saturation ------------------------------------------------------------------------------------


def lights(ratio: float, seconds: float = 20.0, noise: float = 0.0) -> np.ndarray:
    infrared = body.pleth(seconds)
    red = 4.0 + (infrared - 10.0) * 0.4 * ratio
    rng = np.random.default_rng(5)
    red = red + noise * rng.standard_normal(len(red))
    return np.stack([infrared, red.astype(np.float32)])[None]


@pytest.mark.parametrize("ratio", [0.4, 0.6, 1.0, 1.6])
@pytest.mark.parametrize("curve", CURVES)
def test_the_ratio_of_ratios_becomes_percent_by_the_named_curve(ratio, curve):
    sensor = connect(1, Options(spo2_curve=curve))
    _, values, _ = body.run(sensor, lights(ratio))
    a, b, c = CURVES[curve]
    assert values[-1, 0, 0] == pytest.approx(min(100, a + b * ratio + c * ratio**2), abs=0.7)
    assert sensor.quality[0] > 0.9


def test_the_gain_of_either_light_changes_nothing():
    x = lights(0.7)
    x[0, 0] *= 3
    x[0, 1] *= 50
    _, values, _ = body.run(SpO2(1), x)
    _, expected, _ = body.run(SpO2(1), lights(0.7))
    assert values[-1, 0, 0] == pytest.approx(expected[-1, 0, 0], abs=0.1)


def test_lights_that_do_not_move_together_say_nothing():
    sensor = SpO2(1)
    _, values, _ = body.run(sensor, lights(0.6, noise=0.1))
    assert np.isnan(values).all()


def test_a_fall_of_saturation_is_followed_within_eight_seconds():
    x = np.concatenate([lights(0.5), lights(1.2)], axis=-1)
    _, values, _ = body.run(SpO2(1), x)
    at = 20 * 25
    assert values[at - 1, 0, 0] == pytest.approx(97.5, abs=0.7)
    assert values[at + 8 * 25, 0, 0] == pytest.approx(80, abs=1)


# Arterial pressure -----------------------------------------------------------------------------


@pytest.mark.parametrize("bpm", [45, 72, 130])
@pytest.mark.parametrize(("low", "pulse"), [(80, 40), (45, 40), (110, 80)])
def test_pressures_and_rate_are_right(bpm, low, pulse):
    x = body.pressure(25, bpm, low, pulse)
    last = slice(-1250, None)
    _, values, _ = body.run(Abp(1), x[None])
    said = values[-1, 0]
    assert said[SYS] == pytest.approx(x[last].max(), abs=3)
    assert said[DIA] == pytest.approx(x[last].min(), abs=3)
    assert said[MEAN] == pytest.approx(x[last].mean(), abs=2)
    assert said[RATE] == pytest.approx(bpm, abs=1)


def test_a_flush_is_told_and_no_pressure_is_shown_until_the_line_is_itself_again():
    x = body.pressure(60)
    x[2500:2750] = 295 + np.random.default_rng(0).standard_normal(250)
    events, values, reasons = body.run(Abp(1), x[None])
    flushes = events[events["kind"] == Kind.FLUSH]
    assert len(flushes) == 1
    assert flushes["at"][0] == pytest.approx(2500, abs=40)
    during = slice(510, 590)
    assert np.isnan(values[during]).all()
    assert (reasons[during] == Reason.ARTEFACT).all()
    assert (reasons[800:] == Reason.PRESENT).all()
    assert np.nanmax(values[:, 0, SYS]) < 130


def test_an_open_line_is_off_and_a_heart_that_stands_still_is_not():
    beating = body.pressure(20)
    off = np.concatenate([beating, np.zeros(1250, np.float32)])
    _, _, reasons = body.run(Abp(1), off[None])
    assert (reasons[-1] == Reason.LEAD_OFF).all()
    noise = 0.5 * np.random.default_rng(4).standard_normal(1250)
    _, _, reasons = body.run(Abp(1), np.concatenate([beating, (25 + noise).astype("f4")])[None])
    assert (reasons[-1] == Reason.NO_PULSE).all()


def test_a_damped_line_keeps_its_mean_and_loses_the_rest():
    fine = body.pressure(30, low=70, pulse=60)
    mean = fine.mean()
    damped = body.pressure(20, low=mean - 10, pulse=26)
    damped += mean - damped.mean()
    _, values, _ = body.run(Abp(1), np.concatenate([fine, damped])[None])
    assert np.isnan(values[-1, 0, [SYS, DIA]]).all()
    assert values[-1, 0, MEAN] == pytest.approx(mean, abs=3)


def test_a_beat_that_is_unlike_its_neighbours_is_not_shown():
    x = body.pressure(40)
    x[3000:3030] += 60  # somebody knocks on the line
    _, values, _ = body.run(Abp(1), x[None])
    assert np.nanmax(values[:, 0, SYS]) < 126


def test_a_beat_is_told_with_the_pressures_that_it_had():
    events, _, _ = body.run(Abp(1), body.pressure(20)[None])
    onsets = events[events["kind"] == Kind.ONSET]
    later = onsets[onsets["at"] > 1000]
    assert len(later) == pytest.approx(12 * 1.2, abs=1.5)
    sys, dia, mean = later["value"].T
    assert np.all((dia < mean) & (mean < sys))
    assert (np.abs(sys - 120) < 6).all()
