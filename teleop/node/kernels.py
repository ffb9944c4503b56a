"""Compiles the kernels before a node starts: once on a machine, at ordinary priority, and says so.

Compiling takes a core for half a minute, and a process of the control path must find its kernels
in the cache. Should they be missing there, it compiles them itself before it takes its rights: that
is slower, not wrong.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from typing import Final

from teleop.control import cache
from teleop.node import child
from teleop.node.noded import Report
from teleop.node.processes import Process

#: The word of the report that takes its time.
COMPILE: Final = "compile"
PATIENCE_S: Final = 600.0
LAST_WORDS_CHARS: Final = 2000
_PROGRAM: Final = "import importlib, sys; [importlib.import_module(m).warm() for m in sys.argv[1:]]"


def compile_all(rows: Iterable[Process], tell: Callable[[Report], None]) -> None:
    """Fill the cache with the kernels of these processes, unless it has them."""
    modules = sorted({row.kernels for row in rows if row.kernels})
    if not modules or cache.is_whole():
        return
    tell(Report("kernels", COMPILE, "once on this machine: half a minute"))
    done = subprocess.run(
        child.python("-c", _PROGRAM, *modules),
        env=child.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode == 0:
        cache.mark_whole()
        tell(Report("kernels", "ready"))
    else:
        tell(Report("kernels", "failed", last_words=done.stderr[-LAST_WORDS_CHARS:]))
