"""Starts a child that ends when we do: a console's hot process, or the demo's node.

It gets a session of its own, so that a Ctrl-C at the terminal reaches us alone and we end it in
order; should we die without that, the kernel sends it TERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""Where our packages lie. Children are told, so that they import the same ones as we did."""

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def python(*arguments: str) -> list[str]:
    """Return the command line of this Python with these arguments.

    -P: a folder named `safety` in the working directory must not be taken for ours.
    """
    return [sys.executable, "-P", *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return our environment, such that a child finds our packages first."""
    search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": search, **more}


def start(arguments: Sequence[str], *, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start this Python with `arguments`; its output goes to `log`, or to a pipe."""
    with contextlib.ExitStack() as stack:
        out: int = subprocess.PIPE
        if log is not None:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, out)
        return subprocess.Popen(
            python(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT if log is not None else None,
            env=environment(),
            start_new_session=True,
            preexec_fn=_end_with_parent,  # safe: whoever calls this has one thread
        )


def stop(child: subprocess.Popen[bytes], patience_s: float) -> int:
    """Ask the child to leave, and make it leave after `patience_s`; return its exit code."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGCONT)  # a stopped process cannot act on TERM
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
