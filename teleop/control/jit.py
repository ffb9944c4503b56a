"""The one place that knows numba: a plain function in, the same function compiled out.

The plain function stays reachable as `.py_func`: the oracle of tests, and what a debugger steps
through. Compiled code is kept as `teleop.control.cache` says. Neither fast-math nor parallel loops:
the same input gives the same bits, on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from teleop.control import cache

F = TypeVar("F", bound=Callable[..., Any])

numba.config.CACHE_DIR = str(cache.make())  # type: ignore[attr-defined]


def jit(function: F) -> F:
    """Compile a kernel at its first call for each combination of types; it releases the GIL."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
