"""Describes what a core is like at a moment: every number that it and its parts are made of.

A portrait is for comparing: two cores that were made of the same and fed with the same have the
same, name for name. It follows the objects of our own packages, by name, each once; of containers
it takes numbers and texts, and what it does not understand (arrays, functions, foreign objects) it
leaves out. Nobody writes a list of fields that the next field would be missing from.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

import msgspec

PACKAGES: Final = frozenset({"teleop", "monitor", "safety", "transport"})
#: A longer container is history, not state: it is known by its length.
ITEMS_MAX: Final = 64
FIELDS_MAX: Final = 4096

_I64_MIN, _U64_MAX = -(1 << 63), (1 << 64) - 1
_PLAIN = (float, bool, bytes, str, type(None))
_SEQUENCES = (tuple, list, deque)
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


def portrait(thing: object, leave_out: tuple[type, ...] = ()) -> bytes:
    """Describe a core.

    Parameters
    ----------
    thing : the core
    leave_out : types whose values do not belong on a record, such as keys
    """
    fields: list[Field] = []
    _follow("", thing, fields, {id(thing)}, leave_out)
    return _ENCODE(fields)


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


def _follow(
    prefix: str, thing: object, fields: list[Field], seen: set[int], leave_out: tuple[type, ...]
) -> None:
    for name in _names(thing):
        value = getattr(thing, name, None)
        if isinstance(value, leave_out) or len(fields) >= FIELDS_MAX:
            continue
        if _is_core(value):
            if id(value) not in seen:
                seen.add(id(value))
                _follow(f"{prefix}{name}.", value, fields, seen, leave_out)
        elif isinstance(value, _SEQUENCES) and value and _is_core(value[0]):
            for number, part in enumerate(value):
                if id(part) not in seen:
                    seen.add(id(part))
                    _follow(f"{prefix}{name}{number}.", part, fields, seen, leave_out)
        else:
            plain = _plain(value)
            if plain is not NotImplemented:
                fields.append(Field(prefix + name, plain))


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
