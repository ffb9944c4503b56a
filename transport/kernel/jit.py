"""Makes kernels by numba: a plain function in, the same function compiled out.

The plain function stays reachable as `.py_func`: the oracle of tests, and what a debugger steps
through. Compiled code is kept as `transport.kernel.cache` says. Neither fast-math nor parallel
loops: the same input gives the same bits, on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from transport.kernel import cache

F = TypeVar("F", bound=Callable[..., Any])

_make = lru_cache(maxsize=None)(cache.make)


def jit(function: F) -> F:
    """Compile a kernel at its first call for each combination of types; it releases the GIL."""
    # numba looks at this when it is asked to keep a function's code, so each file has its folder.
    numba.config.CACHE_DIR = str(_make(Path(function.__code__.co_filename)))  # type: ignore[attr-defined]
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
