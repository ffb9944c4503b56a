"""What is known of mutants: which test must fail on which, and why some survive.

Two tables in TOML, file -> mutant -> words, committed beside this:

named.toml     a row of a table, or a check of the gate, is left out: the test that must fail
survivors.toml why no test notices: `same: ...` when nothing can, since the mutant does the same;
               `borne: ...` when it could be noticed and is not worth a test

In `named.toml` a name that ends in `*` stands for all mutants that begin like it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.mutants.mutation import Mutant

Table = Mapping[str, Mapping[str, str]]
SAME, BORNE = "same: ", "borne: "


def read(path: Path) -> Table:
    """Read a table; one that is not there is empty."""
    return tomllib.loads(path.read_text()) if path.exists() else {}


def look_up(table: Table, mutant: Mutant) -> str | None:
    """Find what a table says of a mutant."""
    rows = table.get(mutant.file, {})
    if mutant.name in rows:
        return rows[mutant.name]
    stars = (name for name in rows if _is_meant(name, mutant) and name.endswith("*"))
    return next((rows[name] for name in stars), None)


def stale(table: Table, mutants: Iterable[Mutant]) -> list[str]:
    """List the rows that mean no mutant any longer."""
    known: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        known.setdefault(mutant.file, []).append(mutant)
    return [
        f"{file} {name}"
        for file, rows in table.items()
        for name in rows
        if not any(_is_meant(name, mutant) for mutant in known.get(file, []))
    ]


def _is_meant(name: str, mutant: Mutant) -> bool:
    return mutant.name == name or (name.endswith("*") and mutant.name.startswith(name[:-1]))
