"""Run the real processes around one relay, and take down what they recorded.

robotd, relayd (or a peer in its place), simd, sessiond and natived start as the node starts them,
each with its row's priority and a clock of its own, in a directory on tmpfs that is removed again.
noded is left out: nothing is to be restarted in a measurement; a process that ends spoils it, and
says so.

With bare ends (`bench.bare`) only the relay and two ends run: the floor.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Self

import msgspec

from bench import readings
from bench.bare import BareSettings
from bench.children import spawn, stop, unbroken
from bench.join import Joined, Times, join
from bench.peers import certificates
from bench.ports import free_ports
from bench.readings import Window
from bench.variants import CONSOLE, RELAY, ROBOT, Place, Variant, Wiring
from safety.state import State
from safety.store.file import RobotStore
from teleop.console.operator import OperatorSettings
from teleop.node.processes import CONSOLE as CONSOLE_PROCESS
from teleop.node.processes import PROCESSES
from teleop.robot.agent import RobotSettings
from teleop.robot.fixture import ShapeSettings
from teleop.robot.settings import RobotdSettings
from teleop.settings import NativedSettings, RecorddSettings, SessiondSettings, SimdSettings
from transport.io import keys
from transport.io.clock import Skew
from transport.io.keys import Role
from transport.io.link import LinkSettings
from transport.io.process import ProcessSettings
from transport.kernel import cache

SHM = Path("/dev/shm")
RATE_HZ = 1000
PERIOD_NS = 1_000_000_000 // RATE_HZ
START_WAIT_S, COMPILE_WAIT_S = 10.0, 120.0
"""The second where kernels may have to be compiled first: once on a machine."""
TAIL_S = 0.15
"""After the window: what is still under way may arrive."""
NODE, SESSION = "node", "session"
TABLE = {process.name: process for process in (*PROCESSES, CONSOLE_PROCESS)}


class Spoiled(RuntimeError):
    """A measurement that did not come about; the message says which process, and its last words."""


class Play(NamedTuple):
    """What is played on the stage.

    Parameters
    ----------
    script, scale : the hand's, and of its motion
    model : of the simulated arm, see `teleop.settings.SimdSettings`
    shape : the robot's shaping
    tape : robot and relay write down what they are fed with
    records : folder that a recorder copies it to; "" for no recorder
    """

    script: str = "figure8"
    scale: float = 0.2
    model: Literal["psm", "point"] = "point"
    shape: ShapeSettings = ShapeSettings()
    tape: bool = True
    records: str = ""


PLAY = Play()


class Recording(NamedTuple):
    """One measurement.

    Attributes
    ----------
    missed : slots in which the console did not get to send at all
    falls : times the robot left motion in the window
    """

    joined: Joined
    round_trips_ns: Times
    missed: int
    falls: int


class Keys:
    """A key directory with every device of a measurement, and the TLS certificate beside."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        roles = {
            CONSOLE: Role.SCRIPT,
            ROBOT: Role.ROBOT,
            RELAY: Role.RELAY,
            SESSION: Role.SESSION,
            NODE: Role.NODE,
        }
        for name, role in roles.items():
            keys.new(directory, name, role)
        certificates.make(directory)


