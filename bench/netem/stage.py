"""Runs a node whose console is behind an impaired network, and takes down what each process says.

The processes of `bench.stage`, with a shell between console and relay: `proxyd` for datagrams,
`tund` for a link over TCP, which then has the console's and the node's processes in a network of
their own each. Both ends' links are tapped (`bench.netem.tap`). Rings are read while they fill, so
that a run may be longer than they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench import readings
from bench.children import spawn
from bench.netem import namespace, tund
from bench.netem.passage import FIFO
from bench.netem.profile import Profile
from bench.netem.proxyd import ProxydSettings
from bench.netem.tund import TundSettings
from bench.stage import RATE_HZ, TABLE, Keys, Spoiled, Stage
from bench.variants import CONSOLE, RELAY, ROBOT, Place, Variant, Wiring
from safety.state import State
from teleop.console.operator import OperatorSettings
from teleop.node.bedside import BedsideError, bedside
from teleop.node.kernels import compile_all
from teleop.node.noded import in_words
from teleop.settings import NativedSettings, SessiondSettings
from transport.io.clock import Skew
from transport.io.link import LinkSettings
from transport.io.mapping import Mapping
from transport.io.process import ProcessSettings
from transport.telemetry.flight import FlightReader, Record
from transport.telemetry.header import TelemetryError

NETWORK = "network"
SHELLS = {"udp": "proxy", "zmq": "tun"}
"""By link: what impairs it."""
SCALE, SCRIPT = 0.5, "figure8"
PROXY_ADDRESS, RELAY_ADDRESS = "127.0.0.2", "127.0.0.1"
PATIENCE_S = 60.0
"""A console asks for so long: through a bad network the answer takes its time."""
HANG_S = 3.0
"""Every process looks after its house once a second: one that has not woken for longer hangs."""
RESET_AFTER_S = 1.0
"""The team at the bedside resets a PROTECTIVE_STOP after this."""

RINGS = {
    "sent": "natived",
    "ack": "natived",
    "hand": "natived",
    "relay": "relayd",
    "command": "robotd",
    "pose": "robotd",
    "event": "robotd",
    "packet": NETWORK,
}
"""Ring by name, and whose it is."""


def warm(tell: Callable[[str], None]) -> None:
    """Have the kernels compiled that the node's processes look for: once on a machine.

    A process that has to do so itself is not ready within a stage's patience.
    """
    names = ("robotd", "simd")
    compile_all((TABLE[name] for name in names), lambda report: tell(in_words(report)))


class Tape:
    """Everything that one ring has said so far, its times on the machine's clock."""

    def __init__(self, path: Path, skew: Skew) -> None:
        self._path = path
        self._skew = skew
        self._reader: FlightReader | None = None
        self._newest = 0
        self._times: tuple[int, ...] = ()
        self.fields: tuple[str, ...] = ()
        self.records: list[Record] = []

    def take(self) -> None:
        """Read what is new.

        Raises
        ------
        Spoiled : records were overwritten before they were read
        """
        if self._reader is None and not self._open():
            return
        assert self._reader is not None
        batch = self._reader.read(self._newest)
        if batch.lost:
            raise Spoiled(f"{self._path.name}: {batch.lost} records were overwritten unread")
        self._newest = batch.newest
        undo = self._skew.undo
        for record in batch.records:
            values = list(record)
            for place in self._times:
                values[place] = undo(values[place]) if values[place] else 0
            self.records.append(tuple(values))

    def columns(self, *names: str) -> Iterator[Record]:
        """Yield these fields of every record, in this order: a ring may have, or get, others."""
        if self.fields:
            places = tuple(self.fields.index(name) for name in names)
            for record in self.records:
                yield tuple(record[place] for place in places)

    def _open(self) -> bool:
        try:
            self._reader = FlightReader(Mapping.open(self._path).view)
        except (OSError, ValueError, TelemetryError):  # its process has not made it yet
            return False
        self.fields = tuple(self._reader.fields)
        self._times = tuple(n for n, field in enumerate(self.fields) if field.startswith("t_"))
        return True


class Route(NamedTuple):
    """Where the relay is for the console, for the robot, and where its datagrams come in."""

    console: str
    robot: str
    datagrams: str


