"""Whether the tests are good enough: what a run of all mutants found, against what is known.

A file is good when at least 95 of 100 of its mutants are killed (those that do the same as the
code are not counted), every survivor has its reason, every reason its survivor, and each row and
guard is noticed by the very test that is named for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from tests.mutants.ledger import BORNE, SAME, Table, look_up, stale
from tests.mutants.mutation import Kind, Mutant

KILLED_MIN = 0.95


class Fate(NamedTuple):
    """What became of a mutant.

    Parameters
    ----------
    test : the test that was named for it, if it had to have one
    by : who noticed, empty when nobody
    failed : `by` is a test that ran and failed
    """

    mutant: Mutant
    test: str | None
    by: str
    failed: bool
    seconds: float


class Score(NamedTuple):
    """One file's mutants by their fate."""

    file: str
    mutants: int
    killed: int
    same: int
    borne: int

    @property
    def share(self) -> float:
        """The killed ones of those that can be."""
        return self.killed / max(1, self.mutants - self.same)


def number(mutant: Mutant) -> str:
    """Give a mutant a short name for the command line."""
    return sha256(f"{mutant.file} {mutant.name}".encode()).hexdigest()[:6]


def where(mutant: Mutant) -> str:
    """Say which mutant, for people."""
    return f"{number(mutant)} {mutant.file} {mutant.name}"


def scores(fates: Sequence[Fate], reasons: Table) -> list[Score]:
    """Count the fates, file by file."""
    found = []
    for file in dict.fromkeys(fate.mutant.file for fate in fates):
        own = [fate for fate in fates if fate.mutant.file == file]
        why = [look_up(reasons, fate.mutant) or "" for fate in own if not fate.by]
        same, borne = (sum(w.startswith(kind) for w in why) for kind in (SAME, BORNE))
        found.append(Score(file, len(own), sum(bool(f.by) for f in own), same, borne))
    return found


def complaints(fates: Sequence[Fate], reasons: Table, named: Table) -> list[str]:
    """List all that is wrong, one line each; files that were not tried are not judged."""
    files = dict.fromkeys(fate.mutant.file for fate in fates)
    mutants = [fate.mutant for fate in fates]
    found = [line for fate in fates for line in _of_fate(fate, look_up(reasons, fate.mutant))]
    for what, table in (("reason", reasons), ("named test", named)):
        ours = {file: table[file] for file in files if file in table}
        found += [f"a {what} for a mutant that is gone: {s}" for s in stale(ours, mutants)]
    for score in scores(fates, reasons):
        if score.share < KILLED_MIN:
            found.append(f"{score.file}: only {score.share:.1%} of the mutants are killed")
    return found


def _of_fate(fate: Fate, reason: str | None) -> Iterable[str]:
    mutant = fate.mutant
    if mutant.kind is not Kind.CHANGE and fate.test is None and reason is None:
        yield f"no test is named for {where(mutant)}"
    elif fate.test is not None and (fate.by != fate.test or not fate.failed):
        yield f"{fate.test} does not fail on {where(mutant)}"
    elif fate.by and reason is not None:
        yield f"a reason for a mutant that is killed: {where(mutant)}, by {fate.by}"
    elif not fate.by and reason is None:
        yield f"survived: {where(mutant)}"
    elif not fate.by and reason is not None and not reason.startswith((SAME, BORNE)):
        yield f"a reason begins with {SAME!r} or {BORNE!r}: {where(mutant)}"
