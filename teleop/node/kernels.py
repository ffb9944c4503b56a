"""Compiles the kernels before a node starts: once on a machine, at ordinary priority, and says so.

Compiling takes a core for half a minute, and a process of the control path must find its kernels
in the cache. Should they be missing there, it compiles them itself before it takes its rights: that
is slower, not wrong.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Final

from teleop.node import child
from teleop.node.noded import Report, in_words
from teleop.node.processes import PROCESSES, Process
from transport.kernel import cache

#: The word of the report that takes its time.
COMPILE: Final = "compile"
PATIENCE_S: Final = 600.0
LAST_WORDS_CHARS: Final = 2000
_PROGRAM: Final = "import importlib, sys; importlib.import_module(sys.argv[1]).warm()"


def compile_all(rows: Iterable[Process], tell: Callable[[Report], None]) -> None:
    """Fill the cache with the kernels of these processes, unless it has them."""
    wanted = sorted({row.kernels for row in rows if row.kernels})
    modules = [module for module in wanted if not cache.has(module)]
    if not modules:
        return
    tell(Report("kernels", COMPILE, "once on this machine: a minute or so"))
    children = {module: _start(module) for module in modules}
    for done, (module, compiler) in enumerate(children.items(), 1):
        words = _words_of(compiler)
        if compiler.returncode == 0:
            cache.mark(module)
        what = COMPILE if compiler.returncode == 0 else "failed"
        tell(Report("kernels", what, f"{module}, {done} of {len(modules)}", last_words=words))


def _say(report: Report) -> None:
    sys.stdout.write(f"{in_words(report)}\n")
    sys.stdout.flush()


def _start(module: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        child.python("-c", _PROGRAM, module),
        env=child.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _words_of(compiler: subprocess.Popen[str]) -> str:
    """Wait for a compiler; return what it said, which is nothing when all went well."""
    try:
        return compiler.communicate(timeout=PATIENCE_S)[1][-LAST_WORDS_CHARS:]
    except subprocess.TimeoutExpired:
        compiler.kill()
        return compiler.communicate()[1][-LAST_WORDS_CHARS:]


if __name__ == "__main__":
    compile_all(PROCESSES, _say)
