"""A child of the bench can be stopped even when it is frozen, and dies with the bench."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bench import children
from bench.children import REPOSITORY, spawn, stop

PATIENCE_S = 20.0


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


def test_an_interrupted_start_ends_what_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def interrupted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(*arguments, **options))
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        return begun[-1]

    monkeypatch.setattr(children, "Popen", interrupted)
    # Whoever runs in the background of a shell has Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            spawn(["-c", "import time; time.sleep(60)"])
        assert begun[0].returncode == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, before)
        stop(begun)


def _gone(pid: int) -> bool:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False
