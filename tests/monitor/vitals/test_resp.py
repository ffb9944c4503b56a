"""Breaths are counted, a pause is told after twenty seconds, and the heart's own waves end none."""

import numpy as np
import pytest

from monitor.messages import Reason
from monitor.vitals.events import Kind
from monitor.vitals.resp import Resp
from tests.monitor.vitals import body

#: Whoever runs first compiles the kernels, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)


def pausing(before_s: float = 60.0, pause_s: float = 30.0, heart: float = 0.05) -> np.ndarray:
    """Breathing, then only the heart, 72 a minute."""
    t_s = body.clock(before_s + pause_s, 62.5)
    x = np.where(t_s < before_s, np.sin(2 * np.pi * t_s * 0.25), 0.0)
    x += heart * np.sin(2 * np.pi * 1.2 * t_s)
    x += 0.005 * np.random.default_rng(0).standard_normal(len(t_s))
    return (800 + x).astype(np.float32)


@pytest.mark.parametrize("a_minute", [6, 12, 20, 35, 55])
def test_the_rate_is_right(a_minute):
    _, values, _ = body.run(Resp(1), body.chest(90, a_minute)[None])
    assert values[-1, 0, 0] == pytest.approx(a_minute, rel=0.04)


def test_gain_and_level_change_nothing():
    x = body.chest(60)
    events, _, _ = body.run(Resp(1), x[None])
    other, _, _ = body.run(Resp(1), (x * 64)[None])
    assert events["at"].tolist() == other["at"].tolist()


@pytest.mark.parametrize("heart", [0.02, 0.1, 0.3])
def test_a_pause_is_told_once_after_twenty_seconds_though_the_heart_goes_on(heart):
    sensor = Resp(1)
    sensor.heart_bpm[:] = 72.0
    events, _, reasons = body.run(sensor, pausing(heart=heart)[None], tick=2)
    pauses = events[events["kind"] == Kind.APNOEA]
    assert len(pauses) == 1
    breaths = events[events["kind"] == Kind.BREATH]
    last_s = breaths["at"][-1] / 62.5
    assert last_s == pytest.approx(60, abs=3.5)
    assert pauses["at"][0] / 62.5 == pytest.approx(last_s + 20, abs=0.1)
    assert reasons[-1, 0, 0] == Reason.NO_PULSE


def test_a_breath_ends_the_pause():
    x = np.concatenate([pausing(), body.chest(40)])
    events, _, reasons = body.run(Resp(1), x[None])
    assert (events["kind"] == Kind.APNOEA).sum() == 1
    assert reasons[-1, 0, 0] == Reason.PRESENT


def test_a_belt_that_is_off_is_no_pause():
    x = np.concatenate([body.chest(60), np.full(3000, 800.0, np.float32)])
    events, _, reasons = body.run(Resp(1), x[None])
    assert not (events["kind"] == Kind.APNOEA).any()
    assert reasons[-1, 0, 0] == Reason.LEAD_OFF


def test_who_breathes_as_fast_as_the_heart_beats_is_still_counted():
    sensor = Resp(1)
    sensor.heart_bpm[:] = 50.0
    _, values, _ = body.run(sensor, body.chest(60, a_minute=50)[None])
    assert values[-1, 0, 0] == pytest.approx(50, rel=0.04)
