"""Asks for memory before a kernel needs it, so that it has come when it does.

A kernel over a thousand patients finds none of their records in the core's cache, and waits for
each line of each. The lines of the next patient, asked for while this one is worked on, come all at
once and meanwhile: the sensor of the ECG takes two thirds of the time. What is asked for is a hint,
never a load: any address does, and no bit of any result depends on it.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from transport.kernel.jit import jit

LINE: Final = 64
"""Bytes that come at once."""
_TO_WRITE, _KEEP, _DATA = 1, 3, 1


@jit
def prefetch(array: Any, begin: int, size: int) -> None:
    """Ask for `size` bytes of a contiguous array, from byte `begin` on; both may lie beyond it."""
    address = int(np.int64(array.ctypes.data)) + begin  # numba has it unsigned
    for at in range(address, address + size, LINE):
        _line(at)
    _line(address + size - 1)


def span(fields: Any, first: str, last: str) -> tuple[int, int]:
    """Say where fields `first` to `last` of a record type lie: first byte, bytes."""
    begin, (kind, end) = fields[first][1], fields[last][:2]
    return begin, end + kind.itemsize - begin


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    place, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [place, word, word, word])
    hint = builder.module.declare_intrinsic("llvm.prefetch", [place], kind)
    where = builder.inttoptr(arguments[0], place)
    builder.call(hint, [where, word(_TO_WRITE), word(_KEEP), word(_DATA)])
    return context.get_dummy_value()


def _line(address: int) -> None:
    """Ask for one line; a plain interpreter does not."""


if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    @intrinsic
    def _line(typing: Any, address: Any) -> Any:
        return types.void(types.int64), _emit
