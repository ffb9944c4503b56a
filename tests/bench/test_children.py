"""A child of the bench can be stopped even when it is frozen, and dies with the bench."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.children import REPOSITORY, spawn, stop


def test_a_stopped_child_is_still_ended() -> None:
    child = spawn(["-c", "import time; time.sleep(60)"])
    child.send_signal(signal.SIGSTOP)
    stop([child])
    assert child.returncode == -signal.SIGTERM


def test_what_a_child_says_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    spawn(
        ["-c", "import os; print(os.environ['WORD'])"], output=log, environment={"WORD": "x"}
    ).wait()
    assert log.read_text() == "x\n"


def test_children_die_with_the_bench() -> None:
    parent = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from bench.children import spawn;"
            "child = spawn(['-c', 'import time; time.sleep(60)']);"
            "print(child.pid, flush=True); os._exit(0)",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert _gone(int(parent.stdout))


def _gone(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        os.sched_yield()
    return False
