"""Say when this machine itself stood still, so that no stall of the host is blamed on a relay.

One process for each core ticks at 1 kHz under SCHED_FIFO, above everything that is measured, and
notes how late each tick was. A tick later than `STALL_NS` is a stall: nothing we run may outrank
the sentinel, so the core was not ours in that time (a hypervisor's pause, an interrupt storm, the
kernel's real-time throttle). Steal time from /proc/stat is kept beside it.

Two rules:

- A stall explains an outlier only where the two overlap in time. It never removes it: percentiles
  are taken over every sample, and the explained ones are merely *listed apart*.
- Times here are raw CLOCK_MONOTONIC. Skewed clocks are undone before anything is compared.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.children import spawn, stop

PERIOD_NS = 1_000_000
STALL_NS = 1_000_000
"""Lateness from which a tick is a stall: one whole period of the measured stream is gone."""
FIFO_PRIORITY = 95
"""Above every process of the node (they use at most 80), below the kernel's migration threads."""
LATENESS_US_MAX = 50_000
STALLS_MAX = 100_000
START_WAIT_S = 5.0


class Stall(NamedTuple):
    """A time in which one core did not run its highest-priority thread (raw monotonic, ns)."""

    start_ns: int
    end_ns: int
    cpu: int


class Watch(msgspec.Struct, frozen=True):
    """What one core's sentinel saw from its start to its end."""

    cpu: int
    fifo: bool
    ticks: int
    missed: int
    late_p50_us: int
    late_p99_us: int
    late_p999_us: int
    late_max_us: int
    stalls: list[tuple[int, int]]
    stalls_dropped: int = 0


