"""The process table: everything a node runs, at which priority, and when.

Read it from the top: who stands higher is never kept waiting by who stands lower. SCHED_FIFO is
for what lies on the control path; all else has a niceness, so that under pressure the machine
sheds its work first. A module is named by a string: processes never import each other.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from teleop.node.config import NodeConfig


class Restart(IntEnum):
    """What follows when a process ends although it is wanted."""

    NEVER = 0
    ALWAYS = 1


class Process(NamedTuple):
    """One process of a node.

    Parameters
    ----------
    name : its name in logs, boards and settings files
    module : run as `python -m module <run_dir>/<name>.json`
    fifo : SCHED_FIFO priority, 0 for ordinary scheduling
    nice : niceness when `fifo` is 0
    restart : what follows when it ends by itself
    when : whether a node that is configured so runs it
    kernels : module whose `warm()` compiles what it needs, "" for none
    """

    name: str
    module: str
    fifo: int
    nice: int
    restart: Restart
    when: Callable[[NodeConfig], bool]
    kernels: str = ""


def always(_: NodeConfig) -> bool:
    """Run it on every node."""
    return True


def driver_is_simulated(config: NodeConfig) -> bool:
    """Run it when the robot's driver is our simulator."""
    return config.robot.driver == SIMULATOR


def endoscope_is_simulated(config: NodeConfig) -> bool:
    """Run it when the simulator has something to look at."""
    wanted = config.endoscope.rate_hz > 0 and config.sim.model == "psm"
    return wanted and driver_is_simulated(config)


def metrics_are_wanted(config: NodeConfig) -> bool:
    """Run it when there is an endpoint for it."""
    return config.metrics.listen != ""


def records_are_wanted(config: NodeConfig) -> bool:
    """Run it when there is room for what it writes."""
    return config.record.total_mb > 0


SIMULATOR: Final = "teleop.sim.simd"

SHAPE: Final = "teleop.robot.shape"
PICTURE: Final = "teleop.sim.endoscope.renderer"

# fmt: off
PROCESSES: Final = (
    #       name          module                   fifo nice  restart         when
    Process("robotd",     "teleop.robot.robotd",     60,  0,  Restart.ALWAYS, always, SHAPE),
    Process("relayd",     "teleop.relayd",           55,  0,  Restart.ALWAYS, always),
    Process("simd",       SIMULATOR,                 50,  0,  Restart.ALWAYS, driver_is_simulated,
            SIMULATOR),
    Process("sessiond",   "teleop.session.sessiond",  0, -5,  Restart.ALWAYS, always),
    Process("recordd",    "teleop.record.recordd",    0,  4,  Restart.ALWAYS, records_are_wanted),
    Process("endoscoped", "teleop.sim.endoscoped",    0,  5,  Restart.ALWAYS,
            endoscope_is_simulated, PICTURE),
    Process("webd",       "teleop.webd",              0, 10,  Restart.ALWAYS, metrics_are_wanted),
)
# fmt: on

#: A native console is a surgeon's, not the node's: `trocar console` runs it, at this priority.
CONSOLE: Final = Process("natived", "teleop.console.natived", 45, 0, Restart.NEVER, always)
