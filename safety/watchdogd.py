"""The watchdog's process: looks at pulses, hears of deaths, ends who hangs, tells the robots.

What that means `safety.watchdog` decides. This process runs above all others and imports as little
as one that speaks CURVE can. It never starts anything: `noded` alone does, and reads in the flight
ring `watchdogd.fence` why something is gone.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

from safety.rehearsal import Outcome, Rehearsal
from safety.settings import WatchdogdSettings
from safety.watchdog import (
    FENCED,
    LOOK_NS,
    SLOW_LOOKS,
    Appeared,
    Counted,
    Died,
    Examined,
    Fault,
    Fence,
    Look,
    Watchdog,
)
from transport.io import living
from transport.io.dialogue import Caller
from transport.io.keys import KeyFault, Keyring
from transport.io.mapping import Mapping
from transport.io.process import Runtime, main
from transport.io.pulses import Place
from transport.telemetry.board import Board, Counter
from transport.telemetry.header import TelemetryError
from transport.telemetry.pulse import Phase, Pulse, PulseReader

#: Of both rings: who was ended, and all that was noticed.
FIELDS = ("t_ns", "row", "pid", "start", "fault", "age_ns")
SECOND_NS = 1_000_000_000


class Tally:
    """The sum of a family of counters, on whatever board a process has by now."""

    def __init__(self, run_dir: Path, process: str, family: str) -> None:
        self._path = run_dir / "boards" / f"{process}.board"
        self._family = family
        self._inode = 0
        self._counters: list[Counter] = []

    def total(self) -> int:
        """Return the sum; 0 when there is no such board."""
        try:
            inode = os.stat(self._path).st_ino
            if inode != self._inode:
                board = Board.attach(Mapping.open(self._path).view)
                names = (n for n in board.layout.counters if n.startswith(self._family))
                self._counters, self._inode = [board.counter(name) for name in names], inode
        except (OSError, ValueError, TelemetryError):
            return 0
        return sum(counter.value for counter in self._counters)


class Ends(NamedTuple):
    """What a flow is counted by."""

    sent: Tally | None
    arrived: Tally


class Watchdogd:
    """The watchdog between pulses, boards, descriptors and guards."""

    def __init__(self, settings: WatchdogdSettings, runtime: Runtime) -> None:
        self._runtime = runtime
        self._loop = runtime.loop
        self._now_ns = runtime.clock.now_ns
        self._open_board(runtime)
        self._fences = runtime.flight("fence", FIELDS, 256)
        self._notices = runtime.flight("notice", FIELDS, 4096)
        self._me = settings.identity
        self._keyring = Keyring.load(settings.keys)
        self._robots = self._call(settings.robots)
        self._core = Watchdog(
            settings.identity,
            tuple(settings.robots),
            settings.processes,
            settings.flows,
            self._now_ns(),
            realtime=runtime.pulse.layout.fifo > 0,
        )
        run_dir = Path(settings.process.run_dir)
        self._places = [
            runtime.keep(Place(self._loop, run_dir, watched.name, partial(self._died, row)))
            for row, watched in enumerate(settings.processes)
        ]
        self._ends = [
            Ends(
                Tally(run_dir, f.source, f.sent) if f.sent else None,
                Tally(run_dir, f.sink, f.arrived),
            )
            for f in settings.flows
        ]
        self._looks = self._rounds = 0
        self._due_ns = 0
        self._rehearse()

    def close(self) -> None:
        """Fall silent: robots know what that means."""

    # Before the start ------------------------------------------------------------------------

    def _rehearse(self) -> None:
        """Watch a pulse of our own that we starve; only who has seen that begins its work."""
        layout = self._runtime.pulse.layout
        path = self._runtime.path("pulse") / f"{self._runtime.settings.name}.rehearsal"
        pulses: list[Pulse] = []
        Mapping.create(path, Pulse.size(layout), lambda view: pulses.append(Pulse(view, layout)))
        reader = PulseReader(Mapping.open(path).view)
        path.unlink()
        pulses[0].enter(Phase.WORKING)
        rehearsal = Rehearsal(layout.pid, layout.start, self._now_ns())

        def look() -> None:
            if rehearsal.feeds:
                pulses[0].beat()
            outcome = rehearsal.look(reader.look(), self._now_ns())
            if outcome is not Outcome.RUNNING:
                ticks.close()
                self._begin(passed=outcome is Outcome.PASSED)

        ticks = self._runtime.keep(self._loop.every(LOOK_NS, look))

    def _begin(self, *, passed: bool) -> None:
        if not passed:
            sys.stderr.write("watchdogd: starved a pulse on purpose, and did not notice in time\n")
            self._runtime.stop(1)
            return
        self._core.begin(self._now_ns())
        self._runtime.keep(self._loop.every(LOOK_NS, self._look))
        self._runtime.keep(self._loop.every(SECOND_NS, self._renew_keys))
        self._runtime.ready()

    # In --------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look at every pulse; at one thing that costs more, by turns."""
        now_ns = self._now_ns()
        if self._due_ns:
            self._late.record(max(0, now_ns - self._due_ns))
        self._due_ns = now_ns + LOOK_NS
        core, places = self._core, self._places
        core.receive(Look([place.look() for place in places]), now_ns)
        if now_ns >= core.next_deadline_ns():
            core.handle_deadline(now_ns)
        turn = self._looks = (self._looks + 1) % SLOW_LOOKS
        self._rounds += turn == 0
        if turn < len(places):
            self._examine(turn, places[turn], now_ns)
        elif turn == SLOW_LOOKS - 1:
            for row, ends in enumerate(self._ends):
                sent = ends.sent.total() if ends.sent else 0
                core.receive(Counted(row, sent, ends.arrived.total()), now_ns)
        self._drain()

    def _examine(self, row: int, place: Place, now_ns: int) -> None:
        # What asks the kernel costs more than all the looks: of those who are here, one a round.
        asks = self._rounds % len(self._places) == row
        new = place.seek() if asks or place.reader is None else None
        if new is not None:
            self._core.receive(Appeared(row, new.pid, new.start, new.fifo), now_ns)
        elif place.reader is not None:
            resident_bytes = living.resident_bytes(place.reader.layout.pid) if asks else 0
            self._core.receive(Examined(row, place.reader.stages, resident_bytes), now_ns)

    def _died(self, row: int, reader: PulseReader) -> None:
        phase, _ = reader.look()
        self._core.receive(Died(row, reader.layout.pid, phase), self._now_ns())
        self._drain()

    # Out -------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Write down what was noticed, before anybody's end shows it; then act."""
        core, now_ns = self._core, self._now_ns()
        while (noticed := core.next_event()) is not None:
            self._notices.append(*noticed)
            if noticed.fault in FENCED:
                self._fences.append(*noticed)
            self._faults[noticed.fault].add()
        for order in core.to_send(now_ns):
            if isinstance(order, Fence):
                self._places[order.row].kill(order.pid, order.start)
            else:
                self._robots[order.robot].send(order.data)
        self._ceiling.set(core.ceiling.state)

    # At the start ----------------------------------------------------------------------------

    def _call(self, robots: dict[str, str]) -> dict[str, Caller]:
        identity = self._keyring.identity(self._me)
        return {
            robot: self._runtime.keep(
                Caller(
                    self._runtime,
                    identity,
                    self._keyring.server(robot),
                    endpoint,
                    self._drain,
                    lambda _: None,
                )
            )
            for robot, endpoint in robots.items()
        }

    def _renew_keys(self) -> None:
        """Follow keys that were rotated; what cannot be read leaves the old ones in use."""
        if not self._keyring.refresh():
            return
        try:
            identity = self._keyring.identity(self._me)
            for robot, caller in self._robots.items():
                caller.rekey(identity, self._keyring.server(robot))
        except KeyFault as fault:
            sys.stderr.write(f"watchdogd: {fault}\n")

    def _open_board(self, runtime: Runtime) -> None:
        names = {f: f'watchdog_total{{fault="{f.name.lower()}"}}' for f in Fault}
        board = runtime.open_board(names.values(), ("ceiling",), ("late_ns",))
        self._faults = {fault: board.counter(name) for fault, name in names.items()}
        self._ceiling = board.gauge("ceiling")
        self._late = board.histogram("late_ns")


if __name__ == "__main__":
    sys.exit(main(WatchdogdSettings, Watchdogd))
