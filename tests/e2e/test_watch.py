"""Whoever watches a real node sees what its robot does, and disturbs nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.children import REPOSITORY
from tests.e2e.conftest import PATIENCE_S, ROBOT, SESSION, SURGEON, Room
from transport.io import keys
from transport.io.keys import Role


def watched(*words: str) -> list[Any]:
    """Return what `trocar watch` says to a program."""
    done = subprocess.run(
        [sys.executable, "-m", "teleop", "watch", *words, "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_observer_sees_a_robot_that_follows(theatre: Room, tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f"[node]\nname = 'theatre'\nrun_dir = '{theatre.run_dir}'\n")
    seen = watched("--config", str(config), "--seconds", "0.5")
    assert {(arm["robot"], arm["arm"]) for arm in seen} == {(ROBOT, 0)}
    ticks = [arm["tick"] for arm in seen]
    assert ticks == sorted(set(ticks))
    assert any(arm["following"] for arm in seen)
    assert any(arm["operating_state"]["state"] == "ENABLED" for arm in seen)
    places = {arm["measured_cp"]["position"]["x"] for arm in seen}
    assert len(places) > 1, "the hand draws, and the arm moves"
    theatre.until(theatre.follows, "motion, as before")


def test_an_observer_is_told_who_holds_the_robot_and_is_told_of(
    theatre: Room, tmp_path: Path
) -> None:
    keys.new(theatre.keys, "student", Role.OBSERVER)
    config = tmp_path / "node.toml"
    config.write_text(
        f"[node]\nname = 'theatre'\nrun_dir = '{theatre.run_dir}'\n"
        f"state_dir = '{theatre.run_dir}'\n"
        f"[session]\nlisten = '{theatre.place.session}'\nidentity = '{SESSION}'\n"
        f"[robot]\nname = '{ROBOT}'\n"
    )
    last = watched("standing", "--config", str(config), "--seconds", "2.5")[-1]
    assert (last["robot"], last["phase"], last["holder"]) == (ROBOT, "granted", SURGEON)
    assert last["observers"] == ["student"]
    assert last["state"]
    assert last["left_s"] > 0
    theatre.until(theatre.follows, "motion, as before")
