"""Says where in a node.toml a mistake stands, and what was expected there.

The libraries that read the file know a position or a path, in their own words; a person wants the
line, the key and one sentence.
"""

from __future__ import annotations

import difflib
import re
import typing
from typing import Annotated, Any

import msgspec

from teleop.node.errors import NodeError


class ConfigError(NodeError):
    """A node.toml that cannot be used.

    Attributes
    ----------
    file, line, key, expected : where it is wrong, and what should stand there
    found : what stands there, "" when nothing does
    """

    def __init__(self, file: str, line: int, key: str, expected: str, found: str = "") -> None:
        self.file, self.line, self.key = file, line, key
        self.expected, self.found = expected, found
        but = f", found {found}" if found else ""
        super().__init__(f"{file}:{line}: {key}: expected {expected}{but}")


def line_of(text: str, key: str) -> int:
    """Return the line on which a dotted key stands, or else the table that it belongs in."""
    table, best, line = "", 0, 1
    for number, content in enumerate(text.split("\n"), 1):
        if header := re.match(r"\s*\[+\s*([\w.\-]+)\s*\]+", content):
            found = table = header[1]
        elif entry := re.match(r"\s*([\w.\-]+)\s*=", content):
            found = f"{table}.{entry[1]}" if table else entry[1]
        else:
            continue
        if len(found) > best and (key == found or key.startswith(found + ".")):
            best, line = len(found), number
    return line


def syntax_mistake(text: str, file: str, message: str) -> ConfigError:
    """Put tomllib's complaint into our form."""
    at = re.search(r" \((?:at line (\d+), column \d+|at end of document)\)$", message)
    line = int(at[1]) if at and at[1] else text.rstrip("\n").count("\n") + 1
    content = text.split("\n")[line - 1].strip()
    key = content.split("=")[0].strip() or "file"
    what = message[: at.start()] if at else message
    return ConfigError(file, line, key, "TOML", f"`{content}` ({what.lower()})")


def type_mistake(
    text: str, file: str, raw: dict[str, Any], kind: type[msgspec.Struct], message: str
) -> ConfigError:
    """Put msgspec's complaint about `raw` not being a `kind` into our form."""
    what, _, where = message.partition(" - at `$")
    parts = re.findall(r"[\w\-]+", where.replace("[...]", ""))
    full = _in_full(raw, parts, kind)
    if unknown := re.search(r"unknown field `(.*)`", what):
        known = _fields(kind, parts)
        near = difflib.get_close_matches(unknown[1], known, 1)
        hint = f"{near[0]} (or one of {', '.join(known)})" if near else f"one of {', '.join(known)}"
        key = ".".join([*full, unknown[1]])
        return ConfigError(file, line_of(text, key), key, hint, "an unknown key")
    key = ".".join(full) or "file"
    if ", expected " in what:  # a Struct's own words
        found, _, expected = what.rpartition(", expected ")
        return ConfigError(file, line_of(text, key), key, expected, found)
    expected = _described(kind, parts) or what.partition(", got")[0].removeprefix("Expected ")
    return ConfigError(file, line_of(text, key), key, expected, _shown(raw, full))


def _in_full(raw: dict[str, Any], parts: list[str], kind: type[msgspec.Struct]) -> list[str]:
    """Name, of tables with free names, the first that is wrong: a complaint leaves that out."""
    hint = typing.get_type_hints(kind).get(parts[0]) if parts else None
    if typing.get_origin(hint) is not dict or not isinstance(raw[parts[0]], dict):
        return parts
    _, value = typing.get_args(hint)
    wrong = [name for name, item in raw[parts[0]].items() if not _fits(item, value)]
    return [parts[0], *wrong[:1], *parts[1:]]


def _fits(item: Any, kind: Any) -> bool:
    try:
        msgspec.convert(item, kind)
    except msgspec.ValidationError:
        return False
    return True


def _fields(kind: type[msgspec.Struct], parts: list[str]) -> list[str]:
    """List a table's keys; of a list of tables, those that any kind of them has."""
    structs: list[Any] = [kind]
    for part in parts:
        hints = [typing.get_type_hints(struct).get(part) for struct in structs]
        structs = [struct for hint in hints for struct in _structs(hint)]
    return list(dict.fromkeys(field for struct in structs for field in struct.__struct_fields__))


def _structs(hint: Any) -> list[type[msgspec.Struct]]:
    """List the Structs that a type names: itself, or those of a tuple or a union of some."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [struct for part in typing.get_args(hint) for struct in _structs(part)]


def _described(kind: type[msgspec.Struct], parts: list[str]) -> str:
    """Return what a key's type says of itself, "" when it is silent."""
    hint: Any = kind
    for part in parts:
        structs = _structs(hint)
        if len(structs) != 1:
            return ""
        hint = typing.get_type_hints(structs[0], include_extras=True)[part]
    if typing.get_origin(hint) is Annotated:
        return next((meta.description or "" for meta in hint.__metadata__), "")
    return {bool: "true or false", str: "a text in quotes"}.get(hint, "a table")


def _shown(raw: dict[str, Any], parts: list[str]) -> str:
    value: Any = raw
    for part in parts:
        if not isinstance(value, dict):
            break  # within a list the complaint does not say which
        value = value[part]
    shown = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else repr(value)
    assert shown is not None
    return shown if len(shown) <= 60 else shown[:57] + "..."
