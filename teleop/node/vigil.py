"""Watches the watchdog: whether its pulse moves, counted in looks of our own.

noded is no real-time process. So it counts looks, not time: one that comes late is one look, and
nobody is blamed for it. A watchdog that does not beat for `LOOKS` of them in a row hangs, and is
ended; meanwhile robots know what its silence means.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from transport.io.living import Identity
from transport.io.mapping import Mapping
from transport.telemetry.header import TelemetryError
from transport.telemetry.pulse import Phase, PulseReader

LOOK_NS: Final = 250_000_000
LOOKS: Final = 4


class Vigil:
    """Over the watchdog of one node.

    Attributes
    ----------
    is_kept : whether the pulse was seen to move at the last look
    """

    def __init__(self) -> None:
        self._whose = Identity(0, 0)
        self._beats = 0
        self._quiet = 0
        self._due_ns = 0
        self.is_kept = False

    def look(self, whose: Identity, pulse: tuple[int, int], now_ns: int) -> bool:
        """Take a look, if it is time for one; tell whether the watchdog hangs.

        Parameters
        ----------
        whose, pulse : the process, and its phase and beats
        """
        if now_ns < self._due_ns:
            return False
        self._due_ns = now_ns + LOOK_NS
        phase, beats = pulse
        if whose != self._whose or phase != Phase.WORKING:
            self._whose, self._beats, self._quiet, self.is_kept = whose, beats, 0, False
            return False
        self.is_kept = beats != self._beats
        self._beats = beats
        self._quiet = 0 if self.is_kept else self._quiet + 1
        return self._quiet >= LOOKS


def pulse_of(run_dir: Path, name: str, whose: Identity) -> tuple[int, int]:
    """Return phase and beats of this very process; of a start when it shows none yet."""
    try:
        reader = PulseReader(Mapping.open(run_dir / "pulse" / f"{name}.pulse").view)
    except (OSError, ValueError, TelemetryError):
        return Phase.STARTING, 0
    if (reader.layout.pid, reader.layout.start) != whose:
        return Phase.STARTING, 0
    return reader.look()
