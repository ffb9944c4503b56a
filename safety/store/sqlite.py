"""Keeps who holds which robot in one SQLite file: for a node on one machine.

Write-ahead log, a sync at every commit, and `BEGIN IMMEDIATE`: of two services, or threads, one
waits for the other. The epoch is guarded by the file itself: a trigger refuses to lower it,
whatever program tries. Opened anew after every error, so that what was mended is seen.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from safety.grant import Role
from safety.seat import Holder, Phase, Row
from safety.store.authority import (
    Kept,
    Listed,
    StoreConflict,
    StoreCorrupt,
    StoreForeign,
    StoreFull,
    StoreLocked,
    StoreLost,
    StoreReadOnly,
)
from safety.store.file import StoreError

SCHEMA: Final = 1
APPLICATION: Final = 0x54524341  # "TRCA": what `file` shows of it
#: Another process is waited for so long.
BUSY_S: Final = 0.25

_CREATE: Final = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA};
CREATE TABLE IF NOT EXISTS authority (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL CHECK (epoch >= 0)
) STRICT;
CREATE TRIGGER IF NOT EXISTS the_epoch_never_falls
    BEFORE UPDATE ON authority WHEN new.epoch < old.epoch
    BEGIN SELECT RAISE(ABORT, 'the epoch would fall'); END;
CREATE TRIGGER IF NOT EXISTS the_epoch_stays BEFORE DELETE ON authority
    BEGIN SELECT RAISE(ABORT, 'the epoch would be forgotten'); END;
INSERT OR IGNORE INTO authority VALUES (1, 0);
CREATE TABLE IF NOT EXISTS robot (
    robot TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    holder TEXT, session BLOB, role INTEGER, epoch INTEGER,
    next TEXT, next_session BLOB, next_role INTEGER, next_epoch INTEGER,
    "to" TEXT NOT NULL,
    bed TEXT NOT NULL,
    waiting TEXT NOT NULL,
    observers TEXT NOT NULL,
    since_utc_ns INTEGER NOT NULL,
    until_utc_ns INTEGER NOT NULL
) STRICT;
"""
_WRITE: Final = """
INSERT INTO robot VALUES
    (:robot, 1, :phase, :holder, :session, :role, :epoch, :next, :next_session, :next_role,
     :next_epoch, :to, :bed, :waiting, :observers, :since, :until)
ON CONFLICT (robot) DO UPDATE SET
    revision = revision + 1, phase = :phase, holder = :holder, role = :role, epoch = :epoch,
    next = :next, next_session = :next_session, next_role = :next_role, next_epoch = :next_epoch,
    "to" = :to, bed = :bed, waiting = :waiting, observers = :observers,
    since_utc_ns = CASE WHEN session IS :session THEN since_utc_ns ELSE :since END,
    until_utc_ns = CASE WHEN session IS :session THEN until_utc_ns ELSE :until END,
    session = :session
"""

_ERRORS: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_BUSY: (StoreLocked, "another process has locked it"),
    sqlite3.SQLITE_LOCKED: (StoreLocked, "another process has locked it"),
    sqlite3.SQLITE_FULL: (StoreFull, "the disk is full; make room"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "it may only be read; give it to its owner"),
    sqlite3.SQLITE_PERM: (StoreReadOnly, "it may only be read; give it to its owner"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "it is damaged; put it aside, robots know the epoch"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "it is damaged; put it aside, robots know the epoch"),
}


