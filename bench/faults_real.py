"""Real deaths, hangs, freezes and full disks on a running node, each beside what it is measured by.

killed     the only relay is killed (SIGKILL) in the midst of motion; nothing restarts it before the
           robot holds
stops      the console just stops sending (SIGSTOP): the control that a killed relay is held against
hung       the relay stands still (SIGSTOP) until the watchdog ends it
frozen     every process of the node stands still for half a second (cgroup freezer, or SIGSTOP)
clock      the relay comes back in a time namespace whose monotonic clock is days ahead
disk       the disk of stores and audit is full: who moves goes on, nobody new is granted anything
files      the relay has no file descriptor left, and strangers connect

Trials of `killed`, `stops` and `hung` are interleaved. Delays are from the signal to what robot or
watchdog noted in their flight rings; each process has a clock of its own, undone here.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from json import loads
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import readings
from bench.claims import Condition, failed, judge, load_claims
from bench.report import Report, host, now_utc, write
from bench.rows import Row, numbers
from bench.stage import SHM, TABLE, Keys, Spoiled, Stage
from bench.stall import Frozen
from bench.stall import judge as judge_stall
from bench.variants import BY_NAME, ROBOT
from safety.settings import WatchdogdSettings
from safety.state import State
from safety.watchdog import Fault, Watched
from teleop.robot.settings import RobotdSettings
from teleop.settings import SessiondSettings
from transport.io import keys, realtime
from transport.io.keys import Role

PART = "faults-real"
TRIALS = 300
VARIANT = BY_NAME["trocar-udp"]
WATCHDOG = "watchdog"
#: The only relay is a group of its own; while it is down the robot is held.
RELAY = Watched(name="relayd", fifo=TABLE["relayd"].fifo, hang_ms=20, group="relays", floor="hold")
STEADY_S = 0.35
"""Of motion before each fault, plus up to a command's period: faults fall anywhere within it."""
STOP_S = 0.08
HOLD_WAIT_S, AGAIN_WAIT_S = 1.0, 8.0
PER_STAGE = 25
"""Trials that share processes, so that a run is not all starting up."""
STAGES_MAX = 200
"""On a machine that is too busy the arm does not come back in time, and everything starts anew."""
FREEZES = 8
FREEZE_S = 0.5
WATCH_S = 3.0
AHEAD_S = 400_000
FREEZER = Path("/sys/fs/cgroup/freezer")


class Delay(NamedTuple):
    """One trial: from the signal to the robot's HOLD, and to what the watchdog noticed, ns."""

    hold_ns: int
    noticed_ns: int


class Scene(Stage):
    """The stage with a watchdog, and relays that can be started again."""

    def start_again(self, name: str = "relayd", prefix: tuple[str, ...] = ()) -> None:
        """Start a process that was killed, with its settings of before."""
        self.children[name].wait(5)
        board = self.run_dir / "boards" / f"{name}.board"
        board.unlink(missing_ok=True)
        settings = self.run_dir / f"{name}.json"
        command = [*prefix, sys.executable, "-m", TABLE[name].module, str(settings)]
        with (self.run_dir / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._wait(name, lambda: readings.is_ready(self.run_dir, name))

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


def run(console: Console, json: Path | None, *, trials: int = TRIALS, seed: int = 0) -> int:
    """Measure, print, write; return 1 when a claim failed."""
    rows: list[Row] = []
    spoiled: list[str] = []
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="trocar-bench-keys-", dir=SHM) as directory:
        devices = Keys(Path(directory))
        keys.new(devices.directory, WATCHDOG, Role.GUARD)
        rows += _delays(devices, trials, seed, console, spoiled)
        for name, part in PARTS.items():
            try:
                rows.append(part(devices, seed))
            except Spoiled as error:
                spoiled.append(f"{name}: {error}")
            except NotHere as error:
                missing[name] = str(error)
    claims = load_claims()
    lacks = realtime.explain()
    true = {
        "no-fifo": realtime.NO_FIFO in lacks,
        "one-core": len(os.sched_getaffinity(0)) < 2,
        "no-root": bool(missing),
    }
    conditions = [Condition(name, claims.conditions[name]) for name, so in true.items() if so]
    verdicts = judge(claims.claim, [PART], conditions, numbers(rows), {})
    for row in rows:
        shown = "  ".join(f"{name} {value:.3g}" for name, value in row.extra.items())
        console.print(f"  {row.variant:8} n {row.n:5}  {shown}", highlight=False)
    for name, why in missing.items():
        console.print(f"  {name:8} not here: {why}", highlight=False)
    for claim in verdicts:
        kept = {True: "kept", False: "NOT KEPT", None: claim.why}[claim.ok]
        console.print(f"  {claim.words}: {claim.measured} {claim.unit}, {kept}", markup=False)
    if json is not None:
        report = Report(
            bench=PART,
            command=" ".join(["python -m bench", *sys.argv[1:]]),
            t_utc=now_utc(),
            seed=seed,
            parts=[PART],
            quick=trials < TRIALS,
            host=host(),
            sentinel={"control": "`stops` is measured between the other trials"},
            rows=rows,
            ratios={},
            claims=verdicts,
            missing=missing,
            spoiled=spoiled,
        )
        write(report, json)
    return int(bool(failed(verdicts)))


