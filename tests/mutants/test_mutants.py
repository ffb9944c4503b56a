"""The mutants are tested too: on a toy that has one of every fate, and on the tables beside this.

The whole run is `make mutants`; here is what of it takes seconds.
"""

import ast
import json
import subprocess
import sys

import pytest

from tests.mutants.ledger import look_up, read, stale
from tests.mutants.mutation import Kind
from tests.mutants.plan import CORE, Plan
from tests.mutants.verdict import Fate, complaints, number

TOY = '''"""A toy."""

RUNGS = {"low": 1, "high": 2}


def is_late(age: int, limit: int) -> bool:
    """Judge."""
    if limit < 0:
        raise ValueError(limit)
    return age > limit
'''
TESTS = """
import pytest
from toy import RUNGS, is_late

def test_a_limit_is_no_lateness():
    assert not is_late(5, 5)
    assert is_late(6, 5)

def test_the_rungs():
    assert RUNGS == {"low": 1, "high": 2}

def test_no_limit_is_negative():
    with pytest.raises(ValueError):
        is_late(5, -1)
"""
TOYS = ("toy", "test_toy")
NAMED = {
    "RUNGS: without *": "test_toy.py::test_the_rungs",
    "is_late: if [limit < 0 -> False]": "test_toy.py::test_no_limit_is_negative",
}
#: Nobody asks for a limit of zero, so nobody notices how it is judged.
REASONS = {
    "is_late: if [limit < 0 -> limit <= 0]": "same: no limit is zero",
    "is_late: if limit < [0 -> 1]": "same: no limit is zero",
}


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "test_toy.py").write_text(TESTS)
    return Plan(tmp_path, ("toy.py",), ("toy.py",), ("test_toy.py",), TOYS, tmp_path)


def write(plan, name, rows):
    lines = [f"{json.dumps(key)} = {json.dumps(words)}" for key, words in rows.items()]
    (plan.tables / name).write_text("\n".join(['["toy.py"]', *lines]))


