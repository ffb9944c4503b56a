"""Compiles the kernels before a node starts: once, at ordinary priority, and says so.

Compiling takes a core for some seconds; a process of the control path must find its kernels in
the cache. Whether they are there tells a stamp beside the keys: over the sources of the kernels,
the versions that compile them, and this machine's processor. Without a stamp nothing is wrong,
only slower: each process prepares its own kernels before it takes its rights.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Final

from teleop.node import child
from teleop.node.noded import Report
from teleop.node.processes import Process

STAMP: Final = "kernels.stamp"
PATIENCE_S: Final = 600.0
_COMPILERS: Final = ("numba", "llvmlite", "numpy")
#: Where kernels are written.
_SOURCES: Final = ("teleop/control", "teleop/robot", "teleop/sim")
_PROGRAM: Final = "import importlib, sys; [importlib.import_module(m).warm() for m in sys.argv[1:]]"


def compile_all(rows: Iterable[Process], state_dir: Path, tell: Callable[[Report], None]) -> None:
    """Fill the cache with the kernels of these processes, unless it has them."""
    modules = sorted({row.kernels for row in rows if row.kernels})
    stamp = state_dir / STAMP
    now = fingerprint(modules)
    if not modules or _read(stamp) == now:
        return
    tell(Report("kernels", "compile", "once on this machine; half a minute"))
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
        stamp.write_text(now)
        tell(Report("kernels", "ready"))
    else:
        tell(Report("kernels", "failed", last_words=done.stderr[-2000:]))


def fingerprint(modules: Iterable[str]) -> str:
    """Hash all that decides whether compiled kernels are still the right ones."""
    digest = hashlib.sha256()
    for part in (*modules, platform.python_version(), _processor()):
        digest.update(f"{part}\n".encode())
    for name in _COMPILERS:
        digest.update(f"{name} {metadata.version(name)}\n".encode())
    for folder in _SOURCES:
        for file in sorted((child.ROOT / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _processor() -> str:
    """Name the processor and what it can: code compiled for another one may not run."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(line for line in lines[:40] if line.startswith(("model name", "flags")))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
