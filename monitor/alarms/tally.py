"""What the alarms' process counts: refusals, handshakes, transitions, and how long they took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from monitor.alarms.alert import Bed
from monitor.alarms.condition import Priority
from transport.telemetry.board import Board

HANDSHAKES: Final = ("admitted", "unknown_key", "wrong_role", "unknown_domain", "not_curve")
GAUGES: Final = ("alarms_active", "alarms_high", "alarms_store_failures", "alarms_damaged")
HISTOGRAMS: Final = ("alarm_said_ns",)


class OpensBoard(Protocol):
    """The part of a process's runtime that makes its board."""

    def open_board(
        self, counters: Iterable[str], gauges: Iterable[str], histograms: Iterable[str]
    ) -> Board:
        """Make the board with all its names."""


class Tally:
    """The process's board.

    Parameters
    ----------
    causes : why something may be refused

    Attributes
    ----------
    shaken : by a handshake's result, what counts it
    took : from the judge's word to ours, ns
    """

    def __init__(self, runtime: OpensBoard, causes: Sequence[str]) -> None:
        refused = {cause: f'alarms_refused_total{{cause="{cause}"}}' for cause in causes}
        shaken = {name: f'alarms_handshake_total{{result="{name}"}}' for name in HANDSHAKES}
        said = {p: f'alarms_said_total{{priority="{p.name.lower()}"}}' for p in Priority}
        counters = (*refused.values(), *shaken.values(), *said.values())
        board = runtime.open_board(counters, GAUGES, HISTOGRAMS)
        self._refused = {cause: board.counter(name) for cause, name in refused.items()}
        self.shaken: dict[str, Callable[[], None]] = {
            result: board.counter(name).add for result, name in shaken.items()
        }
        self._said = {priority: board.counter(name) for priority, name in said.items()}
        self._active, self._high, self._failures, self._damaged = map(board.gauge, GAUGES)
        self.took = board.histogram("alarm_said_ns")

    def refuse(self, cause: str) -> None:
        """Count a refusal."""
        self._refused[cause].add()

    def say(self, priority: Priority) -> None:
        """Count a transition."""
        self._said[priority].add()

    def damage(self, records: int) -> None:
        """Show how many records could not be read."""
        self._damaged.set(records)

    def look(self, beds: Iterable[Bed], failures: int) -> None:
        """Show how many alerts there are, and how many writes have failed."""
        alerts = [alert for bed in beds for alert in bed.alerts.values()]
        self._active.set(len(alerts))
        self._high.set(sum(alert.priority is Priority.HIGH for alert in alerts))
        self._failures.set(failures)
