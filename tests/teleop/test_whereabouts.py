"""Where a node is, without all of its configuration: as that says, or its own complaint."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from teleop.node.config import load
from teleop.node.mistakes import ConfigError
from teleop.node.whereabouts import NoNodeError, node_toml, whereabouts
from tests.teleop.test_bedside import report, robot

ROOT = Path(__file__).resolve().parents[2]
#: Each costs a team at the robot more than the whole command should.
HEAVY = ("numpy", "numba", "asyncio", "rich", "zmq", "teleop.node.config", "teleop.robot.agent")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[node]\nname = 'or-3'\n",
        "[node]\nrun_dir = 'run'\n[robot]\nname = 'psm-1'\narms = 2\n",
        "[node]\nrun_dir = '/dev/shm/elsewhere'\n",
        (ROOT / "node.toml").read_text(),
    ],
)
def test_it_is_where_the_configuration_says(tmp_path, text):
    path = tmp_path / "node.toml"
    path.write_text(text)
    config = load(path)
    assert whereabouts(path) == (config.run_dir, config.robot.name)


def test_a_mistake_elsewhere_in_the_file_keeps_nobody_from_the_robot(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[node]\nrun_dir = 'run'\n[relay]\nconsole = 'nowhere'\n")
    with pytest.raises(ConfigError):
        load(path)
    assert whereabouts(path) == (tmp_path / "run", "robot")


@pytest.mark.parametrize("text", ["[node", "[node]\nname = 3\n", "[robot]\nname = ['a']\n"])
def test_what_cannot_be_read_is_said_as_ever(tmp_path, text):
    path = tmp_path / "node.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="expected"):
        whereabouts(path)
    path.unlink()
    with pytest.raises(ConfigError, match=r"a readable node\.toml"):
        whereabouts(path)


def test_without_a_running_node_a_person_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("teleop.node.whereabouts.default_path", lambda name: tmp_path / name)
    (tmp_path / "node.toml").write_text("")
    with pytest.raises(NoNodeError, match="trocar demo"):
        node_toml(None, tmp_path / "node.toml")
    assert node_toml(tmp_path / "any", tmp_path / "node.toml") == tmp_path / "any"


@pytest.mark.parametrize("words", [["status"], ["estop"], []])
def test_the_bedsides_command_imports_nothing_heavy(tmp_path, words):
    """A key counts once all is imported, and on a busy machine a second of imports became 17."""
    (tmp_path / "node.toml").write_text("[node]\nrun_dir = '.'\n")
    said = ["bedside", "--config", os.fspath(tmp_path / "node.toml"), *words]
    script = (
        "import sys\nfrom teleop.cli import main\n"
        f"code = main({said!r})\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)\n"
        "sys.exit(code)"
    )
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (24, 60))
    os.write(outer, b"q")  # the screen draws once, and ends
    with robot(tmp_path, [report()]) as heard:
        command = [sys.executable, "-c", script]
        ran = subprocess.run(command, cwd=ROOT, stdin=inner, stdout=inner, stderr=subprocess.PIPE)
    os.close(inner)
    drawn = os.read(outer, 65536).decode()
    os.close(outer)
    assert ran.returncode == 0
    assert heard
    assert "the team at the robot has taken it" in drawn
    assert ("x E-STOP" in drawn) is not bool(words)
    if not words:  # no row is written over another, and the terminal is given back as it was
        assert drawn.index("\x1b[?7l") < drawn.index("x E-STOP") < drawn.index("\x1b[?7h")
    modules = set(ran.stderr.decode().split())
    assert "teleop.node.bedside" in modules
    assert not modules & set(HEAVY)
