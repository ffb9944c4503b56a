"""The drivers of docs/examples keep the three rules, whatever comes over their socket.

Each runs as a process of its own against the driver's socket as robotd opens it. Time is judged by
the ticks in what the driver measured; where a stall of this machine would rightly brake a driver,
the story notices the stall.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from safety.clamp import Rule
from safety.driver import Measure, Servo, Stop
from safety.messages import Driver
from teleop.node.rundir import base_path
from transport.io import keys
from transport.io.curve import Doorman
from transport.io.driver import UNIX, open_driver
from transport.io.keys import Keyring, Role
from transport.io.process import ProcessSettings, Runtime
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError
from transport.wire.vector import (
    STILL,
    Setpoint,
    Twist,
    is_unit,
    pack_setpoint,
    pack_twist,
    unpack_setpoint,
    unpack_twist,
)

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
MS = 1_000_000
PATIENCE_S = 30.0
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-O1", "-g")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")

HOME = Setpoint(0.0, 0.0, -0.1, 1.0, 0.0, 0.0, 0.0, 0.0)
AWAY = HOME._replace(x=0.05, jaw=0.5)
MOVING = Twist(0.1, 0.0, -0.05, 0.0, 0.0, 0.0)
#: How far the C drivers' arm, which trails by 4 ms, is put forward by that feed-forward.
AHEAD = HOME._replace(x=0.0004, z=-0.1002)
CLEAR = Stop(34, None)

NODE_TOML = """\
[node]
name = "driver-{0}"
state_dir = "."
[relay]
console = "tcp://127.0.0.1:{0}"
datagram = "udp://127.0.0.1:{0}"
robot = "tcp://127.0.0.1:{1}"
[session]
listen = "tcp://127.0.0.1:{2}"
[robot]
driver = "external"
driver_listen = "{listen}"
guard = "tcp://127.0.0.1:{3}"
[metrics]
listen = ""
[web]
listen = ""
"""

_MEASURES = Registry((Measure,))
_ASKED = Registry((Servo, Stop))


class Robot:
    """Trocar's side of the driver's socket, and the driver that runs against it."""

    def __init__(self, folder: Path, listen: str, command: Callable[[Robot], list[str]]) -> None:
        self.folder = folder
        self.listen = listen
        self.measures: list[Measure] = []
        self.answer: Callable[[Measure], Iterable[bytes | Message]] = lambda _: ()
        self.gone = 0
        self.longest_gap_ns = 0
        self._heard_ns = time.monotonic_ns()
        for name, role in (("arm", Role.ROBOT), ("driver", Role.DRIVER), ("hand", Role.CONSOLE)):
            keys.new(folder / "keys", name, role)
        keyring = Keyring.load(folder / "keys")
        self.public = keyring.server("arm").decode()
        self.runtime = Runtime(ProcessSettings(name="robot", run_dir=str(folder), skew_seed=3))
        doors = {"driver": frozenset({Role.DRIVER})}
        loop, context = self.runtime.loop, self.runtime.context
        self.doorman = Doorman(loop, context, keyring, doors, lambda _: None)
        self._keyring = keyring
        self.open()
        self.process = subprocess.Popen(
            command(self), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def open(self) -> None:
        self.port = open_driver(
            self.listen,
            self.runtime,
            self._keyring,
            self._keyring.identity("arm"),
            "arm",
            self._heard,
            self._lost,
            lambda _: None,
        )
        self.endpoint = getattr(self.port, "endpoint", "")

    @property
    def path(self) -> Path:
        return self.folder / "driver-arm.sock"

    @property
    def newest(self) -> Measure:
        return self.measures[-1]

    @property
    def tip(self) -> Setpoint:
        return unpack_setpoint(self.newest.measured)

    def says(self, flag: Driver) -> bool:
        return bool(self.newest.flags & flag)

    def tell(self, message: Message) -> None:
        assert self.port.send(encode(message))

    def drive(self, to: Setpoint = HOME) -> None:
        """Given an enabled driver that is asked to be there."""
        self.answer = lambda m: [CLEAR, servo(m, to)] if m.flags & Driver.BRAKED else [servo(m, to)]
        self.until(lambda: self.measures and self.says(Driver.ENABLED))

    def kept_alive(self, measures: list[Measure]) -> bool:
        """Tell whether it never braked, or one of us two slept so long that it had to."""
        return self.longest_gap_ns > 20 * MS or all(m.flags & Driver.ENABLED for m in measures)

    def hears(self, count: int) -> list[Measure]:
        """Wait for so many more measurements."""
        before = len(self.measures)
        self.until(lambda: len(self.measures) >= before + count)
        return self.measures[before:]

    def until(self, so: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Run the loop until `so()` is true."""
        ends_at = time.monotonic() + seconds
        happened = False

        def look() -> None:
            nonlocal happened
            happened = happened or bool(so())
            if happened or time.monotonic() > ends_at or self.process.poll() is not None:
                self.runtime.stop()

        ticks = self.runtime.loop.every(MS, look)
        code = self.runtime.loop.run()
        ticks.close()
        assert code == 0, "a callback raised"
        assert happened, f"did not happen within {seconds} s; {self.complaint()}"

    def complaint(self) -> str:
        """What the driver said when it ended, "" while it runs."""
        if self.process.poll() is None or self.process.stderr is None:
            return ""
        return f"ended with {self.process.returncode}: {self.process.stderr.read()}"

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.port.close()
        self.doorman.close()
        self.runtime.close()

    def _heard(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        if self.measures:
            self.longest_gap_ns = max(self.longest_gap_ns, now_ns - self._heard_ns)
        self._heard_ns = now_ns
        measure = _MEASURES.expect(data, Measure)
        self.measures.append(measure)
        for message in self.answer(measure):
            self.port.send(message if isinstance(message, bytes) else encode(message))

    def _lost(self) -> None:
        self.gone += 1


def servo(
    measure: Measure,
    to: Setpoint = HOME,
    *,
    velocity: Twist = STILL,
    late_ns: int = 0,
    valid_us: int = 30_000,
    arm: int = 0,
) -> Servo:
    """The setpoint that answers a measurement, or one `late_ns` before it."""
    tick = measure.driver_tick - late_ns
    pose, twist = pack_setpoint(to), pack_twist(velocity)
    return Servo(33, arm, 7, tick, valid_us, pose, twist, 0, 0, False)


# Given a driver ----------------------------------------------------------------------------


def build(folder: Path, source: str, *flags: str) -> Path:
    program = folder / Path(source).stem
    run = [compiler(), *flags[:-1], str(EXAMPLES / source), "-o", str(program), *flags[-1:]]
    done = subprocess.run([word for word in run if word], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def compiler() -> str:
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if found is None:
        pytest.skip("NOT TESTED: the C drivers; no C compiler here (apt-get install gcc libc6-dev)")
    return found


def compiles(source: str, *flags: str) -> bool:
    run = [compiler(), "-x", "c", "-", "-o", "/dev/null", *flags]
    return subprocess.run(run, input=source, capture_output=True, text=True).returncode == 0


@pytest.fixture(scope="session")
def unix_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sanitized = SANITIZED if compiles("int main(void) { return 0; }", *SANITIZED) else ()
    return build(tmp_path_factory.mktemp("unix"), "driver_unix.c", *STRICT, *sanitized, "")


@pytest.fixture(scope="session")
def zmq_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not compiles("#include <zmq.h>\nint main(void) { return !zmq_ctx_new(); }", "-lzmq"):
        pytest.skip("NOT TESTED: driver_zmq.c; no libzmq headers (apt-get install libzmq3-dev)")
    return build(tmp_path_factory.mktemp("zmq"), "driver_zmq.c", *STRICT, "-lzmq")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a local socket's has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="trocar-") as name:
        yield Path(name)


@pytest.fixture(params=["driver.py", "driver_unix.c", "driver_zmq.c"])
def robot(request: pytest.FixtureRequest, folder: Path) -> Iterator[Robot]:
    made = start(request, folder, request.param)
    yield made
    made.close()


@pytest.fixture(params=["driver_unix.c", "driver_zmq.c"])
def c_robot(request: pytest.FixtureRequest, folder: Path) -> Iterator[Robot]:
    made = start(request, folder, request.param)
    yield made
    made.close()


@pytest.fixture
def unix_robot(request: pytest.FixtureRequest, folder: Path) -> Iterator[Robot]:
    made = start(request, folder, "driver_unix.c")
    yield made
    made.close()


def start(request: pytest.FixtureRequest, folder: Path, source: str, key: str = "driver") -> Robot:
    if source == "driver_zmq.c":
        program = request.getfixturevalue("zmq_program")
        secret = folder / "keys" / f"{key}.secret"
        listen = "tcp://127.0.0.1:*"
        return Robot(folder, listen, lambda r: [program, r.endpoint, r.public, str(secret)])
    if source == "driver_unix.c":
        program = request.getfixturevalue("unix_program")
        return Robot(folder, UNIX, lambda r: [program, str(r.path)])
    return Robot(folder, UNIX, lambda r: [sys.executable, str(EXAMPLES / source), str(r.path)])


# The stories -------------------------------------------------------------------------------


def test_it_measures_braked_from_power_up(robot):
    measures = robot.hears(50)
    ticks = [measure.driver_tick for measure in measures]
    assert ticks == sorted(set(ticks))
    assert {measure.instance for measure in measures} == {robot.newest.instance} != {0}
    assert {measure.flags for measure in measures} == {Driver.SIMULATED | Driver.BRAKED}
    assert all(is_unit(unpack_setpoint(measure.measured)) for measure in measures)
    assert {unpack_twist(measure.velocity) for measure in measures} == {STILL}
    assert {measure.rule for measure in measures} == {Rule.NONE}


def test_it_does_not_follow_before_it_is_cleared(robot):
    robot.answer = lambda measure: [servo(measure, AWAY)]
    robot.hears(30)
    assert robot.says(Driver.BRAKED)
    assert robot.tip == HOME


def test_it_follows_a_fresh_setpoint(robot):
    robot.drive(AWAY)
    robot.until(lambda: abs(robot.tip.x - AWAY.x) < 1e-6)
    assert robot.tip.jaw == AWAY.jaw


def test_it_has_a_velocity_loop_and_adds_the_feed_forward(c_robot):
    robot = c_robot
    robot.drive()
    robot.answer = lambda measure: [servo(measure, velocity=MOVING)]
    robot.until(lambda: math.dist(robot.tip, AHEAD) < 1e-6)
    robot.answer = lambda measure: [servo(measure)]
    robot.until(lambda: math.dist(robot.tip, HOME) < 1e-6)


def test_it_has_no_velocity_loop_and_ignores_the_feed_forward(request, folder):
    robot = start(request, folder, "driver.py")
    try:
        robot.drive()
        robot.answer = lambda measure: [servo(measure, velocity=MOVING)]
        measures = robot.hears(60)
        assert robot.kept_alive(measures)
        assert {unpack_setpoint(measure.measured) for measure in measures} == {HOME}
    finally:
        robot.close()


def test_a_stop_ends_the_feed_forward_too(c_robot):
    robot = c_robot
    robot.drive()
    robot.answer = lambda measure: [servo(measure, velocity=MOVING)]
    robot.until(lambda: math.dist(robot.tip, AHEAD) < 1e-6)
    robot.answer = lambda _: ()
    robot.until(lambda: robot.says(Driver.BRAKED))
    stood = robot.tip
    robot.hears(30)
    assert robot.tip == stood
    robot.tell(CLEAR)
    robot.until(lambda: robot.says(Driver.ENABLED))
    assert robot.tip == stood, "clear itself moves nothing"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_setpoint_whose_velocity_is_no_number_is_refused_whole(c_robot, value):
    robot = c_robot
    robot.drive()
    wrong = MOVING._replace(wz=value)
    robot.answer = lambda measure: [servo(measure), servo(measure, AWAY, velocity=wrong)]
    robot.hears(60)
    assert robot.tip == HOME


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"late_ns": 31 * MS}, id="too old"),
        pytest.param({"late_ns": 12 * MS, "valid_us": 5_000}, id="valid for less"),
        pytest.param({"late_ns": -5_000 * MS}, id="not of this driver"),
        pytest.param({"arm": 1}, id="another arm"),
    ],
)
def test_it_refuses_a_stale_setpoint(robot, wrong):
    robot.drive()
    robot.answer = lambda measure: [servo(measure), servo(measure, AWAY, **wrong)]
    measures = robot.hears(60)
    assert robot.tip == HOME
    assert robot.kept_alive(measures), "the good ones beside them count"