def run(plan, *arguments):
    """Run the tool in a process of its own, which it spoils."""
    script = (
        f"import sys; sys.path[:0] = [{str(CORE.root)!r}, {str(plan.root)!r}]\n"
        "from pathlib import PosixPath\n"
        "from tests.mutants.__main__ import main\n"
        "from tests.mutants.plan import Plan\n"
        f"sys.exit(main({list(arguments)!r}, {plan!r}))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=plan.root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


# On a toy ----------------------------------------------------------------------------------------


def test_a_toy_whose_every_mutant_is_noticed_or_explained_is_good_enough(toy):
    write(toy, "named.toml", NAMED)
    write(toy, "survivors.toml", REASONS)
    code, said = run(toy, "--json", "fates.json")
    assert code == 0, said
    fates = json.loads((toy.root / "fates.json").read_text())["mutants"]
    assert {f["mutant"]: f["reason"] for f in fates if not f["killed"]} == REASONS
    noticed = {f["mutant"]: f["by"] for f in fates}
    assert noticed["is_late: return [age > limit -> age >= limit]"].endswith("_is_no_lateness")
    assert noticed["RUNGS: without 'low': 1"].endswith("test_the_rungs")
    assert len(fates) == len(toy.mutants())


def test_one_mutant_is_shown_beside_who_notices_it(toy):
    (shown,) = [m for m in toy.mutants() if m.name.endswith("[age > limit -> age >= limit]")]
    code, said = run(toy, "--mutant", number(shown))
    assert code == 0, said
    assert "-return age > limit\n+return age >= limit" in said
    assert "noticed by test_toy.py::test_a_limit_is_no_lateness" in said


def test_tests_that_fail_without_any_mutant_judge_none(toy):
    (toy.root / "test_toy.py").write_text("def test_nothing():\n    raise ValueError\n")
    code, said = run(toy)
    assert code == 1
    assert "without any mutant the tests fail: test_toy.py::test_nothing" in said


def test_a_mutant_that_could_not_be_tried_is_an_error_and_no_kill(toy):
    """Its module was imported before it: nothing that follows would say anything."""
    code, said = run(toy._replace(changing=()))
    assert code != 0
    assert "toy was imported before its mutant" in said
    assert "killed" not in said


def test_a_mutant_that_never_ends_is_ended_by_the_processor_time_it_takes(toy):
    script = (
        f"import sys; sys.path.insert(0, {str(CORE.root)!r})\n"
        "from tests.mutants.trial import Task, run\n"
        "def spin():\n    while True: pass\n"
        "print([said for _, said, _ in run([Task(spin, 1), Task(dict, 1)], 2)])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=toy.root, capture_output=True, text=True, check=True)
    assert done.stdout == "[{}, {'by': 'its time', 'failed': False}]\n"


# What is complained of ---------------------------------------------------------------------------


def fates(plan, survivors=(*REASONS,), by=lambda name: "test_toy.py::test_any"):
    """Give the toy's mutants fates: named tests notice what they are named for."""
    found = []
    for mutant in plan.mutants():
        key = "RUNGS: without *" if mutant.kind is Kind.ROW else mutant.name
        test = NAMED.get(key)
        who = "" if mutant.name in survivors else test or by(mutant.name)
        found.append(Fate(mutant, test, who, bool(who), 0.1))
    return found


def complain(plan, found, reasons=REASONS, named=NAMED):
    return complaints(found, {"toy.py": reasons}, {"toy.py": named})


def test_nothing_is_wrong_with_what_is_noticed_or_explained(toy):
    assert complain(toy, fates(toy)) == []


def test_a_survivor_without_a_reason_is_wrong(toy):
    name = "is_late: if limit < [0 -> -1]"
    (said,) = complain(toy, fates(toy, (*REASONS, name)))[:1]
    assert said.startswith("survived: ")
    assert said.endswith(name)


def test_a_reason_is_wrong_when_its_mutant_is_killed_or_gone_or_when_it_is_none(toy):
    _, second = REASONS
    killed, gone, vague = (
        complain(toy, fates(toy, (second,))),
        complain(toy, fates(toy), {**REASONS, "is_late: [nothing -> pass]": "same: nothing"}),
        complain(toy, fates(toy), {**REASONS, second: "because"}),
    )
    assert [said.partition(":")[0] for said in killed] == ["a reason for a mutant that is killed"]
    assert gone == ["a reason for a mutant that is gone: toy.py is_late: [nothing -> pass]"]
    assert vague[0].startswith("a reason begins with 'same: ' or 'borne: ': ")


def test_a_row_or_guard_needs_a_test_by_name_and_this_very_test_has_to_fail(toy):
    found = fates(toy)
    row = next(k for k, fate in enumerate(found) if fate.mutant.kind is Kind.ROW)
    fate = found[row]
    for wrong, words in (
        (fate._replace(test=None), "no test is named for "),
        (fate._replace(by="", failed=False), f"{fate.test} does not fail on "),
        (fate._replace(by="the import", failed=False), f"{fate.test} does not fail on "),
        (fate._replace(by="test_toy.py::test_another"), f"{fate.test} does not fail on "),
    ):
        assert complain(toy, [*found[:row], wrong, *found[row + 1 :]])[0].startswith(words)


def test_less_than_95_of_100_is_too_few_however_well_explained(toy):
    borne = dict.fromkeys(REASONS, "borne: it is a toy")
    (said,) = complain(toy, fates(toy), borne)
    assert said == "toy.py: only 85.7% of the mutants are killed"


# The tables of the safety core -------------------------------------------------------------------


@pytest.fixture(scope="module")
def core():
    return CORE.mutants()


@pytest.fixture(scope="module")
def named():
    return read(CORE.tables / "named.toml")


def test_mutants_are_the_same_each_time_and_no_two_have_one_name(core):
    names = [(m.file, m.name) for m in core]
    assert len(set(names)) == len({number(m) for m in core}) == len(core)
    assert [(m.file, m.name) for m in CORE.mutants()] == names


def test_every_row_and_every_check_of_the_gate_has_a_test_by_name(core, named):
    wanted = [m for m in core if m.kind is not Kind.CHANGE]
    assert [f"{m.file} {m.name}" for m in wanted if look_up(named, m) is None] == []


def test_no_table_speaks_of_a_mutant_that_is_gone(core, named):
    assert stale(named, core) == []
    assert stale(read(CORE.tables / "survivors.toml"), core) == []


def test_every_named_test_is_there(named):
    for test in {test for rows in named.values() for test in rows.values()}:
        file, _, name = test.partition("::")
        tree = ast.parse((CORE.root / file).read_text())
        there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name.partition("[")[0] in there, test