class NotHere(RuntimeError):
    """This machine lacks what a part needs; the text says what."""


# Deaths, hangs, and a console that stops -------------------------------------------------


def _delays(
    devices: Keys, trials: int, seed: int, console: Console, spoiled: list[str]
) -> list[Row]:
    """Interleave killed, stopped and hung until there are so many of each."""
    found: dict[str, list[Delay]] = {"killed": [], "stops": [], "hung": []}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("deaths, hangs, stops", total=3 * trials)
        for stage in range(STAGES_MAX):
            if min(map(len, found.values())) >= trials:
                break
            try:
                with Scene(VARIANT, bare=False, keys=devices, seed=seed + stage) as scene:
                    for name, delay in _trials(scene, seed + stage):
                        if len(found[name]) < trials:
                            found[name].append(delay)
                            progress.advance(task)
            except Spoiled as error:
                spoiled.append(str(error).splitlines()[0])
    return [*(_row(name, delays) for name, delays in found.items()), _compare(found)]


def _trials(scene: Scene, seed: int) -> Iterator[tuple[str, Delay]]:
    """Play trials on one set of processes, as long as the arm comes back to motion."""
    rng = np.random.default_rng(seed)
    for _ in range(PER_STAGE):
        for name in rng.permutation(["killed", "stops", "hung"]):
            if not scene.wait_for(scene.is_moving, AGAIN_WAIT_S):
                return
            time.sleep(STEADY_S + float(rng.uniform(0.0, 0.01)))
            if not scene.is_moving():
                continue  # a gap of the host: this is no fault of ours to measure
            began_ns = time.monotonic_ns()
            _FAULTS[name](scene)
            has_held = scene.wait_for(lambda: scene.state() is not State.ENGAGED, HOLD_WAIT_S)
            delay = _delay(scene, began_ns, str(name)) if has_held else None
            if name != "stops":
                scene.start_again()
            if delay is not None:
                yield str(name), delay


def _kill(scene: Scene) -> None:
    scene.children["relayd"].kill()


def _hang(scene: Scene) -> None:
    scene.children["relayd"].send_signal(signal.SIGSTOP)


def _stop(scene: Scene) -> None:
    child = scene.children["natived"]
    child.send_signal(signal.SIGSTOP)
    time.sleep(STOP_S)
    child.send_signal(signal.SIGCONT)


_FAULTS: dict[str, Callable[[Scene], None]] = {"killed": _kill, "stops": _stop, "hung": _hang}
_NOTICED = {"killed": Fault.DIED, "hung": Fault.HUNG}


def _delay(scene: Scene, began_ns: int, name: str) -> Delay | None:
    """Read when the robot held and the watchdog noticed; None where the robot had held before."""
    time.sleep(0.06)  # whoever has still to write into its ring has then done so
    window = readings.Window(began_ns - 20_000_000, time.monotonic_ns())
    falls = [
        t.t_ns
        for t in readings.transitions(scene.run_dir, "robotd", scene.skew("robotd"), window)
        if t.new <= State.HOLD < t.old
    ]
    if not falls or falls[0] < began_ns:
        return None
    noticed_ns = 0
    fault = _NOTICED.get(name)
    for line in readings.flight(scene.run_dir, "watchdogd", "notice"):
        t_ns = scene.skew("watchdogd").undo(line["t_ns"])
        if line["fault"] == fault and t_ns >= began_ns and not noticed_ns:
            noticed_ns = t_ns - began_ns
    return Delay(falls[0] - began_ns, noticed_ns)


