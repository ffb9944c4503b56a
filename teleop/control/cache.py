"""Where compiled kernels are kept: a folder of their own for each state of their sources.

numba looks at the file of a kernel alone to tell whether its compiled code is still right, while a
kernel also holds the code of the kernels it calls, and constants, from other files. An edit there
would go unnoticed: a fixed bug would stay in what runs. So the folder's name is a fingerprint of
all files that kernels are made from, and of what compiles them for which processor.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
#: All that kernels are made from.
_SOURCES: Final = ("teleop/control", "teleop/sim")
_COMPILERS: Final = ("numba", "llvmlite", "numpy")
_PREFIX: Final = "kernels-"
#: In the folder, for each module whose kernels are all there; see `mark`.
_MARK: Final = "{}.compiled"
#: Folders of earlier states that may stay beside the present one.
OLD_MAX: Final = 2


def folder() -> Path:
    """Name the present state's folder: beside our sources, or in the user's cache."""
    beside = _ROOT / "teleop" / "__pycache__"
    base = beside if _is_writable(beside) else Path("~/.cache/trocar").expanduser()
    return base / f"{_PREFIX}{fingerprint()}"


def make() -> Path:
    """Make the present state's folder, and remove those of states long past."""
    path = folder()
    path.mkdir(parents=True, exist_ok=True)
    siblings = sorted(path.parent.glob(f"{_PREFIX}*"), key=_age_of, reverse=True)
    for old in [sibling for sibling in siblings if sibling != path][OLD_MAX:]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def has(module: str) -> bool:
    """Tell whether all kernels that a module needs have been compiled in the present state."""
    return (folder() / _MARK.format(module)).exists()


def mark(module: str) -> None:
    """Note that all kernels that a module needs have been compiled in the present state."""
    (make() / _MARK.format(module)).touch()


def fingerprint() -> str:
    """Hash all that decides what compiled kernels do, 16 hex digits."""
    digest = hashlib.sha256()
    for name in _COMPILERS:
        digest.update(f"{name} {metadata.version(name)}\n".encode())
    digest.update(f"{platform.python_version()} {_processor()}\n".encode())
    for source in _SOURCES:
        for file in sorted((_ROOT / source).rglob("*.py")):
            digest.update(f"{file.relative_to(_ROOT)}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Name the processor and what it can: code compiled for another one may not run."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()[:40]
    except OSError:
        return platform.processor()
    return "".join(line for line in lines if line.startswith(("model name", "flags")))


def _is_writable(path: Path) -> bool:
    try:
        path.mkdir(exist_ok=True)
    except OSError:
        return False
    return os.access(path, os.W_OK)


def _age_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
