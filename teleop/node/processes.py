"""The process table: everything a node runs, at which priority, and when.

Read it from the top: who stands higher is never kept waiting by who stands lower. SCHED_FIFO is
for what lies on the control path; all else has a niceness, so that under pressure the machine
sheds its work first. A module is named by a string: processes never import each other.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from teleop.node.sections import NodeConfig


class Restart(IntEnum):
    """What follows when a process ends although it is wanted."""

    NEVER = 0
    ALWAYS = 1


class Watch(NamedTuple):
    """How a process is watched, by the watchdog; the watchdog itself, by noded.

    Parameters
    ----------
    hang_ms : without a beat for so long it is hung, and ended
    floor : what a robot may do at most while it is down: "none", "degraded" or "hold"
    """

    hang_ms: int
    floor: Literal["none", "degraded", "hold"] = "none"


#: A relay that stands still is a path that is lost: it is ended within 21 ms.
RELAY: Final = Watch(20, "hold")
#: To end a robot's side or its driver ends the session: drives brake by themselves before, 30 ms
#: after the last word.
ROBOT: Final = Watch(50)
#: What is on nobody's path may think.
SERVICE: Final = Watch(1000)
SIDECAR: Final = Watch(5000)


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
    watch : how it is watched
    """

    name: str
    module: str
    fifo: int
    nice: int
    restart: Restart
    when: Callable[[NodeConfig], bool]
    kernels: str = ""
    watch: Watch = SIDECAR


def always(_: NodeConfig) -> bool:
    """Run it on every node."""
    return True


def watchdog_is_wanted(config: NodeConfig) -> bool:
    """Run it when there is a key that it may speak with."""
    return config.watchdog.identity != ""


def buttons_are_wired(config: NodeConfig) -> bool:
    """Run it when an emergency stop of the robot is wired to this node."""
    return bool(config.estop)


def beds_are_monitored(config: NodeConfig) -> bool:
    """Run it when there is a bed."""
    return bool(config.monitor.beds)


def driver_is_simulated(config: NodeConfig) -> bool:
    """Run it when the robot's driver is our simulator."""
    return config.robot.driver == SIMULATOR


def endoscope_is_simulated(config: NodeConfig) -> bool:
    """Run it when the simulator has something to look at."""
    wanted = config.endoscope.rate_hz > 0 and config.sim.model == "psm"
    return wanted and driver_is_simulated(config)


def pages_are_wanted(config: NodeConfig) -> bool:
    """Run it when there is an endpoint for it."""
    return config.metrics.listen != "" or config.web.listen != ""


def records_are_wanted(config: NodeConfig) -> bool:
    """Run it when there is room for what it writes."""
    return config.record.total_mb > 0


def video_is_wanted(config: NodeConfig) -> bool:
    """Run it when there is a camera."""
    return config.video.camera != ""


SIMULATOR: Final = "teleop.sim.simd"

WATCHDOG: Final = "watchdogd"

MONITOR: Final = "monitor.monitord"
VITALS: Final = "monitor.alarms.judge"

SHAPE: Final = "teleop.robot.shape"
PICTURE: Final = "teleop.sim.endoscope.renderer"

# fmt: off
PROCESSES: Final = (
    #       name          module                   fifo nice  restart         when
    Process(WATCHDOG,     "safety.watchdogd",        70,  0,  Restart.ALWAYS, watchdog_is_wanted,
            watch=SERVICE),
    Process("estopd",     "teleop.robot.estopd",     65,  0,  Restart.ALWAYS, buttons_are_wired,
            watch=ROBOT),
    Process("robotd",     "teleop.robot.robotd",     60,  0,  Restart.ALWAYS, always, SHAPE,
            ROBOT),
    Process("relayd",     "teleop.relayd",           55,  0,  Restart.ALWAYS, always, watch=RELAY),
    Process("simd",       SIMULATOR,                 50,  0,  Restart.ALWAYS, driver_is_simulated,
            SIMULATOR, ROBOT),
    Process("sessiond",   "teleop.session.sessiond",  0, -5,  Restart.ALWAYS, always,
            watch=SERVICE),
    Process("alarmd",     "monitor.alarmd",           0, -3,  Restart.ALWAYS, beds_are_monitored,
            watch=SERVICE),
    Process("monitord",   MONITOR,                    0,  0,  Restart.ALWAYS, beds_are_monitored,
            VITALS, SERVICE),
    Process("videod",     "teleop.videod",            0,  3,  Restart.ALWAYS, video_is_wanted),
    Process("recordd",    "teleop.record.recordd",    0,  4,  Restart.ALWAYS, records_are_wanted),
    Process("endoscoped", "teleop.sim.endoscoped",    0,  5,  Restart.ALWAYS,
            endoscope_is_simulated, PICTURE),
    Process("webd",       "teleop.webd",              0, 10,  Restart.ALWAYS, pages_are_wanted),
)
# fmt: on

#: A native console is a surgeon's, not the node's: `trocar console` runs it, at this priority.
CONSOLE: Final = Process("natived", "teleop.console.natived", 45, 0, Restart.NEVER, always)


class Counts(NamedTuple):
    """How a topic of the catalogue is watched: by which counters its ends say what flowed.

    Parameters
    ----------
    sent : family of counters on its source's board; "" = it always flows, at the topic's rate
    arrived : family of counters on its sink's board
    floor : what a robot may do at most while too little arrives
    """

    sent: str
    arrived: str
    floor: Literal["none", "degraded", "hold"] = "degraded"


#: By topic. What a console and a robot see for themselves, sooner, needs no third to see it.
FLOWS: Final = {
    "forward": Counts('relay_sent_total{what="command"}', "gate_total{"),
    "state": Counts("", 'relay_sent_total{what="state"}'),
}
