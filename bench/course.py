"""Decide what one run of the relay bench measures: which labels, compared how.

A label is a variant with what it ran under: "trocar-udp" (ordinary power management),
"trocar-udp@pmqos" (cores kept awake), "trocar-udp@mix" (under load), "trocar-udp:echo" (bare ends).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.blocks import BLOCKS_MIN, REPEATS_MAX, Pair
from bench.claims import Claims
from bench.variants import VARIANTS

QUIET, PMQOS, MIX, ECHO = "", "@pmqos", "@mix", ":echo"
PARTS = ("quiet", "pmqos", "load", "floor", "stall-robotd", "stall-relayd")
LOADED = ("trocar-zmq", "trocar-udp", "proxy+curve")

# What is compared with what, under the same conditions. The first of each pair is ours.
SIDE_BY_SIDE = (
    ("trocar-zmq", "proxy+curve"),
    ("trocar-udp", "proxy+curve"),
    ("trocar-udp", "udp-plain"),
    ("trocar-udp", "zenoh"),
    ("trocar-udp", "zenoh+tls"),
    ("trocar-udp", "zenoh-lowlatency"),
)


class Course(NamedTuple):
    """How much is measured.

    Parameters
    ----------
    parts : rows of the table above
    blocks, repeats_max : blocks in a run, and further runs that a wide ratio may ask for
    warm_s, measure_s : per measurement
    seed : of shuffles, bootstrap and clocks
    quick : too short to judge: claims are shown, and do not fail the run
    """

    parts: tuple[str, ...] = PARTS
    blocks: int = BLOCKS_MIN
    repeats_max: int = REPEATS_MAX
    warm_s: float = 1.0
    measure_s: float = 6.0
    seed: int = 0
    quick: bool = False


QUICK = Course(blocks=2, repeats_max=0, warm_s=0.4, measure_s=1.0, quick=True)


def add_length(parser: argparse.ArgumentParser, seconds: str) -> None:
    """Add the arguments that say how much is measured."""
    parser.add_argument("--blocks", type=int, help=f"blocks in a run (at least {BLOCKS_MIN})")
    parser.add_argument("--seconds", type=float, help=f"of each measurement ({seconds})")
    parser.add_argument("--repeats", type=int, help="of a run whose ratios are too noisy (2)")
    parser.add_argument("--seed", type=int, default=0, help="of order, clocks and bootstrap (0)")


def shaped(course: Course, arguments: argparse.Namespace) -> Course:
    """Fit a course to what the arguments say of its length."""
    if arguments.blocks is not None:
        if arguments.blocks < BLOCKS_MIN and not arguments.quick:
            raise SystemExit(f"--blocks {arguments.blocks}: a ratio needs {BLOCKS_MIN} at least")
        course = course._replace(blocks=arguments.blocks)
    if arguments.seconds is not None:
        course = course._replace(measure_s=arguments.seconds)
    if arguments.repeats is not None:
        course = course._replace(repeats_max=arguments.repeats)
    return course._replace(seed=arguments.seed)


class Label(NamedTuple):
    """A row's name taken apart: variant, ends, conditions."""

    variant: str
    bare: bool
    pm_qos: bool
    loaded: bool

    @classmethod
    def parse(cls, label: str) -> Label:
        """Take "trocar-udp:echo@pmqos" apart."""
        name, _, under = label.partition("@")
        variant, _, ends = name.partition(":")
        return cls(variant, ends == "echo", under == "pmqos", under == "mix")


def labels_of(parts: Sequence[str], lacks: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return what is to be measured in blocks, and what cannot be, with the reason."""
    wanted: list[tuple[str, str, str]] = []
    for variant in VARIANTS:
        if "quiet" in parts or ("load" in parts and variant.name in LOADED):
            wanted.append((variant.name + QUIET, variant.needs, ""))
        if "pmqos" in parts:
            wanted.append((variant.name + PMQOS, variant.needs, "no-pm-qos"))
        if "load" in parts and variant.name in LOADED:
            wanted.append((variant.name + MIX, variant.needs, "no-x264"))
    missing = {label: lacks[need] for label, *needs in wanted for need in needs if need in lacks}
    return [label for label, *_ in wanted if label not in missing], missing


def floor_labels(lacks: Mapping[str, str]) -> list[str]:
    """Return the labels with bare ends that can be measured here."""
    return [
        variant.name + ECHO + under
        for under, needs in ((QUIET, ""), (PMQOS, "no-pm-qos"))
        for variant in VARIANTS
        if not {variant.needs, needs} & set(lacks)
    ]


def pairs_of(labels: Sequence[str], claims: Claims) -> list[Pair]:
    """Pair what was measured; what a claim names is judged, and measured again when it is noisy."""
    judged: dict[str, list[str]] = {}
    for claim in claims.claim:
        kind, name, quantity = claim.key.split(".")
        if kind == "ratios":
            judged.setdefault(name, []).append(quantity)
    pairs = [
        Pair(f"{ours}/{theirs}{under}", ours + under, theirs + under)
        for under in (QUIET, PMQOS, MIX)
        for ours, theirs in SIDE_BY_SIDE
    ]
    pairs += [Pair(f"{name}{MIX}/{name}", name + MIX, name) for name in LOADED]
    return [
        pair._replace(judged=tuple(judged.get(pair.name, ())))
        for pair in pairs
        if {pair.numerator, pair.denominator} <= set(labels)
    ]
