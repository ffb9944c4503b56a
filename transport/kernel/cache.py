"""Where compiled kernels are kept: for each file of kernels, a folder per state of its sources.

numba looks at the file of a kernel alone to tell whether its compiled code is still right, while a
kernel also holds the code of the kernels it calls, and constants, from other files. An edit there
would go unnoticed: a fixed bug would stay in what runs. So the folder's name is a fingerprint of
the file, of all files of ours that it imports, those that these import and so on, and of what
compiles them for which processor. What an edit does not reach is not compiled again.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_COMPILERS: Final = ("numba", "llvmlite", "numpy")
#: In the folder of a module, when all kernels that it needs are there; see `mark`.
_MARK: Final = "compiled"
#: Folders of a file's earlier states that may stay beside the present one.
OLD_MAX: Final = 2


def folder(file: Path) -> Path:
    """Name the folder of a file's present state: beside our sources, or in the user's cache."""
    beside = _ROOT / "transport" / "__pycache__"
    base = beside if _is_writable(beside) else Path("~/.cache/trocar").expanduser()
    return base / "kernels" / f"{_name(file)}-{fingerprint(file)}"


def make(file: Path) -> Path:
    """Make the folder of a file's present state, and remove those of states long past."""
    path = folder(file)
    path.mkdir(parents=True, exist_ok=True)
    siblings = sorted(path.parent.glob(f"{_name(file)}-*"), key=_age_of, reverse=True)
    for old in [sibling for sibling in siblings if sibling != path][OLD_MAX:]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def has(module: str) -> bool:
    """Tell whether all kernels that a module needs have been compiled in their present state."""
    return (folder(_file_of(module)) / _MARK).exists()


def mark(module: str) -> None:
    """Note that all kernels that a module needs have been compiled in their present state."""
    (make(_file_of(module)) / _MARK).touch()


def fingerprint(file: Path) -> str:
    """Hash all that decides what a file's compiled kernels do, 16 hex digits."""
    digest = hashlib.sha256(_compiler())
    for source in sorted(closure(file)):
        digest.update(f"{source}\n".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def closure(file: Path) -> set[Path]:
    """Return a file and all files of ours that it imports, directly or not."""
    found: set[Path] = set()
    new = {file}
    while new:
        found |= new
        imported = (_file_of(module) for path in new for module in _imports(_read(path)))
        new = {path for path in imported if path.is_file()} - found
    return found


@lru_cache(maxsize=1024)
def _imports(source: bytes) -> tuple[str, ...]:
    """Name all that a source may import; what is no module of ours has no file either."""
    return tuple(_imported(ast.parse(source)))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(module: str) -> Path:
    path = _ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _name(file: Path) -> str:
    inside = file.is_relative_to(_ROOT)
    return ".".join((file.relative_to(_ROOT) if inside else Path(file.name)).with_suffix("").parts)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


@cache
def _compiler() -> bytes:
    """Name what compiles, and the processor: code compiled for another one may not run."""
    versions = [f"{name} {metadata.version(name)}" for name in _COMPILERS]
    return "\n".join([*versions, platform.python_version(), _processor()]).encode()


def _processor() -> str:
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
