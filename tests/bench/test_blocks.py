"""Variants take turns in shuffled blocks, and a wide ratio is measured again, twice at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench.blocks import Campaign, Pair, Slot

VARIANTS = ("ours", "theirs", "other")
PAIR = Pair("ours/theirs", "ours", "theirs", judged=("p50",))


def test_each_block_holds_each_variant_once_in_an_order_of_its_own() -> None:
    slots = Campaign(VARIANTS, [PAIR], seed=7).plan(0)
    blocks = [[s.variant for s in slots if s.block == block] for block in range(5)]
    assert all(sorted(block) == sorted(VARIANTS) for block in blocks)
    assert len({tuple(block) for block in blocks}) > 1
    assert [slot.block for slot in slots] == sorted(slot.block for slot in slots)


def test_the_seed_decides_the_order() -> None:
    assert Campaign(VARIANTS, [], seed=1).plan(0) == Campaign(VARIANTS, [], seed=1).plan(0)
    assert Campaign(VARIANTS, [], seed=1).plan(0) != Campaign(VARIANTS, [], seed=2).plan(0)


def test_a_narrow_ratio_is_measured_once() -> None:
    campaign = Campaign(VARIANTS, [PAIR], seed=1)
    campaign.run(lambda slot: {"p50": 120.0 if slot.variant == "ours" else 100.0})
    assert Counter(slot.run for slot in campaign.measured) == {0: 15}
    assert campaign.ratios()["ours/theirs"]["p50"].overall.value == 1.2


def test_a_wide_ratio_gets_two_more_runs_of_its_own_variants_and_keeps_all() -> None:
    def restless(slot: Slot) -> Mapping[str, float]:
        return {"p50": 100.0 * (1 + slot.block) if slot.variant == "ours" else 100.0}

    campaign = Campaign(VARIANTS, [PAIR], seed=1)
    campaign.run(restless)
    assert Counter((s.run, s.variant) for s in campaign.measured) == {
        (0, "ours"): 5,
        (0, "theirs"): 5,
        (0, "other"): 5,
        (1, "ours"): 5,
        (1, "theirs"): 5,
        (2, "ours"): 5,
        (2, "theirs"): 5,
    }
    ratio = campaign.ratios()["ours/theirs"]["p50"]
    assert ratio.too_noisy
    assert len(ratio.runs) == 3


def test_a_quantity_that_no_claim_judges_asks_for_nothing() -> None:
    def tails(slot: Slot) -> Mapping[str, float]:
        return {"p50": 100.0, "p99": 100.0 * (1 + slot.block if slot.variant == "ours" else 1)}

    campaign = Campaign(VARIANTS, [PAIR], seed=1)
    campaign.run(tails)
    assert len(campaign.measured) == 15
    assert campaign.ratios()["ours/theirs"]["p99"].too_noisy


def test_a_block_in_which_one_end_failed_gives_no_ratio() -> None:
    def fails_once(slot: Slot) -> Mapping[str, float]:
        return {} if slot == Slot(0, 2, "theirs") else {"p50": 100.0}

    campaign = Campaign(VARIANTS, [PAIR], seed=1, repeats_max=0)
    campaign.run(fails_once)
    assert campaign.ratios()["ours/theirs"]["p50"].overall.value == 1.0
    assert len(campaign.measured) == 15


def test_a_pair_with_a_variant_that_is_missing_is_left_out() -> None:
    campaign = Campaign(("ours",), [PAIR], seed=1)
    campaign.run(lambda _: {"p50": 1.0})
    assert campaign.ratios() == {}
