"""The ECG among the sensors: a rate, or the reason why there is none."""

import numpy as np
import pytest

from monitor.messages import Reason
from monitor.vitals.heart import Heart
from tests.monitor.vitals import body
from tests.monitor.vitals.ecg.rhythm import draw, regular

#: Whoever runs first compiles the kernels, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)


def ecg(beats_s, length_s: float) -> np.ndarray:
    """One patient, one lead of two."""
    lead = draw(beats_s, length_s)
    return np.stack([lead, np.full_like(lead, np.nan)])[None]


def reasons(x: np.ndarray) -> tuple[Heart, np.ndarray, np.ndarray]:
    heart = Heart(1, 2)
    _, values, why = body.run(heart, x, tick=10)
    return heart, values[:, 0, 0], why[:, 0, 0]


def test_a_rate_is_learnt_and_then_there():
    heart, values, why = reasons(ecg(regular(75, 20), 20))
    assert why[12] == Reason.LEARNING
    assert why[-1] == Reason.PRESENT
    assert values[-1] == pytest.approx(75, abs=1)
    assert heart.quality[0] > 0.5


def test_without_a_lead_there_is_none():
    heart, values, why = reasons(np.full((1, 2, 1000), np.nan, np.float32))
    assert (why == Reason.LEAD_OFF).all()
    assert np.isnan(values).all()
    assert heart.quality[0] == 0.0


def test_a_heart_that_stops_is_not_called_learning():
    _, _, why = reasons(ecg(regular(75, 20), 40))
    later = why[20 * 25 :]
    lost = later[later != Reason.PRESENT]
    assert len(lost) > 0
    assert set(lost) <= {Reason.NO_PULSE, Reason.ARTEFACT}


def test_a_patient_that_is_reset_begins_to_learn():
    heart, _, _ = reasons(ecg(regular(75, 20), 20))
    heart.reset(0)
    heart.step(ecg(regular(75, 2), 2)[:, :, :250], body.Events())
    assert np.isnan(heart.values).all()
