"""Which test runs which line, and how long it takes: so that a mutant meets first who may notice.

One run of all tests without any mutant, under coverage, each test a context of its own. It must
pass. What runs at import belongs to every test.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest

from tests.mutants.mutation import Mutant
from tests.mutants.trial import OPTIONS, Task, Watch, run


class Survey(NamedTuple):
    """What the tests do when nothing is wrong.

    Parameters
    ----------
    seconds : test -> its processor time
    reach : file -> line -> tests that run it; the test "" is the import
    modules : what had been imported at the end
    """

    seconds: dict[str, float]
    reach: dict[str, dict[int, frozenset[str]]]
    modules: list[str]

    def batches(self, mutant: Mutant) -> list[list[str]]:
        """Order the tests that run what the mutant changes, the likeliest and shortest first.

        A batch costs the import of its files, so those of the mutant's own name come alone.
        """
        reach = self.reach.get(mutant.file, {})
        tests = frozenset[str]().union(*(reach.get(line, frozenset()) for line in mutant.lines))
        if "" in tests or mutant.site.function is None:
            tests = frozenset(self.seconds)
        knowing = frozenset[str]().union(*reach.values())
        own = f"/test_{Path(mutant.file).stem}.py"
        batches: list[list[str]] = [[], [], []]
        for test in sorted(tests & self.seconds.keys(), key=lambda t: (self.seconds[t], t)):
            file = test.partition("::")[0]
            batches[0 if file.endswith(own) else 1 if test in knowing else 2].append(test)
        return [batch for batch in batches if batch]

    def limit_s(self, batches: Iterable[Iterable[str]]) -> int:
        """Bound the processor time of tests: twice what they took here, under coverage."""
        return 10 + math.ceil(2.0 * sum(self.seconds.get(t, 0.0) for b in batches for t in b))


class SurveyError(Exception):
    """The tests fail although nothing was changed."""


def survey(files: Sequence[str], tests: Sequence[str]) -> Survey:
    """Run all tests once, in a process of its own.

    Raises
    ------
    SurveyError : they fail, or there are none
    """
    ((_, said, _),) = run([Task(lambda: _measure(files, tests), 600)], 1)
    if said.get("by", ""):
        raise SurveyError(f"without any mutant the tests fail: {said['by']}")
    reach = {
        file: {int(line): frozenset(by) for line, by in lines.items()}
        for file, lines in said["reach"].items()
    }
    return Survey(said["seconds"], reach, said["modules"])


def _measure(files: Sequence[str], tests: Sequence[str]) -> dict[str, Any]:
    watched = coverage.Coverage(
        data_file=None, config_file=False, include=[str(Path(f).resolve()) for f in files]
    )
    clock = _Clock(watched)
    watched.start()
    code = pytest.main([*OPTIONS, "-x", *tests], plugins=[clock])
    watched.stop()
    if code != pytest.ExitCode.OK:
        return {"by": clock.failed or f"pytest ended with {code!r}"}
    data = watched.get_data()
    reach = {file: data.contexts_by_lineno(str(Path(file).resolve())) for file in files}
    return {"seconds": clock.seconds, "reach": reach, "modules": sorted(sys.modules)}


class _Clock(Watch):
    """Times every test, and tells coverage whose lines follow."""

    def __init__(self, watched: coverage.Coverage) -> None:
        super().__init__(())
        self._watched = watched
        self.seconds: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose all, in their own order."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        begun_s = time.process_time()
        self._watched.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._watched.switch_context("")
            self.seconds[item.nodeid] = time.process_time() - begun_s