def _row(name: str, delays: list[Delay]) -> Row:
    row = Row(variant=name, n=len(delays), lost=0, late=0, merged=0)
    hold = np.array([delay.hold_ns for delay in delays]) / 1e6
    noticed = np.array([delay.noticed_ns for delay in delays if delay.noticed_ns]) / 1e6
    if len(hold):
        row.extra = {f"hold_p{q}_ms": float(np.percentile(hold, q)) for q in (50, 90, 99)}
        row.extra["hold_max_ms"] = float(hold.max())
    if len(noticed):
        row.extra |= {f"noticed_p{q}_ms": float(np.percentile(noticed, q)) for q in (50, 90)}
        row.extra |= {"noticed_max_ms": float(noticed.max()), "noticed": float(len(noticed))}
    return row


def _compare(found: dict[str, list[Delay]]) -> Row:
    """Hold the killed against the controls, as ratios of their percentiles."""
    row = Row(variant="killed/stops", n=min(map(len, found.values())), lost=0, late=0, merged=0)
    killed, stops = (np.array([d.hold_ns for d in found[name]]) for name in ("killed", "stops"))
    if row.n:
        row.extra = {
            f"p{q}": float(np.percentile(killed, q) / np.percentile(stops, q)) for q in (50, 90)
        }
    return row


# A whole node stands still ----------------------------------------------------------------


def _frozen(devices: Keys, seed: int) -> Row:
    """Freeze everything at once, again and again; find the oldest command that moved the arm."""
    oldest, held, moved = [], 0, 0
    for number in range(FREEZES):
        with Scene(VARIANT, bare=False, keys=devices, seed=seed + number) as scene:
            scene.wait_moving()
            start_ns = time.monotonic_ns()
            time.sleep(1.0)
            with _freezer([child.pid for child in scene.children.values()]):
                stall = Frozen(time.monotonic_ns(), time.monotonic_ns() + round(FREEZE_S * 1e9))
                time.sleep(FREEZE_S)
            time.sleep(2.0)
            scene.check()
            window = readings.Window(start_ns, time.monotonic_ns())
            after = readings.Window(stall.start_ns, time.monotonic_ns())
            falls = readings.transitions(scene.run_dir, "robotd", scene.skew("robotd"), after)
            held += any(fall.new <= State.HOLD < fall.old for fall in falls)
            scene.finish()
            sent = readings.sent(scene.run_dir, "natived", scene.skew("natived"), window)
            seen = readings.seen(scene.run_dir, "robotd", scene.skew("robotd"))
            accepted = readings.accepted(scene.run_dir, "simd", scene.skew("simd"))
            formed = {key: slot.sent_ns for key, slot in sent.items()}
            found = judge_stall(formed, accepted, [line.key for line in seen], stall)
            oldest.append(found.beyond_floor_ns / 1e6)
            moved += found.moved_again
    row = Row(variant="frozen", n=FREEZES, lost=0, late=0, merged=0)
    row.extra = {
        "oldest_beyond_floor_ms": max(oldest),
        "not_held": float(FREEZES - held),
        "moved_again": float(moved),
    }
    return row


