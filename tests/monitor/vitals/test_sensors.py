"""What holds of every sensor: how the samples were cut, and who else is there, changes no bit."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.vitals.abp import Abp
from monitor.vitals.events import Events
from monitor.vitals.ppg import Ppg
from monitor.vitals.resp import Resp
from monitor.vitals.spo2 import SpO2
from tests.monitor.vitals import body

#: Whoever runs first compiles the kernels, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 14.0


class Case(NamedTuple):
    """A sensor, and a signal of it: (..., n)."""

    make: type
    x: np.ndarray


CASES = {
    "ppg": Case(Ppg, body.pleth(SECONDS)),
    "spo2": Case(SpO2, np.stack([body.pleth(SECONDS), 4 + 0.6 * body.pleth(SECONDS)])),
    "abp": Case(Abp, body.pressure(SECONDS)),
    "resp": Case(Resp, body.chest(3 * SECONDS)),
}
every_sensor = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
BAD = (np.nan, np.inf, -np.inf, 0.0, 3.4e38, -3.4e38)


def seen(case: Case, x: np.ndarray, cuts: list[int]) -> bytes:
    """Everything a sensor says of some patients, fed in pieces that end at `cuts`."""
    sensor, events = case.make(len(x)), Events(100_000)
    for start, end in zip([0, *cuts], [*cuts, x.shape[-1]], strict=True):
        if end > start:
            sensor.step(np.ascontiguousarray(x[..., start:end]), events)
    said = (sensor.values, sensor.quality, sensor.reason)
    return b"".join(part.tobytes() for part in (events.drain(), *said))


def spoilt(case: Case, data: st.DataObject) -> np.ndarray:
    """The case's signal with stretches of what is no sample."""
    x = case.x.copy()
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, x.shape[-1] - 1))
        x[..., start : start + data.draw(st.integers(1, 300))] = data.draw(st.sampled_from(BAD))
    return x[None]


@every_sensor
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_pieces_give_the_same_bits_as_the_whole(case: Case, data: st.DataObject):
    x = spoilt(case, data)
    cuts = sorted(data.draw(st.lists(st.integers(1, x.shape[-1] - 1), max_size=60)))
    assert seen(case, x, cuts) == seen(case, x, [])


@every_sensor
def test_a_sample_at_a_time_gives_the_same_bits_as_the_whole(case: Case):
    x = case.x[None]
    assert seen(case, x, list(range(1, x.shape[-1]))) == seen(case, x, [])


@every_sensor
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_patients_are_strangers_to_each_other(case: Case, data: st.DataObject):
    ward = np.concatenate([spoilt(case, data) for _ in range(3)])
    order = data.draw(st.permutations(range(3)))
    alone = [_of(case, ward[[patient]], 0) for patient in range(3)]
    assert [_of(case, ward[list(order)], place) for place in range(3)] == [
        alone[patient] for patient in order
    ]


def _of(case: Case, x: np.ndarray, patient: int) -> bytes:
    sensor, events = case.make(len(x)), Events(100_000)
    sensor.step(x, events)
    mine = events.drain()
    mine = mine[mine["patient"] == patient]
    mine["patient"] = 0
    said = (sensor.values[patient], sensor.quality[patient], sensor.reason[patient])
    return mine.tobytes() + b"".join(part.tobytes() for part in said)


@every_sensor
@pytest.mark.parametrize("bad", BAD)
def test_ten_seconds_of_nonsense_leave_no_trace(case: Case, bad: float):
    nonsense = np.full((*case.x.shape[:-1], 1250), bad, np.float32)
    sensor = case.make(1)
    body.run(sensor, nonsense[None])
    assert np.isnan(sensor.values).all()
    assert (sensor.reason != 0).all()
    _, values, _ = body.run(sensor, np.concatenate([case.x, case.x], axis=-1)[None])
    fresh = case.make(1)
    _, expected, _ = body.run(fresh, np.concatenate([case.x, case.x], axis=-1)[None])
    np.testing.assert_allclose(values[-1], expected[-1], rtol=0.03)


@every_sensor
def test_a_patient_that_is_reset_knows_nothing_and_the_next_one_knows_all(case: Case):
    sensor = case.make(2)
    body.run(sensor, np.stack([case.x, case.x]))
    before = sensor.values[1].copy()
    sensor.reset(0)
    sensor.step(np.full((2, *case.x.shape[:-1], 1), np.nan, np.float32), Events())
    assert np.isnan(sensor.values[0]).all()
    assert sensor.values[1].tobytes() == before.tobytes()


@every_sensor
def test_a_value_is_there_exactly_if_there_is_no_reason_against_it(case: Case):
    x = np.concatenate([case.x, np.full_like(case.x, np.nan)], axis=-1)
    _, values, reasons = body.run(case.make(1), x[None])
    assert (np.isnan(values) == (reasons != 0)).all()
    assert not np.isnan(values).all()


ORACLE = """
import hashlib, numpy as np
from tests.monitor.vitals.test_sensors import CASES, seen
digest = hashlib.sha256()
for case in CASES.values():
    digest.update(seen(case, case.x[None], [1, 7, 500]))
print(digest.hexdigest())
"""


def test_compiled_kernels_say_what_the_plain_functions_say():
    said = [
        subprocess.run(
            [sys.executable, "-c", ORACLE],
            cwd=ROOT,
            env={**os.environ, "NUMBA_DISABLE_JIT": off},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for off in ("0", "1")
    ]
    assert said[0] == said[1]
