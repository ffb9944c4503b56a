"""Describes what a core is like at a moment: every number that it and its parts are made of.

A portrait is for comparing: two cores that were made of the same and fed with the same have the
same, name for name. It follows the objects of our own packages, by name, each once; of containers
it takes numbers and texts, and what it does not understand (arrays, functions, foreign objects) it
leaves out. Nobody writes a list of fields that the next field would be missing from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, ValuesView
from typing import Any, Final, NamedTuple

import msgspec

PACKAGES: Final = frozenset({"teleop", "monitor", "safety", "transport"})
#: A longer container is history, not state: it is known by its length.
ITEMS_MAX: Final = 64
FIELDS_MAX: Final = 4096

_I64_MIN, _U64_MAX = -(1 << 63), (1 << 64) - 1
_PLAIN = (float, bool, bytes, str, type(None))
_SEQUENCES = (tuple, list, deque)
_CONTAINERS = (*_SEQUENCES, ValuesView)
_ENCODE = msgspec.msgpack.Encoder().encode


class Field(NamedTuple):
    """One number of a core, and where in it: `arms0.setpoint`."""

    name: str
    value: Any


class Unlike(NamedTuple):
    """Where two portraits differ first."""

    name: str
    here: Any
    there: Any


def portrait(
    thing: object, leave_out: tuple[type, ...] = (), unnamed: Collection[str] = ()
) -> bytes:
    """Describe a core.

    Parameters
    ----------
    thing : the core
    leave_out : types whose values do not belong on a record, such as keys
    unnamed : names whose values mean something to one process only
    """
    sitter = _Sitter(leave_out, unnamed)
    sitter.follow("", thing)
    return _ENCODE(sitter.fields)


def read(data: bytes) -> list[Field]:
    """Read a portrait."""
    return [Field(name, value) for name, value in msgspec.msgpack.decode(data)]


def unlike(here: bytes, there: bytes) -> Unlike | None:
    """Compare two portraits; None when they are the same."""
    if here == there:
        return None
    a, b = dict(read(here)), dict(read(there))
    for name in [*a, *(name for name in b if name not in a)]:
        if _ENCODE(a.get(name)) != _ENCODE(b.get(name)):  # NaN is NaN here
            return Unlike(name, a.get(name), b.get(name))
    return None


class _Sitter:
    """A core whose portrait is being taken."""

    def __init__(self, leave_out: tuple[type, ...], unnamed: Collection[str]) -> None:
        self.fields: list[Field] = []
        self._leave_out = leave_out
        self._unnamed = unnamed
        self._seen: set[int] = set()

    def follow(self, prefix: str, thing: object) -> None:
        """Describe a part, and what it is made of; each but once."""
        if id(thing) in self._seen or isinstance(thing, self._leave_out):
            return
        self._seen.add(id(thing))
        for name in _names(thing):
            if name not in self._unnamed and len(self.fields) < FIELDS_MAX:
                self._describe(prefix + name, getattr(thing, name, None))

    def _describe(self, name: str, value: object) -> None:
        if isinstance(value, self._leave_out):
            return
        if _is_core(value):
            self.follow(f"{name}.", value)
            return
        items = value.values() if isinstance(value, dict) else value
        parts = list(items) if isinstance(items, _CONTAINERS) else []
        if parts and _is_core(parts[0]):
            for number, part in enumerate(parts):
                self.follow(f"{name}{number}.", part)
            return
        plain = _plain(value)
        if plain is not NotImplemented:
            self.fields.append(Field(name, plain))


def _names(thing: object) -> list[str]:
    found = _SLOTS.get(type(thing))
    if found is None:
        slots = [s for c in type(thing).__mro__ for s in getattr(c, "__slots__", ())]
        found = _SLOTS[type(thing)] = [name for name in slots if not name.startswith("__")]
    return [*found, *getattr(thing, "__dict__", ())]


_SLOTS: dict[type, list[str]] = {}


def _is_core(value: object) -> bool:
    """Tell whether this is an object of ours with parts, not a value."""
    kind = type(value)
    if isinstance(value, (int, tuple, msgspec.Struct, type)) or callable(value):
        return False
    return kind.__module__.partition(".")[0] in PACKAGES


def _plain(value: object) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if _I64_MIN <= value <= _U64_MAX else hex(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, msgspec.Struct):
        return _ENCODE(value)
    if isinstance(value, dict):
        return _plain([*value.keys(), *value.values()])
    if isinstance(value, _SEQUENCES):
        if len(value) > ITEMS_MAX:
            return f"{len(value)} items"
        items = [_plain(item) for item in value]
        return NotImplemented if any(item is NotImplemented for item in items) else items
    return NotImplemented
