"""Read what the processes of a run left in shared memory, and put it on the machine's clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.join import Fate, Key, Seen, Times
from safety import gate
from teleop import relay
from teleop.sim.rules import Refusal
from transport.io.clock import Skew
from transport.io.mapping import Mapping
from transport.telemetry.board import Board
from transport.telemetry.flight import FlightReader
from transport.telemetry.header import TelemetryError

ADMITTED = gate.Verdict.ADMITTED
FATE_AT_ROBOT = {gate.Verdict.MERGED: Fate.MERGED, gate.Verdict.LATE: Fate.LATE}
FATE_AT_RELAY = {relay.Verdict.MERGED: Fate.MERGED, relay.Verdict.LATE: Fate.LATE}


class Window(NamedTuple):
    """A time in which commands count: [start, end), raw monotonic ns of the intended send."""

    start_ns: int
    end_ns: int

    def holds(self, t_ns: int) -> bool:
        """Say whether an instant lies in the window."""
        return self.start_ns <= t_ns < self.end_ns


class Slot(NamedTuple):
    """When a command was meant to leave, and when it was formed and sent (raw monotonic ns)."""

    intended_ns: int
    sent_ns: int


class Transition(NamedTuple):
    """A change of the robot's state (raw monotonic ns)."""

    t_ns: int
    old: int
    new: int
    cause: int


def board(run_dir: Path, process: str) -> Board | None:
    """Return a process's board; None while there is none."""
    try:
        return Board.attach(Mapping.open(run_dir / "boards" / f"{process}.board").view)
    except (OSError, ValueError, TelemetryError):
        return None


def gauge(run_dir: Path, process: str, name: str) -> int | None:
    """Return a gauge's value; None while there is no board, or none such on it."""
    found = board(run_dir, process)
    try:
        return None if found is None else found.gauge(name).value
    except KeyError:
        return None


def is_ready(run_dir: Path, process: str) -> bool:
    """Say whether a process has told that it does its work."""
    return gauge(run_dir, process, "ready") == 1


def flight(run_dir: Path, process: str, name: str) -> Iterator[dict[str, int]]:
    """Yield a ring's records by field name, oldest first; nothing if there is no such ring.

    Raises
    ------
    TelemetryError
        The file is there and is not a ring.
    """
    path = run_dir / "flight" / f"{process}.{name}.ring"
    if path.exists():
        reader = FlightReader(Mapping.open(path).view)
        for record in reader.records():
            yield dict(zip(reader.fields, record, strict=True))


def sent(run_dir: Path, console: str, skew: Skew, window: Window) -> dict[Key, Slot]:
    """Return the times of each command that was meant to leave in the window."""
    found = {}
    for line in flight(run_dir, console, "sent"):
        slot = Slot(skew.undo(line["t_intended_ns"]), skew.undo(line["t_sent_ns"]))
        if window.holds(slot.intended_ns):
            found[line["arm"], line["seq"]] = slot
    return found


def seen(run_dir: Path, robot: str, skew: Skew) -> list[Seen]:
    """Return what the gate did with each arrival, in its order."""
    lines = []
    for line in flight(run_dir, robot, "command"):
        called_ns = line["t_called_ns"]
        verdict = gate.Verdict(line["verdict"])
        fate = FATE_AT_ROBOT.get(verdict, Fate.REFUSED)
        if verdict is ADMITTED and called_ns:
            fate = Fate.APPLIED
        lines.append(Seen((line["arm"], line["seq"]), fate, skew.undo(called_ns)))
    return lines


def let_go(run_dir: Path, process: str) -> dict[Key, Fate]:
    """Return the commands that a relay of ours did not forward, by why; peers keep no record."""
    found = {}
    for line in flight(run_dir, process, "relay"):
        fate = FATE_AT_RELAY.get(relay.Verdict(line["verdict"]))
        if fate is not None:
            found[line["arm"], line["seq"]] = fate
    return found


def accepted(run_dir: Path, driver: str, skew: Skew) -> dict[Key, int]:
    """Return when the driver first accepted a setpoint of each command.

    A setpoint that is repeated to hold the arm bears the number of the command it came from: only
    the first is motion.
    """
    found: dict[Key, int] = {}
    for line in flight(run_dir, driver, "servo"):
        if line["refusal"] == Refusal.NONE:
            found.setdefault((line["arm"], line["seq"]), skew.undo(line["t_ns"]))
    return found


def round_trips_ns(run_dir: Path, console: str, skew: Skew, window: Window) -> Times:
    """Return the round trips that ended in the window, from the intended send, ns."""
    return np.array(
        [
            line["rtt_ns"]
            for line in flight(run_dir, console, "ack")
            if window.holds(skew.undo(line["t_ns"]))
        ],
        np.int64,
    )


def transitions(run_dir: Path, robot: str, skew: Skew, window: Window) -> list[Transition]:
    """Return the robot's transitions in the window."""
    found = []
    for line in flight(run_dir, robot, "event"):
        t_ns = skew.undo(line["t_ns"])
        if window.holds(t_ns):
            found.append(Transition(t_ns, line["old"], line["new"], line["cause"]))
    return found
