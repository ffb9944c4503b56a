"""Keeps a node's run directory: who owns it, what is in it, and that nothing of it stays.

    /dev/shm/trocar-<uid>/<name>/       0700, tmpfs: all that a node leaves nowhere else
        noded.lock                      held by the living noded; says who that is
        processes.json                  who was started, for a noded that comes after a crash
        <process>.json                  that process's settings (0600)
        boards/ flight/ log/ pulse/     written by the processes
        *.sock                          their local sockets

Rules
-----
- The lock is the right to keep the node. A second noded is refused while the first one lives.
- A directory that belongs to somebody else, or holds what is not ours, is refused and left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import Final

import msgspec

from teleop.node.errors import NodeError
from transport.io.living import Identity, identity_of, lives

LOCK: Final = "noded.lock"
RECORD: Final = "processes.json"
FOLDERS: Final = ("boards", "flight", "log", "pulse")
SOCKET_PATH_MAX: Final = 107
"""Longest path of a local socket (sun_path, unix(7))."""
SOCKET_NAME_MAX: Final = 48
LOG_BYTES_MAX: Final = 1 << 20
LOG_BYTES_KEPT: Final = 1 << 16
BASE_TRIES_MAX: Final = 10


class RunDirError(NodeError):
    """The run directory cannot be used; the message says why."""


class Busy(RunDirError):
    """Another noded keeps this node."""


class Keeper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who keeps a node: the content of its lock.

    Parameters
    ----------
    pid, start : the noded, see `transport.io.living.Identity`
    config : absolute path of the node.toml it was started with
    """

    pid: int
    start: int
    config: str


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One process that was started.

    Parameters
    ----------
    pid, start : see `transport.io.living.Identity`
    settings : SHA-256 of the settings it was started with, hex
    """

    pid: int
    start: int
    settings: str

    @property
    def identity(self) -> Identity:
        """The process."""
        return Identity(self.pid, self.start)


def default_path(name: str) -> Path:
    """Return where a node of this name runs when node.toml does not say."""
    return base_path() / name


def base_path() -> Path:
    """Return the folder of this user's run directories."""
    return Path(f"/dev/shm/trocar-{os.getuid()}")


def keeper_of(path: Path) -> Keeper | None:
    """Return who keeps the node at `path`, or None when no noded lives there."""
    try:
        keeper = msgspec.json.decode((path / LOCK).read_bytes(), type=Keeper)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return keeper if lives(Identity(keeper.pid, keeper.start)) else None


class RunDir:
    """The run directory of one node, locked.

    Parameters
    ----------
    path : the directory
    config : node.toml's path, for whoever looks for a running node

    Raises
    ------
    Busy : another noded keeps this node
    RunDirError : not ours, or not usable
    """

    def __init__(self, path: Path, config: str = "") -> None:
        if len(os.fsencode(path)) + SOCKET_NAME_MAX > SOCKET_PATH_MAX:
            raise RunDirError(f"{path}: too long for the local sockets in it")
        self.path = path
        _make_both(path)
        self._lock = _claim(path)
        me = identity_of(os.getpid())
        assert me is not None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, msgspec.json.encode(Keeper(me.pid, me.start, config)), 0)

    def prepare(self) -> None:
        """Make the folders that the processes write to."""
        for folder in FOLDERS:
            (self.path / folder).mkdir(mode=0o700, exist_ok=True)

    def clear(self) -> None:
        """Remove everything but the lock: what a dead node left."""
        for entry in self.path.iterdir():
            if entry.name == LOCK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the directory and give up the lock. Nothing of the node is left then."""
        self.clear()
        (self.path / LOCK).unlink(missing_ok=True)
        try:
            self.path.rmdir()
            if self.path.parent == base_path():
                self.path.parent.rmdir()  # fails while other nodes run: then it stays
        except OSError:
            pass
        self.release()

    def release(self) -> None:
        """Give up the lock and leave the directory as it is."""
        os.close(self._lock)

    def write(self, name: str, data: bytes) -> Path:
        """Replace a file (0600) and return its path."""
        path = self.path / name
        fresh = path.with_name(name + ".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        fresh.replace(path)
        return path

    def write_records(self, records: dict[str, Record]) -> None:
        """Remember who runs."""
        self.write(RECORD, msgspec.json.encode(records))

    def records(self) -> dict[str, Record]:
        """Return who ran when the last noded wrote it down; a damaged record is none."""
        try:
            data = (self.path / RECORD).read_bytes()
            return msgspec.json.decode(data, type=dict[str, Record])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}

    def log_path(self, name: str) -> Path:
        """Return the file that takes a process's output."""
        return self.path / "log" / f"{name}.log"

    def cap_log(self, name: str) -> None:
        """Cut a log that has grown too long: its end is kept in `<name>.log.old`.

        Its writer appends, so that it goes on at the new end.
        """
        path = self.log_path(name)
        try:
            if path.stat().st_size > LOG_BYTES_MAX:
                path.with_name(path.name + ".old").write_bytes(tail(path, LOG_BYTES_KEPT))
                os.truncate(path, 0)
        except OSError:
            pass


def tail(path: Path, size: int) -> bytes:
    """Return the last `size` bytes of a file, nothing when there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except OSError:
        return b""


def _make_both(path: Path) -> None:
    """Make a run directory, and this user's folder of them where that is its place."""
    if path.parent != base_path():
        return _make_private(path)
    for _ in range(BASE_TRIES_MAX):
        _make_private(path.parent)
        try:
            return _make_private(path)
        except RunDirError:
            if path.parent.exists():
                raise  # else the last node that stopped has just removed the folder
    raise RunDirError(f"{path.parent} comes and goes")


def _make_private(path: Path) -> None:
    """Make a directory that only we can enter; refuse one that is not so.

    /dev/shm is everybody's: a name there may have been taken by somebody else before us.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise RunDirError(f"{path}: {error.strerror}") from error
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise RunDirError(f"{path} is not a directory")
    if status.st_uid != os.getuid():
        raise RunDirError(f"{path} belongs to user {status.st_uid}, not to us")
    if status.st_mode & 0o077:
        raise RunDirError(f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):04o})")


def _claim(path: Path) -> int:
    """Lock the directory and return the lock's descriptor."""
    lock = path / LOCK
    if not lock.exists() and any(path.iterdir()):
        raise RunDirError(f"{path} holds files that are no node's: choose an empty or a new one")
    while True:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            keeper = keeper_of(path)
            who = f"noded, pid {keeper.pid}" if keeper else "a noded that just starts or stops"
            raise Busy(f"this node is running already ({who}; {path})") from None
        # A node that stopped between our open and our lock has removed the file we locked.
        try:
            if os.stat(lock).st_ino == os.fstat(fd).st_ino:
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)
        _make_both(path)
