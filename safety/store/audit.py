"""Keeps the audit's chain on disk, and its newest head at a second place.

    <folder>/audit-000001.jsonl   the records; a new file when one is large, none is ever removed
    <folder>/audit.lock           writers exclude each other: a service, and `trocar keys`
    <second>/audit.head           the signed head of the newest record
    <second>/audit.head-<n>       one whose record is gone: evidence

Rules
-----
- What `append` returned from is on disk, records first, then the head.
- A write that failed leaves the chain as it was: what a full disk took half of is cut off again.
  The half of a record that a power cut left is cut off by the next writer, and that is recorded.
- Some room is kept free, so that a stop can be recorded on a disk that is as good as full.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.audit import (
    LINE_BYTES_MAX,
    Chain,
    Entry,
    Fault,
    Head,
    Outcome,
    Record,
    SignersOf,
    Verifier,
    head_entry,
    records,
    sign,
)

FILE_BYTES_MAX: Final = 64 << 20
#: Entries that may wait (`urgent` ones do not) leave so much of the disk free.
RESERVE_BYTES: Final = 16 << 20
HEAD_NS: Final = 3600 * 1_000_000_000
_FIRST: Final = 1


class AuditError(Exception):
    """The audit cannot be kept or read; the text names the file and what to do."""


class AuditFull(AuditError):
    """There is no room for more records."""


class AuditLog:
    """A writer of the chain.

    Parameters
    ----------
    folder, second : where the records are, and where their newest head is kept
    signer, key : who signs heads

    Attributes
    ----------
    head_is_kept : whether the second place took the newest head
    """

    def __init__(self, folder: Path, second: Path, signer: str, key: Ed25519PrivateKey) -> None:
        self._folder = folder
        self._second = second / "audit.head"
        self._signer = signer
        self._key = key
        self._chain = Chain()
        self._number, self._size = _FIRST, -1  # of the newest file, as it was read or written last
        self._headed_ns = 0
        self.head_is_kept = True
        for place in (folder, second):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, entries: Sequence[Entry], *, reserve: int = RESERVE_BYTES) -> int:
        """Write entries in their order; return the number of the last record.

        Parameters
        ----------
        reserve : bytes of the disk that must stay free

        Raises
        ------
        AuditError : nothing was written
        """
        try:
            with _locked(self._folder):
                self._catch_up(entries[0].t_utc_ns)
                self._write(self._signed(entries), reserve)
                return self._chain.n
        except OSError as error:
            self._size = -1
            raise AuditError(f"{self._folder}: {error.strerror}") from error

    def _signed(self, entries: Sequence[Entry]) -> list[Entry]:
        """Put the hour's head before the entries, when one is due."""
        now_ns = entries[0].t_utc_ns
        if self._chain.n == 0 or abs(now_ns - self._headed_ns) < HEAD_NS:
            return list(entries)
        self._headed_ns = now_ns
        return [head_entry(self._chain, self._signer, self._key, now_ns), *entries]

    def _catch_up(self, now_ns: int) -> None:
        """Find the chain's end, unless nobody has written since we did; mend what a cut left."""
        newest = _newest(self._folder)
        if newest == (self._number, self._size):
            return
        self._number, self._size = newest
        path = _path(self._folder, self._number)
        whole = _whole(path)
        gone = []
        if whole < self._size:
            os.truncate(path, whole)
            gone.append(f"{self._size - whole} bytes of a record that was not written to its end")
            self._size = whole
        self._chain, self._headed_ns = _end(self._folder, self._number)
        head = _head(self._second)
        if head is not None and (head.n > self._chain.n or _differ(head, self._chain)):
            # Evidence: whoever verifies will ask for it, whatever is written from now on.
            self._second.rename(self._second.with_name(f"audit.head-{head.n}"))
            gone.append(f"what led to record {head.n}, of which a signed head was kept")
        lost = [Entry(now_ns, self._signer, "lost", "audit", Outcome.FAILED, what) for what in gone]
        if lost:
            self._write(lost, 0)

    def _write(self, entries: Sequence[Entry], reserve: int) -> None:
        chain = Chain(self._chain.n, self._chain.hash)
        data = b"".join(map(chain.append, entries))
        if self._size + len(data) > FILE_BYTES_MAX:
            self._number, self._size = self._number + 1, 0
        room = os.statvfs(self._folder)
        if room.f_bavail * room.f_frsize < reserve + len(data):
            raise AuditFull(f"{self._folder}: the disk is full; make room, or move the audit")
        path = _path(self._folder, self._number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            try:
                if os.write(descriptor, data) < len(data):
                    raise AuditFull(f"{path}: the disk is full; make room, or move the audit")
                os.fdatasync(descriptor)
            except (OSError, AuditFull):
                os.ftruncate(descriptor, self._size)
                raise
        finally:
            os.close(descriptor)
        self._chain = chain
        self._size = self._size + len(data)
        self._keep(sign(chain.n, chain.hash, self._signer, self._key))

    def _keep(self, head: Head) -> None:
        """Keep the head; the records are on disk already, so that a failure is told, not raised."""
        temporary = self._second.with_suffix(".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(descriptor, msgspec.json.encode(head))
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(self._second)
        except OSError:
            self.head_is_kept = False
        else:
            self.head_is_kept = True


class Verdict(NamedTuple):
    """What a reading of the whole chain found.

    Parameters
    ----------
    records, signed : how many there are, and how many of them a signature covers
    fault, file : the first place that was tampered with, None when there is none
    """

    records: int
    signed: int
    fault: Fault | None
    file: Path | None


def verify(
    folder: Path,
    second: Path,
    signers_of: SignersOf,
    tell: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Read the chain from its beginning; `tell` is given the bytes that were read since.

    Raises
    ------
    AuditError : there is none, or a file cannot be read
    """
    verifier = Verifier(signers_of)
    heads = [head for path in second.glob("audit.head*") if (head := _head(path))]
    faults = [fault for head in heads if (fault := verifier.expect(head))]
    if not heads:
        faults.append(Fault(0, f"no head is kept in {second}: an end may be missing"))
    for path in _files(folder):
        if fault := _read(path, verifier, tell):
            return Verdict(verifier.chain.n, verifier.signed, fault, path)
    if fault := verifier.end() or next(iter(faults), None):
        return Verdict(verifier.chain.n, verifier.signed, fault, None)
    return Verdict(verifier.chain.n, max(head.n for head in heads), None, None)


def read(folder: Path) -> Iterator[Record]:
    """Yield all records, oldest first, as they stand there; `verify` tells whether they hold.

    Raises
    ------
    AuditError : there is none, or a line is no record
    """
    for path in _files(folder):
        try:
            yield from records(_lines(path))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AuditError(f"{path}: {error}; `trocar audit verify` finds the place") from error


def _read(path: Path, verifier: Verifier, tell: Callable[[int], None]) -> Fault | None:
    came = 0
    for line in _lines(path):
        if fault := verifier.read(line):
            return fault
        came += len(line)
        if came > 1 << 20:
            tell(came)
            came = 0
    tell(came)
    return None


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                yield line
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from error


def _head(path: Path) -> Head | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Head)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: the head cannot be read: {error}") from error


def _whole(path: Path) -> int:
    """Tell how many bytes of a file are whole lines."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - LINE_BYTES_MAX)
        file.seek(start)
        return start + file.read().rfind(b"\n") + 1


def _end(folder: Path, number: int) -> tuple[Chain, int]:
    """Find the newest record, in the newest file that has one; return the chain and its time.

    Raises
    ------
    AuditError : the line is no record
    """
    for path in (_path(folder, n) for n in range(number, 0, -1)):
        end = _whole(path)
        if end == 0:
            continue
        with path.open("rb") as file:
            file.seek(max(0, end - LINE_BYTES_MAX))
            line = file.read(LINE_BYTES_MAX).splitlines(keepends=True)[-1]
        try:
            (record,) = records([line])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AuditError(f"{path}: its last line is no record: {error}") from error
        return Chain(record.n, record.hash), record.t
    return Chain(), 0


def _differ(head: Head, chain: Chain) -> bool:
    return head.n == chain.n and head.hash != chain.hash


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("audit-*.jsonl"))
    if not files:
        raise AuditError(f"{folder}: no audit here; a node begins one when it is commissioned")
    return files


def _newest(folder: Path) -> tuple[int, int]:
    """Return the number and the size of the newest file."""
    numbers = [int(file.stem.removeprefix("audit-")) for file in folder.glob("audit-*.jsonl")]
    number = max(numbers, default=_FIRST)
    path = _path(folder, number)
    return number, path.stat().st_size if path.exists() else 0


def _path(folder: Path, number: int) -> Path:
    return folder / f"audit-{number:06}.jsonl"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "audit.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
