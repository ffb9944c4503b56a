"""Start the bench's child processes so that none of them can outlive it.

Every child gets its own session (a Ctrl-C at the terminal reaches the bench alone, which then stops
them in order) and the kernel's promise to end it when the bench itself dies, however that happens.
Children are stopped by their process handle, never by a name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import Popen

REPOSITORY = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1
TERM_WAIT_S = 2.0
ENDINGS = (signal.SIGINT, signal.SIGTERM)

_libc = ctypes.CDLL(None, use_errno=True)


def spawn(
    arguments: Sequence[str],
    *,
    output: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Popen[bytes]:
    """Start this Python with `arguments` in the repository's root.

    Parameters
    ----------
    arguments
        What follows the interpreter: ``["-m", "bench.load", ...]``.
    output
        File that takes standard output and error; None lets them go.
    environment
        Variables added to the bench's own.
    """
    sink: int | object = subprocess.DEVNULL
    file = None
    if output is not None:
        sink = file = output.open("ab")
    child: Popen[bytes] | None = None
    try:
        with unbroken():
            child = Popen(
                [sys.executable, *arguments],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=sink,  # type: ignore[arg-type]
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=_begin,  # safe: the bench has one thread when it starts children
            )
    except KeyboardInterrupt:  # one that waited until here: our caller has no hold of the child
        if child is not None:
            stop([child])
        raise
    else:
        assert child is not None
        return child
    finally:
        if file is not None:
            file.close()


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the body is done.

    A KeyboardInterrupt inside of a fork is swallowed, and one inside of a clean-up leaves things
    behind.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop(children: Iterable[Popen[bytes]]) -> None:
    """End all children: SIGCONT and SIGTERM to each, SIGKILL to who has not left in 2 s."""
    with unbroken():
        left = [child for child in children if child.poll() is None]
        for child in left:
            child.send_signal(signal.SIGCONT)  # a stopped process cannot act on SIGTERM
            child.terminate()
        for child in left:
            try:
                child.wait(TERM_WAIT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _begin() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
