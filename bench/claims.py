"""Judge what was measured against claims.toml.

Rules:

- A claim is a row of `claims.toml`; its target is not repeated in code.
- A claim without a number is a failure, unless one of the conditions that its own row lists is
  true of this machine in this run: then it is "not measurable here", with the reason in words.
- A ratio still too noisy after two repeats is judged only when its whole interval lies on one side
  of the target.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from bench.blocks import Ratio
from bench.ratio import Interval

CLAIMS_FILE = Path(__file__).with_name("claims.toml")


class Condition(msgspec.Struct, frozen=True):
    """Something true of this machine or run that can make a claim unmeasurable."""

    id: str
    why: str


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of claims.toml: `key` names a number of the report that must not exceed `target`."""

    id: str
    words: str
    target: float
    unit: str
    key: str
    part: str
    unless: tuple[str, ...] = ()


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of claims.toml."""

    conditions: dict[str, str]
    claim: tuple[Claim, ...]


class Verdict(msgspec.Struct, frozen=True):
    """A claim beside what was measured; `ok` is None only where `why` is a listed condition."""

    id: str
    words: str
    target: float
    measured: float | None
    unit: str
    ok: bool | None
    why: str


Ratios = Mapping[str, Mapping[str, Ratio]]
"""By pair and quantity."""


def load_claims(path: Path = CLAIMS_FILE) -> Claims:
    """Read and check the targets.

    Raises
    ------
    ValueError
        The file is not TOML of this shape, two rows share an id, or a row names a condition that
        the file does not explain.
    """
    claims = msgspec.convert(tomllib.loads(path.read_text()), Claims)
    ids = [row.id for row in claims.claim]
    if len(set(ids)) != len(ids):
        raise ValueError(f"{path}: a claim id stands twice")
    for row in claims.claim:
        unknown = set(row.unless) - set(claims.conditions)
        if unknown:
            raise ValueError(f"{path}: {row.id}: unexplained condition {sorted(unknown)}")
    return claims


def judge(
    claims: Iterable[Claim],
    parts: Collection[str],
    conditions: Collection[Condition],
    numbers: Mapping[str, float],
    ratios: Ratios,
) -> list[Verdict]:
    """Judge every claim whose part of the bench was run.

    Parameters
    ----------
    parts
        Parts that were run; claims of others are left out.
    conditions
        What is true of this machine in this run.
    numbers
        Every number of the report's rows by its key (``rows.<variant>.<field>``).
    ratios
        Every ratio; its keys are ``ratios.<pair>.<quantity>``.
    """
    return [
        _judge_one(claim, conditions, numbers, ratios) for claim in claims if claim.part in parts
    ]


def failed(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the claims that were not kept."""
    return [verdict for verdict in verdicts if verdict.ok is False]


def _judge_one(
    claim: Claim,
    conditions: Collection[Condition],
    numbers: Mapping[str, float],
    ratios: Ratios,
) -> Verdict:
    ratio = _ratio_of(claim.key, ratios)
    measured = numbers.get(claim.key) if ratio is None else ratio.overall.value
    draft = Verdict(claim.id, claim.words, claim.target, measured, claim.unit, None, "")
    holding = [condition for condition in conditions if condition.id in claim.unless]
    if holding:
        why = f"not measurable here: {holding[0].why}"
        return msgspec.structs.replace(draft, why=why)
    if measured is None:
        return msgspec.structs.replace(draft, ok=False, why=f"no number for {claim.key}")
    if ratio is not None and ratio.too_noisy:
        return _judge_noisy(claim, ratio.overall, draft)
    return msgspec.structs.replace(draft, ok=measured <= claim.target)


def _judge_noisy(claim: Claim, interval: Interval, draft: Verdict) -> Verdict:
    width = f"too noisy ({interval.lo:.3f}-{interval.hi:.3f})"
    ok: bool | None
    if interval.hi <= claim.target:
        ok, why = True, f"{width}, yet all of it within the target"
    elif interval.lo > claim.target:
        ok, why = False, f"{width}, yet all of it beyond the target"
    elif "too-noisy" in claim.unless:
        ok, why = None, f"not measurable here: {width}"
    else:
        ok, why = False, width
    return msgspec.structs.replace(draft, ok=ok, why=why)


def _ratio_of(key: str, ratios: Ratios) -> Ratio | None:
    kind, name, quantity = key.split(".")
    return ratios.get(name, {}).get(quantity) if kind == "ratios" else None
