"""The model of authority and fence, searched to its end: nothing breaks it but what is taken away.

spin is Debian's. Root gets it installed; anybody else is told, and with CI=true it is an error.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

MODEL = Path(__file__).parents[2] / "docs" / "model" / "authority.pml"
TOOLS = {"spin": "spin", "cc": "gcc"}  # program: Debian package
LIMIT_S = 50
#: The first may have to install what it needs.
pytestmark = pytest.mark.timeout(180)


class Found(NamedTuple):
    """What a search to its end has found."""

    errors: int
    states: int
    broken: str


def apt_get(*arguments):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, timeout=40).returncode == 0


def install(packages):
    wanted = ["install", "-y", "--no-install-recommends", *packages]
    return apt_get(*wanted) or (apt_get("update") and apt_get(*wanted))


@pytest.fixture(scope="module")
def tools():
    """Have what the search needs, or say what is missing."""
    missing = [package for program, package in TOOLS.items() if not shutil.which(program)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        install(missing)
    missing = [package for program, package in TOOLS.items() if not shutil.which(program)]
    if missing:
        words = f"the model is NOT checked here: sudo apt-get install {' '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)


def search(folder, *switches):
    """Make the checker of the model with these switches, and run it to its end."""

    def run(*command):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    run("spin", "-a", *switches, str(MODEL))
    run("cc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c")
    said = run("./pan", "-m400000", "-w24")
    assert "max search depth too small" not in said
    errors, states = (
        int(re.search(pattern, said).group(1))
        for pattern in (r"errors: (\d+)", r"(\d+) states, stored")
    )
    broken = re.search(r"assertion violated (.*) \(at depth", said)
    return Found(errors, states, broken.group(1).strip() if broken else "")


@pytest.mark.usefixtures("tools")
def test_no_order_of_deaths_pauses_and_repetitions_breaks_a_rule(tmp_path):
    found = search(tmp_path)
    assert found.errors == 0, found.broken
    assert found.states > 1_000_000, "it has looked everywhere"


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    ("switch", "broken"),
    [
        ("FENCE", "((serves==0)||(c==owner))"),
        ("HOLD", "held"),
        ("PERSIST", "!(accepted[e])"),
    ],
)
def test_without_each_of_its_guards_there_is_a_way_to_break_it(tmp_path, switch, broken):
    found = search(tmp_path, f"-D{switch}=0")
    assert found.errors == 1
    assert found.broken == broken
