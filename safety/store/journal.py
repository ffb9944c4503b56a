"""Keeps the newest record of each of some keys, on disk, and writes in a thread of its own.

    <path>           a line a record: CRC-32 in hex, key, record (JSON); the last of a key counts
    <path>.new       while it is written anew, when it has grown large
    <path>.damaged   one that could not be read whole: evidence

Rules
-----
- Who puts a record never waits. Of a key the newest counts, so what waits is bounded by the keys.
- A record that was written is on disk: written, and synced. What a full disk took half of is cut
  off again; a torn last line, and any line that its sum does not bear out, is passed over, counted,
  and kept aside.
- A write that fails is tried again, with what is newest then; meanwhile `trouble` says why.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

FILE_BYTES_MAX: Final = 4 << 20
RETRY_S: Final = 0.5
_READ_BYTES_MAX: Final = 64 << 20


class Journal:
    """The file; used by one thread at a time.

    Parameters
    ----------
    path : of the file
    bytes_max : written anew when it is larger, and has grown by half since

    Attributes
    ----------
    records : newest of each key
    damaged : lines that were passed over when it was read
    """

    def __init__(self, path: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._size = -1  # of what is whole; unknown: write it anew
        self._least = 0
        self._is_evidence = False
        self.records: dict[str, bytes] = {}
        self.damaged = 0

    def read(self) -> None:
        """Read what is there; nothing is no error.

        Raises
        ------
        OSError : it is there, and cannot be read
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(_READ_BYTES_MAX)
        except FileNotFoundError:
            return
        for line in data.splitlines(keepends=True):
            found = _record(line)
            if found is None:
                self.damaged += 1
                self._is_evidence = True
            else:
                self.records[found[0]] = found[1]

    def write(self, records: Mapping[str, bytes]) -> None:
        """Replace these records: on return they are on disk.

        Raises
        ------
        OSError : they may not be
        """
        self.records.update(records)
        is_large = self._size > max(self._bytes_max, 3 * self._least // 2)
        try:
            if self._size < 0 or is_large:
                self._anew()
            else:
                self._append(b"".join(_lines(records)))
        except OSError:
            self._size = -1
            raise

    def _append(self, data: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            if os.fstat(descriptor).st_size != self._size:
                raise OSError("somebody else has written to it")
            _write(descriptor, data)
        finally:
            os.close(descriptor)
        self._size += len(data)

    def _anew(self) -> None:
        """Write everything into a new file, and put it into the old one's place."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = b"".join(_lines(self.records))
        fresh = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, data)
        finally:
            os.close(descriptor)
        if self._is_evidence and self._path.exists():
            self._path.replace(self._path.with_name(self._path.name + ".damaged"))
            self._is_evidence = False
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._size = self._least = len(data)


class Keeper:
    """Writes a journal in a thread.

    Attributes
    ----------
    failures : writes that failed
    trouble : why nothing is written now, "" while it is
    """

    def __init__(self, journal: Journal, retry_s: float = RETRY_S) -> None:
        self._journal = journal
        self._retry_s = retry_s
        self._waiting: dict[str, bytes] = {}
        self._wake = threading.Condition()
        self._closing = False
        self.failures = 0
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, key: str, record: bytes) -> None:
        """Have a record written; never waits."""
        with self._wake:
            self._waiting[key] = record
            self._wake.notify()

    def close(self, patience_s: float = 1.0) -> None:
        """Write what waits, and end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(patience_s)

    def _run(self) -> None:
        while batch := self._take():
            try:
                self._journal.write(batch)
            except OSError as error:
                self.failures += 1
                self.trouble = f"{error.strerror or error}"
                with self._wake:
                    self._waiting = batch | self._waiting
                    if self._closing:
                        return
                    self._wake.wait(self._retry_s)
            else:
                self.trouble = ""

    def _take(self) -> dict[str, bytes]:
        """Wait for records; none when it is time to end."""
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            batch, self._waiting = self._waiting, {}
            return batch


def _lines(records: Mapping[str, bytes]) -> Iterator[bytes]:
    for key, record in records.items():
        body = b"%b %b" % (key.encode(), record)
        assert b"\n" not in body, key
        yield b"%08x %b\n" % (zlib.crc32(body), body)


def _record(line: bytes) -> tuple[str, bytes] | None:
    """Take a line apart; None when it is not what was written."""
    total, _, body = line[:-1].partition(b" ")
    if not line.endswith(b"\n") or total != b"%08x" % zlib.crc32(body):
        return None
    key, _, record = body.partition(b" ")
    return key.decode(), record


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it and have it synced, or leave the file as it was."""
    size = os.fstat(descriptor).st_size
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