@contextlib.contextmanager
def _freezer(pids: list[int]) -> Iterator[None]:
    """Freeze processes all at once, by the kernel's freezer where we may."""
    group = FREEZER / f"trocar-bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        return
    try:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        yield
    finally:
        (group / "freezer.state").write_text("THAWED")
        for pid in pids:
            with contextlib.suppress(OSError):
                (FREEZER / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            group.rmdir()


# Clocks, disks, descriptors ----------------------------------------------------------------


def _clock(devices: Keys, seed: int) -> Row:
    """Bring the relay back with a clock that is days ahead of everybody else's."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise NotHere("a time namespace needs root and `unshare`")
    with Scene(VARIANT, bare=False, keys=devices, seed=seed) as scene:
        scene.wait_moving()
        scene.children["relayd"].kill()
        scene.wait_for(lambda: scene.state() is not State.ENGAGED, HOLD_WAIT_S)
        scene.start_again(prefix=("unshare", "--time", "--monotonic", str(AHEAD_S)))
        began = time.monotonic()
        moves = scene.wait_for(scene.is_moving, AGAIN_WAIT_S)
        took_s = time.monotonic() - began
        stays = _holds(scene, WATCH_S) == 0
    row = Row(variant="clock", n=1, lost=0, late=0, merged=0)
    row.extra = {"stays_still": float(not moves), "moves_after_s": took_s, "held": float(not stays)}
    return row


def _disk(devices: Keys, seed: int) -> Row:
    """Fill the disk of stores and audit under a hand that moves."""
    with _small_disk() as disk, DiskScene(disk, devices, seed) as scene:
        scene.wait_moving()
        _fill(disk)
        held = _holds(scene, WATCH_S)
        granted = _asks_anew(scene, WATCH_S)
        for path in disk.glob("filler*"):
            path.unlink()
        again = _asks_anew(scene, AGAIN_WAIT_S)
    row = Row(variant="disk", n=1, lost=0, late=0, merged=0)
    row.extra = {"held": float(held), "granted": float(granted), "not_after": float(again == 0)}
    return row


class DiskScene(Scene):
    """A scene whose stores and audit are on a disk of their own."""

    def __init__(self, disk: Path, devices: Keys, seed: int) -> None:
        super().__init__(VARIANT, bare=False, keys=devices, seed=seed)
        self._disk = disk

    def _spawn(self, name: str, module: str, settings: object) -> None:
        if isinstance(settings, SessiondSettings):
            settings = replace(
                settings,
                store=str(self._disk / "session.store"),
                audit=str(self._disk / "audit"),
                audit_head=str(self._disk / "head"),
            )
        super()._spawn(name, module, settings)


@contextlib.contextmanager
def _small_disk() -> Iterator[Path]:
    if os.geteuid() != 0:
        raise NotHere("a disk of its own needs root")
    path = Path(tempfile.mkdtemp(prefix="trocar-bench-disk-"))
    # Larger than what the audit keeps free, or it would be full from the start.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)
        path.rmdir()


def _fill(disk: Path) -> None:
    block = bytes(1 << 16)
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(block)


def _asks_anew(scene: Scene, seconds: float) -> int:
    """Have a console ask for the robot; return how many grants came of it, within so long."""
    before = readings.gauge(scene.run_dir, "robotd", "epoch") or 0
    console = scene.children["natived"]
    console.terminate()
    console.wait(5)
    (scene.run_dir / "boards" / "natived.board").unlink(missing_ok=True)
    settings = scene.run_dir / "natived.json"
    with (scene.run_dir / "natived.log").open("ab") as log:
        scene.children["natived"] = subprocess.Popen(
            [sys.executable, "-m", TABLE["natived"].module, str(settings)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    scene.wait_for(
        lambda: (readings.gauge(scene.run_dir, "robotd", "epoch") or 0) > before, seconds
    )
    return (readings.gauge(scene.run_dir, "robotd", "epoch") or 0) - before


def _files(devices: Keys, seed: int) -> Row:
    """Leave the relay without descriptors, and knock at its doors."""
    with Scene(VARIANT, bare=False, keys=devices, seed=seed) as scene:
        scene.wait_moving()
        pid = scene.children["relayd"].pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, used + 2))
        port = int(_console_port(scene))
        strangers = []
        with contextlib.suppress(OSError):
            for _ in range(200):
                stranger = socket.create_connection(("127.0.0.1", port), timeout=1)
                strangers.append(stranger)
        held = _holds(scene, WATCH_S)
        for stranger in strangers:
            stranger.close()
        # libzmq turns in a circle when it cannot accept; then the watchdog ends the relay.
        has_ended = scene.children["relayd"].poll() is not None
        if has_ended:
            scene.start_again()
        moves = scene.wait_for(scene.is_moving, AGAIN_WAIT_S)
    row = Row(variant="files", n=len(strangers), lost=0, late=0, merged=0)
    row.extra = {
        "held": float(held),
        "fenced": float(has_ended),
        "stays_still": float(not moves),
    }
    return row


def _console_port(scene: Scene) -> str:
    settings = loads((scene.run_dir / "relayd.json").read_text())
    return str(settings["hub"]["console"]).rpartition(":")[2]


def _holds(scene: Scene, seconds: float) -> int:
    """Count how often the robot left motion in so many seconds."""
    start_ns = time.monotonic_ns()
    time.sleep(seconds)
    window = readings.Window(start_ns, time.monotonic_ns())
    falls = readings.transitions(scene.run_dir, "robotd", scene.skew("robotd"), window)
    return sum(fall.new <= State.HOLD < fall.old for fall in falls)


PARTS: dict[str, Callable[[Keys, int], Row]] = {
    "frozen": _frozen,
    "clock": _clock,
    "disk": _disk,
    "files": _files,
}
