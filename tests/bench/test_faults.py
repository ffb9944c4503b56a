"""The bench of random worlds: it counts, it fails on a broken rule, it names the first seed."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench import faults
from bench.faults import Weathered


def console() -> tuple[Console, StringIO]:
    text = StringIO()
    return Console(file=text, width=140, highlight=False), text


def test_a_world_is_counted() -> None:
    world = faults.weather(3)
    assert world.wrong == ""
    assert world.events > 1000
    assert world.applied > 0
    assert world.virtual_s > 0.5


def test_a_few_worlds_make_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # How fast this machine is, is the bench's to judge, and no test's.
    real = faults._worlds
    monkeypatch.setattr(
        faults, "_worlds", lambda first: (world._replace(cpu_s=0.0) for world in real(first))
    )
    shown, text = console()
    assert faults.run(shown, tmp_path / "r.json", steps=1, seeds=3) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["rows"][0]["n"] >= 3
    assert report["rows"][0]["extra"]["violations"] == 0
    assert {claim["id"] for claim in report["claims"]} == {"worlds-violations", "worlds-speed"}
    assert "worlds that broke a rule: 0" in text.getvalue()


def test_a_broken_rule_fails_and_the_first_seed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = [
        Weathered(seed, 10, 1, 1.0, 1e-6, "it moved" if seed > 4 else "") for seed in range(9)
    ]
    monkeypatch.setattr(faults, "_worlds", lambda first: iter(worlds))
    shown, text = console()
    assert faults.run(shown, None, steps=1, seeds=8) == 1
    assert "world 5:" in text.getvalue()
    assert "--world-seed 5" in text.getvalue()
