"""Finds the pulses of a run directory's processes: one place per name, one life after the other.

Rules
-----
- A life is a file (by inode) and a process (by pid and start time) that is still there. What a
  dead process left behind is nobody's.
- A descriptor of the process (pidfd) is held as long as it is watched, so that it cannot be
  mistaken for the next one of that number.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from transport.io import living
from transport.io.living import Identity
from transport.io.loop import Loop
from transport.io.mapping import Mapping
from transport.telemetry.header import TelemetryError
from transport.telemetry.pulse import Layout, PulseReader

NOBODY = (0, 0)


class Place:
    """Where a process of one name shows its pulse.

    Parameters
    ----------
    on_death : called when the life that was found last has ended, before it is forgotten

    Attributes
    ----------
    reader : of the present life; None when nobody is here
    """

    def __init__(
        self, loop: Loop, run_dir: Path, name: str, on_death: Callable[[PulseReader], None]
    ) -> None:
        self._loop = loop
        self._path = run_dir / "pulse" / f"{name}.pulse"
        self._on_death = on_death
        self._inode = 0
        self._pidfd = -1
        self.reader: PulseReader | None = None

    def seek(self) -> Layout | None:
        """Return who is new here, and alive; None when nobody is."""
        try:
            inode = os.stat(self._path).st_ino
            if inode == self._inode:
                return None
            reader = PulseReader(Mapping.open(self._path).view)
        except (OSError, ValueError, TelemetryError):
            return None  # nobody yet, or not a pulse of this build
        self._inode = inode
        if self._pidfd >= 0:
            self._died()  # its successor was found before its end was told
        layout = reader.layout
        pidfd = living.open_pidfd(Identity(layout.pid, layout.start))
        if pidfd is None:
            return None
        self.reader, self._pidfd = reader, pidfd
        self._loop.add_reader(pidfd, self._died)
        return layout

    def look(self) -> tuple[int, int]:
        """Return phase and beats; zeros when nobody is here, or it has just died."""
        if self.reader is None:
            return NOBODY
        if self.reader.is_torn:
            self._died()
            return NOBODY
        return self.reader.look()

    def kill(self, pid: int, start: int) -> bool:
        """Kill whoever is here, if it is this very process."""
        reader = self.reader
        if reader is None or (reader.layout.pid, reader.layout.start) != (pid, start):
            return False
        living.send(self._pidfd, signal.SIGKILL)
        return True

    def close(self) -> None:
        """Forget who is here. The memory goes with its last reader."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        self.reader, self._pidfd = None, -1

    def _died(self) -> None:
        assert self.reader is not None
        reader = self.reader
        self.close()
        self._on_death(reader)
