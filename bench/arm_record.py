"""What one run of a simulated arm left: hand, tip and latency, on the machine's clock.

The hand stands in the console's ring as each command was formed; the tip in the simulator's, as the
physics engine has it, once a millisecond of its time. Both are in clocks that drift apart on
purpose; only here are they brought together. Axes of hand and tip are parallel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import readings
from bench.join import Fate
from bench.readings import Window
from bench.stage import Spoiled, Stage
from safety.state import State
from transport.io.clock import Skew

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SERVED = frozenset({Fate.APPLIED})


class Path(NamedTuple):
    """Where something was.

    Parameters
    ----------
    t_ns : (n,) int64, ascending, the machine's clock
    at_m : (n, 3) float64
    """

    t_ns: Ints
    at_m: Floats

    def at(self, t_ns: Ints) -> Floats:
        """Give where it was at these times, (m, 3), on straight lines between records."""
        since = (t_ns - self.t_ns[0]).astype(float)
        own = (self.t_ns - self.t_ns[0]).astype(float)
        return np.stack([np.interp(since, own, axis) for axis in self.at_m.T], axis=1)

    def between(self, start_ns: int, end_ns: int) -> Path:
        """Keep what lies in [start, end)."""
        kept = (self.t_ns >= start_ns) & (self.t_ns < end_ns)
        return Path(self.t_ns[kept], self.at_m[kept])


class Motion(NamedTuple):
    """One run.

    Parameters
    ----------
    hand, tip : their paths
    clutch_id : (n,) int64, of each record of the hand
    latency_ns : (m,) int64, hand read to driver called, of every command applied in the window
    window : in which commands count
    filter_s : delay of the tremor filter, as the robot's states say it
    rate : of the console's clock, against the machine's
    falls : times the robot left motion in the window
    lost : commands of the window that were not applied
    """

    hand: Path
    tip: Path
    clutch_id: Ints
    latency_ns: Ints
    window: Window
    filter_s: float
    rate: float
    falls: int
    lost: int

    @property
    def latency_s(self) -> float:
        """The median way from hand to driver."""
        return float(np.median(self.latency_ns)) * 1e-9

    @property
    def start_ns(self) -> int:
        """When the hand was last read before it moved: the time that its script counts from."""
        moved = np.flatnonzero(np.any(self.hand.at_m != self.hand.at_m[0], axis=1))
        return int(self.hand.t_ns[moved[0] - 1])


def take(stage: Stage, window: Window) -> Motion:
    """Read a run from its rings, once its processes have ended.

    Raises
    ------
    Spoiled : a ring was lapped, or holds nothing of the window
    """
    console, robot, driver = (stage.skew(name) for name in ("natived", "robotd", "simd"))
    sent = list(readings.flight(stage.run_dir, "natived", "sent"))
    tips = [line for line in readings.flight(stage.run_dir, "simd", "tip") if line["arm"] == 0]
    if not sent or not tips:
        raise Spoiled("the console sent nothing, or the simulator has no physics")
    hand = _path(sent, "t_sent_ns", console)
    tip = _path(tips, "t_ns", driver)
    if tip.t_ns[0] > hand.t_ns[0]:
        raise Spoiled("the record of the tip was lapped: the run was too long for it")
    read_ns = {line["seq"]: int(t) for line, t in zip(sent, hand.t_ns, strict=True)}
    inside = {seq for seq, t_ns in read_ns.items() if window.holds(t_ns)}
    ways = {
        line.key[1]: line.t_called_ns - read_ns[line.key[1]]
        for line in readings.seen(stage.run_dir, "robotd", robot)
        if line.fate in SERVED and line.key[1] in inside
    }
    if not ways:
        raise Spoiled("no command of the window reached the driver")
    filters = [line["filter"] for line in readings.flight(stage.run_dir, "natived", "ack")]
    events = readings.transitions(stage.run_dir, "robotd", robot, window)
    return Motion(
        hand=hand,
        tip=tip,
        clutch_id=np.array([line["clutch_id"] for line in sent], np.int64),
        latency_ns=np.array(list(ways.values()), np.int64),
        window=window,
        filter_s=float(np.median(filters)) * 1e-9 if filters else 0.0,
        rate=1.0 + console.drift_ppb * 1e-9,
        falls=sum(event.old >= State.DEGRADED > event.new for event in events),
        lost=len(inside) - len(ways),
    )


def _path(lines: list[dict[str, int]], time: str, skew: Skew) -> Path:
    t_ns = np.array([skew.undo(line[time]) for line in lines], np.int64)
    at_nm = np.array([(line["x_nm"], line["y_nm"], line["z_nm"]) for line in lines], float)
    return Path(t_ns, at_nm * 1e-9)
