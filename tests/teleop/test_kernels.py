"""Kernels are compiled once, before anything starts, and whoever waits is told."""

from types import SimpleNamespace

import pytest

from teleop.node import kernels
from teleop.node.kernels import compile_all
from teleop.node.processes import PROCESSES
from transport.kernel import cache


@pytest.fixture
def told(monkeypatch):
    """A cache that holds nothing, and modules that compile at once."""
    state = SimpleNamespace(there=set(), reports=[])
    monkeypatch.setattr(cache, "has", lambda module: module in state.there)
    monkeypatch.setattr(cache, "mark", state.there.add)
    return state


def rows(*modules):
    return [PROCESSES[0]._replace(kernels=module) for module in modules]


def program(monkeypatch, text):
    monkeypatch.setattr(kernels, "_PROGRAM", text)


def test_each_module_is_compiled_once_and_said(told, monkeypatch):
    program(monkeypatch, "pass")
    compile_all(rows("teleop.a", "teleop.b", "teleop.a", ""), told.reports.append)
    assert [report.detail for report in told.reports[1:]] == [
        "teleop.a, 1 of 2",
        "teleop.b, 2 of 2",
    ]
    assert told.there == {"teleop.a", "teleop.b"}


def test_what_is_there_is_not_compiled_again(told):
    told.there.add("teleop.a")
    compile_all(rows("teleop.a"), told.reports.append)
    assert told.reports == []


def test_what_another_node_has_not_needed_is_compiled(told, monkeypatch):
    program(monkeypatch, "pass")
    told.there.add("teleop.a")
    compile_all(rows("teleop.a", "teleop.b"), told.reports.append)
    assert told.reports[-1].detail == "teleop.b, 1 of 1"


def test_a_node_without_kernels_waits_for_nothing(told):
    compile_all(rows("", ""), told.reports.append)
    assert told.reports == []
    assert not told.there


def test_a_compiler_that_fails_is_quoted_and_its_module_not_called_there(told, monkeypatch):
    program(monkeypatch, "raise SystemExit('no space left')")
    compile_all(rows("teleop.a"), told.reports.append)
    assert (told.reports[-1].what, told.reports[-1].last_words) == ("failed", "no space left\n")
    assert not told.there


def test_a_compiler_that_hangs_is_ended(told, monkeypatch):
    program(monkeypatch, "import time; time.sleep(600)")
    monkeypatch.setattr(kernels, "PATIENCE_S", 0.2)
    compile_all(rows("teleop.a"), told.reports.append)
    assert told.reports[-1].what == "failed"
    assert not told.there


@pytest.mark.parametrize("row", [row for row in PROCESSES if row.kernels], ids=lambda row: row.name)
def test_every_module_of_the_table_can_be_warmed(row):
    module = pytest.importorskip(row.kernels)
    assert callable(module.warm)
