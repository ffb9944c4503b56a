"""One mutant against the tests, in a process of its own, until the first test notices.

The parent has imported everything that no mutant can change (pytest, numpy, transport, ...). A
child forked from it puts the mutant in the place of its module, imports the rest, and runs the
chosen tests in their order. Nothing is written: neither sources nor caches.

A child is bounded in processor time, not in time on the wall: a busy machine kills no mutant.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple, TypedDict

import pytest
from hypothesis import Phase, settings

from tests.mutants.mutation import Mutant

#: A mutant that allocates without end is stopped here.
_BYTES_MAX = 4 << 30
OPTIONS = (
    "-q",
    "--no-header",
    "--assert=plain",  # nobody reads why; rewriting would take half of the time
    "-p", "no:cacheprovider",
    "-p", "no:faulthandler",
    "--timeout=0",  # on the wall: another limit takes its place
)  # fmt: skip
#: What pytest may end with; a test that a mutant has renamed or taken away has not failed.
_PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
_FAILED = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)


class Answer(TypedDict):
    """What became of one mutant.

    Parameters
    ----------
    by : the test that noticed it, or in words what else did; empty when nothing
    failed : `by` is a test that ran and failed
    """

    by: str
    failed: bool


class TrialError(Exception):
    """A mutant could not be tried: our own mistake, and nobody's kill."""


class Task(NamedTuple):
    """One child: what it shall do, and the processor time it may take."""

    do: Callable[[], Any]
    cpu_s: int


def attempt(mutant: Mutant, batches: Iterable[Sequence[str]]) -> Answer:
    """Run batches of tests on a mutant until one fails. The process is spoilt by it."""
    sys.meta_path.insert(0, _Finder(mutant))
    for tests in batches:
        watch = Watch(tests)
        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        code = pytest.main([*OPTIONS, "-x", *files], plugins=[watch])
        if code not in (*_PASSED, *_FAILED):
            raise TrialError(f"pytest ended with {code!r} on {mutant.file} {mutant.name}")
        if code in _FAILED:
            return {"by": watch.failed or "the import", "failed": bool(watch.failed)}
    return {"by": "", "failed": False}


class Watch:
    """A pytest plugin: chooses and orders the tests, and notes the first that fails.

    Parameters
    ----------
    tests : test by test; of a file or folder among them, all
    """

    def __init__(self, tests: Sequence[str]) -> None:
        self._order = {test: k for k, test in enumerate(tests)}
        self._wholes = tuple(test for test in tests if "::" not in test)
        self.failed = ""

    def pytest_sessionstart(self) -> None:
        """Have hypothesis search the same places every time, and stop at the first finding."""
        chosen = settings(
            settings.default,
            phases=[Phase.explicit, Phase.generate],
            database=None,
            derandomize=True,
            deadline=None,
        )
        settings.register_profile("mutants", chosen)
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the chosen tests, in the order in which they were asked for."""
        order, wholes = self._order, self._wholes
        chosen = [i for i in items if i.nodeid in order or i.nodeid.startswith(wholes)]
        items[:] = sorted(chosen, key=lambda item: order.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note who failed first."""
        if report.failed and not self.failed:
            self.failed = report.nodeid


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the mutant where its module is asked for."""

    def __init__(self, mutant: Mutant) -> None:
        self._module = mutant.file.removesuffix(".py").replace("/", ".")
        self._path = str(Path(mutant.file).resolve())
        self._code = mutant.code()
        assert self._module not in sys.modules, f"{self._module} was imported before its mutant"

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        loader = _Loader(fullname, self._path)
        loader.changed = self._code
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    changed: CodeType

    def get_code(self, fullname: str) -> CodeType:
        return self.changed


# Children ------------------------------------------------------------------------------------


class _Child(NamedTuple):
    number: int
    pid: int
    pipe: int
    begun_s: float
    said: list[bytes]


def run(tasks: Iterable[Task], workers: int) -> Iterator[tuple[int, dict[str, Any], float]]:
    """Run tasks, some at once; give each one's number, answer and seconds as it ends.

    A child that was ended by a signal has answered so too: `Answer`.

    Raises
    ------
    TrialError : a task failed by itself
    """
    waiting = enumerate(tasks)
    children: dict[int, _Child] = {}
    try:
        while True:
            while len(children) < workers and (task := next(waiting, None)) is not None:
                child = _start(*task)
                children[child.pipe] = child
            if not children:
                return
            for pipe in select.select(list(children), [], [])[0]:
                child = children[pipe]
                data = os.read(pipe, 1 << 16)
                child.said.append(data)
                if not data:
                    del children[pipe]
                    yield child.number, _end(child), time.monotonic() - child.begun_s
    finally:
        for child in children.values():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)


def _start(number: int, task: Task) -> _Child:
    ours, theirs = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return _Child(number, pid, ours, time.monotonic(), [])
    try:
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (task.cpu_s, task.cpu_s + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (_BYTES_MAX, _BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        said = json.dumps(_said(task)).encode()
        while said:
            said = said[os.write(theirs, said) :]
    finally:
        os._exit(0)


def _said(task: Task) -> Any:
    try:
        return task.do()
    except BaseException:
        return {"broken": traceback.format_exc()}


def _end(child: _Child) -> dict[str, Any]:
    os.close(child.pipe)
    _, status = os.waitpid(child.pid, 0)
    if os.WIFSIGNALED(status):
        in_time = os.WTERMSIG(status) != signal.SIGXCPU
        return {"by": "a crash" if in_time else "its time", "failed": False}
    answer: dict[str, Any] = json.loads(b"".join(child.said) or '{"broken": "it said nothing"}')
    if "broken" in answer:
        raise TrialError(answer["broken"])
    return answer


def preload(modules: Iterable[str], changing: tuple[str, ...]) -> None:
    """Import what children would import anyway, but for packages that mutants change."""
    for module in modules:
        if not module.startswith(changing) and module not in sys.modules:
            try:
                importlib.import_module(module)
            except Exception:
                continue  # a module of a test's own making: the child will find it
    gc.collect()
    gc.freeze()  # a child that counts what it shares would copy it: a third of its time
