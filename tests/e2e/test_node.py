"""A node of real processes: what its keeper promises holds on a real machine.

The processes are tiny (`tiny_child.py`), the keeper is the real one (`teleop/node/noded.py`).
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATIENCE_S = 40.0
"""For a machine that may stall. Promises with a time of their own are asserted beside it."""
CLEAN_STOP_S = 2.0


class Node:
    """A running keeper, and what it has reported."""

    def __init__(self, path: Path, *processes: str) -> None:
        self.path = path
        self.events: list[dict[str, object]] = []
        self._buffer = b""
        search = os.pathsep.join([str(ROOT), str(HERE)])
        self.popen = subprocess.Popen(
            [sys.executable, str(HERE / "tiny_node.py"), str(path), *processes],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": search},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def wait_for(self, name: str, what: str) -> dict[str, object]:
        """Read reports until this one comes; earlier ones are not looked at again."""
        assert self.popen.stdout is not None
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                event = json.loads(line)
                self.events.append(event)
                if (event["name"], event["what"]) == (name, what):
                    return event
                continue
            if select.select([self.popen.stdout], [], [], 0.1)[0]:
                data = os.read(self.popen.stdout.fileno(), 65_536)
                assert data, f"noded ended (rc {self.popen.wait()}) before {name} {what}"
                self._buffer += data
        raise AssertionError(f"no {name} {what}; only {self.events}")

    def leave(self) -> tuple[int, float]:
        """Wait for the keeper's end; return its code and how long that took."""
        began = time.monotonic()
        code = self.popen.wait(PATIENCE_S)
        return code, time.monotonic() - began

    def pids(self) -> dict[str, int]:
        records = json.loads((self.path / "processes.json").read_bytes())
        return {name: record["pid"] for name, record in records.items()}

    def close(self) -> None:
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        self.popen.stdout.close()
        self.popen.stderr.close()


class Nodes:
    """Starts nodes in one run directory, and cleans up after a test that failed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._nodes: list[Node] = []

    def start(self, *processes: str) -> Node:
        self._nodes.append(Node(self.path, *processes))
        return self._nodes[-1]

    def up(self, *processes: str) -> Node:
        node = self.start(*processes)
        node.wait_for("node", "ready")
        return node

    def close(self) -> None:
        for node in self._nodes:
            if node.popen.poll() is None:
                node.popen.kill()
                node.popen.wait()
            node.close()
        for pid in whoever_names(self.path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def whoever_names(path: Path) -> list[int]:
    """Scan /proc for the living whose command line has the run directory, whatever their group."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and str(path).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def assert_nothing_left(path: Path) -> None:
    assert whoever_names(path) == []
    assert not path.exists()


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with tempfile.TemporaryDirectory(prefix="tiny-", dir="/dev/shm") as parent:
        nodes = Nodes(Path(parent) / "node")
        try:
            yield nodes
        finally:
            nodes.close()


def test_a_node_starts_and_a_signal_to_its_keeper_leaves_nothing(nodes: Nodes):
    node = nodes.up("a=good", "b=good")
    assert len(node.pids()) == 2
    assert oct(nodes.path.stat().st_mode & 0o777) == "0o700"
    assert oct((nodes.path / "a.json").stat().st_mode & 0o777) == "0o600"
    node.popen.send_signal(signal.SIGTERM)
    code, took_s = node.leave()
    assert code == 0
    assert took_s < CLEAN_STOP_S
    assert_nothing_left(nodes.path)


def test_a_killed_process_comes_back_after_a_pause_that_grows(nodes: Nodes):
    node = nodes.up("a=good", "b=good")
    stays = node.pids()["b"]
    for pause_ms in (100, 200):
        os.kill(node.pids()["a"], signal.SIGKILL)
        event = node.wait_for("a", "exited")
        assert event["detail"] == "signal 9"
        assert event["after_ms"] == pause_ms
        node.wait_for("a", "ready")
    assert node.pids()["b"] == stays
    node.popen.send_signal(signal.SIGINT)
    assert node.leave()[0] == 0
    assert_nothing_left(nodes.path)


def test_term_to_one_child_stops_it_cleanly_and_it_returns(nodes: Nodes):
    node = nodes.up("a=good")
    began = time.monotonic()
    os.kill(node.pids()["a"], signal.SIGTERM)
    assert node.wait_for("a", "exited")["detail"] == "exit 0"
    assert time.monotonic() - began < CLEAN_STOP_S
    node.wait_for("a", "ready")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_at_once_leaves_nothing(nodes: Nodes, number: signal.Signals):
    node = nodes.up("a=good", "b=good")
    for pid in [*node.pids().values(), node.pid]:
        os.kill(pid, number)
    code, took_s = node.leave()
    assert code == 0
    assert took_s < CLEAN_STOP_S
    assert_nothing_left(nodes.path)


