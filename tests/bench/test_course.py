"""What is measured follows from the parts asked for, and what is lacking is named."""

from __future__ import annotations

import pytest

from bench.__main__ import main
from bench.claims import load_claims
from bench.course import PARTS, QUICK, Label, floor_labels, labels_of, pairs_of
from bench.variants import BY_NAME, CONSOLE, ROBOT, VARIANTS

CLAIMS = load_claims()


def test_a_label_says_what_it_ran_under() -> None:
    assert Label.parse("trocar-udp") == ("trocar-udp", False, False, False)
    assert Label.parse("trocar-udp@pmqos") == ("trocar-udp", False, True, False)
    assert Label.parse("proxy+curve@mix") == ("proxy+curve", False, False, True)
    assert Label.parse("zenoh+tls:echo@pmqos") == ("zenoh+tls", True, True, False)


def test_a_whole_run_can_speak_to_every_claim_of_its_parts() -> None:
    labels, missing = labels_of(PARTS, {})
    assert not missing
    measured = {f"{pair.name}.{q}" for pair in pairs_of(labels, CLAIMS) for q in pair.judged}
    stalls = {f"{name}!{target}" for name in BY_NAME for target in ("robotd", "relayd")}
    for claim in CLAIMS.claim:
        if claim.part not in PARTS:
            continue  # another bench's
        kind, name, quantity = claim.key.split(".")
        if kind == "ratios":
            assert f"{name}.{quantity}" in measured, claim.id
        else:
            assert name in {*labels, *stalls}, claim.id


@pytest.mark.parametrize("part", ["quiet", "pmqos", "load"])
def test_one_part_alone_can_speak_to_its_own_claims(part: str) -> None:
    labels, _ = labels_of([part], {})
    names = {pair.name for pair in pairs_of(labels, CLAIMS)} | set(labels)
    wanted = {claim.key.split(".")[1] for claim in CLAIMS.claim if claim.part == part}
    assert wanted <= names


def test_what_is_lacking_is_left_out_with_its_reason() -> None:
    lacks = {"no-zenoh": "not installed", "no-pm-qos": "no right", "no-x264": "no codec"}
    labels, missing = labels_of(PARTS, lacks)
    assert missing["zenoh"] == "not installed"
    assert missing["trocar-udp@pmqos"] == "no right"
    assert missing["trocar-udp@mix"] == "no codec"
    assert "trocar-udp" in labels
    assert not set(labels) & set(missing)
    floor = floor_labels(lacks)
    assert "trocar-udp:echo" in floor
    assert "zenoh:echo" not in floor
    assert "trocar-udp:echo@pmqos" not in floor


def test_every_variant_has_the_same_two_ends() -> None:
    from pathlib import Path

    from bench.variants import Place

    for variant in VARIANTS:
        wiring = variant.wire(Place(Path("/keys"), 1, 2))
        assert wiring.console.module == wiring.robot.module
        assert (wiring.console.identity, wiring.robot.identity) == (CONSOLE, ROBOT)
        assert wiring.console.keys == wiring.robot.keys == "/keys"


def test_a_quick_run_is_said_to_be_too_short() -> None:
    assert QUICK.quick
    assert QUICK.repeats_max == 0


@pytest.mark.parametrize("arguments", [[], ["relay", "--blocks", "4"], ["relay", "--stall", "x"]])
def test_bad_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code not in (0, None)