def test_refused_setpoints_do_not_keep_it_alive(robot):
    robot.drive()
    robot.answer = lambda measure: [servo(measure, late_ns=31 * MS)]
    robot.until(lambda: robot.says(Driver.BRAKED))


def test_its_own_watchdog_brakes_it(robot):
    robot.drive(AWAY)
    robot.until(lambda: robot.tip.x > 0.01)
    robot.answer = lambda _: ()
    last_tick = robot.newest.driver_tick
    robot.until(lambda: robot.says(Driver.BRAKED))
    moving = [m.driver_tick for m in robot.measures if m.flags & Driver.ENABLED]
    assert moving[-1] <= last_tick + (30 + 30) * MS, "accepted within 30 ms, alive for 30 more"

    stood = robot.tip
    robot.answer = lambda measure: [servo(measure, AWAY)]
    robot.hears(30)
    assert robot.tip == stood, "only clear enables"
    robot.drive(stood)
    assert robot.tip == stood, "and clear itself moves nothing"


@pytest.mark.parametrize("category", [0, 1, 2])
def test_it_stops_when_told(robot, category):
    robot.drive(AWAY)
    robot.until(lambda: robot.tip.x > 0.001)
    robot.answer = lambda measure: [servo(measure, AWAY)]
    robot.tell(Stop(34, category))
    robot.until(lambda: robot.says(Driver.BRAKED))
    stood = robot.tip
    robot.hears(30)
    assert robot.says(Driver.BRAKED)
    assert robot.tip == stood


