"""A room of real processes: relay, robot, simulated arm, session service, and a hand if asked for.

What a story needs to see of it: the counters on every board, each state that the robot said, and
which commands moved the driver. The rightful hand draws in the plane z = HOME.z and never turns or
opens the jaw, so whatever leaves that plane was moved by somebody else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import zmq

from bench import readings
from bench.children import REPOSITORY, stop
from bench.forge import Device, Place, device, place
from bench.ports import free_ports
from safety.messages import RobotState
from safety.state import State
from safety.store.file import RobotStore
from teleop.console.operator import OperatorSettings
from teleop.node.processes import CONSOLE as CONSOLE_PROCESS
from teleop.node.processes import PROCESSES
from teleop.robot.agent import RobotSettings
from teleop.robot.settings import RobotdSettings
from teleop.settings import NativedSettings, RelaydSettings, SessiondSettings, SimdSettings
from teleop.sim.arm import HOME
from transport.io import keys
from transport.io.hub import HubSettings
from transport.io.keys import Keyring, Role
from transport.io.link import LinkSettings
from transport.io.process import ProcessSettings
from transport.wire.codec import Registry, encode, split
from transport.wire.errors import WireError
from transport.wire.messages import Attach, Attached, Clock
from transport.wire.vector import unpack_setpoint

PATIENCE_S = 40.0  # it bounds waiting, and claims nothing: two busy cores start a process in 10 s
ROBOT, RELAY, SESSION, NODE, SURGEON = "psm", "relay", "session", "node", "surgeon"
#: A second console, and its process.
SECOND, NATIVED2 = "surgeon2", "natived2"
ROLES = {
    ROBOT: Role.ROBOT,
    RELAY: Role.RELAY,
    SESSION: Role.SESSION,
    NODE: Role.NODE,
    SURGEON: Role.CONSOLE,
    SECOND: Role.CONSOLE,
    # Devices of the registry that turn against it.
    "evil-relay": Role.RELAY,
    "evil-console": Role.CONSOLE,
    "evil-script": Role.SCRIPT,
    "evil-robot": Role.ROBOT,
    "evil-session": Role.SESSION,
    "evil-guard": Role.GUARD,
}
TABLE = {process.name: process for process in (*PROCESSES, CONSOLE_PROCESS)}
TABLE[NATIVED2] = CONSOLE_PROCESS
#: Runs a module that ends when we do, however that happens. (No preexec_fn: we have threads.)
MORTAL = """
import ctypes, runpy, sys
ctypes.CDLL(None).prctl(1, 9)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
STILL_M = 1e-6
REACH_M = 0.012
"""Half the figure's width at scale 0.5, and what references taken on the way may add."""

_STATES = Registry((RobotState,))
_LINK = Registry((Attach, Clock))


class Strayed(NamedTuple):
    """Where the arm, or what it was asked for, was furthest from where the hand may be, m."""

    off_plane_m: float
    off_middle_m: float


class HostileRelay:
    """A second relay of the robot, with a good key and bad intentions: it says what it likes."""

    def __init__(self, keyring: Keyring, port: int) -> None:
        identity = keyring.identity("evil-relay")
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.curve_server = 1
        self._socket.curve_secretkey = identity.secret_z85
        self._socket.bind(f"tcp://127.0.0.1:{port}")
        self._out: deque[bytes] = deque()
        self._route = b""
        self._running = True
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def attached(self) -> bool:
        return bool(self._route)

    def say(self, data: bytes) -> None:
        """Say something to the robot."""
        self._out.append(data)

    def close(self) -> None:
        self._running = False
        self._thread.join()
        self._context.destroy(linger=0)

    def _serve(self) -> None:
        while self._running:
            if self._socket.poll(2):
                route, data = self._socket.recv_multipart()
                self._answer(route, data)
            while self._out and self._route:
                self._socket.send_multipart([self._route, self._out.popleft()])

    def _answer(self, route: bytes, data: bytes) -> None:
        try:
            message = _LINK.decode(data)
        except WireError:
            return
        if isinstance(message, Attach):
            self._socket.send_multipart([route, encode(Attached(2, 2, 1, None, 0, 0))])
            self._route = route
        else:
            self._socket.send_multipart([route, encode(Clock(3, message.t1, 1, 1))])


