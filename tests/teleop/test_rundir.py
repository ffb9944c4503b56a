"""The run directory: one keeper, nobody else's files, and nothing left."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from teleop.node.rundir import (
    LOG_BYTES_KEPT,
    LOG_BYTES_MAX,
    Busy,
    Record,
    RunDir,
    RunDirError,
    keeper_of,
    tail,
)
from transport.io.living import Identity, identity_of, lives, open_pidfd


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Give a folder with a short name: local sockets' paths are short, pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="rd-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[RunDir]:
    run_dir = RunDir(tmp_path / "node", "/etc/trocar/node.toml")
    yield run_dir
    run_dir.release()


def test_it_is_ours_alone(run_dir: RunDir):
    run_dir.prepare()
    run_dir.write("relayd.json", b"{}")
    for path in run_dir.path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert run_dir.path.stat().st_mode & 0o077 == 0


def test_its_lock_says_who_keeps_it(run_dir: RunDir):
    keeper = keeper_of(run_dir.path)
    assert keeper is not None
    assert (keeper.pid, keeper.config) == (os.getpid(), "/etc/trocar/node.toml")


def test_a_second_keeper_is_refused(run_dir: RunDir):
    with pytest.raises(Busy, match=f"running already \\(noded, pid {os.getpid()}"):
        RunDir(run_dir.path)


def test_a_keeper_that_died_keeps_nothing(tmp_path: Path):
    (tmp_path / "noded.lock").write_text(json.dumps({"pid": os.getpid(), "start": 1, "config": ""}))
    assert keeper_of(tmp_path) is None
    assert keeper_of(tmp_path / "nowhere") is None


def test_removing_leaves_nothing_and_lets_the_next_one_in(tmp_path: Path):
    for _ in range(2):
        run_dir = RunDir(tmp_path / "node")
        run_dir.prepare()
        (run_dir.path / "a.sock").touch()
        run_dir.remove()
        assert list(tmp_path.iterdir()) == []


def test_a_link_is_removed_and_not_followed(tmp_path: Path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    run_dir = RunDir(tmp_path / "node")
    (run_dir.path / "link").symlink_to(tmp_path / "precious")
    run_dir.remove()
    assert (tmp_path / "precious" / "file").exists()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.touch(), "is not a directory"),
        (lambda path: path.symlink_to(path.parent), "is not a directory"),
        (lambda path: path.mkdir(mode=0o755), "is open to others"),
        (lambda path: (path.mkdir(mode=0o700), (path / "x").touch()), "holds files"),
    ],
    ids=["a file", "a link", "open", "not a node's"],
)
def test_what_is_not_ours_is_refused(spoil, why: str, tmp_path: Path):
    spoil(tmp_path / "node")
    with pytest.raises(RunDirError, match=why):
        RunDir(tmp_path / "node")


def test_a_path_too_long_for_sockets_is_refused(tmp_path: Path):
    with pytest.raises(RunDirError, match="too long"):
        RunDir(tmp_path / ("n" * 100))


def test_records_survive_and_damaged_ones_are_none(run_dir: RunDir):
    records = {"relayd": Record(1, 2, "abc")}
    run_dir.write_records(records)
    assert run_dir.records() == records
    for damage in (b'{"relayd": 7}', b'{"\xff": {}}'):
        run_dir.write("processes.json", damage)
        assert run_dir.records() == {}


def test_a_log_keeps_its_end_when_it_is_cut(run_dir: RunDir):
    run_dir.prepare()
    log = run_dir.log_path("relayd")
    log.write_bytes(b"x" * LOG_BYTES_MAX)
    run_dir.cap_log("relayd")
    assert log.stat().st_size == LOG_BYTES_MAX, "not yet too long"
    with log.open("ab") as writer:
        writer.write(b"last words")
        writer.flush()
        run_dir.cap_log("relayd")
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    old = log.with_name("relayd.log.old").read_bytes()
    assert (len(old), old[-10:]) == (LOG_BYTES_KEPT, b"last words")


def test_the_tail_of_nothing_is_nothing(tmp_path: Path):
    assert tail(tmp_path / "none", 10) == b""


def test_a_pid_with_another_start_is_another_process():
    me = identity_of(os.getpid())
    assert me is not None
    assert lives(me)
    other = Identity(me.pid, me.start + 1)
    assert not lives(other)
    assert open_pidfd(other) is None
    fd = open_pidfd(me)
    assert fd is not None
    os.close(fd)


def test_a_zombie_does_not_live():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert identity_of(pid) is None
    os.waitpid(pid, 0)