def test_the_local_driver_brakes_without_trocar_and_comes_back(unix_robot):
    robot = unix_robot
    robot.drive()
    instance = robot.newest.instance
    robot.port.close()
    robot.answer = lambda _: ()
    robot.measures.clear()
    robot.open()
    robot.hears(5)
    assert robot.newest.instance == instance
    assert all(measure.flags & Driver.BRAKED for measure in robot.measures)


def test_the_driver_elsewhere_says_when_its_key_is_refused(request, folder):
    robot = start(request, folder, "driver_zmq.c", key="hand")
    try:
        robot.until(lambda: robot.process.poll() is not None)
        assert "ended with 1: refused" in robot.complaint()
        assert not robot.measures
    finally:
        robot.close()


def test_garbage_moves_nothing_and_stops_nothing(unix_robot):
    robot = unix_robot
    robot.drive()
    dice = random.Random(20)

    robot.answer = lambda measure: [servo(measure), *(garbage(dice, measure) for _ in range(6))]
    measures = robot.hears(500)
    assert robot.tip == HOME
    assert robot.kept_alive(measures)
    assert robot.gone == 0
    robot.drive(AWAY)
    robot.until(lambda: robot.tip.x > 0.04)


@pytest.mark.parametrize("source", ["driver.py", "driver_unix.c", "driver_zmq.c"])
def test_a_whole_node_moves_it(request, folder, source):
    ports = free_ports(5)
    remote = source == "driver_zmq.c"
    listen = f"tcp://127.0.0.1:{ports[4]}" if remote else UNIX
    (folder / "node.toml").write_text(NODE_TOML.format(*ports, listen=listen))
    path = base_path() / f"driver-{ports[0]}" / "driver-robot.sock"
    robot = keys.new(folder / "keys", "robot", Role.ROBOT)
    keys.new(folder / "keys", "driver", Role.DRIVER)
    if remote:
        secret = str(folder / "keys" / "driver.secret")
        program = request.getfixturevalue("zmq_program")
        driver = [str(program), listen, robot.public_z85, secret]
    elif source == "driver_unix.c":
        driver = [str(request.getfixturevalue("unix_program")), str(path)]
    else:
        driver = [sys.executable, str(EXAMPLES / source), str(path)]
    trocar = [sys.executable, "-m", "teleop", "demo", "--dir", str(folder)]
    measured = folder / "measured.json"
    with running([*trocar, "--seconds", "1", "--json", str(measured)], cwd=ROOT) as demo:
        wait_until(lambda: remote or path.exists() or demo.poll() is not None)
        with running(driver):
            said, _ = demo.communicate(timeout=3 * PATIENCE_S)
    assert demo.returncode == 0, said
    report = json.loads(measured.read_bytes())
    assert report["sent"] > 500
    assert 0 < report["tracking_rms_mm"] < 5, "it lags by 4 ms and no more"


