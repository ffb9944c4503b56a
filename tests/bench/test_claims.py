"""A claim is kept, broken, or not measurable for a reason its own row lists. Nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import BENCHES
from bench.blocks import Ratio
from bench.claims import Claim, Condition, Verdict, failed, judge, load_claims
from bench.course import PARTS
from bench.ratio import Interval

CLAIM = Claim("a", "words", 1.15, "x", "ratios.ours/theirs.p50", "quiet", ("no-fifo", "too-noisy"))
ROW = Claim("b", "words", 250, "us", "rows.ours.p50_us", "quiet")


def ratio(value: float, lo: float, hi: float) -> dict[str, dict[str, Ratio]]:
    overall = Interval(value, lo, hi)
    return {"ours/theirs": {"p50": Ratio(overall, (overall,), overall.width > 0.2)}}


def verdict(
    claim: Claim,
    ratios: dict[str, dict[str, Ratio]] | None = None,
    numbers: dict[str, float] | None = None,
    conditions: tuple[Condition, ...] = (),
) -> Verdict:
    [found] = judge([claim], {"quiet"}, conditions, numbers or {}, ratios or {})
    return found


def test_within_the_target_it_is_kept() -> None:
    assert verdict(CLAIM, ratio(1.15, 1.1, 1.2)).ok is True
    assert verdict(ROW, numbers={"rows.ours.p50_us": 250.0}).ok is True


def test_beyond_the_target_it_failed() -> None:
    assert verdict(CLAIM, ratio(1.16, 1.1, 1.2)).ok is False
    assert failed([verdict(ROW, numbers={"rows.ours.p50_us": 251.0})])


def test_no_number_is_a_failure() -> None:
    assert verdict(CLAIM).ok is False
    assert verdict(ROW).ok is False
    assert "no number" in verdict(ROW).why


def test_a_listed_condition_makes_it_not_measurable() -> None:
    found = verdict(CLAIM, conditions=(Condition("no-fifo", "no rights"),))
    assert (found.ok, found.why) == (None, "not measurable here: no rights")
    assert not failed([found])


def test_a_condition_that_the_row_does_not_list_excuses_nothing() -> None:
    assert verdict(ROW, conditions=(Condition("no-fifo", "no rights"),)).ok is False


@pytest.mark.parametrize(
    ("interval", "ok"),
    [((1.0, 0.8, 1.1), True), ((1.5, 1.2, 1.9), False), ((1.0, 0.8, 1.3), None)],
)
def test_a_noisy_ratio_is_judged_where_noise_cannot_change_the_answer(
    interval: tuple[float, float, float], ok: bool | None
) -> None:
    assert verdict(CLAIM, ratio(*interval)).ok is ok


def test_a_noisy_ratio_fails_where_the_row_does_not_excuse_noise() -> None:
    strict = Claim("c", "words", 1.15, "x", "ratios.ours/theirs.p50", "quiet")
    assert verdict(strict, ratio(1.0, 0.8, 1.3)).ok is False


def test_claims_of_parts_that_were_not_run_are_left_out() -> None:
    assert judge([CLAIM], {"load"}, (), {}, {}) == []


def test_the_file_of_targets_is_sound() -> None:
    claims = load_claims()
    assert len(claims.claim) >= 20
    assert {row.part for row in claims.claim} <= {*PARTS, *BENCHES, "faults-real"} - {"floor"}
    for row in claims.claim:
        assert row.key.count(".") == 2


@pytest.mark.parametrize(
    "text",
    [
        "[conditions]\n",
        '[conditions]\n[[claim]]\nid="a"\nwords="w"\ntarget=1\nunit="x"\nkey="k"\npart="p"\nsurplus=1',
        '[conditions]\n[[claim]]\nid="a"\nwords="w"\ntarget=1\nunit="x"\nkey="k"\npart="p"\nunless=["?"]',
    ],
)
def test_a_damaged_file_of_targets_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's and ours alike
        load_claims(path)