def test_a_keeper_that_nobody_listens_to_goes_on(nodes: Nodes):
    node = nodes.up("a=good")
    node.close()
    before = node.pids()["a"]
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while node.pids().get("a", before) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive(node.pids()["a"])
    node.popen.send_signal(signal.SIGTERM)
    node.popen.wait(PATIENCE_S)
    assert_nothing_left(nodes.path)


def test_a_deaf_process_is_killed_within_two_seconds(nodes: Nodes):
    node = nodes.up("a=good", "b=deaf")
    node.popen.send_signal(signal.SIGTERM)
    code, took_s = node.leave()
    assert code == 0
    assert 1.4 < took_s < CLEAN_STOP_S
    node.wait_for("b", "killed")
    assert_nothing_left(nodes.path)


def test_a_stopped_process_stops_cleanly_too(nodes: Nodes):
    node = nodes.up("a=good")
    os.kill(node.pids()["a"], signal.SIGSTOP)
    node.popen.send_signal(signal.SIGTERM)
    code, took_s = node.leave()
    assert (code, took_s < 1.4) == (0, True)
    assert_nothing_left(nodes.path)


def test_grandchildren_in_sessions_of_their_own_go_too(nodes: Nodes):
    node = nodes.up("a=forks")
    assert len(whoever_names(nodes.path)) == 3, "noded, its child, and its grandchild"
    node.popen.send_signal(signal.SIGTERM)
    assert node.leave()[0] == 0
    assert_nothing_left(nodes.path)


def test_a_second_keeper_is_refused_while_the_first_lives(nodes: Nodes):
    first = nodes.up("a=good")
    second = nodes.start("a=good")
    assert second.leave()[0] == 1
    assert second.popen.stderr is not None
    said = second.popen.stderr.read().decode()
    assert f"running already (noded, pid {first.pid}" in said
    assert first.popen.poll() is None


def test_a_killed_keeper_leaves_the_node_running_and_the_next_adopts_it(nodes: Nodes):
    first = nodes.up("a=good", "b=good")
    before = first.pids()
    first.popen.kill()
    first.leave()
    assert all(alive(pid) for pid in before.values()), "control goes on without its keeper"
    os.kill(before["b"], signal.SIGKILL)

    second = nodes.up("a=good", "b=good")
    assert second.pids()["a"] == before["a"]
    assert second.pids()["b"] != before["b"], "the dead one was started anew"
    assert [e["what"] for e in second.events if e["name"] == "a"] == ["adopted", "ready"]

    os.kill(before["a"], signal.SIGKILL)  # whoever was adopted is watched as well
    assert second.wait_for("a", "exited")["detail"] == "exit status unknown"
    second.wait_for("a", "ready")
    second.popen.send_signal(signal.SIGTERM)
    code, took_s = second.leave()
    assert code == 0
    assert took_s < CLEAN_STOP_S
    assert_nothing_left(nodes.path)


def test_whoever_was_started_but_not_written_down_is_found(nodes: Nodes):
    first = nodes.up("a=good")
    pid = first.pids()["a"]
    first.popen.kill()
    first.leave()
    (nodes.path / "processes.json").unlink()
    second = nodes.up("a=good")
    assert second.pids() == {"a": pid}
    second.popen.send_signal(signal.SIGTERM)
    second.leave()
    assert_nothing_left(nodes.path)


def test_a_pid_that_now_is_somebody_else_is_left_alone(nodes: Nodes):
    """The record of a long dead node may name a number that was given away again."""
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        nodes.path.mkdir(mode=0o700)
        (nodes.path / "noded.lock").touch(mode=0o600)
        record = {"a": {"pid": bystander.pid, "start": 1, "settings": ""}}
        (nodes.path / "processes.json").write_text(json.dumps(record))
        (nodes.path / "stale.sock").touch()
        node = nodes.up("a=good")
        assert node.pids()["a"] != bystander.pid
        assert not (nodes.path / "stale.sock").exists(), "a dead node's files are gone"
        node.popen.send_signal(signal.SIGTERM)
        assert node.leave()[0] == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert_nothing_left(nodes.path)


def test_a_process_that_is_no_longer_in_the_table_is_asked_to_leave(nodes: Nodes):
    first = nodes.up("a=good", "old=good")
    old = first.pids()["old"]
    first.popen.kill()
    first.leave()
    second = nodes.up("a=good")
    deadline = time.monotonic() + PATIENCE_S
    while alive(old) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(old)
    second.popen.send_signal(signal.SIGTERM)
    second.leave()
    assert_nothing_left(nodes.path)


def test_a_directory_that_is_no_nodes_is_refused_and_left_alone(nodes: Nodes):
    nodes.path.mkdir(mode=0o700)
    (nodes.path / "thesis.odt").write_text("five years of work")
    node = nodes.start("a=good")
    assert node.leave()[0] != 0
    assert (nodes.path / "thesis.odt").read_text() == "five years of work"