class SqliteStore:
    """A store of authority in one file; used by one thread at a time.

    Parameters
    ----------
    path : of the file; made when it is missing (0600), unless `reads` alone
    reads : never write, nor make anything
    """

    def __init__(self, path: Path, *, reads: bool = False) -> None:
        self._path = path
        self._reads = reads
        self._db: sqlite3.Connection | None = None
        self._revisions: dict[str, int] = {}

    def read(self) -> Kept:
        """Read everything; rows may be replaced as they were read here."""
        with self._transaction("BEGIN") as db:
            epoch = db.execute("SELECT epoch FROM authority").fetchone()[0]
            rows = db.execute("SELECT * FROM robot ORDER BY robot").fetchall()
            robots = tuple(self._listed(row, epoch) for row in rows)
        self._revisions = {row["robot"]: row["revision"] for row in rows}
        return Kept(epoch, robots)

    def write(self, row: Row, now_utc_ns: int, duration_s: int) -> None:
        """Replace a robot's row; a holder that is new there holds from now on, for so long."""
        seen = self._revisions.get(row.robot, 0)
        with self._transaction("BEGIN IMMEDIATE") as db:
            epoch = db.execute("SELECT epoch FROM authority").fetchone()[0]
            if row.claims and row.epoch <= epoch:
                raise StoreConflict(f"{self._path}: epoch {row.epoch} is taken; ask again")
            there = db.execute("SELECT revision FROM robot WHERE robot = ?", (row.robot,))
            (revision,) = there.fetchone() or (0,)
            if revision != seen:
                raise StoreConflict(f"{self._path}: {row.robot} was changed meanwhile; ask again")
            db.execute("UPDATE authority SET epoch = max(epoch, ?)", (row.epoch,))
            db.execute(_WRITE, _columns(row, now_utc_ns, duration_s))
        self._revisions[row.robot] = seen + 1

    def close(self) -> None:
        """Let go of the file."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Do all of it or nothing, and name what went wrong."""
        try:
            db = self._db = self._db or self._open()
            db.execute(begin)
            yield db
            db.execute("COMMIT")
        except StoreConflict:
            self._db.execute("ROLLBACK")  # type: ignore[union-attr]
            raise
        except StoreError:
            self.close()
            raise
        except sqlite3.Error as error:
            self.close()
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            kind, words = _ERRORS.get(code, (StoreLost, str(error)))
            raise kind(f"{self._path}: {words}") from error
        except (OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
            self.close()
            lost = isinstance(error, OSError)
            raise (StoreLost if lost else StoreCorrupt)(f"{self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if not self._reads:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._path.exists():
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
        elif not self._path.exists():
            raise StoreLost(f"{self._path}: there is none; a node makes it when it starts")
        mode = "ro" if self._reads else "rw"
        db = sqlite3.connect(
            f"file:{self._path.absolute().as_posix()}?mode={mode}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            db.row_factory = sqlite3.Row
            self._check(db)
        except BaseException:
            db.close()
            raise
        return db

    def _check(self, db: sqlite3.Connection) -> None:
        """Make sure that it is ours and whole, or make it."""
        application = db.execute("PRAGMA application_id").fetchone()[0]
        schema = db.execute("PRAGMA user_version").fetchone()[0]
        is_empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if is_empty and application == 0 and not self._reads:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(f"BEGIN IMMEDIATE; {_CREATE} COMMIT;")
            return
        if application != APPLICATION:
            raise StoreForeign(f"{self._path}: it is not a store of Trocar's authority")
        if schema != SCHEMA:
            raise StoreForeign(f"{self._path}: it has schema {schema}, this Trocar knows {SCHEMA}")
        db.execute("PRAGMA synchronous = FULL")
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreCorrupt(f"{self._path}: {found}")

    def _listed(self, row: sqlite3.Row, epoch: int) -> Listed:
        held = Row(
            robot=row["robot"],
            phase=Phase(row["phase"]),
            epoch=epoch,
            holder=_holder(row["holder"], row["session"], row["role"], row["epoch"]),
            next=_holder(row["next"], row["next_session"], row["next_role"], row["next_epoch"]),
            to=row["to"],
            bed=row["bed"],
            waiting=_names(row["waiting"]),
            observers=_names(row["observers"]),
        )
        return Listed(held, row["since_utc_ns"], row["until_utc_ns"])


def _holder(console: str | None, session: bytes, role: int, epoch: int) -> Holder | None:
    return None if console is None else Holder(console, session, Role(role), epoch)


def _columns(row: Row, now_utc_ns: int, duration_s: int) -> dict[str, object]:
    holder, after = row.holder, row.next
    return {
        "robot": row.robot,
        "phase": int(row.phase),
        "holder": holder and holder.console,
        "session": holder and holder.session,
        "role": holder and int(holder.role),
        "epoch": holder and holder.epoch,
        "next": after and after.console,
        "next_session": after and after.session,
        "next_role": after and int(after.role),
        "next_epoch": after and after.epoch,
        "to": row.to,
        "bed": row.bed,
        "waiting": msgspec.json.encode(row.waiting).decode(),
        "observers": msgspec.json.encode(row.observers).decode(),
        "since": now_utc_ns if holder else 0,
        "until": now_utc_ns + duration_s * 1_000_000_000 if holder else 0,
    }


def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
