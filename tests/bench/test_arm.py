"""The bench of an arm: on the real processes for a moment, and what it says of what it lacks."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench import arm, arm_timing, arm_truth
from bench.arm_pair import PairStage
from bench.arm_record import take
from bench.arm_tracking import releases
from bench.claims import Condition, load_claims
from bench.sentinel import Stall, StallTable
from bench.stage import Keys, Play, Spoiled, Stage
from teleop.robot.shape import Shape, ShapeSettings
from teleop.sim.drive import STATED_DELAY_S

COURSE = arm.QUICK._replace(calls=300, frames=2, streams=1, trips=50, scenes=1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("arm") / "keys")


def console() -> tuple[Console, StringIO]:
    text = StringIO()
    return Console(file=text, width=140, highlight=False), text


# On the real processes ---------------------------------------------------------------------------


def test_a_tip_follows_a_hand_through_the_node(keys: Keys) -> None:
    play = Play("clutch", 1.0, "psm", ShapeSettings(tremor=True))
    with Stage(arm.LINK, bare=False, keys=keys, seed=4, play=play) as stage:
        stage.wait_moving()
        window = stage.window(0.2, 1.5)
        stage.finish()
        motion = take(stage, window)
    assert motion.filter_s == pytest.approx(0.024, abs=0.0015)
    assert 0.0 < motion.latency_s < 0.02
    assert abs(motion.rate - 1.0) <= 2.1e-4
    assert np.ptp(motion.tip.at_m, axis=0).max() > 0.001
    found = releases(motion, STATED_DELAY_S + motion.filter_s + motion.latency_s)
    assert 1 <= len(found) <= 4


def test_two_arms_move_and_the_simulator_is_watched(keys: Keys) -> None:
    with PairStage(arm.LINK, bare=False, keys=keys, seed=4) as stage:
        stage.wait_moving()
        watched = stage.watch(0.2, 1.0)
        stage.finish()
        kept = stage.kept(*watched)
    assert kept.cpu_share > 0.01
    assert kept.steps > 500
    assert kept.ticks > 200
    assert kept.moved_m > 0.003


# What it says ------------------------------------------------------------------------------------


def test_without_an_engine_what_needs_it_is_not_measurable_and_the_rest_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = load_claims().conditions
    timed = {"inverse": arm_timing.timed([2000, 3000])}
    monkeypatch.setattr(arm.ArmBench, "_timed", lambda self, part, count: dict(timed))
    monkeypatch.setattr(arm_truth, "labels", lambda rng, scenes: arm_truth.Count(scenes, 0))
    monkeypatch.setattr(arm, "_conditions", lambda _: [Condition("no-mujoco", words["no-mujoco"])])
    # A second is too short for steal time, which is counted in hundredths of one.
    monkeypatch.setattr(arm, "steal_condition", lambda *_: [])
    monkeypatch.setattr(arm, "_stolen", lambda *_: [])
    shown, text = console()
    assert arm.run(COURSE, shown, tmp_path / "r.json") == 1, "of chain and pictures there is none"
    report = json.loads((tmp_path / "r.json").read_text())
    verdicts = {claim["id"]: claim["ok"] for claim in report["claims"]}
    assert verdicts["arm-figure8-rms"] is None
    assert verdicts["arm-tremor-9hz"] is None
    assert verdicts["arm-round-trips"] is True
    assert verdicts["arm-inverse-p99"] is True
    assert verdicts["arm-picture-360p-p99"] is False, "no number is a failure"
    assert set(report["missing"]) == {"figure8", *arm.TREMORS, "chord", "release", "simd"}
    assert "MuJoCo is not installed" in text.getvalue()
    kernels = next(row for row in report["rows"] if row["variant"] == "kernels")["extra"]
    assert (kernels["inverse_p50_us"], kernels["inverse_p99_us"]) == (2.0, 3.0)


def test_what_a_hypervisor_took_meanwhile_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm, "steal_ns", lambda: {0: 30_000_000, 1: 70_000_000})
    [said] = arm._stolen({0: 20_000_000, 1: 20_000_000}, 2_000_000_000)
    assert said == Condition("steal", "the hypervisor took 2.5% of core 1")


def test_a_claim_without_a_number_fails_a_run_that_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("with_physics", "timings", "truth"):
        monkeypatch.setattr(arm.ArmBench, name, lambda self: None)
    monkeypatch.setattr(arm, "_conditions", lambda _: [])
    shown, text = console()
    assert arm.run(COURSE._replace(quick=False), shown, None) == 1
    assert "FAILED" in text.getvalue()


def test_every_claim_names_a_number_that_the_bench_gives() -> None:
    """Names only: a claim about a number that no run can have would never be kept."""
    given = {
        "figure8": {"rms_um"},
        **{script: {"gain_db"} for script in arm.TREMORS},
        "chord": {"gain_off_percent", "delay_ms"},
        "release": {"moved_max_um", "short"},
        "simd": {"cpu_share", "lost_unexplained_ms", "refused"},
        "kernels": {"inverse_p99_us"},
        "chain": {"hot_p99_us", "paced_p99_us"},
        "640x360": {"p99_ms"},
        "1280x720": {"p99_ms"},
        "truth": {"filter_wrong", "trips_wrong", "labels_wrong"},
    }
    asked: dict[str, set[str]] = {}
    for claim in load_claims().claim:
        if claim.part == arm.PART:
            _, variant, field = claim.key.split(".")
            asked.setdefault(variant, set()).add(field)
    assert asked == given


def test_a_run_with_a_fall_is_spoiled_and_with_holes_unless_it_is_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Run:
        falls, lost = 0, 0

    run = Run()
    arm._judge(run, is_last=False)
    run.lost = arm.LOST_MAX + 1
    with pytest.raises(Spoiled, match="not applied"):
        arm._judge(run, is_last=False)
    arm._judge(run, is_last=True)
    run.falls = 1
    with pytest.raises(Spoiled, match="fell"):
        arm._judge(run, is_last=True)


def test_time_that_the_physics_left_out_is_explained_by_a_stall_or_not() -> None:
    from bench.arm_pair import Kept, Lost

    kept = Kept(0.2, 1000, (Lost(10_000, 13_000), Lost(90_000, 91_000)), 4000, 500, 0, 0.01, 0)
    assert kept.unexplained_ns(StallTable([])) == 4000
    assert kept.unexplained_ns(StallTable([Stall(9_000, 11_000, 0)])) == 1000


# What is timed -----------------------------------------------------------------------------------


def test_percentiles_are_times_that_occurred() -> None:
    found = arm_timing.timed([1000 * n for n in range(1, 201)])
    assert found == arm_timing.Timed(200, 1.0, 100.0, 198.0, 200.0)


def test_the_fixtures_that_are_timed_work_on_the_hand() -> None:
    hands = arm_timing.hand_path()
    for count in (1, 8, 16):
        chosen = arm_timing.fixtures_of(count)
        assert len(chosen) == count
        shape = Shape(ShapeSettings(fixtures=chosen), 1.0, arm_timing.PERIOD_NS)
        shape.reference(hands[0], hands[0], 0)
        held = 0
        for seq, hand in enumerate(hands, 1):
            shape.resume(shape.step(hand, seq))
            held += shape.fixture > 0
        assert len(hands) * 0.05 < held < len(hands), "now and then, not always"


def test_every_kernel_is_called_with_what_it_takes() -> None:
    calls = arm_timing.kernels()
    assert set(calls) >= {"inverse", "forward", "tremor", "clutch", "step_joints"}
    for call in calls.values():
        assert arm_timing.hot(call, 20).n == 20
    assert arm_timing.paced(arm_timing.chain(), 20).n == 10
