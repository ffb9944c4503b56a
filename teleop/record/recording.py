"""Reads recordings: what tapes and rings held, oldest first, up to where a file ends or is damaged.

Rules
-----
- A file that was cut off is read up to its last whole chunk, and says where that was.
- A chunk that is damaged is left out and named; what follows it is read.
- Each record is given once, in the order of its number, whatever files overlap.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, McapRecord, Message
from mcap.stream_reader import StreamReader, breakup_chunk

from transport.telemetry.flight import Record
from transport.telemetry.tape import Entry

TAPES: Final = "/tape/"
RINGS: Final = "/ring/"
#: No chunk of ours is larger; a length beyond it is damage, not a reason to run out of memory.
RECORD_BYTES_MAX: Final = 256 << 20


class Damage(NamedTuple):
    """Where a file cannot be read, and why."""

    file: str
    at_byte: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}, at byte {self.at_byte}: {self.what}"


class Reel(NamedTuple):
    """A piece of a tape.

    Parameters
    ----------
    process, identity : whose, and which of those that it has had
    ahead_ns : what the wall's clock was ahead of the process's, by the recorder
    lost : records that were gone before they were copied
    entries : in their order
    """

    process: str
    identity: str
    ahead_ns: int
    lost: int
    entries: list[Entry]


class Rows(NamedTuple):
    """A piece of a flight ring, as `Reel`."""

    name: str
    fields: tuple[str, ...]
    ahead_ns: int
    lost: int
    records: list[Record]


_REEL = msgspec.msgpack.Decoder(tuple[str, int, int, list[Entry]])
_ROWS = msgspec.msgpack.Decoder(tuple[int, int, list[tuple[int, ...]]])


def read(path: Path, damages: list[Damage]) -> Iterator[Reel | Rows]:
    """Give the pieces of one file; what is wrong with it is added to `damages`.

    Raises
    ------
    OSError : it cannot be opened
    """
    channels = _summary(path)
    for at_byte, record in _records(path, damages):
        if isinstance(record, Channel):
            channels[record.id] = record
        elif isinstance(record, Message):
            try:
                piece = _piece(channels[record.channel_id], record.data)
            except (KeyError, msgspec.MsgspecError) as error:
                damages.append(Damage(path.name, at_byte, f"not a record of ours: {error}"))
                continue
            if piece is not None:
                yield piece


def reels(
    paths: Iterable[Path], processes: Collection[str], damages: list[Damage]
) -> Iterator[Reel]:
    """Give some processes' tapes from files that follow one another, no record twice."""
    newest: dict[str, int] = {}
    for path in paths:
        for piece in read(path, damages):
            if not isinstance(piece, Reel) or piece.process not in processes:
                continue
            after = newest.get(piece.identity, 0)
            entries = [entry for entry in piece.entries if entry.number > after]
            if entries:
                newest[piece.identity] = entries[-1].number
                yield piece._replace(entries=entries)


def _piece(channel: Channel, data: bytes) -> Reel | Rows | None:
    if channel.topic.startswith(TAPES):
        identity, ahead_ns, lost, entries = _REEL.decode(data)
        return Reel(channel.topic.removeprefix(TAPES), identity, ahead_ns, lost, entries)
    if channel.topic.startswith(RINGS):
        ahead_ns, lost, records = _ROWS.decode(data)
        fields = tuple(channel.metadata.get("fields", "").split())
        return Rows(channel.topic.removeprefix(RINGS), fields, ahead_ns, lost, records)
    return None


def _summary(path: Path) -> dict[int, Channel]:
    """Read the channels from the end of a file that has one: its beginning may be damaged."""
    with path.open("rb") as file:
        try:
            summary = SeekingReader(file, record_size_limit=RECORD_BYTES_MAX).get_summary()
        except Exception:  # cut off: then channels stand where they were first used, or nowhere
            return {}
    return dict(summary.channels) if summary is not None else {}


def _records(path: Path, damages: list[Damage]) -> Iterator[tuple[int, McapRecord]]:
    """Give every record with the byte that its chunk begins at, or it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        reader: Any = StreamReader(file, emit_chunks=True, record_size_limit=RECORD_BYTES_MAX)
        records, at_byte = iter(reader.records), 0
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except Exception as error:  # whatever a reader makes of bytes that were never written
                damages.append(Damage(path.name, at_byte, _ending(at_byte, size, error)))
                return
            if isinstance(record, Chunk):
                yield from _chunk(record, Damage(path.name, at_byte, ""), damages)
            else:
                yield at_byte, record
            at_byte = file.tell()


def _chunk(chunk: Chunk, where: Damage, damages: list[Damage]) -> Iterator[tuple[int, McapRecord]]:
    try:
        records = breakup_chunk(chunk, validate_crc=True)
    except Exception as error:
        what = f"a chunk is damaged and left out ({type(error).__name__} {error})"
        damages.append(where._replace(what=what))
        return
    for record in records:
        yield where.at_byte, record


def _ending(at_byte: int, size: int, error: Exception) -> str:
    if at_byte == size > 0:
        return "ends here, whole but not finished: still written, or its recorder was killed"
    why = f"{type(error).__name__} {error}".strip()
    return f"ends here, {size - at_byte} bytes before the end of the file ({why})"