class Lateness:
    """Count how late the ticks of one core are, in fixed memory.

    Lateness is binned by whole microseconds up to `LATENESS_US_MAX`; the maximum is exact.
    """

    def __init__(self, cpu: int, stall_ns: int = STALL_NS) -> None:
        self.cpu = cpu
        self.stall_ns = stall_ns
        self.ticks = 0
        self.missed = 0
        self.max_ns = 0
        self.stalls: list[tuple[int, int]] = []
        self.stalls_dropped = 0
        self._bins = array("Q", bytes(8 * (LATENESS_US_MAX + 1)))

    def note(self, due_ns: int, now_ns: int) -> int:
        """Take one tick that was due at `due_ns`; return when the next one is due.

        Ticks that a stall swallowed are counted as missed and not caught up: a burst of late
        ticks would count one stall many times.
        """
        late_ns = max(0, now_ns - due_ns)
        self.ticks += 1
        self.max_ns = max(self.max_ns, late_ns)
        self._bins[min(late_ns // 1000, LATENESS_US_MAX)] += 1
        if late_ns >= self.stall_ns:
            if len(self.stalls) < STALLS_MAX:
                self.stalls.append((due_ns, now_ns))
            else:
                self.stalls_dropped += 1
        skipped = late_ns // PERIOD_NS
        self.missed += skipped
        return due_ns + (skipped + 1) * PERIOD_NS

    def percentile_us(self, quantile: float) -> int:
        """Return the lateness that `quantile` of the ticks did not exceed, in whole us."""
        rank = quantile * self.ticks
        seen = 0
        for late_us, count in enumerate(self._bins):
            seen += count
            if count and seen >= rank:
                return late_us
        return 0

    def watch(self, fifo: bool) -> Watch:
        """Return all that was seen so far."""
        return Watch(
            cpu=self.cpu,
            fifo=fifo,
            ticks=self.ticks,
            missed=self.missed,
            late_p50_us=self.percentile_us(0.5),
            late_p99_us=self.percentile_us(0.99),
            late_p999_us=self.percentile_us(0.999),
            late_max_us=self.max_ns // 1000,
            stalls=self.stalls,
            stalls_dropped=self.stalls_dropped,
        )


class StallTable:
    """Answer whether an interval overlaps a stall of any core."""

    def __init__(self, stalls: Iterable[Stall]) -> None:
        self.stalls: Sequence[Stall] = sorted(stalls, key=lambda stall: stall.end_ns)
        self._ends = [stall.end_ns for stall in self.stalls]
        # Ends ascend, starts need not (two cores): the earliest start from each place on decides.
        starts = [stall.start_ns for stall in self.stalls]
        for place in range(len(starts) - 2, -1, -1):
            starts[place] = min(starts[place], starts[place + 1])
        self._earliest_start = starts

    def overlaps(self, start_ns: int, end_ns: int) -> bool:
        """Say whether any stall shares an instant with [start_ns, end_ns]."""
        place = bisect_left(self._ends, start_ns)
        return place < len(self._ends) and self._earliest_start[place] <= end_ns


class Sentinel:
    """The sentinels of all cores, as child processes of the bench.

    Use as a context manager around everything that is measured; `result()` after it.
    """

    def __init__(self, directory: Path, cpus: Iterable[int] | None = None) -> None:
        self._directory = directory
        self._cpus = sorted(os.sched_getaffinity(0)) if cpus is None else list(cpus)
        self.children: list[subprocess.Popen[bytes]] = []
        self._steal_before: dict[int, int] = {}
        self._steal_after: dict[int, int] = {}

    def __enter__(self) -> Sentinel:
        self._steal_before = steal_ns()
        for cpu in self._cpus:
            command = ["-m", "bench.sentinel", "--cpu", str(cpu), "--out", str(self._file(cpu))]
            self.children.append(spawn(command))
        return self

    def __exit__(self, *_: object) -> None:
        self._steal_after = steal_ns()
        stop(self.children)

    def wait_ticking(self) -> None:
        """Wait until every core's sentinel runs (it shows by its file); 5 s at most."""
        give_up = time.monotonic() + START_WAIT_S
        while not all(self._file(cpu).exists() for cpu in self._cpus):
            if time.monotonic() > give_up:
                raise TimeoutError("a sentinel did not start")
            time.sleep(0.01)

    def watches(self) -> list[Watch]:
        """Return what each core's sentinel wrote at its end; a core whose file lacks is absent."""
        found = []
        for cpu in self._cpus:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                found.append(msgspec.json.decode(self._file(cpu).read_bytes(), type=Watch))
        return found

    def steal_ms(self) -> dict[int, float]:
        """Return for each core the time the hypervisor gave to others during the run, in ms."""
        return {
            cpu: (self._steal_after.get(cpu, 0) - self._steal_before.get(cpu, 0)) / 1e6
            for cpu in self._cpus
        }

    def _file(self, cpu: int) -> Path:
        return self._directory / f"sentinel-{cpu}.json"


def stall_table(watches: Iterable[Watch]) -> StallTable:
    """Gather the stalls of all cores."""
    return StallTable(
        Stall(start_ns, end_ns, watch.cpu) for watch in watches for start_ns, end_ns in watch.stalls
    )


def steal_ns(stat: str | None = None) -> dict[int, int]:
    """Return each core's steal time since boot from /proc/stat, in ns (its tick is 1/100 s)."""
    text = Path("/proc/stat").read_text() if stat is None else stat
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    rows = (line.split() for line in text.splitlines())
    return {
        int(row[0][3:]): int(row[8]) * tick_ns
        for row in rows
        if row and row[0].startswith("cpu") and row[0] != "cpu"
    }


def _take_core(cpu: int) -> bool:
    """Pin this process to `cpu` and ask for FIFO; say whether it was given."""
    os.sched_setaffinity(0, {cpu})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except PermissionError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Tick on one core until SIGTERM, then write what was seen."""
    parser = argparse.ArgumentParser(prog="bench.sentinel")
    parser.add_argument("--cpu", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    running = True

    def finish(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, finish)
    lateness = Lateness(arguments.cpu)
    fifo = _take_core(arguments.cpu)
    arguments.out.touch()
    due_ns = time.monotonic_ns() + PERIOD_NS
    while running:
        # Since 3.11 this is clock_nanosleep on the monotonic clock with an absolute deadline.
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        due_ns = lateness.note(due_ns, time.monotonic_ns())
    arguments.out.write_bytes(msgspec.json.encode(lateness.watch(fifo)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
