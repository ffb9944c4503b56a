"""Recordings are read as they come; what is none says what was expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.vitals_records import RecordFault, ecg_of, read, read_all


def save(folder: Path, name: str = "a", **columns: object) -> Path:
    file = folder / f"{name}.npz"
    whole: dict[str, object] = {"x": np.zeros(1000, np.float32), "fs": 250, **columns}
    np.savez(file, **{key: np.asarray(value) for key, value in whole.items()})
    return file


def test_one_lead_without_a_name_is_an_ecg_in_millivolts(tmp_path: Path):
    found = read(save(tmp_path, x=np.arange(1000, dtype=np.float32), beats=[500, 250]))
    assert found.leads == ("ECG",)
    assert found.x.shape == (1, 1000)
    assert found.beats_s is not None
    assert found.beats_s.tolist() == [1.0, 2.0]
    assert found.lasts_s == 4.0


def test_of_several_signals_the_ecg_is_taken_and_brought_to_millivolts(tmp_path: Path):
    x = np.ones((1000, 4), np.float32)
    file = save(
        tmp_path, x=x, names=["PLETH", "II", "RESP", "V"], units=["NU", "uV", "Ohm", "V"], fs=500
    )
    found = read(file)
    assert found.leads == ("II", "V")
    assert found.x[:, 0].tolist() == pytest.approx([0.001, 1000.0])
    assert found.beats_s is None


def test_of_many_leads_three_are_taken(tmp_path: Path):
    names = ["i", "ii", "iii", "avr", "v1"]
    assert read(save(tmp_path, x=np.zeros((1000, 5)), names=names)).leads == ("i", "ii", "iii")


@pytest.mark.parametrize(
    "name",
    [
        "I",
        "II",
        "III",
        "aVR",
        "AVF",
        "V",
        "V1",
        "V6",
        "MLII",
        "ML II",
        "MCL1",
        "MCL",
        "ECG",
        "ECG1",
        "ECG II",
        "CM5",
        "CC5",
        "D3",
        "V1-V2",
        "EKG",
    ],
)
def test_an_ecg_lead_is_known_by_its_name(name: str):
    assert ecg_of([name, "PLETH"]) == [0]


@pytest.mark.parametrize(
    "name", ["PLETH", "RESP", "ABP", "ART", "CVP", "PAP", "ICP", "SpO2", "EMG"]
)
def test_what_is_none_is_not_taken_for_one(name: str):
    assert ecg_of([name]) == []


def test_a_name_that_nobody_knows_may_be_one(tmp_path: Path):
    assert ecg_of(["holter channel", "PLETH"]) == [0]


def test_a_noise_stress_test_says_its_noise_in_its_name(tmp_path: Path):
    assert read(save(tmp_path, "nst_118e12")).noise_db == 12
    assert read(save(tmp_path, "nst_118e_6")).noise_db == -6
    assert read(save(tmp_path, "mitdb_100")).noise_db is None


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"fs": 50}, "expected a rate of 100 to 1000, not 50"),
        ({"fs": 4000}, "not 4000"),
        ({"names": ["PLETH"]}, "expected an ECG lead, found PLETH"),
        ({"units": ["mmHg"]}, "expected mv, .* of ECG_1, found 'mmHg'"),
        ({"x": np.zeros((1000, 2)), "names": ["I", "II", "III"]}, "one for each lead, found 3"),
    ],
)
def test_what_is_no_recording_says_why(tmp_path: Path, columns: dict[str, object], why: str):
    with pytest.raises(RecordFault, match=why):
        read(save(tmp_path, **columns))


def test_a_file_that_is_no_archive_says_its_name(tmp_path: Path):
    (tmp_path / "broken.npz").write_bytes(b"not a zip")
    with pytest.raises(RecordFault, match=r"broken\.npz"):
        list(read_all(tmp_path))


def test_a_folder_without_recordings_says_so(tmp_path: Path):
    with pytest.raises(RecordFault, match="found none"):
        list(read_all(tmp_path))
