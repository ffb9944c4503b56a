"""Shares memory between processes: a file of fixed size, mapped.

Rules
-----
- A new mapping gets a new file that replaces the old one by name. Readers of the old file keep
  the old memory; a file never shrinks under a reader (that would be a SIGBUS).
- It gets its name when `prepare` has written its header: nobody finds it half made.
- Its blocks are reserved when it is made: a full tmpfs is an error at the start, not a SIGBUS
  in the middle of a session.
- Mode 0600: boards and rings hold no secrets, but neither are they anybody's business.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

BYTES_MAX = 1 << 30


class Mapping:
    """A mapped file; `view` is its memory. Make it with `create` or `open`."""

    def __init__(self, fd: int, size: int, writable: bool) -> None:
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self._mmap = mmap.mmap(fd, size, access=access)
        self.view = memoryview(self._mmap)

    @classmethod
    def create(
        cls,
        path: Path | str,
        size: int,
        prepare: Callable[[memoryview], object] = lambda _: None,
    ) -> Mapping:
        """Make `path` anew with `size` zero bytes and map it for writing.

        Parameters
        ----------
        prepare : writes what readers must find, before the file has its name

        Raises
        ------
        OSError : no room, no right, no directory
        """
        if not 0 < size <= BYTES_MAX:
            raise ValueError(f"a mapping has 1 to {BYTES_MAX} bytes, not {size}")
        fresh = f"{path}.{os.getpid()}.new"
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(fd, 0o600)
            os.posix_fallocate(fd, 0, size)
            mapping = cls(fd, size, writable=True)
            prepare(mapping.view)
            os.rename(fresh, path)
        except BaseException:
            os.unlink(fresh)
            raise
        finally:
            os.close(fd)
        return mapping

    @classmethod
    def open(cls, path: Path | str) -> Mapping:
        """Map an existing file for reading.

        Raises
        ------
        OSError : no such file, no right
        ValueError : an empty or an oversized file
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if not 0 < size <= BYTES_MAX:
                raise ValueError(f"{path}: {size} bytes, expected 1 to {BYTES_MAX}")
            return cls(fd, size, writable=False)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Unmap. Views made of `view` elsewhere keep the memory until they are gone."""
        self.view.release()
        try:
            self._mmap.close()
        except BufferError:
            pass  # someone still reads; the memory goes with the last view
