"""Decide the order in which variants are measured, and when a ratio must be measured again.

Variants are never measured one after the other in bulk: a block holds each of them once, in an
order shuffled by the seed, so that a machine which slowly changes touches all alike. A ratio whose
interval is wider than 20 % gets more blocks of its two variants, at most twice; then it is "too
noisy". Nothing measured is thrown away: each ratio is over all blocks of both variants, and each
run's own interval stays beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bench.ratio import WIDTH_MAX, Interval, median_ratio

BLOCKS_MIN = 5
REPEATS_MAX = 2


class Pair(NamedTuple):
    """Two variants to be compared, and the quantities that a claim will judge."""

    name: str
    numerator: str
    denominator: str
    judged: tuple[str, ...] = ()


class Slot(NamedTuple):
    """One measurement: which variant, in which block of which run."""

    run: int
    block: int
    variant: str


class Ratio(NamedTuple):
    """One quantity's ratio over all blocks, and over the blocks of each run."""

    overall: Interval
    runs: tuple[Interval, ...]
    too_noisy: bool


Measured = Mapping[str, float]
"""The numbers of one slot by name: {"p50_us": …, "p99_us": …}. Empty: the slot gave no sample."""


class Campaign:
    """Measure variants in interleaved blocks until every judged ratio is known or too noisy.

    Parameters
    ----------
    variants
        Names, each measured once a block.
    pairs
        Ratios wanted; both ends must be variants.
    seed
        Of the shuffles and of the bootstrap.
    blocks
        Blocks in a run.
    repeats_max
        How many more runs a wide interval may ask for.
    """

    def __init__(
        self,
        variants: Sequence[str],
        pairs: Sequence[Pair],
        *,
        seed: int,
        blocks: int = BLOCKS_MIN,
        repeats_max: int = REPEATS_MAX,
    ) -> None:
        known = set(variants)
        self.variants = tuple(variants)
        self.pairs = tuple(p for p in pairs if {p.numerator, p.denominator} <= known)
        self.seed = seed
        self.blocks = blocks
        self.repeats_max = repeats_max
        self.measured: dict[Slot, Measured] = {}

    def plan(self, run: int) -> list[Slot]:
        """Return the slots of run `run` in their order; empty when nothing needs measuring."""
        wanted = self.variants if run == 0 else self._noisy_variants()
        shuffle = random.Random(f"{self.seed}/{run}")
        slots = []
        for block in range(self.blocks):
            order = list(wanted)
            shuffle.shuffle(order)
            slots += [Slot(run, block, variant) for variant in order]
        return slots

    def run(self, measure: Callable[[Slot], Measured]) -> None:
        """Measure the first run and, where a judged ratio is too wide, up to two more."""
        for run in range(1 + self.repeats_max):
            for slot in self.plan(run):
                self.measured[slot] = measure(slot)

    def ratios(self) -> dict[str, dict[str, Ratio]]:
        """Return by pair and quantity every ratio that at least one block can speak to."""
        found: dict[str, dict[str, Ratio]] = {}
        for pair in self.pairs:
            quantities = {q for measured in self.measured.values() for q in measured}
            by_quantity = {q: self._ratio(pair, q) for q in sorted(quantities)}
            found[pair.name] = {q: r for q, r in by_quantity.items() if r is not None}
        return found

    def _ratio(self, pair: Pair, quantity: str) -> Ratio | None:
        both = self._blocks_of(pair, quantity)
        if not both:
            return None
        overall = median_ratio([a for _, a, _ in both], [b for _, _, b in both], self.seed)
        runs = tuple(
            median_ratio(
                [a for run, a, _ in both if run == one],
                [b for run, _, b in both if run == one],
                self.seed,
            )
            for one in sorted({run for run, _, _ in both})
        )
        return Ratio(overall, runs, overall.width > WIDTH_MAX)

    def _blocks_of(self, pair: Pair, quantity: str) -> list[tuple[int, float, float]]:
        """Return (run, numerator, denominator) of each block in which both were measured."""
        found = []
        for slot, measured in self.measured.items():
            if slot.variant != pair.numerator:
                continue
            other = self.measured.get(slot._replace(variant=pair.denominator), {})
            above, below = measured.get(quantity), other.get(quantity)
            if above is not None and below:
                found.append((slot.run, above, below))
        return found

    def _noisy_variants(self) -> tuple[str, ...]:
        ratios = self.ratios()
        noisy: set[str] = set()
        for pair in self.pairs:
            if any(r.too_noisy for q, r in ratios[pair.name].items() if q in pair.judged):
                noisy |= {pair.numerator, pair.denominator}
        return tuple(variant for variant in self.variants if variant in noisy)
