"""Reads tapes and flight rings as they fill: each record once, and across a restart of its writer.

A process that restarts makes its files anew under their old names. What is open here keeps the
old memory, so that what a killed process said last is read before its successor's first word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from transport.io.mapping import Mapping
from transport.telemetry.flight import FlightReader, Record
from transport.telemetry.header import TelemetryError
from transport.telemetry.tape import Entry, TapeReader

TAPE: Final = ".tape"
RING: Final = ".ring"
#: A tape that fell behind is read in pieces, so that a look never takes long.
ENTRIES_MAX: Final = 8192
SOURCES_MAX: Final = 64


class Taped(NamedTuple):
    """What a tape had to say: whose, which tape, its records, and how many are gone."""

    process: str
    identity: str
    entries: list[Entry]
    lost: int


class Ringed(NamedTuple):
    """What a ring had to say: its name, the names of its fields, its records, how many are gone."""

    name: str
    fields: tuple[str, ...]
    records: list[Record]
    lost: int


class Sources:
    """All tapes and rings of a folder.

    Attributes
    ----------
    unreadable : files that could not be opened at the last look
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, _Source] = {}
        self.unreadable = 0

    def look(self) -> Iterator[Taped | Ringed]:
        """Give what is new."""
        self.unreadable = 0
        for name, inode in _files(self._folder):
            source = self._open.get(name)
            if source is not None and source.inode != inode:
                yield from source.rest()
                source = None
            if source is None:
                source = self._attach(name, inode)
            if source is not None:
                yield from source.take()

    def _attach(self, name: str, inode: int) -> _Source | None:
        if name not in self._open and len(self._open) >= SOURCES_MAX:
            return None
        try:
            source = _Source(self._folder / name, inode)
        except (OSError, ValueError, TelemetryError):
            self._open.pop(name, None)
            self.unreadable += 1
            return None
        self._open[name] = source
        return source


class _Source:
    """One open file."""

    def __init__(self, path: Path, inode: int) -> None:
        self.inode = inode
        self._name = path.stem
        view = Mapping.open(path).view
        self._reader = TapeReader(view) if path.suffix == TAPE else FlightReader(view)
        self._after = 0

    def take(self) -> Iterator[Taped | Ringed]:
        """Give what is new, at most so much as is read at a time."""
        reader = self._reader
        if isinstance(reader, TapeReader):
            batch = reader.read(self._after, ENTRIES_MAX)
            self._after = batch.newest
            if batch.entries or batch.lost:
                yield Taped(self._name, reader.layout.identity, batch.entries, batch.lost)
            return
        found = reader.read(self._after)
        self._after = found.newest
        if found.records or found.lost:
            yield Ringed(self._name, reader.fields, found.records, found.lost)

    def rest(self) -> Iterator[Taped | Ringed]:
        """Give all that is left: its writer is gone."""
        while pieces := list(self.take()):
            yield from pieces


def _files(folder: Path) -> list[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            found = [(e.name, e.inode()) for e in entries if e.name.endswith((TAPE, RING))]
    except FileNotFoundError:
        return []
    return sorted(found)
