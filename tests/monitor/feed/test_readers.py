"""A recording comes out of each kind of file as it went in; what is none says what was expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.feed.readers import read
from monitor.feed.recording import FeedFault

SECONDS = 4
RNG = np.random.default_rng(1)
ECG = RNG.standard_normal(250 * SECONDS).clip(-3, 3)
RESP = RNG.standard_normal(125 * SECONDS).clip(-3, 3)


def test_edf_gives_each_signal_at_its_own_rate(tmp_path: Path):
    edfio = pytest.importorskip("edfio")
    signals = [
        edfio.EdfSignal(ECG, 250, label="ECG II", physical_dimension="mV", physical_range=(-5, 5)),
        edfio.EdfSignal(RESP, 125, label="Resp", physical_dimension="Ohm", physical_range=(-5, 5)),
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    ecg, resp = read(tmp_path / "a.edf")
    assert (ecg.name, ecg.unit, ecg.rate_hz) == ("ECG II", "mV", 250.0)
    assert (resp.name, resp.unit, resp.rate_hz) == ("Resp", "Ohm", 125.0)
    assert ecg.x == pytest.approx(ECG, abs=2e-4)
    assert resp.x == pytest.approx(RESP, abs=2e-4)


@pytest.mark.parametrize("called", ["a", "a.hea", "a.dat"])
def test_wfdb_is_found_by_its_header_its_samples_or_its_name(tmp_path: Path, called: str):
    wfdb = pytest.importorskip("wfdb")
    x = np.column_stack([ECG, ECG[::-1]])
    x[7, 1] = np.nan
    wfdb.wrsamp(
        "a",
        fs=250,
        units=["mV", "mmHg"],
        sig_name=["MLII", "ABP"],
        p_signal=x,
        fmt=["16", "16"],
        write_dir=str(tmp_path),
    )
    lead, abp = read(tmp_path / called)
    assert (lead.name, lead.unit, lead.rate_hz) == ("MLII", "mV", 250.0)
    assert lead.x == pytest.approx(ECG, abs=1e-3)
    assert np.flatnonzero(np.isnan(abp.x)).tolist() == [7]


def test_csv_takes_its_rate_from_its_time_and_its_units_from_its_names(tmp_path: Path):
    file = tmp_path / "a.csv"
    lines = ["time,ECG II (mV),PLETH [NU]", "0.000,0.5,1", "0.004,,2", "0.008,nan,-", "0.012,1,3"]
    file.write_text("\n".join(lines) + "\n")
    ecg, pleth = read(file)
    assert (ecg.name, ecg.unit, ecg.rate_hz) == ("ECG II", "mV", 250.0)
    assert (pleth.name, pleth.unit) == ("PLETH", "NU")
    assert ecg.x.tolist() == pytest.approx([0.5, np.nan, np.nan, 1.0], nan_ok=True)
    assert pleth.x.tolist() == pytest.approx([1.0, 2.0, np.nan, 3.0], nan_ok=True)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_may_be_divided_by_semicolons_or_tabs(tmp_path: Path, delimiter: str):
    file = tmp_path / "a.txt"
    file.write_text(f"II{delimiter}V\n1{delimiter}2\n3{delimiter}4\n")
    first, second = read(file, rate_hz=360.0)
    assert (first.x.tolist(), second.x.tolist()) == ([1.0, 3.0], [2.0, 4.0])
    assert first.rate_hz == 360.0


def test_npz_takes_one_name_for_each_column(tmp_path: Path):
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.savez(tmp_path / "a.npz", x=x, fs=125, names=["II", "PLETH"], units=["mV", "NU"])
    ecg, pleth = read(tmp_path / "a.npz")
    assert (ecg.name, pleth.name, pleth.unit) == ("II", "PLETH", "NU")
    assert pleth.x.tolist() == [1.0, 3.0, 5.0, 7.0]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "", "expected a first line of names"),
        ("a.csv", "1,2\n3,4\n", "expected a first line of names"),
        ("a.csv", "II\n1\n2\n", "expected a column `t` in seconds, or --rate"),
        ("a.csv", "t,II\n0,1\n0.1,x\n", "line 3: expected numbers"),
        ("a.csv", "t,II\n0,1\n0.1\n", "line 3: expected 2 values, found 1"),
        ("a.csv", "t,II\n0,1\n0,2\n", "advances with each line"),
        ("a.csv", "t,II\n0,1\n1,2\n5,3\n", "expected steps of time of"),
        ("a.csv", "t,II\n", "advances with each line"),
        ("a.edf", "this is not EDF", "a.edf: "),
        ("a.npz", "this is not npz", "a.npz: "),
        ("a.hea", "nonsense", "a.hea: "),
        ("a.mp3", "", "expected a recording"),
    ],
)
def test_what_is_no_recording_says_what_was_expected(
    tmp_path: Path, name: str, text: str, why: str
):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(FeedFault, match=why) as caught:
        read(file)
    assert str(file) in str(caught.value)


def test_a_generated_patient_needs_no_file():
    channels = read(Path("sim:tall-t"))
    names = [channel.name for channel in channels]
    assert names == ["II", "V5", "V1", "PLETH", "RED", "ABP", "RESP"]
    assert {channel.lasts_s for channel in channels} == {60.0}
    with pytest.raises(FeedFault, match="sim:nobody: expected a script: apnoea, asystole"):
        read(Path("sim:nobody"))


def test_a_file_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(FeedFault, match="no such file"):
        read(tmp_path / "nobody.csv")
    with pytest.raises(FeedFault, match="expected a recording"):
        read(tmp_path / "nobody")


def test_a_rate_that_nobody_has_is_refused(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.zeros(10), fs=1e9)
    with pytest.raises(FeedFault, match="ECG: expected a rate of 1 to 100000 Hz"):
        read(tmp_path / "a.npz")
