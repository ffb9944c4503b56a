"""One sensor for all: the same bits however it is fed, and nobody pays for another's cable."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.vitals.ecg.intake import OFF
from monitor.vitals.ecg.sensor import Ecg
from monitor.vitals.events import Events, Kind
from tests.monitor.vitals.ecg.rhythm import RATE, draw, match, regular, watch

LENGTH_S = 20.0


def ward():
    """Three patients with two leads each: steady, fast with a gap, noisy."""
    steady = draw(regular(75, LENGTH_S), LENGTH_S)
    fast = draw(regular(140, LENGTH_S), LENGTH_S, seed=1, qt_s=0.28)
    fast[2000:2100] = np.nan
    noisy = draw(regular(60, LENGTH_S), LENGTH_S, noise_mv=0.15, seed=2)
    return np.stack([[steady, 0.6 * steady], [fast, -fast], [noisy, noisy[::-1]]]).astype(
        np.float32
    )


def feed(x, cuts):
    sensor, events = Ecg(*x.shape[:2]), Events()
    edges = [0, *sorted(set(cuts)), x.shape[2]]
    for start, stop in pairwise(edges):
        if stop > start:
            sensor.step(np.ascontiguousarray(x[:, :, start:stop]), events)
    numbers = [sensor.rate_bpm, sensor.quality, sensor.lead_off, *sensor.indices()]
    return by_patient(events.drain()), [n.copy() for n in numbers]


def by_patient(rows):
    return rows[np.argsort(rows["patient"], kind="stable")]


def same(a, b):
    return a[0].tobytes() == b[0].tobytes() and all(
        np.array_equal(m, n, equal_nan=True) for m, n in zip(a[1], b[1], strict=True)
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, int(LENGTH_S * RATE) - 1), max_size=40))
def test_how_the_stream_is_cut_changes_no_bit(cuts):
    x = ward()
    assert same(feed(x, cuts), feed(x, []))


@pytest.mark.parametrize("tick", [1, 10, 40])
def test_ticks_of_any_length_change_no_bit(tick):
    x = ward()
    assert same(feed(x, range(tick, x.shape[2], tick)), feed(x, []))


@settings(max_examples=6, deadline=None)
@given(st.permutations([0, 1, 2]))
def test_places_in_the_batch_change_nothing(order):
    x = ward()
    rows, numbers = feed(x, [])
    moved, moved_numbers = feed(np.ascontiguousarray(x[order]), [])
    for place, patient in enumerate(order):
        mine, there = rows[rows["patient"] == patient], moved[moved["patient"] == place]
        there["patient"] = patient
        assert len(mine) > 10
        assert mine.tobytes() == there.tobytes()
        assert moved_numbers[0][place] == numbers[0][patient]


def test_a_patient_more_changes_nothing_for_the_others():
    x = ward()
    rows, _ = feed(x, [])
    fewer, _ = feed(np.ascontiguousarray(x[:2]), [])
    assert rows[rows["patient"] < 2].tobytes() == fewer.tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38, 0.0, 5.0, -40.0, 1e4])
def test_what_is_no_signal_stays_with_its_patient_and_passes(bad):
    x = ward()
    x[0, :, 1500:2750] = bad  # 5 s
    rows, numbers = feed(x, [])
    untouched, _ = feed(ward(), [])
    others = rows["patient"] > 0
    assert rows[others].tobytes() == untouched[untouched["patient"] > 0].tobytes()
    assert np.isfinite(numbers[0]).all()
    mine = rows[(rows["patient"] == 0) & (rows["kind"] == Kind.QRS)]
    during = (mine["at"] > 1500 + 60) & (mine["at"] < 2750)
    assert during.sum() <= 1  # the step itself at most
    hits, missed, invented = match(regular(75, LENGTH_S), mine, 15.5, 19.5)
    assert (missed, invented) == (0, 0)
    assert hits >= 4


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, int(LENGTH_S * RATE) - 1),
            st.integers(1, 400),
            st.sampled_from([np.nan, np.inf, -np.inf, 1e38, 0.0, 39.0]),
        ),
        max_size=6,
    )
)
def test_no_rubbish_poisons_the_state(rubbish):
    x = ward()[:1]
    for start, length, value in rubbish:
        x[0, :, start : start + length] = value
    calm = draw(regular(75, 30), 30)
    x = np.concatenate([x, np.stack([calm, 0.6 * calm])[None]], axis=2)
    rows, numbers = feed(x, [])
    beats = rows[rows["kind"] == Kind.QRS]
    _, missed, invented = match(LENGTH_S + regular(75, 30), beats, LENGTH_S + 12, LENGTH_S + 29)
    assert (missed, invented) == (0, 0)
    assert abs(numbers[0][0] - 75) < 1


def test_a_lead_says_when_it_goes_and_when_it_is_back():
    x = draw(regular(75, 30), 30)
    x[2500:4000] = np.nan
    _, rates, events, sensor = watch(x)
    off = events[events["kind"] == Kind.LEAD_OFF]
    on = events[events["kind"] == Kind.LEAD_ON]
    assert list(off["at"]) == [2500 - 1]  # the last sample there was
    assert off["emitted"][0] - off["at"][0] == OFF
    assert list(on["at"]) == [0, 4000]
    assert on["value"][1, 1] == pytest.approx(1501 / RATE)
    assert np.isnan(rates[3900 // 10])
    assert rates[-1] == pytest.approx(75, abs=1)
    assert not sensor.lead_off[0, 0]


def test_a_flat_line_is_a_cable_not_a_heart():
    x = draw(regular(75, 30), 30)
    x[2500:] = x[2500]
    _, rates, events, sensor = watch(x)
    assert sensor.lead_off[0, 0]
    assert sensor.quality[0, 0] == 0
    assert np.isnan(rates[-1])
    assert Kind.LEAD_OFF in events["kind"]


def test_a_gap_ends_without_a_beat():
    x = draw(regular(60, 30), 30)
    x[2550:2650] = np.nan  # between two beats, and the baseline has moved meanwhile
    x[2650:] += 3.0
    beats, *_ = watch(x)
    hits, missed, invented = match(regular(60, 30), beats, 6, 29.5)
    assert (missed, invented) == (1, 0)  # the beat at 10.5 s lay in the gap
    assert hits >= 20


def test_who_changes_places_is_forgotten_alone():
    x = ward()
    sensor, events = Ecg(3, 2), Events()
    sensor.step(x, events)
    before = events.drain()
    sensor.reset(1)
    assert np.isnan(sensor.rate_bpm[1])
    assert sensor.lead_off[1].all()
    sensor.step(x, events)
    after = events.drain()
    once, twice = Ecg(3, 2), Events()
    once.step(x, twice)
    twice.drain()
    once.step(x, twice)
    untouched = twice.drain()
    for patient in (0, 2):
        mine = after[after["patient"] == patient]
        assert mine.tobytes() == untouched[untouched["patient"] == patient].tobytes()
    mine, first = after[after["patient"] == 1], before[before["patient"] == 1]
    assert len(mine) == len(first)
    assert list(mine["at"] - x.shape[2]) == list(first["at"])


ORACLE = """
import sys
import numpy as np
from monitor.vitals.ecg.sensor import Ecg
from monitor.vitals.events import Events
x = np.load(sys.argv[1])
sensor, events = Ecg(*x.shape[:2]), Events()
sensor.step(x, events)
sys.stdout.buffer.write(events.drain().tobytes() + sensor.rate_bpm.tobytes())
"""


def test_the_compiled_kernels_do_what_the_plain_ones_say(tmp_path):
    x = ward()[1:2, :, : 9 * RATE]
    file = tmp_path / "x.npy"
    np.save(file, x)
    plain = subprocess.run(
        [sys.executable, "-c", ORACLE, str(file)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        check=True,
        timeout=50,
    ).stdout
    sensor, events = Ecg(1, 2), Events()
    sensor.step(x, events)
    rows = events.drain()
    assert (rows["kind"] == Kind.QRS).sum() > 8
    assert plain == rows.tobytes() + sensor.rate_bpm.tobytes()
