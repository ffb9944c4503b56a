"""What `trocar check` finds on a machine that a test has made worse."""

import resource
import socket
from pathlib import Path

import pytest

from teleop.node import check as checks
from teleop.node.check import Finding, Verdict, check, worst
from teleop.node.commission import commission, devices, lacking
from teleop.node.config import load
from teleop.node.sections import NodeConfig
from transport.io import keys, realtime
from transport.io.keys import KeyFault, Role

NODE_TOML = """\
[node]
name = "{name}"
state_dir = "state"
[relay]
console = "tcp://127.0.0.1:{port}"
datagram = ""
robot = "tcp://127.0.0.1:1"
[session]
listen = "tcp://127.0.0.1:2"
[robot]
guard = "tcp://127.0.0.1:3"
[metrics]
listen = ""
[web]
listen = ""
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A node.toml with one port that is free, and privileged ones that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "node.toml"
    path.write_text(NODE_TOML.format(name=f"check-{port}", port=port))
    return path


def found(findings: list[Finding], what: str) -> list[Finding]:
    return [finding for finding in findings if finding.what == what]


def the(findings: list[Finding], what: str) -> Finding:
    (finding,) = found(findings, what)
    return finding


def test_the_worst_counts():
    green, amber, red = (Finding("x", verdict, "") for verdict in Verdict)
    assert worst([]) is Verdict.GREEN
    assert worst([green, amber, green]) is Verdict.AMBER
    assert worst([red, amber]) is Verdict.RED


def test_whatever_is_not_green_says_what_it_costs_and_what_to_do(file: Path):
    for finding in check(file):
        if finding.verdict is not Verdict.GREEN:
            assert finding.cost, finding
            assert finding.remedy, finding


def test_without_keys_it_is_red_and_with_them_it_is_not(file: Path):
    assert the(check(file), "keys").verdict is Verdict.RED
    commission(load(file))
    assert the(check(file), "keys").verdict is Verdict.GREEN


def test_a_key_that_others_can_read_is_red(file: Path):
    config = load(file)
    commission(config)
    (config.keys_dir / "relay.secret").chmod(0o644)
    finding = the(check(file), "keys")
    assert finding.verdict is Verdict.RED
    assert "relay.secret" in finding.found
    assert "0644" in finding.found


def test_a_port_that_another_program_has_is_red(file: Path):
    port = int(load(file).relay.console.rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        finding = the(check(file), "ports")
    assert finding.verdict is Verdict.RED
    assert f"relay.console: tcp://127.0.0.1:{port}: another program" in finding.found


def test_a_wrong_node_toml_is_red_and_a_missing_one_amber(file: Path):
    assert the(check(file.with_name("none.toml")), "node.toml").verdict is Verdict.AMBER
    file.write_text("[nod]\n")
    finding = the(check(file), "node.toml")
    assert finding.verdict is Verdict.RED
    assert f"{file}:1: nod: expected node" in finding.found


def test_missing_rights_are_amber_and_say_what_they_cost(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(realtime, "explain", lambda: [realtime.NO_FIFO, realtime.NO_PM_QOS])
    verdicts = {finding.what: finding.verdict for finding in checks._rights()}
    assert verdicts == {
        "SCHED_FIFO": Verdict.AMBER,
        "nice": Verdict.GREEN,
        "mlockall": Verdict.GREEN,
        "PM QoS": Verdict.AMBER,
    }


@pytest.mark.parametrize(
    ("more", "lacks", "verdict", "words"),
    [
        ("", [], Verdict.GREEN, "ended in 20 ms"),
        ("", [realtime.NO_FIFO], Verdict.AMBER, "ended in 200 ms, not 20"),
        ("[watchdog]\nidentity = ''\n", [], Verdict.AMBER, "nobody ends what hangs"),
    ],
)
def test_the_watchdog_says_what_it_can_promise_here(
    more: str, lacks: list[realtime.Lack], verdict: Verdict, words: str, file: Path, monkeypatch
):
    monkeypatch.setattr(realtime, "explain", lambda: lacks)
    file.write_text(file.read_text() + more)
    finding = the(check(file), "watchdog")
    assert finding.verdict is verdict
    assert words in finding.found + finding.cost


@pytest.mark.parametrize(
    ("cores", "verdict"), [(1, Verdict.RED), (2, Verdict.AMBER), (4, Verdict.GREEN)]
)
def test_cores(cores: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert checks._cores()[0].verdict is verdict


@pytest.mark.parametrize(
    ("source", "verdict"),
    [("tsc", Verdict.GREEN), ("hpet", Verdict.AMBER), ("", Verdict.GREEN)],
)
def test_clock_source(
    source: str, verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "current_clocksource"
    path.write_text(f"{source}\n")
    monkeypatch.setattr(checks, "CLOCK_SOURCE", path)
    assert checks._clock_source()[0].verdict is verdict


def test_a_folder_that_is_no_tmpfs_is_amber(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "SHM", tmp_path)
    assert checks._shared_memory()[0].verdict is Verdict.AMBER
    monkeypatch.setattr(checks, "SHM", tmp_path / "none")
    assert checks._shared_memory()[0].verdict is Verdict.RED


def test_few_descriptors_are_amber(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert checks._descriptors()[0].verdict is Verdict.AMBER


def test_commissioning_is_done_once(file: Path):
    config = load(file)
    assert len(commission(config)) == len(devices(config)) + 1, "its devices and a store"
    assert commission(config) == []
    assert lacking(config) == []


def test_a_device_of_another_role_is_not_taken_for_ours(file: Path):
    config = load(file)
    keys.new(config.keys_dir, "relay", Role.OBSERVER)
    with pytest.raises(KeyFault, match="'relay' is a observer, and should be a relay"):
        commission(config)


def test_a_store_that_is_gone_is_not_made_up(file: Path):
    config: NodeConfig = load(file)
    commission(config)
    (Path(config.node.state_dir) / "robot.store.json").unlink()
    (lack,) = lacking(config)
    assert "robot.store.json" in lack
