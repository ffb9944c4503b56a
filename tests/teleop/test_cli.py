"""The command line: what it answers, and how it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from teleop import cli
from teleop.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
NODE_TOML = "[node]\nname = 'cli-test'\nstate_dir = 'state'\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(NODE_TOML)
    return path


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


class Said:
    """What a command has written, split."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.out, self.err = capsys.readouterr()


def test_topics_are_the_table(capsys: pytest.CaptureFixture[str]):
    assert run("topics") == 0
    lines = Said(capsys).out.splitlines()
    assert len(lines) == len(TOPICS) + 1
    assert lines[0].split()[:3] == ["name", "message", "source"]
    assert run("topics", "--json") == 0
    rows = json.loads(Said(capsys).out)
    assert [row["name"] for row in rows] == [topic.name for topic in TOPICS]
    assert {"rate_hz", "budget_ms"} <= set(rows[0])


def test_a_devices_life(config: Path, capsys: pytest.CaptureFixture[str]):
    assert run("keys", "new", "ward-3", "--role", "console", "--config", config) == 0
    assert "made ward-3 (console)" in Said(capsys).out
    secret = config.parent / "state" / "keys" / "ward-3.secret"
    assert secret.stat().st_mode & 0o777 == 0o600

    assert run("keys", "list", "--json", "--config", config) == 0
    (device,) = json.loads(Said(capsys).out)
    assert (device["name"], device["role"], device["revoked"]) == ("ward-3", "console", False)

    assert run("keys", "revoke", "ward-3", "--config", config) == 0
    assert not secret.exists()
    Said(capsys)
    run("keys", "list", "--config", config)
    assert Said(capsys).out.splitlines()[1].endswith("True"), "it stays, as evidence"


def test_no_secret_is_ever_printed(config: Path, capsys: pytest.CaptureFixture[str]):
    run("keys", "new", "a", "--role", "script", "--config", config)
    run("keys", "list", "--config", config)
    run("keys", "list", "--json", "--config", config)
    said = Said(capsys)
    secret = (config.parent / "state" / "keys" / "a.secret").read_text().strip()
    assert secret not in said.out + said.err


def test_init_makes_what_is_missing_once(config: Path, capsys: pytest.CaptureFixture[str]):
    assert run("keys", "init", "--config", config) == 0
    assert len(Said(capsys).out.splitlines()) == 6
    assert run("keys", "init", "--config", config) == 0
    assert Said(capsys).out == "made nothing: all is there\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("up",), "devices.json is missing"),
        (("keys", "new", "x", "--role", "king"), "--role: expected one of node, relay"),
        (("keys", "new", "../x", "--role", "console"), "device name '../x'"),
        (("keys", "revoke", "nobody"), "devices.json is missing"),
        (("keys", "list"), "devices.json is missing"),
    ],
)
def test_errors_are_a_line_and_code_2(
    arguments: tuple[str, ...], says: str, config: Path, capsys: pytest.CaptureFixture[str]
):
    (config.parent / "state" / "keys").mkdir(parents=True)
    assert run(*arguments, "--config", config) == 2
    said = Said(capsys)
    assert said.err.startswith("trocar: ")
    assert says in said.err
    assert "Traceback" not in said.err


def test_a_broken_node_toml_names_file_line_key(config: Path, capsys: pytest.CaptureFixture[str]):
    config.write_text("[relay]\n\npath_id = 'one'\n")
    assert run("up", "--config", config) == 2
    expected = f"trocar: {config}:3: relay.path_id: expected a number, 1 to 255, found 'one'\n"
    assert Said(capsys).err == expected


def test_a_node_that_could_not_start_leaves_nothing(config: Path):
    config.write_text(f"{NODE_TOML}run_dir = '{config.parent}/run'\n")
    assert run("up", "--config", config) == 2
    assert not (config.parent / "run").exists()


def test_without_a_node_a_console_says_how_to_get_one(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(config.parent)
    monkeypatch.setattr("teleop.node.console.keeper_of", lambda _: None)
    assert run("console") == 2
    assert "`trocar up` or `trocar demo`" in Said(capsys).err


def test_check_prints_json_and_red_is_code_1(config: Path, capsys: pytest.CaptureFixture[str]):
    assert run("check", "--json", "--config", config) == 1
    findings = json.loads(Said(capsys).out)
    assert {finding["verdict"] for finding in findings} <= {"green", "amber", "red"}
    assert run("check", "--config", config) == 1
    assert "devices.json" in Said(capsys).out


@pytest.mark.parametrize("rate", ["0", "9", "5000", "fast"])
def test_a_rate_has_bounds(rate: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exited:
        run("console", "--rate", rate)
    assert exited.value.code == 2
    assert "--rate" in Said(capsys).err


def package(name: str, folder: str, version: str = "1.0") -> ModuleType:
    module = ModuleType(name)
    module.__file__ = f"{folder}/{name}/__init__.py"
    module.__version__ = version
    return module


def test_our_packages_belong_together():
    assert cli.strangers({name: sys.modules[name] for name in ("teleop", "safety")}) == ""


@pytest.mark.parametrize(
    "stranger",
    [package("safety", "/elsewhere"), package("safety", "/here", "3.8.1"), ModuleType("safety")],
    ids=["another folder", "another version", "no package"],
)
def test_a_strangers_package_is_noticed(stranger: ModuleType):
    said = cli.strangers({"teleop": package("teleop", "/here"), "safety": stranger})
    assert "do not belong together" in said
    assert "safety" in said


def test_a_stranger_ends_the_start_with_code_2(tmp_path: Path):
    """As after `pip install safety` elsewhere on the path."""
    folder = tmp_path / "safety"
    folder.mkdir()
    (folder / "__init__.py").write_text("__version__ = '3.8.1'\n")
    script = "import sys; from teleop import cli; sys.exit(cli.main(['topics']))"
    search = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"safety 3.8.1 in {tmp_path}" in done.stderr
    assert "Traceback" not in done.stderr


def test_asking_for_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom teleop import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'zmq', 'uvloop', 'msgspec', 'cryptography', 'rich', 'numpy', 'asyncio'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "COMMAND" in done.stdout
