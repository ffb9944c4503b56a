"""Real faults, without the faults: what is judged, what is kept when somebody interrupts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench import faults, faults_real, faults_trials
from bench.falls import Fall, gap_around, in_words
from bench.faults_quiet import Replayed, _row
from bench.faults_trials import Delay
from bench.rows import Row

MS = 1_000_000


def console() -> tuple[Console, StringIO]:
    text = StringIO()
    return Console(file=text, width=140, highlight=False), text


def test_an_interrupted_run_writes_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(
        devices: object, found: faults_trials.Found, trials: int, seed: int, spoiled: list[str]
    ) -> Iterator[tuple[int, int]]:
        for number in range(4):
            for name in found:
                found[name].append(Delay((20 + number) * MS, MS))
            yield 2 * (number + 1), trials
        raise KeyboardInterrupt

    monkeypatch.setattr(faults_trials, "play", play)
    shown, text = console()
    parts = ("killed", "stops", "quiet")
    code = faults_real.run(shown, tmp_path / "r.json", parts=parts, trials=300)
    assert code == faults_real.INTERRUPTED
    report = json.loads((tmp_path / "r.json").read_text())
    assert [(row["variant"], row["n"]) for row in report["rows"]] == [
        ("killed", 4),
        ("stops", 4),
        ("killed/stops", 4),
    ]
    assert report["rows"][2]["extra"] == {"p50": 1.0, "p90": 1.0}
    assert report["quick"]
    assert {claim["id"] for claim in report["claims"]} == {
        "killed-p50",
        "killed-p90",
        "death-seen-p90",
    }
    assert "interrupted" in text.getvalue()


def test_quiet_minutes_that_were_cut_short_are_judged_and_the_run_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _row(600, 0.4, [], Replayed(Counter(), 0, 0))
    monkeypatch.setattr(faults_real, "quiet", lambda *_: (row, [], False))
    code = faults_real.run(console()[0], tmp_path / "r.json", parts=("quiet",))
    assert code == faults_real.INTERRUPTED
    report = json.loads((tmp_path / "r.json").read_text())
    assert [(row["variant"], row["extra"]["minutes"]) for row in report["rows"]] == [("quiet", 0.4)]
    assert report["quick"]
    assert [claim["ok"] for claim in report["claims"] if claim["ok"] is not None]


def test_what_was_asked_for_and_did_not_come_about_is_a_claim_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def files(devices: object, seed: int) -> Row:
        raise faults_real.Spoiled("no motion within 20 s")

    monkeypatch.setitem(faults_real.ONCE, "files", files)
    shown, text = console()
    assert faults_real.run(shown, None, parts=("files",)) == 1
    assert "NOT KEPT" in text.getvalue()


def test_more_takes_longer() -> None:
    some = faults_real.expected_s(("killed", "stops"), 30, 10)
    assert faults_real.expected_s(("killed", "stops", "quiet"), 30, 10) > some + 600
    assert faults_real.expected_s(("killed", "stops"), 300, 10) == pytest.approx(10 * some)


def test_the_command_takes_parts_trials_and_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse

    asked: dict[str, object] = {}
    monkeypatch.setattr(faults_real, "run", lambda *_, **given: asked.update(given) or 0)
    parser = argparse.ArgumentParser()
    faults.describe(parser)
    said = ["--real", "--only", "killed", "quiet", "--trials", "7", "--minutes", "0.5"]
    assert faults.start(parser.parse_args(said), console()[0]) == 0
    assert asked == {"parts": ["killed", "quiet"], "trials": 7, "minutes": 0.5, "seed": 0}
    with pytest.raises(SystemExit):
        parser.parse_args(["--only", "nothing"])


def test_falls_that_replay_gave_otherwise_are_counted_and_so_are_those_without_a_cause() -> None:
    seen = [
        Fall(1, "HOLD", "SILENCE", "relay", 24.0, stalled=False),
        Fall(2, "HOLD", "SILENCE", "", 20.0, stalled=True),
        Fall(3, "HOLD", "LAG", "", 20.0, stalled=False),
    ]
    same = Counter({("HOLD", "SILENCE"): 2, ("HOLD", "LAG"): 1})
    found = _row(600, 1.0, seen, Replayed(same, 0, 0)).extra
    assert (found["holds"], found["without_cause"], found["not_replayed"]) == (3, 1, 0)
    other = Counter({("HOLD", "SILENCE"): 2, ("IDLE", "LAG"): 1})
    assert _row(600, 1.0, seen, Replayed(other, 1, 0)).extra["not_replayed"] == 2
    assert "UNEXPLAINED" in in_words(seen[2])
    assert "a stall of the host" in in_words(seen[1])


def test_the_silence_that_ended_motion_is_the_longest_that_touches_it() -> None:
    times = [n * MS for n in (0, 1, 2, 25, 26, 60)]
    assert gap_around(times, 25 * MS) == (2 * MS, 25 * MS)
    assert gap_around(times[:3], 25 * MS) == (2 * MS, 25 * MS)
