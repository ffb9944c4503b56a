"""Messages out of their own types: any valid one, and the longest one, of each class."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from safety import driver, grant
from safety import messages as safety
from transport.wire import messages as link
from transport.wire.codec import Message

VOCABULARIES = (link.VOCABULARY, safety.VOCABULARY, driver.VOCABULARY, grant.VOCABULARY)
MESSAGES: list[type[Message]] = [m for vocabulary in VOCABULARIES for m in vocabulary]
#: Five arms fit a state with all the hop records there can be and any name; usually eight do.
ARMS_MAX = 5


def valid(message: type[Message]) -> st.SearchStrategy[Message]:
    """Any message of this class whose fields are in their types."""
    return st.builds(message, **{f.name: _any(f.type) for f in _fields(message)})


def longest(message: type[msgspec.Struct], letter: str = "m") -> Any:
    """The message of this class that takes most bytes, names written with `letter`."""
    return message(**{f.name: _longest(f.type, letter) for f in _fields(message)})


def _fields(message: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(message)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _any(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.FloatType(gt=low, le=high):
            return st.floats(low, high, exclude_min=low is not None)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.StrType(min_length=low, max_length=high):
            return st.text(st.characters(codec="ascii"), min_size=low or 0, max_size=high)
        case inspect.BytesType(min_length=low, max_length=high):
            return st.binary(min_size=low or 0, max_size=high)
        case inspect.UnionType(types=types):
            return st.one_of([_any(t) for t in types])
        case inspect.VarTupleType(item_type=item):
            return st.lists(_any(item), max_size=ARMS_MAX).map(tuple)
        case inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{f.name: _any(f.type) for f in fields})
    raise NotImplementedError(kind)


def _longest(kind: inspect.Type, letter: str) -> Any:
    match kind:
        case inspect.LiteralType(values=values):
            return max(values, key=lambda value: len(str(value)))
        case inspect.IntType(le=high):
            return high
        case inspect.FloatType(le=high):
            return high
        case inspect.BoolType():
            return True
        case inspect.StrType(max_length=high):
            return letter * high
        case inspect.BytesType(max_length=high):
            return bytes(high)
        case inspect.UnionType(types=types):
            return max((_longest(t, letter) for t in types if t != inspect.NoneType()), key=repr)
        case inspect.VarTupleType(item_type=item):
            return (_longest(item, letter),) * ARMS_MAX
        case inspect.StructType(cls=cls):
            return longest(cls, letter)
    raise NotImplementedError(kind)
