"""The bench of alarms: what it is given, what it writes, and what fails it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import alarms, alarms_rhythms, alarms_rows
from bench.__main__ import main
from bench.alarms_cost import Cost
from bench.alarms_recordings import Alarm, Judged
from bench.alarms_rhythms import WANTED, Found, Told
from bench.claims import load_claims
from monitor.alarms.condition import Condition
from monitor.sim.patient import Episode, Script, make

pytestmark = pytest.mark.timeout(300)


def save(folder: Path, name: str, rhythm: str) -> None:
    episodes = (Episode("sinus", 15.0), Episode(rhythm, 15.0))
    patient = make(Script(episodes), 1, leads=("II", "V5"))
    np.savez(
        folder / f"{name}.npz", x=patient.ecg.T, fs=patient.ecg_hz, names=["II", "V5"], units="mV"
    )


def run(tmp_path: Path, *words: str) -> tuple[int, Any]:
    file = tmp_path / "report" / "alarms.json"
    code = main(["alarms", "--json", str(file), *words])
    return code, json.loads(file.read_bytes())


def test_every_alarm_of_a_recording_is_told_and_a_high_one_fails(tmp_path: Path):
    save(tmp_path, "still", "asystole")
    save(tmp_path, "well", "sinus")
    code, report = run(tmp_path, "--records", str(tmp_path), "--only", "recordings")
    high = [alarm for alarm in report["alarms"] if alarm["priority"] == "HIGH"]
    assert [(alarm["record"], alarm["code"]) for alarm in high] == [("still", "ASYSTOLE")]
    assert 18.0 < high[0]["t_s"] < 21.0
    assert 13.0 < high[0]["onset_s"] < 16.0
    broken = [claim["id"] for claim in report["claims"] if claim["ok"] is False]
    assert broken == ["alarms-recordings-high"]
    assert code == 1


def test_a_folder_without_recordings_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["alarms", "--records", str(tmp_path), "--only", "recordings"]) == 2
    assert "expected recordings" in capsys.readouterr().err.replace("\n", " ")


def test_every_claim_speaks_of_a_row_that_a_part_measures():
    claims = [claim for claim in load_claims().claim if claim.part == alarms.PART]
    assert {claim.key.split(".")[1] for claim in claims} == set(alarms_rows.PART_OF)
    assert set(alarms_rows.PART_OF.values()) <= set(alarms.PARTS)


def test_every_kind_of_episode_has_a_row():
    wanted = {one.conditions for one in WANTED.values() if one.conditions}
    assert wanted == set(alarms_rows.GROUPS.values())


def test_what_was_not_told_counts_and_is_no_time():
    found = [
        Found("vf", "none", 99, took_s, (), (), 0.0) for took_s in (4.0, 5.0, float("nan"), 4.5)
    ]
    row = next(row for row in alarms_rows.of_episodes(found) if row.variant == "vf")
    assert row.extra["missed_part"] == 0.25
    assert row.extra["took_max_s"] == 5.0


def test_time_is_added_up_of_what_held():
    told = [Told(t, Condition.AF, holds, 0.0) for t, holds in ((1, True), (3, False), (7, True))]
    assert alarms_rhythms.held_s(told, Condition.AF, 10.0) == 5.0
    assert alarms_rhythms.held_s(told, Condition.VF, 10.0) == 0.0


def test_recordings_are_summed_and_the_worst_is_named():
    high = Alarm("a", 1.0, 0.0, "VT", "HIGH", 2.0)
    rows = alarms_rows.of_recordings(
        [Judged("a", 1800.0, 0.01, [high]), Judged("b", 1800.0, 0.04, [])]
    )
    total = rows[0].extra
    assert (total["high"], total["high_per_hour"], total["hours"]) == (1.0, 1.0, 1.0)
    assert total["suspended_part_max"] == 0.04


def test_cost_is_told_beside_the_engines():
    row = alarms_rows.of_cost(Cost(np.full(9, 2_000_000), np.full(9, 1_000_000)))
    assert row.extra["judge_p50_ms"] == 1.0
    assert row.extra["judge_beside_engine"] == 0.5
