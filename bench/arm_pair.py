"""Runs a simulator with two moving arms, and takes down what that costs and whether it kept up."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import NamedTuple

from bench import readings
from bench.arm_feedd import FeeddSettings
from bench.children import stop
from bench.demo import cpu_by_process
from bench.readings import Window
from bench.sentinel import StallTable
from bench.stage import TABLE, Stage
from teleop.settings import SimdSettings

FEEDD = "feedd"
ARMS = 2
SOCKET = "driver-pair.sock"
STEP_NS = 1_000_000
#: The simulator measures at 500 Hz: one that comes a step of the physics later is late.
TICK_NS, LATE_NS = 2_000_000, STEP_NS


class Lost(NamedTuple):
    """A time that the physics did not make up for (raw monotonic, ns)."""

    start_ns: int
    end_ns: int


class Kept(NamedTuple):
    """What the simulator showed in the window.

    Parameters
    ----------
    cpu_share : of a core
    steps : of the physics
    lost : times that it left out; the gauge's growth beside it, ns
    ticks, late_ticks : measurements, and those that came more than a step late
    moved_m : how far the second arm's tip got from where it was: both arms move
    refused : setpoints refused in the window
    """

    cpu_share: float
    steps: int
    lost: tuple[Lost, ...]
    lost_gauge_ns: int
    ticks: int
    late_ticks: int
    moved_m: float
    refused: int

    def unexplained_ns(self, stalls: StallTable) -> int:
        """Add up what was lost without a stall of the host."""
        return sum(e - s for s, e in self.lost if not stalls.overlaps(s, e))


class PairStage(Stage):
    """simd with two arms, and who moves them; a context manager as `bench.stage.Stage`."""

    def __enter__(self) -> PairStage:
        super().__enter__()
        return self

    def watch(self, warm_s: float, measure_s: float) -> tuple[Window, float, int]:
        """Let the window pass; return it, the processor's seconds in it, and what was lost, ns."""
        time.sleep(warm_s)
        pid = self.children["simd"].pid
        start_ns, before_s = time.monotonic_ns(), sum(cpu_by_process(pid).values())
        lost_ns = readings.gauge(self.run_dir, "simd", "physics_lost_ns") or 0
        time.sleep(measure_s)
        self.check()
        spent_s = sum(cpu_by_process(pid).values()) - before_s
        end_ns = time.monotonic_ns()
        time.sleep(1.0)  # the gauge is set once a second
        lost_ns = (readings.gauge(self.run_dir, "simd", "physics_lost_ns") or 0) - lost_ns
        return Window(start_ns, end_ns), spent_s, lost_ns

    def finish(self) -> None:
        """End both."""
        stop(self.children.values())

    def kept(self, window: Window, spent_s: float, lost_gauge_ns: int) -> Kept:
        """Read what the two recorded."""
        driver = self.skew("simd")
        tips = [line for line in readings.flight(self.run_dir, "simd", "tip") if line["arm"] == 1]
        times = [driver.undo(line["t_ns"]) for line in tips]
        inside = [n for n, t_ns in enumerate(times) if window.holds(t_ns)]
        if not inside:
            raise LookupError("the simulator recorded nothing of the window")
        first = tips[inside[0]]
        moved_nm = max(abs(tips[n]["x_nm"] - first["x_nm"]) for n in inside)
        gaps = pairwise(times[n] for n in inside)
        lost = tuple(Lost(a, b - STEP_NS) for a, b in gaps if b - a > 1.5 * STEP_NS)
        ticks = sorted(
            driver.undo(line["tick_ns"])
            for line in readings.flight(self.run_dir, FEEDD, "measure")
            if line["arm"] == 1 and window.holds(driver.undo(line["tick_ns"]))
        )
        late = sum(b - a > TICK_NS + LATE_NS for a, b in pairwise(ticks))
        refused = sum(
            line["refusal"] != 0 and window.holds(driver.undo(line["t_ns"]))
            for line in readings.flight(self.run_dir, "simd", "servo")
        )
        seconds = (window.end_ns - window.start_ns) * 1e-9
        return Kept(
            spent_s / seconds,
            len(inside),
            lost,
            lost_gauge_ns,
            len(ticks),
            late,
            moved_nm * 1e-9,
            refused,
        )

    def is_moving(self) -> bool:
        """Say whether both arms are asked to move."""
        return readings.gauge(self.run_dir, FEEDD, "state") == 1

    def _start(self) -> None:
        feedd = FeeddSettings(process=self._process(FEEDD, "robotd"), socket=SOCKET, arms=ARMS)
        self._spawn(FEEDD, "bench.arm_feedd", feedd)
        simd = SimdSettings(
            process=self._process("simd", "simd"),
            driver=str(self.run_dir / SOCKET),
            arms=ARMS,
            model="psm",
        )
        self._spawn("simd", TABLE["simd"].module, simd)
        for name in self.children:
            self._wait(name, lambda name=name: readings.is_ready(self.run_dir, name))  # type: ignore[misc]
