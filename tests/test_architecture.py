"""The floor plan is enforced, and its enforcement is tested: each rule is broken once, in a copy.

A contract that nothing can break is worth nothing, so every contract of pyproject.toml has a row
in SABOTAGE, and a contract without one fails here.
"""

import ast
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from teleop.node.processes import CONSOLE, PROCESSES

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("teleop", "monitor", "safety", "transport")
TOOLS = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUFF = PROJECT["tool"]["ruff"]["lint"]
CONTRACTS = {row["id"]: row for row in PROJECT["tool"]["importlinter"]["contracts"]}


class Sabotage(NamedTuple):
    """One line that breaks one contract."""

    contract: str
    file: str
    line: str


# fmt: off
SABOTAGE = (
    Sabotage("floors",        "transport/wire/codec.py", "import teleop"),
    Sabotage("transport",     "transport/wire/codec.py", "import transport.link.age"),
    Sabotage("robot",         "teleop/robot/agent.py",   "import teleop.relay"),
    Sabotage("robot-monitor", "teleop/robot/agent.py",   "import monitor"),
    Sabotage("processes",     "teleop/relayd.py",        "import teleop.sim.simd"),
    Sabotage("pure",          "safety/gate.py",          "import socket"),
    Sabotage("io",            "teleop/relay.py",         "import transport.io.loop"),
    Sabotage("store",         "safety/gate.py",          "import safety.store.file"),
)
# fmt: on


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Give a copy of the four packages that a test may break."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(house: Path, *command: str | Path) -> tuple[int, str]:
    """Run a tool in the copy; its output comes back as one line, however the tool wrapped it."""
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def lint_imports(house: Path) -> tuple[int, str]:
    return run(house, TOOLS / "lint-imports", "--no-cache", "--no-logo")


def banned_uses(house: Path, file: str) -> tuple[int, str]:
    return run(house, TOOLS / "ruff", "check", "--no-cache", "--select", "TID251", file)


def append(house: Path, file: str, line: str) -> None:
    path = house / file
    assert path.exists(), f"{file} has moved: this test sabotages a file that is there"
    path.write_text(f"{path.read_text()}\n{line}\n")


# ------------------------------------------------------------------------------------ contracts


def test_the_house_as_it_stands_keeps_every_contract(house: Path) -> None:
    code, said = lint_imports(house)
    assert code == 0, said
    assert f"{len(CONTRACTS)} kept, 0 broken" in said


@pytest.mark.parametrize("sabotage", SABOTAGE, ids=lambda row: row.contract)
def test_a_broken_contract_is_caught_and_named(house: Path, sabotage: Sabotage) -> None:
    append(house, sabotage.file, sabotage.line)
    code, said = lint_imports(house)
    assert code == 1
    assert f"{CONTRACTS[sabotage.contract]['name']} BROKEN" in said


def test_every_contract_has_been_broken() -> None:
    assert {row.contract for row in SABOTAGE} == set(CONTRACTS)


# ------------------------------------------------------------------------------- pure by default


@pytest.mark.parametrize("name", sorted(RUFF["flake8-tidy-imports"]["banned-api"]))
def test_a_core_that_touches_the_world_is_caught(house: Path, name: str) -> None:
    module, _, rest = name.partition(".")
    append(house, "safety/gate.py", f"import {module}\n{name if rest else ''}")
    code, said = banned_uses(house, "safety/gate.py")
    assert code == 1
    assert f"`{name}` is banned" in said


@pytest.mark.parametrize("file", ["teleop/payload.py", "teleop/sim/field.py", "safety/board.py"])
def test_a_name_that_ends_like_a_process_exempts_nothing(house: Path, file: str) -> None:
    (house / file).write_text('"""Not a process."""\n\nimport time\n')
    code, said = banned_uses(house, file)
    assert code == 1
    assert "`time` is banned" in said


# ------------------------------------------------------------------------- the lists of processes


def exempt_patterns() -> list[str]:
    """List what may touch the world, tests, bench and docs apart."""
    return [
        pattern
        for pattern, rules in RUFF["per-file-ignores"].items()
        if "TID251" in rules and pattern.partition("/")[0] in PACKAGES
    ]


def file_of(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def test_the_three_lists_of_processes_agree() -> None:
    table = {row.module for row in (*PROCESSES, CONSOLE)} | {"teleop.node.noded"}
    independent = set(CONTRACTS["processes"]["modules"])
    exempt = {pattern for pattern in exempt_patterns() if pattern.endswith("d.py")}
    assert independent == table
    assert exempt == {file_of(m) for m in table if not m.startswith("teleop.node.")}


def test_who_may_import_sockets_is_who_may_touch_the_world() -> None:
    importers = {file_of(m) for m in CONTRACTS["io"]["allowed_importers"]}
    exempt = {pattern for pattern in exempt_patterns() if not pattern.endswith("/**")}
    told = {path for path in importers if path.endswith("/settings.py")}  # types, no deeds
    whole = {"teleop/node", "teleop/cli"}  # packages all of which may
    assert importers - told - {f"{p}.py" for p in whole} == exempt - {f"{p}/*.py" for p in whole}
    stores = set(CONTRACTS["store"]["allowed_importers"])
    assert stores <= set(CONTRACTS["io"]["allowed_importers"])


def test_no_exemption_outlives_its_file() -> None:
    files = [str(f.relative_to(ROOT)) for p in PACKAGES for f in (ROOT / p).rglob("*.py")]
    stale = [p for p in exempt_patterns() if not any(fnmatch(f, p) for f in files)]
    assert not stale


# ------------------------------------------------------------------------- what is shipped, whence


def test_the_four_packages_and_the_project_have_one_version() -> None:
    versions = {package: version_in(ROOT / package / "__init__.py") for package in PACKAGES}
    assert versions == dict.fromkeys(PACKAGES, PROJECT["project"]["version"])


def version_in(file: Path) -> str:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return ast.literal_eval(node.value)
    return ""


def test_the_wheel_holds_the_four_packages_and_nothing_else(house: Path) -> None:
    code, said = run(house, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out")
    assert code == 0, said
    (wheel,) = (house / "out").glob("*.whl")
    shutil.unpack_archive(wheel, house / "unpacked", "zip")
    version = PROJECT["project"]["version"]
    found = {path.name for path in (house / "unpacked").iterdir()}
    assert found == {*PACKAGES, f"trocar-{version}.dist-info"}


def test_the_lock_holds_every_dependency_by_hash_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "//" not in lock
    pinned: dict[str, list[str]] = {}
    for entry in lock.replace("\\\n", " ").splitlines():
        if "==" in entry:
            name, _, rest = entry.partition("==")
            assert "--hash=sha256:" in rest, name
            pinned.setdefault(canonicalize_name(name), []).append(rest.split()[0])
    groups = PROJECT["dependency-groups"].values()
    for line in (*PROJECT["project"]["dependencies"], *(d for group in groups for d in group)):
        wanted = Requirement(line)
        versions = pinned.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted.name} is not in requirements.lock: make lock"
        assert all(v in wanted.specifier for v in versions), f"{line}: make lock"