class Stage:
    """The processes of one measurement; a context manager, so that none outlives it.

    Parameters
    ----------
    variant : what stands between the ends
    bare : bare ends instead of console, robot and simulator
    keys : shared by all measurements of a run
    seed : of the processes' clocks
    play : what hand, robot and simulator do
    """

    def __init__(
        self, variant: Variant, *, bare: bool, keys: Keys, seed: int, play: Play = PLAY
    ) -> None:
        self.variant = variant
        self.play = play
        self.bare = bare
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.run_dir = Path(tempfile.mkdtemp(prefix="trocar-bench-", dir=SHM))
        self._keys = keys.directory
        self._seed = seed
        self._console = CONSOLE if bare else CONSOLE_PROCESS.name
        self._robot = ROBOT if bare else "robotd"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process and remove the directory."""
        with unbroken():
            stop(self.children.values())
            shutil.rmtree(self.run_dir, ignore_errors=True)

    def wait_moving(self) -> None:
        """Wait until the robot follows the hand (bare ends: until commands flow).

        Raises
        ------
        Spoiled
        """
        if self.bare:
            self._wait("commands", lambda: any(True for _ in self._acknowledged()))
        else:
            self._wait("motion", self.is_moving)

    def is_moving(self) -> bool:
        """Say whether the robot follows the hand now."""
        state = readings.gauge(self.run_dir, self._robot, "state")
        return state is not None and state >= State.DEGRADED

    def window(self, warm_s: float, measure_s: float) -> Window:
        """Let time pass: the warm-up, then the window that is returned, then its tail.

        Raises
        ------
        Spoiled
        """
        start_ns = time.monotonic_ns() + round(warm_s * 1e9)
        window = Window(start_ns, start_ns + round(measure_s * 1e9))
        time.sleep(warm_s + measure_s + TAIL_S)
        self.check()
        return window

    def finish(self) -> None:
        """End the processes, console first, so that every ring is complete."""
        stop([self.children[self._console]])
        stop(self.children.values())

    def recording(self, window: Window) -> Recording:
        """Join what console, relay and robot recorded of the window."""
        console, robot = self.skew(self._console), self.skew(self._robot)
        sent = readings.sent(self.run_dir, self._console, console, window)
        if not sent:
            raise Spoiled(f"no command was sent in the window\n{self._last_words()}")
        seen = readings.seen(self.run_dir, self._robot, robot)
        let_go = readings.let_go(self.run_dir, "relayd")
        intended_ns = {key: slot.intended_ns for key, slot in sent.items()}
        first_ns, last_ns = min(intended_ns.values()), max(intended_ns.values())
        slots = round((last_ns - first_ns) / PERIOD_NS) + 1
        falls = readings.transitions(self.run_dir, self._robot, robot, window)
        return Recording(
            join(intended_ns, seen, let_go),
            readings.round_trips_ns(self.run_dir, self._console, console, window),
            slots - len(sent),
            sum(fall.old >= State.DEGRADED > fall.new for fall in falls),
        )

    def check(self) -> None:
        """Raise `Spoiled` if any process has ended."""
        for name, child in self.children.items():
            if child.poll() is not None:
                words = self._last_words()
                raise Spoiled(f"{name} ended with code {child.returncode}\n{words}")

    def skew(self, process: str) -> Skew:
        """Return the skew of a process's clock."""
        return Skew.draw(self._skew_seed(process))

    # Start ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        console_port, robot_port, guard_port, session_port = free_ports(4)
        wiring = self.variant.wire(Place(self._keys, console_port, robot_port))
        relay = {"process": self._process("relayd", "relayd"), **wiring.relay}
        if self.variant.ours:
            relay["tape"] = self.play.tape
        # Some peers' clients give up at once when their router is not there yet.
        self._spawn("relayd", self.variant.module, relay)
        self._wait("relayd", lambda: readings.is_ready(self.run_dir, "relayd"))
        if self.bare:
            self._start_bare(wiring)
        else:
            self._start_node(wiring, guard_port, session_port)
        for name in self.children:
            self._wait(name, lambda name=name: readings.is_ready(self.run_dir, name))  # type: ignore[misc]

    def _start_bare(self, wiring: Wiring) -> None:
        ends: tuple[tuple[str, str, LinkSettings], ...] = (
            (ROBOT, "robotd", wiring.robot),
            (CONSOLE, CONSOLE_PROCESS.name, wiring.console),
        )
        for name, row, link in ends:
            settings = BareSettings(
                process=self._process(name, row),
                end="robot" if name == ROBOT else "console",
                link=link,
                rate_hz=RATE_HZ,
            )
            self._spawn(name, "bench.bare", settings)

    def _start_node(self, wiring: Wiring, guard_port: int, session_port: int) -> None:
        guard, session = (f"tcp://127.0.0.1:{port}" for port in (guard_port, session_port))
        store = self.run_dir / "robot.store"
        RobotStore(store).create()
        robotd = RobotdSettings(
            process=self._process("robotd", "robotd"),
            robot=RobotSettings(name=ROBOT, shape=self.play.shape),
            links=(wiring.robot,),
            keys=str(self._keys),
            identity=ROBOT,
            guard=guard,
            signers=(NODE,),
            store=str(store),
            tape=self.play.tape,
        )
        simd = SimdSettings(
            process=self._process("simd", "simd"),
            driver=str(self.run_dir / f"driver-{ROBOT}.sock"),
            model=self.play.model,
        )
        sessiond = SessiondSettings(
            process=self._process("sessiond", "sessiond"),
            keys=str(self._keys),
            identity=SESSION,
            signer=NODE,
            listen=session,
            robots={ROBOT: guard},
            store=str(self.run_dir / "session.store"),
            audit=str(self.run_dir / "audit"),
            audit_head=str(self.run_dir / "audit-head"),
        )
        natived = NativedSettings(
            process=self._process("natived", "natived"),
            operator=OperatorSettings(
                console=CONSOLE, robot=ROBOT, rate_hz=RATE_HZ, scale=self.play.scale
            ),
            script=self.play.script,
            link=wiring.console,
            session=session,
            session_server=SESSION,
            signers=(NODE,),
        )
        for name, settings in (("robotd", robotd), ("simd", simd), ("sessiond", sessiond)):
            self._spawn(name, TABLE[name].module, settings)
        if self.play.records:
            recordd = RecorddSettings(
                process=self._process("recordd", "recordd"), folder=self.play.records
            )
            self._spawn("recordd", TABLE["recordd"].module, recordd)
        # A console that asks before its robot has introduced itself is told to come again later.
        for name in ("robotd", "simd", "sessiond"):
            self._wait(name, lambda name=name: readings.is_ready(self.run_dir, name))  # type: ignore[misc]
        self._spawn("natived", TABLE["natived"].module, natived)

    def _process(self, name: str, row: str) -> ProcessSettings:
        return ProcessSettings(
            name=name,
            run_dir=str(self.run_dir),
            fifo=TABLE[row].fifo,
            nice=TABLE[row].nice,
            skew_seed=self._skew_seed(name),
        )

    def _skew_seed(self, process: str) -> int:
        return zlib.crc32(f"{self._seed}/{process}".encode())

    def _spawn(self, name: str, module: str, settings: object) -> None:
        path = self.run_dir / f"{name}.json"
        path.write_bytes(msgspec.json.encode(settings))
        log = self.run_dir / f"{name}.log"
        self.children[name] = spawn(["-m", module, str(path)], output=log)

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        compiled = all(cache.has(row.kernels) for row in PROCESSES if row.kernels)
        wait_s = START_WAIT_S if compiled else COMPILE_WAIT_S
        give_up = time.monotonic() + wait_s
        while not done():
            self.check()
            if time.monotonic() > give_up:
                raise Spoiled(f"no {what} within {wait_s:g} s\n{self._last_words()}")
            time.sleep(0.01)

    def _acknowledged(self) -> Iterator[dict[str, int]]:
        return readings.flight(self.run_dir, self._console, "ack")

    def _last_words(self) -> str:
        logs = sorted(self.run_dir.glob("*.log"))
        texts = [(log.stem, log.read_text(errors="replace").strip()) for log in logs]
        return "\n".join(f"{name}: {text[-600:]}" for name, text in texts if text)
