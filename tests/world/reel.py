"""A tape without an end, in memory."""

from __future__ import annotations

from transport.telemetry.tape import Entry, check_sum


class Reel:
    """Takes records as a `transport.telemetry.tape.Tape` does, and keeps them all."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def append(self, kind: int, t_ns: int, data: bytes) -> None:
        """Keep one record."""
        number = len(self.entries) + 1
        self.entries.append(Entry(number, t_ns, kind, data, check_sum(number, t_ns, kind, data)))