def wait_until(so: Callable[[], object]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < ends_at, f"did not happen within {PATIENCE_S} s"
        time.sleep(0.02)


@contextlib.contextmanager
def running(command: list[str], cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program, and end it, with all that it started, when the story is over."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=cwd, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # a demo stops its node; a driver just ends
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def garbage(dice: random.Random, measure: Measure) -> bytes:
    """Bytes that are no message of the protocol, most of them nearly one."""
    while True:
        good = encode(dice.choice([servo(measure, AWAY), CLEAR, Stop(34, 1)]))
        bad = bytearray(good)
        match dice.randrange(5):
            case 0:
                bad = bad[: dice.randrange(1, len(bad))]
            case 1:
                bad += dice.randbytes(dice.randrange(1, 700))
            case 2:
                bad[dice.randrange(min(len(bad), 30))] = dice.randrange(256)
            case 3:
                huge = dice.choice([1 << 63, (1 << 64) - 1])
                pose, twist = pack_setpoint(AWAY), pack_twist(MOVING)
                fields = [1, 33, 0, 7, measure.driver_tick, 30_000, pose, twist, 0, 0, True]
                fields[dice.choice([3, 4, 5])] = huge
                bad = bytearray(msgspec.msgpack.encode(fields))
            case _:
                bad = bytearray(dice.randbytes(dice.randrange(1, 200)))
        try:
            _ASKED.decode(bytes(bad))
        except WireError:
            return bytes(bad)
