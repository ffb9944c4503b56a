"""What the fields of a message are: type and range from the code, meaning from its docstring."""

from __future__ import annotations

import inspect
import re
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec
import msgspec.inspect as types

from monitor import messages as monitor
from monitor.alarms import messages as alarms
from safety import bedside, driver, grant, handover, messages, signers
from safety.messages import ArmState
from transport.wire import messages as link
from transport.wire.codec import Message
from transport.wire.messages import Hop

#: Every vocabulary: its name and the messages in it.
VOCABULARIES: dict[str, tuple[type[Message], ...]] = {
    "link": link.VOCABULARY,
    "control": messages.VOCABULARY,
    "driver": driver.VOCABULARY,
    "authority": grant.VOCABULARY,
    "hand-over": (*handover.VOCABULARY, *signers.VOCABULARY),
    "bedside": bedside.VOCABULARY,
    "vital signs": monitor.VOCABULARY,
    "alarms": alarms.VOCABULARY,
}
MESSAGES: tuple[type[Message], ...] = tuple(m for v in VOCABULARIES.values() for m in v)
#: Records that are part of a message, or stand behind one.
RECORDS: tuple[type[msgspec.Struct], ...] = (
    ArmState,
    Hop,
    alarms.AlertRow,
    alarms.SettingRow,
    alarms.BedRow,
)
BY_NAME: dict[str, type[msgspec.Struct]] = {m.__name__: m for m in (*MESSAGES, *RECORDS)}

#: Names of unsigned ranges, by their last value.
_UNSIGNED = {(1 << bits) - 1: f"u{bits}" for bits in (8, 16, 32, 63)}
_UNITS = {"ns": "ns", "us": "µs", "ms": "ms", "s": "s", "hz": "Hz"}
_LEADING_UNIT = re.compile(r"^(ns|µs|ms|s|Hz|m|rad),? ")
_TRAILING_UNIT = re.compile(r", (ns|µs|ms)(?=;|$)")
#: Where the code's own words need none: the field says all that its message's first line does not.
_PLAIN = {
    "accepted": "whether the robot took the grant",
    "grant": "the whole `Grant` message, as its signer signed it",
    "reason": "a sentence for a person",
    "session": "id of the session",
    "epoch": "epoch of that grant",
    "robot": "name of the robot",
    "boot": "id of the robot's key of this boot",
    "request": "id of the request",
}


class FieldRow(NamedTuple):
    """One field as a reader of the reference needs it; `place` is its index in the array."""

    place: int
    name: str
    type: str
    unit: str
    meaning: str


def rows(struct: type[msgspec.Struct]) -> list[FieldRow]:
    """Describe a message's or a record's fields in the order of the wire."""
    words = _words(struct)
    first = 1 if issubclass(struct, Message) else 0  # behind the version
    found = []
    for index, field in enumerate(_fields(struct), first):
        if field.name == "kind":
            continue
        unit, meaning = _unit(field.name, words.get(field.name) or _PLAIN.get(field.name, ""))
        found.append(FieldRow(index, field.name, wire_type(field.type), unit, meaning))
    return found


def first_line(thing: Any) -> str:
    """Return the first sentence of a docstring, on one line."""
    text = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return code_names(text)


def code_names(text: str) -> str:
    """Turn the full names of our code into the bare ones that the reference uses."""
    text = text.replace(" (transport.wire.vector)", "").replace(
        "`safety.state`", "`State`, `Cause`"
    )
    return re.sub(r"`?\b(?:safety|transport)\.[a-z_.]+\.([A-Z]\w+)`?", r"`\1`", text)


def wire_type(kind: types.Type) -> str:
    """Name a type as this protocol's reference does."""
    match kind:
        case types.UnionType(types=parts):
            return " or ".join(wire_type(part) for part in parts)
        case types.NoneType():
            return "nil"
        case types.BoolType():
            return "bool"
        case types.IntType(ge=0, le=most) if most in _UNSIGNED:
            return _UNSIGNED[most]
        case types.IntType(ge=least, le=most):
            return f"uint {least}…{most}"
        case types.FloatType(gt=least, le=most):
            return f"float64, > {least:g}, ≤ {most:g}"
        case types.StructType(cls=record):
            return f"`{record.__name__}`"
        case types.StrType(min_length=least, max_length=most):
            return f"str {least or 0}…{most}"
        case types.BytesType(min_length=least, max_length=most):
            return f"bin {most}" if least == most else f"bin {least or 0}…{most}"
        case types.LiteralType(values=values):
            return ", ".join(f'"{v}"' if isinstance(v, str) else str(v) for v in values)
        case types.VarTupleType(item_type=types.StructType(cls=record)):
            return f"array of `{record.__name__}`"
        case types.VarTupleType(item_type=item, max_length=most):
            return f"array 0…{most} of {wire_type(item)}"
    raise TypeError(f"the reference has no name for {kind}")


def members(enum: type[IntEnum]) -> list[tuple[str, int, str]]:
    """List an enum's members with the `#:` comments behind them."""
    said = dict(re.findall(r"^    (\w+) = \d+ +#: (.*)$", inspect.getsource(enum), re.MULTILINE))
    return [(m.name or "", m.value, code_names(said.get(m.name or "", ""))) for m in enum]


def _fields(struct: type[msgspec.Struct]) -> tuple[types.Field, ...]:
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)
    return info.fields


def _words(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Parse the `Parameters` of a numpydoc docstring: name -> its words on one line."""
    _, _, section = (inspect.getdoc(struct) or "").partition("Parameters\n----------\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if entry := re.match(r"^(\w+(?:, \w+)*) : (.*)$", line):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.startswith("    "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return {name: code_names(text) for name, text in found.items()}


def _unit(name: str, meaning: str) -> tuple[str, str]:
    """Take the unit from the words or, failing that, from the name."""
    if leading := _LEADING_UNIT.match(meaning):
        return leading[1], meaning[leading.end() :]
    if trailing := _TRAILING_UNIT.search(meaning):
        return trailing[1], _TRAILING_UNIT.sub("", meaning)
    return _UNITS.get(name.rpartition("_")[2], ""), meaning
