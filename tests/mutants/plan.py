"""What is mutated, and which tests have to notice."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutation import Mutant, members_of, mutants

HERE = Path(__file__).parent


class Plan(NamedTuple):
    """The ground of one run.

    Parameters
    ----------
    root : the folder that all paths are relative to, and the working directory
    files : what is mutated, in this order
    guarded : files of these whose refusing checks must each have a named test
    tests : files and folders of tests
    changing : packages that children import for themselves, since a mutant may be beneath them
    tables : the folder of named.toml and survivors.toml
    """

    root: Path
    files: tuple[str, ...]
    guarded: tuple[str, ...]
    tests: tuple[str, ...]
    changing: tuple[str, ...]
    tables: Path

    def mutants(self, only: Collection[str] | None = None) -> list[Mutant]:
        """List the mutants of all files, or of some."""
        members = members_of(self.root, self.files)
        return [
            mutant
            for file in self.files
            if only is None or file in only
            for mutant in mutants(self.root, file, members, guarded=file in self.guarded)
        ]


CORE = Plan(
    root=HERE.parents[1],
    files=(
        "safety/gate.py",
        "safety/interlock.py",
        "safety/state.py",
        "safety/ceiling.py",
        "safety/estop.py",
        "safety/profile.py",
        "safety/deadline.py",
        "safety/supervision.py",
        "safety/limits.py",
        "safety/limiter.py",
        "safety/fence.py",
        "safety/governor.py",
        "safety/brake.py",
        "safety/rotation.py",
        "safety/clamp.py",
        "safety/seal.py",
    ),
    guarded=("safety/gate.py",),
    tests=("tests/safety", "tests/teleop/test_engagement.py", "tests/teleop/test_agent.py"),
    changing=("safety", "teleop", "monitor", "bench", "tests"),
    tables=HERE,
)
