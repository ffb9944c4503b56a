"""Keeps recordings in a folder: MCAP files, one after another, within bounds.

Rules
-----
- A file is closed when it is large or old enough; when all of them are more than `total_bytes`,
  the oldest go, counted. A name says when its file was begun (UTC), so that names sort by time.
- Whatever was flushed is in the file, whole chunks of it: a file that was cut off is readable up
  to its last whole chunk.
- A disk that is full or fails costs what would have been written, counted, and nothing else: the
  file is given up, and the next one is tried a second later.

The format is MCAP (https://mcap.dev/spec), written by its own library: Foxglove opens it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from mcap.writer import CompressionType, Writer

SUFFIX: Final = ".mcap"
PROFILE: Final = "trocar"
RETRY_NS: Final = 1_000_000_000
#: A chunk ends at each flush; only a burst of more than this ends one before.
CHUNK_BYTES: Final = 4 << 20


class Channel(NamedTuple):
    """What messages of a topic are.

    Parameters
    ----------
    topic : its name
    encoding : `json` or `msgpack`
    schema, text : name and JSON schema of a message; "" for none
    notes : pairs that whoever reads the messages needs
    """

    topic: str
    encoding: str
    schema: str = ""
    text: str = ""
    notes: tuple[tuple[str, str], ...] = ()


class Bounds(NamedTuple):
    """How large a file, how old, how large all of them may become."""

    file_bytes: int = 64 << 20
    file_ns: int = 600 * 1_000_000_000
    total_bytes: int = 4096 << 20


class Archive:
    """A folder's writer.

    Attributes
    ----------
    written, removed : files that were begun, and that went to make room
    failed : messages that no file took
    is_failing : the last write failed
    """

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self.folder = folder
        self._bounds = bounds
        self._file: _File | None = None
        self._retry_ns = 0
        self.written = self.removed = self.failed = 0
        self.is_failing = False

    def add(self, channel: Channel, t_utc_ns: int, data: bytes) -> None:
        """Write one message of a channel."""
        file = self._file or self._open(t_utc_ns)
        if file is None:
            self.failed += 1
            return
        try:
            file.add(channel, t_utc_ns, data)
        except OSError:
            self._give_up(t_utc_ns, 1)

    def flush(self, t_utc_ns: int, *, sync: bool = False) -> None:
        """Put what was added into the file, and with `sync` on the disk; begin a new one if due."""
        file = self._file
        if file is None:
            return
        try:
            file.flush(sync=sync)
        except OSError:
            self._give_up(t_utc_ns, file.unflushed)
            return
        self.is_failing = False
        old = t_utc_ns - file.begun_ns >= self._bounds.file_ns
        if old or file.size >= self._bounds.file_bytes:
            self.close()

    def close(self) -> None:
        """Finish the file; the next message begins another."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.finish()
        except OSError:
            self.failed += file.unflushed
            file.abandon()

    def _open(self, t_utc_ns: int) -> _File | None:
        if t_utc_ns < self._retry_ns:
            return None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room()
            self._file = _File(self.folder / name_of(t_utc_ns), t_utc_ns)
        except OSError:
            self._give_up(t_utc_ns, 0)
            return None
        self.written += 1
        return self._file

    def _make_room(self) -> None:
        """Remove the oldest files until one more fits."""
        sizes = [(path, path.stat().st_size) for path in files_of(self.folder)]
        total = sum(size for _, size in sizes) + self._bounds.file_bytes
        for path, size in sizes:
            if total <= self._bounds.total_bytes:
                return
            path.unlink(missing_ok=True)
            self.removed += 1
            total -= size

    def _give_up(self, t_utc_ns: int, messages: int) -> None:
        self.failed += messages
        self.is_failing = True
        self._retry_ns = t_utc_ns + RETRY_NS
        if self._file is not None:
            self._file.abandon()
            self._file = None


class _File:
    """One MCAP file that is being written."""

    def __init__(self, path: Path, begun_ns: int) -> None:
        self.begun_ns = begun_ns
        self.unflushed = 0
        self._stream = _Stream(path)
        self._channels: dict[Channel, int] = {}
        self._schemas: dict[str, int] = {}
        self._writer = Writer(
            self._stream,  # type: ignore[arg-type]  # it asks for no more than these three verbs
            chunk_size=CHUNK_BYTES,
            compression=CompressionType.ZSTD,
        )
        self._writer.start(PROFILE, PROFILE)

    @property
    def size(self) -> int:
        """How many bytes it has, or will have at the next flush."""
        return self._stream.tell()

    def add(self, channel: Channel, t_utc_ns: int, data: bytes) -> None:
        number = self._channels.get(channel)
        if number is None:
            number = self._channels[channel] = self._register(channel)
        self.unflushed += 1
        self._writer.add_message(number, t_utc_ns, data, t_utc_ns)

    def flush(self, *, sync: bool) -> None:
        self._writer.flush()
        self.unflushed = 0
        if sync:
            self._stream.sync()

    def finish(self) -> None:
        self._writer.finish()
        self._stream.flush()
        self._stream.sync()
        self._stream.close()

    def abandon(self) -> None:
        self._stream.close()

    def _register(self, channel: Channel) -> int:
        schema = 0
        if channel.schema:
            known = self._schemas.get(channel.schema)
            if known is None:
                known = self._writer.register_schema(
                    channel.schema, "jsonschema", channel.text.encode()
                )
                self._schemas[channel.schema] = known
            schema = known
        return self._writer.register_channel(
            channel.topic, channel.encoding, schema, dict(channel.notes)
        )


class _Stream:
    """What the library writes to: it keeps all until `flush`, and then fails or has written it."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._kept: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> int:
        self._kept.append(data)
        self._bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self._bytes

    def flush(self) -> None:
        waiting = memoryview(b"".join(self._kept))
        self._kept.clear()
        while waiting:
            waiting = waiting[os.write(self._fd, waiting) :]

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def name_of(t_utc_ns: int) -> str:
    """Name a file that is begun now."""
    begun = datetime.fromtimestamp(t_utc_ns // 1_000_000_000, UTC)
    return f"{begun:%Y%m%dT%H%M%S}.{t_utc_ns % 1_000_000_000:09}Z{SUFFIX}"


def files_of(folder: Path) -> list[Path]:
    """List the recordings of a folder, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))
