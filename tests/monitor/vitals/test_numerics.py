"""Plain numbers grow old, fail, and belong to the device that said them."""

import msgspec
import numpy as np
import pytest

from monitor.messages import Metric, Reading, Reason
from monitor.vitals.numerics import CAUSES, SHELF_S, Numerics

S = 1_000_000_000
TEMP = Reading(65, "icu/1", "probe", 1, 1, Metric.TEMP, 36.8, 0)


def after(numerics: Numerics, seconds: float) -> tuple[float, Reason]:
    numerics.advance(round(seconds * S))
    return numerics.values[0, Metric.TEMP], Reason(numerics.reason[0, Metric.TEMP])


def heard(*readings: Reading) -> Numerics:
    numerics = Numerics(2)
    for reading in readings:
        numerics.receive(0, reading, 0)
    return numerics


def test_a_number_is_there_until_it_is_too_old():
    numerics = heard(TEMP)
    assert after(numerics, 59.9) == (36.8, Reason.PRESENT)
    value, reason = after(numerics, 60.1)
    assert np.isnan(value)
    assert reason == Reason.STALE


def test_its_age_at_sending_counts():
    numerics = heard(msgspec.structs.replace(TEMP, age_us=50_000_000))
    assert after(numerics, 9.9)[1] == Reason.PRESENT
    assert after(numerics, 10.1)[1] == Reason.STALE
    assert numerics.age_ns[0, Metric.TEMP] == round(60.1 * S)


def test_a_measurement_that_failed_takes_the_last_one_away():
    numerics = heard(TEMP, msgspec.structs.replace(TEMP, seq=2, value=None))
    value, reason = after(numerics, 1)
    assert np.isnan(value)
    assert reason == Reason.ARTEFACT


def test_what_was_never_measured_says_so():
    numerics = heard(TEMP)
    numerics.advance(S)
    assert (numerics.reason[1] == Reason.NEVER).all()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"metric": Metric.HR, "value": 70.0}, "metric"),
        ({"metric": 200}, "metric"),
        ({"value": 99.0}, "range"),
        ({"seq": 1}, "stale"),
        ({"seq": 0}, "stale"),
        ({"device": "other"}, "occupied"),
    ],
)
def test_what_is_refused_is_counted_by_name_and_changes_nothing(changes, cause):
    numerics = heard(TEMP)
    wrong = msgspec.structs.replace(TEMP, **{"seq": 2, "value": 40.0, **changes})
    assert numerics.receive(0, wrong, S) == cause
    assert {name: n for name, n in numerics.refused.items() if n} == {cause: 1}
    assert cause in CAUSES
    assert after(numerics, 2) == (36.8, Reason.PRESENT)


def test_a_device_that_started_anew_goes_on_and_another_one_waits_for_its_turn():
    numerics = heard(TEMP)
    anew = msgspec.structs.replace(TEMP, incarnation=2, seq=0, value=37.0)
    assert numerics.receive(0, anew, S) == ""
    other = msgspec.structs.replace(TEMP, device="other", value=38.0)
    assert numerics.receive(0, other, (1 + SHELF_S[Metric.TEMP]) * S) == "occupied"
    assert numerics.receive(0, other, (2 + SHELF_S[Metric.TEMP]) * S) == ""
