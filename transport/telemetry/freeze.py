"""Keeps a core whole, to go on from there in another process: its objects, and nothing that acts.

What a replay needs to begin in the middle of a tape. A portrait (transport.telemetry.portrait) is
for comparing and leaves things out; this leaves out nothing, or fails.

Rules
-----
- What a core only refers to (keys, peers) is named by its owner, and found again by that name.
- The format is pickle's, and pickle would build anything: so `thaw` builds objects of pure modules
  alone, those whose imports the floors forbid to touch a socket, a file or a process, and a few
  containers. Anything else, whoever wrote it, is a `ThawError`. What is damaged is for the check
  sum of its record to find: damaged bytes may ask for a great deal of memory.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from types import MethodType
from typing import Any, Final

#: Modules of cores. Processes (`*d`) and what writes to disk are none.
_PURE: Final = re.compile(
    r"(safety|transport\.(link|wire|telemetry)|teleop\.(robot|control|relay))(\.\w+)*"
)
_ACTS: Final = re.compile(r".*(\.store(\..*)?|d)")
#: `rebuild` makes a Struct of a class and its fields.
_CONTAINERS: Final = frozenset(
    {
        ("collections", "deque"),
        ("array", "array"),
        ("array", "_array_reconstructor"),
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "bytearray"),
        ("msgspec._utils", "rebuild"),
    }
)
BYTES_MAX: Final = 1 << 22


class ThawError(ValueError):
    """What was frozen cannot be built again; the text says why."""


def freeze(core: object, name_of: Callable[[object], object]) -> bytes:
    """Keep a core.

    Parameters
    ----------
    core : all that it is made of, of pure modules
    name_of : names what it only refers to, None for everything else
    """
    out = io.BytesIO()
    _Freezer(out, name_of).dump(core)
    return out.getvalue()


def thaw(data: bytes, thing_of: Callable[[Any], object]) -> Any:
    """Build it again; `thing_of` gives what was named.

    Raises
    ------
    ThawError
    """
    if len(data) > BYTES_MAX:
        raise ThawError(f"{len(data)} bytes, at most {BYTES_MAX}")
    try:
        return _Thawer(io.BytesIO(data), thing_of).load()
    except ThawError:
        raise
    except Exception as error:  # whatever pickle makes of bytes that are none of its own
        raise ThawError(f"{type(error).__name__}: {error}") from error


def method_of(thing: object, name: str) -> object:
    """Find a bound method of a core again."""
    if name.startswith("__"):
        raise ThawError(f"{name} is no core's method")
    return getattr(thing, name)


class _Freezer(pickle.Pickler):
    def __init__(self, out: io.BytesIO, name_of: Callable[[object], object]) -> None:
        super().__init__(out, protocol=5)
        self._name_of = name_of

    def persistent_id(self, thing: object) -> object:
        return self._name_of(thing)

    def reducer_override(self, thing: object) -> Any:
        if isinstance(thing, MethodType):
            return method_of, (thing.__self__, thing.__name__)
        return NotImplemented


class _Thawer(pickle.Unpickler):
    def __init__(self, data: io.BytesIO, thing_of: Callable[[Any], object]) -> None:
        super().__init__(data)
        self._thing_of = thing_of

    def persistent_load(self, name: Any) -> object:
        return self._thing_of(name)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _CONTAINERS:
            return super().find_class(module, name)
        if (module, name) == (__name__, method_of.__name__):
            return method_of
        if _PURE.fullmatch(module) and not _ACTS.fullmatch(module):
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise ThawError(f"{module}.{name} is not of a core")
