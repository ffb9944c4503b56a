"""Explain why a robot fell from motion, by the flight rings of those before it.

console    the console sent nothing for as long as the ladder's HOLD
relay      it sent, and the relay heard nothing
robot      the relay heard, and the robot judged nothing
late       commands came, too old

Every gap also says whether a stall of the host overlaps it. A fall without any is unexplained.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.sentinel import StallTable
from safety.gate import Verdict
from safety.profile import LADDERS, MS, Profile
from safety.state import Cause, State
from teleop.robot.doubt import SELF_LATE_NS
from transport.io.clock import Skew
from transport.io.mapping import Mapping
from transport.telemetry.flight import FlightReader

HOLD_NS = LADDERS[Profile.NATIVE].hold_ns
LOOK_S = 2.0
"""A ring of 16,384 records at 1 kHz is lapped after 16 s."""
KEPT_NS = 3_000 * MS
"""Records older than this before a look belong to no fall that is still to be explained."""

RINGS = {"sent": ("natived", "sent"), "relay": ("relayd", "relay"), "robot": ("robotd", "command")}
_TIMES = ("t_ns", "t_intended_ns", "t_sent_ns")


class Fall(NamedTuple):
    """A fall from motion: when (raw monotonic ns), to what, why, and what the records say."""

    t_ns: int
    new: str
    cause: str
    explanation: str
    gap_ms: float
    stalled: bool


class Ring:
    """One process's ring, read as it fills, its times on the machine's clock."""

    def __init__(self, run_dir: Path, process: str, name: str) -> None:
        settings = msgspec.json.decode((run_dir / f"{process}.json").read_bytes())
        seed = settings["process"]["skew_seed"]
        self._skew = Skew.NONE if seed is None else Skew.draw(seed)
        path = run_dir / "flight" / f"{process}.{name}.ring"
        self._reader = FlightReader(Mapping.open(path).view)
        self._newest = 0

    def take(self) -> Iterator[dict[str, int]]:
        """Yield the records that are new since the last call."""
        batch = self._reader.read(self._newest)
        self._newest = batch.newest
        for record in batch.records:
            line = dict(zip(self._reader.fields, record, strict=True))
            times = {key: self._skew.undo(value) for key, value in line.items() if key in _TIMES}
            yield {**line, **times}


class Record:
    """The newest seconds of the rings, and the falls in them."""

    def __init__(self, run_dir: Path, console_dir: Path) -> None:
        folder = {"natived": console_dir}
        self._rings = {
            where: Ring(folder.get(process, run_dir), process, name)
            for where, (process, name) in RINGS.items()
        }
        self._events = Ring(run_dir, "robotd", "event")
        self._times: dict[str, deque[int]] = {where: deque() for where in RINGS}
        self._late: deque[int] = deque()
        self._waiting: list[dict[str, int]] = []
        self.found: list[tuple[dict[str, int], str, int, int]] = []
        self.commands = 0

    def look(self) -> None:
        """Read what is new, and explain the falls of the look before: their records are all in."""
        for where, ring in self._rings.items():
            for line in ring.take():
                self.commands += where == "sent"
                t_ns = line["t_sent_ns"] if where == "sent" else line["t_ns"]
                late = where == "robot" and line["verdict"] == Verdict.LATE
                (self._late if late else self._times[where]).append(t_ns)
        for event in self._waiting:
            self.found.append((event, *self._explain(event["t_ns"], event["cause"])))
        self._waiting = [event for event in self._events.take() if is_fall(event)]
        for times in (*self._times.values(), self._late):
            while times and times[0] < time.monotonic_ns() - KEPT_NS - 2 * int(LOOK_S * 1e9):
                times.popleft()

    def _explain(self, t_ns: int, cause: int) -> tuple[str, int, int]:
        """Find the first place that was silent before `t_ns`: its name, the gap's start and end."""
        least_ns = SELF_LATE_NS if cause == Cause.SELF_LATE else HOLD_NS
        for where, name in (("sent", "console"), ("relay", "relay"), ("robot", "robot")):
            start_ns, end_ns = gap_around(self._times[where], t_ns)
            if end_ns - start_ns >= least_ns - MS:
                return name, start_ns, end_ns
        if any(t_ns - 2 * HOLD_NS <= late_ns <= t_ns for late_ns in self._late):
            return "late", t_ns - HOLD_NS, t_ns
        return "", t_ns - HOLD_NS, t_ns


def gap_around(times: Iterable[int], t_ns: int) -> tuple[int, int]:
    """Return the longest silence that touches the HOLD's time before `t_ns`: its start and end.

    `times` ascend (raw monotonic ns); a silence that nothing has ended yet ends at `t_ns`.
    """
    longest = (t_ns, t_ns)
    known = list(times)
    for start_ns, end_ns in pairwise([*known, max([t_ns, *known[-1:]])]):
        touches = start_ns < t_ns and end_ns > t_ns - HOLD_NS
        if touches and end_ns - start_ns > longest[1] - longest[0]:
            longest = (start_ns, end_ns)
    return longest


def is_fall(event: dict[str, int]) -> bool:
    """Say whether a transition ends motion."""
    return event["old"] >= State.DEGRADED and event["new"] <= State.HOLD


def told(
    stalls: StallTable, event: dict[str, int], explanation: str, start_ns: int, end_ns: int
) -> Fall:
    """Put together what `Record.found` says of a fall, and the host's stalls."""
    return Fall(
        event["t_ns"],
        State(event["new"]).name,
        Cause(event["cause"]).name,
        explanation,
        (end_ns - start_ns) / MS,
        stalls.overlaps(start_ns, end_ns),
    )


def in_words(fall: Fall) -> str:
    """Say it to a person, in a line."""
    host_too = ", a stall of the host overlaps it" if fall.stalled else ""
    why = fall.explanation or "UNEXPLAINED"
    return f"{fall.new} ({fall.cause}): {why}, {fall.gap_ms:.1f} ms{host_too}"
