"""A stage on which things fail: with a watchdog, and with relays that can be started again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from msgspec.structs import replace

from bench import readings
from bench.stage import TABLE, Stage
from bench.variants import BY_NAME, ROBOT
from safety.settings import WatchdogdSettings
from safety.state import State
from safety.watched import Watched
from teleop.robot.settings import RobotdSettings

VARIANT = BY_NAME["trocar-udp"]
WATCHDOG = "watchdog"
#: The only relay is a group of its own; while it is down the robot is held.
RELAY = Watched(name="relayd", fifo=TABLE["relayd"].fifo, hang_ms=20, group="relays", floor="hold")
HOLD_WAIT_S, AGAIN_WAIT_S = 1.0, 8.0
WATCH_S = 3.0


class NotHere(RuntimeError):
    """This machine lacks what a part needs; the text says what."""


class Scene(Stage):
    """The stage with a watchdog, and relays that can be started again."""

    def start_again(self, name: str = "relayd", prefix: tuple[str, ...] = ()) -> None:
        """Start a process that has ended, with its settings of before, and wait until it works."""
        self.restart(name, prefix)
        self._wait(name, lambda: readings.is_ready(self.run_dir, name))

    def restart(self, name: str, prefix: tuple[str, ...] = ()) -> None:
        """Start a process that has ended, with its settings of before."""
        self.children[name].wait(5)
        board = self.run_dir / "boards" / f"{name}.board"
        board.unlink(missing_ok=True)
        settings = self.run_dir / f"{name}.json"
        command = [*prefix, sys.executable, "-m", TABLE[name].module, str(settings)]
        with (self.run_dir / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def state(self) -> State | None:
        """Return the robot's state."""
        found = readings.gauge(self.run_dir, "robotd", "state")
        return None if found is None else State(found)

    def wait_for(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
        return True

    def _spawn(self, name: str, module: str, settings: object) -> None:
        if isinstance(settings, RobotdSettings):
            robot = replace(settings.robot, watchdogs=(WATCHDOG,))
            settings = replace(settings, robot=robot)
        super()._spawn(name, module, settings)

    def _start_node(self, wiring: object, guard_port: int, session_port: int) -> None:
        super()._start_node(wiring, guard_port, session_port)  # type: ignore[arg-type]
        settings = WatchdogdSettings(
            process=self._process("watchdogd", "watchdogd"),
            keys=str(self._keys),
            identity=WATCHDOG,
            robots={ROBOT: f"tcp://127.0.0.1:{guard_port}"},
            processes=(RELAY,),
        )
        self._spawn("watchdogd", TABLE["watchdogd"].module, settings)


def holds(scene: Scene, seconds: float) -> int:
    """Count how often the robot left motion in so many seconds."""
    start_ns = time.monotonic_ns()
    time.sleep(seconds)
    window = readings.Window(start_ns, time.monotonic_ns())
    falls = readings.transitions(scene.run_dir, "robotd", scene.skew("robotd"), window)
    return sum(fall.new <= State.HOLD < fall.old for fall in falls)