class Room:
    """The processes, and what can be seen of them."""

    def __init__(self) -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="trocar-room-", dir="/dev/shm"))
        self.keys = self.run_dir / "keys"
        for name, role in ROLES.items():
            keys.new(self.keys, name, role)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        ports = free_ports(5)
        self._console, self._robot, self._guard, self._session = (
            f"tcp://127.0.0.1:{port}" for port in ports[:4]
        )
        self._settings = self._slices(ports[4], ports[0])
        self._second_relay = ports[4]
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._ears = self._context.socket(zmq.SUB)
        self._ears.linger = self._ears.rcvhwm = 0
        self._ears.subscribe(b"")
        self.relay: HostileRelay

    def open(self) -> Room:
        """Start everything but the hand, and wait until the robot has introduced itself."""
        self.relay = HostileRelay(Keyring.load(self.keys), self._second_relay)
        for name in ("relayd", "robotd", "simd", "sessiond"):
            self.start(name)
        self._ears.connect(f"ipc://{self.run_dir}/state.1.ipc")
        self.until(self.states, "a state")
        self.until(lambda: self.relay.attached, "the robot at its second relay")
        return self

    def start(self, name: str) -> None:
        """Start one process and wait until it works."""
        path = self.run_dir / f"{name}.json"
        path.write_bytes(msgspec.json.encode(self._settings[name]))
        (self.run_dir / "boards" / f"{name}.board").unlink(missing_ok=True)
        with (self.run_dir / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                [sys.executable, "-c", MORTAL, TABLE[name].module, str(path)],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(lambda: readings.is_ready(self.run_dir, name), name)

    def end(self, name: str) -> None:
        """End one process."""
        stop([self.children.pop(name)])

    def close(self) -> None:
        """End exactly what was started here, and remove the directory."""
        stop(self.children.values())
        if hasattr(self, "relay"):
            self.relay.close()
        self._context.destroy(linger=0)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    # What can be seen ------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        return place(self.run_dir)

    def device(self, name: str | None, door: str = "console") -> Device:
        """Connect to a door (console, robot, guard, session) with the key of this device."""
        where = self.place
        endpoint, server = {
            "console": (where.console_door, RELAY),
            "robot": (where.robot_door, RELAY),
            "guard": (where.guard, ROBOT),
            "session": (where.session, SESSION),
        }[door]
        return device(where, name, endpoint, server)

    def counted(self, what: str) -> int:
        """Read a counter by `process:label value`: `hub:rate`, `relay:field`, `gate:tag`..."""
        process, _, value = what.partition(":")
        board, name = {
            "hub": ("relayd", 'hub_refused_total{{cause="{}"}}'),
            "doors": ("relayd", "hub_{}_total"),
            "relay": ("relayd", 'relay_total{{verdict="{}"}}'),
            "gate": ("robotd", 'gate_total{{verdict="{}"}}'),
            "robot": ("robotd", 'robot_refused_total{{cause="{}"}}'),
            "forged": ("robotd", 'robot_forged_total{{relay="{}"}}'),
            "guard": ("robotd", 'robot_handshake_total{{result="{}"}}'),
            "session": ("sessiond", 'session_refused_total{{cause="{}"}}'),
            "asked": ("sessiond", 'session_handshake_total{{result="{}"}}'),
        }[process]
        found = readings.board(self.run_dir, board)
        assert found is not None
        return found.counter(name.format(value)).value

    def states(self) -> list[RobotState]:
        """Return what the robot has said since the last call."""
        found = []
        while self._ears.poll(0):
            found.append(_STATES.expect(split(self._ears.recv())[0], RobotState))
        return found

    def state(self) -> RobotState:
        """Return the newest state, at the latest the next one."""
        found = self.states()
        while not found:
            self.alive()
            assert self._ears.poll(2000), f"the robot is silent\n{self.last_words()}"
            found = self.states()
        return found[-1]

    def strayed(self) -> Strayed:
        """Tell how far the arm was from where the hand may be, since `states` was called last."""
        found = [self.state(), *self.states()] if not (seen := self.states()) else seen
        plane = middle = 0.0
        for state in found:
            for data in (state.arms[0].measured, state.arms[0].setpoint):
                pose = unpack_setpoint(data)
                turned = abs(pose.qx) + abs(pose.qy) + abs(pose.qz) + abs(pose.jaw)
                plane = max(plane, abs(pose.z - HOME.z), turned)
                middle = max(middle, abs(pose.x - HOME.x), abs(pose.y - HOME.y))
        return Strayed(plane, middle)

    def moved_by(self) -> set[int]:
        """Return the numbers of the commands with which the driver was called."""
        lines = readings.flight(self.run_dir, "robotd", "command")
        return {line["seq"] for line in lines if line["t_called_ns"]}

    def given(self) -> set[int]:
        """Return the numbers of the commands that the rightful hand has given."""
        return {line["seq"] for line in readings.flight(self.run_dir, "natived", "sent")}

    def follows(self) -> bool:
        """Tell whether the arm follows a hand now."""
        return self.state().state >= State.DEGRADED

    # Time ------------------------------------------------------------------------------------

    def until(self, so: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait until `so()` is true; a process that ends meanwhile fails the story."""
        end = time.monotonic() + seconds
        while not so():
            self.alive()
            assert time.monotonic() < end, f"no {what} within {seconds:g} s\n{self.last_words()}"
            time.sleep(0.01)

    def alive(self) -> None:
        """Fail the story if a process has ended by itself."""
        for name, child in self.children.items():
            assert child.poll() is None, f"{name} ended ({child.returncode})\n{self.last_words()}"

    def last_words(self) -> str:
        texts = [(log.stem, log.read_text(errors="replace")) for log in self.run_dir.glob("*.log")]
        return "\n".join(f"{name}: {text[-1500:]}" for name, text in texts if text)

    def _slices(self, second_relay: int, datagrams: int) -> dict[str, object]:
        keyring, link = str(self.keys), "transport.io.links"

        def end(identity: str, carrier: str, endpoint: str, server: str = RELAY) -> LinkSettings:
            return LinkSettings(
                module=f"{link}.{carrier}",
                endpoint=endpoint,
                keys=keyring,
                identity=identity,
                server=server,
            )

        links = (
            end(ROBOT, "udp", self._robot),
            end(ROBOT, "zmq", f"tcp://127.0.0.1:{second_relay}", "evil-relay"),
        )

        def hand(process: str, seed: int, console: str, *, yields: bool) -> NativedSettings:
            return NativedSettings(
                process=self._process(process, seed),
                operator=OperatorSettings(console=console, robot=ROBOT, role=1),
                script="figure8",
                link=end(console, "udp", self._console),
                session=self._session,
                session_server=SESSION,
                signers=(NODE,),
                yields=yields,
            )

        RobotStore(self.run_dir / "robot.store").create()
        return {
            "relayd": RelaydSettings(
                process=self._process("relayd", 1),
                hub=HubSettings(
                    keys=keyring,
                    identity=RELAY,
                    path=1,
                    console=self._console,
                    robot=self._robot,
                    datagram=f"udp://127.0.0.1:{datagrams}",
                ),
            ),
            "robotd": RobotdSettings(
                process=self._process("robotd", 2),
                robot=RobotSettings(name=ROBOT, ceilings={"monitor": "none", SESSION: "none"}),
                links=links,
                keys=keyring,
                identity=ROBOT,
                guard=self._guard,
                signers=(NODE,),
                store=str(self.run_dir / "robot.store"),
            ),
            "simd": SimdSettings(
                process=self._process("simd", 3),
                driver=str(self.run_dir / f"driver-{ROBOT}.sock"),
            ),
            "sessiond": SessiondSettings(
                process=self._process("sessiond", 4),
                keys=keyring,
                identity=SESSION,
                signer=NODE,
                listen=self._session,
                robots={ROBOT: self._guard},
                store=str(self.run_dir / "session.store"),
                audit=str(self.run_dir / "audit"),
                audit_head=str(self.run_dir / "audit-head"),
            ),
            "natived": hand("natived", 5, SURGEON, yields=False),
            NATIVED2: hand(NATIVED2, 6, SECOND, yields=True),
        }

    def _process(self, name: str, seed: int) -> ProcessSettings:
        row = TABLE[name]
        return ProcessSettings(
            name=name, run_dir=str(self.run_dir), fifo=row.fifo, nice=row.nice, skew_seed=seed
        )


@pytest.fixture(scope="class")
def empty_room() -> Iterator[Room]:
    """Give a room whose robot nobody holds, and whose second relay is hostile."""
    room = Room()
    try:
        yield room.open()
    finally:
        room.close()


@pytest.fixture(scope="class")
def theatre() -> Iterator[Room]:
    """Give a room in which a surgeon's hand draws, and whose second relay is hostile."""
    room = Room()
    try:
        room.open()
        room.start("natived")
        room.until(room.follows, "motion")
        yield room
    finally:
        room.close()


@pytest.fixture
def own_room() -> Iterator[Room]:
    """Give a room that nobody holds, with a hostile relay, to one story alone: it may break it."""
    room = Room()
    try:
        yield room.open()
    finally:
        room.close()
