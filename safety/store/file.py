"""What a robot must remember across its restarts: its highest epoch, and a latched stop.

One small JSON file (0600), replaced atomically and synced; never touched on the control path.
A store that was never initialised is created by an explicit act (`RobotStore.create`); one that
cannot be read is an error that the robot answers with a PROTECTIVE_STOP.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from safety.state import State
from transport.wire.codec import U63


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The remembered facts: `state` is the lowest latched state, BOOT when none is."""

    epoch: U63
    state: Annotated[int, msgspec.Meta(ge=int(State.ESTOP), le=int(State.BOOT))]


class StoreError(Exception):
    """A store that is missing or cannot be read; the text names the file and what to do."""


class RobotStore:
    """The store of one robot, at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Initialise the store; an existing one is left as it is."""
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.write(Record(0, State.BOOT))

    def read(self) -> Record:
        """Read the record.

        Raises
        ------
        StoreError
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Record)
        except FileNotFoundError:
            raise StoreError(
                f"{self._path}: never initialised; run `trocar keys init` at the robot"
            ) from None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{self._path}: {error}") from None

    def write(self, record: Record) -> None:
        """Replace the record: on return it is on disk."""
        temporary = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(record))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