class WanStage(Stage):
    """A node behind a network; a context manager as `bench.stage.Stage`.

    Parameters
    ----------
    network : what is between console and relay
    link : udp or zmq
    keys : of the devices
    seed : of the network and of the processes' clocks
    """

    def __init__(self, network: Profile, link: str, *, keys: Keys, seed: int) -> None:
        variant = Variant(f"{network.name}+{link}", "teleop.relayd", self._wire, ours=True)
        super().__init__(variant, bare=False, keys=keys, seed=seed)
        self.network = network
        self.link = link
        self.seed = seed
        self.tapes: dict[str, Tape] = {}
        self.resets_ns: list[int] = []
        self._port = 0
        self._stopped_s: float | None = None
        self._woken: dict[str, tuple[int, float]] = {}

    def __enter__(self) -> WanStage:
        super().__enter__()
        return self

    @property
    def shell(self) -> str:
        """What impairs the link: proxy or tun."""
        return SHELLS[self.link]

    def skew(self, process: str) -> Skew:
        """Return the skew of a process's clock; the network has the machine's own."""
        return Skew.NONE if process == NETWORK else super().skew(process)

    def moves_within(self, seconds: float) -> bool:
        """Wait until the robot follows the hand; say whether it did in time."""
        give_up = time.monotonic() + seconds
        while not self.is_moving():
            if time.monotonic() > give_up:
                return False
            self.look()
            time.sleep(0.05)
        return True

    def look(self) -> None:
        """Take what is new, see that every process lives, and be the team at the bedside.

        Raises
        ------
        Spoiled : a process has ended or hangs, or a record was missed
        """
        self.check()
        self._check_wakes()
        self._reset()
        self.take()

    def take(self) -> None:
        """Take what is new in every ring."""
        for tape in self.tapes.values():
            tape.take()

    # Start ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self.shell == "tun":
            process = self._network_process()
            settings = TundSettings(process=process, profile=self.network.name, seed=self.seed)
            self._start_network("bench.netem.tund", settings)
        super()._start()
        self.tapes = {
            name: Tape(self.run_dir / "flight" / f"{process}.{name}.ring", self.skew(process))
            for name, process in RINGS.items()
        }

    def _start_node(self, wiring: Wiring, guard_port: int, session_port: int) -> None:
        if self.shell == "proxy":
            settings = ProxydSettings(
                process=self._network_process(),
                profile=self.network.name,
                seed=self.seed,
                listen=PROXY_ADDRESS,
                relay=RELAY_ADDRESS,
                port=self._port,
            )
            self._start_network("bench.netem.proxyd", settings)
        super()._start_node(wiring, guard_port, session_port)

    def _start_network(self, module: str, settings: object) -> None:
        self._spawn(NETWORK, module, settings)
        self._wait(NETWORK, lambda: readings.is_ready(self.run_dir, NETWORK))

    def _network_process(self) -> ProcessSettings:
        return ProcessSettings(name=NETWORK, run_dir=str(self.run_dir), fifo=FIFO)

    def _wire(self, place: Place) -> Wiring:
        self._port = place.console_port
        route = self._route(place)
        hub = {
            "keys": str(place.keys),
            "identity": RELAY,
            "path": 1,
            "console": route.console,
            "robot": route.robot,
            "datagram": route.datagrams,
        }
        ends = ((route.console, CONSOLE), (route.robot, ROBOT))
        console, robot = (
            LinkSettings(
                module="bench.netem.tap",
                endpoint=f"{self.link}+{endpoint}",
                keys=str(place.keys),
                identity=identity,
                server=RELAY,
            )
            for endpoint, identity in ends
        )
        return Wiring({"hub": hub}, console, robot)

    def _route(self, place: Place) -> Route:
        if self.shell == "proxy":
            console, node = PROXY_ADDRESS, RELAY_ADDRESS
        else:
            console = node = tund.NODE_ADDRESS
        return Route(
            f"tcp://{console}:{place.console_port}",
            f"tcp://{node}:{place.robot_port}",
            f"udp://{node}:{place.console_port}",
        )

    def _spawn(self, name: str, module: str, settings: object) -> None:
        settings = self._fit(settings)
        if self.shell == "proxy" or name == NETWORK:
            super()._spawn(name, module, settings)
            return
        path = self.run_dir / f"{name}.json"
        path.write_bytes(msgspec.json.encode(settings))
        inside = ["-m", namespace.__name__, self._namespace(name), module, str(path)]
        self.children[name] = spawn(inside, output=self.run_dir / f"{name}.log")

    def _fit(self, settings: object) -> object:
        """Fit what the stage would tell a process to the console being elsewhere."""
        replace = msgspec.structs.replace
        if isinstance(settings, NativedSettings):
            operator = OperatorSettings(
                console=CONSOLE,
                robot=ROBOT,
                rate_hz=RATE_HZ,
                scale=SCALE,
                profile=self.network.ladder,
            )
            session = self._outside(settings.session)
            return replace(
                settings, operator=operator, script=SCRIPT, session=session, patience_s=PATIENCE_S
            )
        if isinstance(settings, SessiondSettings):
            return replace(settings, listen=self._outside(settings.listen))
        return settings

    def _outside(self, endpoint: str) -> str:
        """Give the address that a console reaches: it asks for its robot through the network."""
        if self.shell == "proxy":
            return endpoint
        return endpoint.replace(RELAY_ADDRESS, tund.NODE_ADDRESS)

    def _namespace(self, name: str) -> str:
        side = "console_ns" if name == "natived" else "node_ns"
        descriptor = readings.gauge(self.run_dir, NETWORK, side)
        return f"/proc/{self.children[NETWORK].pid}/fd/{descriptor}"

    # Watch ---------------------------------------------------------------------------------------

    def _check_wakes(self) -> None:
        now_s = time.monotonic()
        for name, child in self.children.items():
            wakes = _wakes(child.pid)
            last, since_s = self._woken.get(name, (-1, now_s))
            if wakes != last:
                self._woken[name] = (wakes, now_s)
            elif now_s - since_s > HANG_S:
                raise Spoiled(f"{name} hangs: it has not woken for {HANG_S:g} s")

    def _reset(self) -> None:
        """Reset a PROTECTIVE_STOP as the team at the bedside would."""
        now_s = time.monotonic()
        if readings.gauge(self.run_dir, "robotd", "state") != State.PROTECTIVE_STOP:
            self._stopped_s = None
        elif self._stopped_s is None:
            self._stopped_s = now_s
        elif now_s - self._stopped_s >= RESET_AFTER_S:
            self._stopped_s = None
            try:
                bedside(self.run_dir, ROBOT, "reset")
            except BedsideError as error:
                raise Spoiled(str(error)) from error
            self.resets_ns.append(time.monotonic_ns())


def _wakes(pid: int) -> int:
    """Count how often a process has gone to wait; -1 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return -1
    fields: dict[str, Any] = dict(line.partition(":")[::2] for line in status.splitlines())
    return int(fields.get("voluntary_ctxt_switches", "-1"))
