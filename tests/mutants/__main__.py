"""Break the safety core in every small way, and see its tests fail: `make mutants`.

No library does this here. mutmut 3 leaves tables and constants alone, which are most of the
safety core, and cosmic-ray writes each mutant over the source and starts Python anew for it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from difflib import unified_diff
from functools import partial
from pathlib import Path

from tests.mutants.ledger import Table, look_up, read
from tests.mutants.mutation import Kind, Mutant
from tests.mutants.plan import CORE, Plan
from tests.mutants.survey import Survey, SurveyError, survey
from tests.mutants.trial import Task, attempt, preload, run
from tests.mutants.verdict import Fate, complaints, number, scores, where


def main(arguments: Sequence[str] | None = None, plan: Plan = CORE) -> int:
    """Run what the command line asks for; 0 when the tests are good enough."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", metavar="FILE", nargs="+", help="mutants of these files alone")
    parser.add_argument("--mutant", metavar="ID", help="show one mutant and run the tests on it")
    parser.add_argument("--workers", type=int, default=2, help="processes at once (2)")
    parser.add_argument("--json", metavar="F", type=Path, help="write every fate to this file")
    said = parser.parse_args(arguments)
    os.chdir(plan.root)
    # What is forked has one thread; and hypothesis searches where it did the last time.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", CI="1")
    mutants = plan.mutants(said.only)
    if said.mutant is not None:
        return replay(plan, [m for m in mutants if number(m) == said.mutant])
    if not mutants:
        parser.error(f"none is a file of the plan; there are {', '.join(plan.files)}")
    begun_s = time.monotonic()
    named, reasons = read(plan.tables / "named.toml"), read(plan.tables / "survivors.toml")
    try:
        found = survey(plan.files, plan.tests)
    except SurveyError as error:
        print(error)
        return 1
    print(f"{len(found.seconds)} tests pass; {len(mutants)} mutants follow", flush=True)
    preload(found.modules, plan.changing)
    fates = judge(mutants, found, named, reasons, said.workers)
    if said.json is not None:
        said.json.write_text(report(fates, reasons))
    return tell(fates, reasons, named, time.monotonic() - begun_s)


def judge(
    mutants: Sequence[Mutant], found: Survey, named: Table, reasons: Table, workers: int
) -> list[Fate]:
    """Try all mutants; of one that has a named test only this test may notice."""
    tests = [look_up(named, m) if m.kind is not Kind.CHANGE else None for m in mutants]
    batches = [
        [[test]] if test else found.batches(mutant)
        for mutant, test in zip(mutants, tests, strict=True)
    ]
    tasks = (
        Task(partial(attempt, mutant, tries), found.limit_s(tries))
        for mutant, tries in zip(mutants, batches, strict=True)
    )
    fates: dict[int, Fate] = {}
    for k, answer, seconds in run(tasks, workers):
        fates[k] = Fate(mutants[k], tests[k], answer["by"], answer["failed"], seconds)
        if not answer["by"] and look_up(reasons, mutants[k]) is None:
            print(f"\rsurvived: {where(mutants[k])}", flush=True)
        if sys.stdout.isatty() or len(fates) % 100 == 0:
            end = "\r" if sys.stdout.isatty() else "\n"
            print(f"{len(fates)} of {len(mutants)}", end=end, flush=True)
    return [fates[k] for k in range(len(mutants))]


def tell(fates: Sequence[Fate], reasons: Table, named: Table, took_s: float) -> int:
    """Print the scores and what is wrong."""
    print(f"\n{'file':24}{'mutants':>8}{'killed':>8}{'same':>6}{'borne':>6}{'share':>8}")
    for score in scores(fates, reasons):
        print(f"{score.file:24}{score.mutants:8}{score.killed:8}", end="")
        print(f"{score.same:6}{score.borne:6}{score.share:8.1%}")
    wrong = complaints(fates, reasons, named)
    print(f"\n{took_s / 60:.1f} min, {len(wrong)} to be looked at")
    for line in wrong:
        print(f"  {line}")
    if wrong:
        print("make mutants ARGS='--mutant ID' shows one")
    return 1 if wrong else 0


def report(fates: Sequence[Fate], reasons: Table) -> str:
    """Write all fates as JSON."""
    rows = [
        {
            "id": number(fate.mutant),
            "file": fate.mutant.file,
            "mutant": fate.mutant.name,
            "kind": fate.mutant.kind.value,
            "killed": bool(fate.by),
            "by": fate.by,
            "reason": look_up(reasons, fate.mutant),
            "seconds": round(fate.seconds, 3),
        }
        for fate in fates
    ]
    files = [{**score._asdict(), "share": score.share} for score in scores(fates, reasons)]
    return json.dumps({"files": files, "mutants": rows}, indent=1, ensure_ascii=False)


def replay(plan: Plan, mutants: Sequence[Mutant]) -> int:
    """Show one mutant, and let all tests speak about it."""
    if len(mutants) != 1:
        print("no mutant has this name: make mutants ARGS='--json F' writes them all")
        return 2
    (mutant,) = mutants
    old, new = mutant.statement()
    print(f"{mutant.file}, line {mutant.lines[0]}, {mutant.name}\n")
    diff = unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=3)
    print("\n".join(list(diff)[3:]), "\n", flush=True)
    own = f"tests/safety/test_{Path(mutant.file).stem}.py"
    answer = attempt(mutant, [[own]] * Path(own).exists() + [plan.tests])
    print(f"\nnoticed by {answer['by']}" if answer["by"] else "\nnobody noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
