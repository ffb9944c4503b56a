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
ITEMS_MAX: Final = 40
FIELDS_MAX: Final = 4096

_I64_MIN, _U64_MAX = -(1 << 63), (1 << 64) - 1
#: Of these each value stands for itself; integers may be too large.
_PLAIN = frozenset({float, bool, bytes, str, type(None)})
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
        self.fields: list[tuple[str, Any]] = []
        self._leave_out = frozenset(leave_out)
        self._unnamed = unnamed
        self._seen: set[int] = set()

    def follow(self, prefix: str, thing: object) -> None:
        """Describe a part, and what it is made of; each but once."""
        if id(thing) in self._seen or type(thing) in self._leave_out:
            return
        self._seen.add(id(thing))
        fields, unnamed = self.fields, self._unnamed
        for name in _names(thing):
            if name in unnamed:
                continue
            value: Any = getattr(thing, name, None)
            kind = type(value)
            if kind in _PLAIN or (kind is int and _I64_MIN <= value <= _U64_MAX):  # nearly always
                fields.append((prefix + name, value))
            elif kind not in self._leave_out and len(fields) < FIELDS_MAX:
                self._describe(prefix + name, value)

    def _describe(self, name: str, value: object) -> None:
        if _is_core(value):
            self.follow(f"{name}.", value)
            return
        items = value.values() if isinstance(value, dict) else value
        if isinstance(items, _CONTAINERS) and items and _is_core(next(iter(items))):
            for number, part in enumerate(items):
                self.follow(f"{name}{number}.", part)
            return
        plain = _plain(value)
        if plain is not NotImplemented:
            self.fields.append((name, plain))


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
    known = _CORES.get(kind)
    if known is None:
        is_value = issubclass(kind, (int, tuple, msgspec.Struct, type)) or callable(value)
        is_ours = kind.__module__.partition(".")[0] in PACKAGES
        known = _CORES[kind] = is_ours and not is_value
    return known


_CORES: dict[type, bool] = {}


def _plain(value: object) -> Any:
    """Give what stands for a value, or NotImplemented when nothing does."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, int):
        return int(value) if _I64_MIN <= value <= _U64_MAX else hex(value)
    if isinstance(value, msgspec.Struct):
        return _ENCODE(value)
    if isinstance(value, dict):
        return _plain((*value.keys(), *value.values()))
    if isinstance(value, _SEQUENCES):
        return _plain_items(value)
    return NotImplemented


def _plain_items(items: Collection[object]) -> Any:
    """Give a short row of plain values as it is; of a history only how long it is."""
    if len(items) > ITEMS_MAX:
        return f"{len(items)} items"
    plain = [item if type(item) in _PLAIN else _plain(item) for item in items]
    return NotImplemented if any(item is NotImplemented for item in plain) else plain
