"""Starts and ends a process of the node: the one `main` of every process file.

Order
-----
settings -> `prepare` -> real-time rights -> (lazily) board, ZMQ context -> `build` -> garbage
collector off -> loop -> close everything, newest first.

Rules
-----
- Bad settings end with code 2 and one line that names file, place and expectation.
- SIGTERM and SIGINT end with code 0 after a clean close, even when they come during `build`.
- An error nobody expected ends with code 1 and its traceback; the supervisor starts it anew.
- The process is not tied to its parent: a dead supervisor stops no robot.
- Its loop beats, whatever it is about (transport.telemetry.pulse). A watchdog may judge that from
  the first round after `ready` to the beginning of the end, and not before or behind.
- `prepare` is for what takes seconds of a core, such as compiling kernels: it runs at ordinary
  priority, because seconds at a real-time one would be everybody else's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
import zmq

from transport.io import living, realtime, tether
from transport.io.build import build_id
from transport.io.clock import Clock, Skew
from transport.io.loop import Loop
from transport.io.mapping import Mapping
from transport.io.zmq import Context
from transport.telemetry.board import Board
from transport.telemetry.flight import Flight
from transport.telemetry.pulse import Layout, Phase, Pulse
from transport.telemetry.tape import Tape

EXIT_SETTINGS = 2
SETTINGS_BYTES_MAX = 1 << 20
_HOUSEKEEPING_NS = 1_000_000_000
#: On every board, beside what the process itself counts.
GAUGES = ("ready", "rt_degraded", "pm_qos")


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every process is told.

    Parameters
    ----------
    name : unique in the node; names the board and the flight rings
    run_dir : directory on tmpfs, 0700, for sockets, boards and rings
    fifo : SCHED_FIFO priority, 0 = ordinary scheduling
    nice : niceness when `fifo` is 0 or refused
    pm_qos : may keep the cores awake while armed
    skew_seed : give this process a clock of its own (demo, tests, bench)
    """

    name: str
    run_dir: str
    fifo: int = 0
    nice: int = 0
    pm_qos: bool = False
    skew_seed: int | None = None


class Closeable(Protocol):
    """What `build` returns, and what a `Runtime` keeps until the end."""

    def close(self) -> None:
        """Release everything; called once."""


class HasProcess(Protocol):
    """Settings of a process file: a Struct with `process` and fields of its own."""

    @property
    def process(self) -> ProcessSettings:
        """What every process is told."""


S = TypeVar("S", bound=HasProcess)
C = TypeVar("C", bound=Closeable)
T = TypeVar("T")


class Runtime:
    """What a process file builds on: clock, loop, board, rings, ZMQ context.

    Attributes
    ----------
    clock, loop, pm_qos : this process's
    lacks : real-time rights that were refused
    """

    def __init__(self, settings: ProcessSettings, lacks: Sequence[realtime.Lack] = ()) -> None:
        skew = Skew.NONE if settings.skew_seed is None else Skew.draw(settings.skew_seed)
        self.settings = settings
        self.lacks = tuple(lacks)
        self.clock = Clock(skew)
        self.loop = Loop(self.clock)
        self.pm_qos = realtime.PmQos(settings.pm_qos)
        self._board: Board | None = None
        self._pulse: Pulse | None = None
        self._context: Context | None = None
        self._kept = contextlib.ExitStack()
        self._kept.callback(self.loop.close)
        self.keep(self.pm_qos)
        self.keep(self.loop.every(_HOUSEKEEPING_NS, self._keep_house))

    @property
    def context(self) -> Context:
        """The one ZMQ context, made when it is first asked for: after the real-time rights."""
        if self._context is None:
            context: Context = zmq.Context(1)
            self._context = context
            self._kept.callback(lambda: context.destroy(linger=0))
        return self._context

    @property
    def board(self) -> Board:
        """The process's board; `open_board` makes it."""
        return self._board if self._board is not None else self.open_board()

    def open_board(
        self,
        counters: Iterable[str] = (),
        gauges: Iterable[str] = (),
        histograms: Iterable[str] = (),
    ) -> Board:
        """Make the board with all its names, once, at the start of `build`."""
        assert self._board is None, "a board's names are fixed when it is made"
        names = (tuple(counters), (*GAUGES, *gauges), tuple(histograms))
        path = self._file("boards", f"{self.settings.name}.board")
        board = _shared(path, Board.size(*names), lambda view: Board.create(view, *names))
        board.gauge("rt_degraded").set(int(bool(self.lacks)))
        self._board = board
        return board

    def flight(self, name: str, fields: tuple[str, ...], capacity: int) -> Flight:
        """Make a flight ring ``<run_dir>/flight/<process>.<name>.ring``."""
        path = self._file("flight", f"{self.settings.name}.{name}.ring")
        size = Flight.size(fields, capacity)
        return _shared(path, size, lambda view: Flight(view, fields, capacity))

    def tape(self, capacity: int) -> Tape:
        """Make the process's tape ``<run_dir>/flight/<process>.tape``; it names the build."""
        path = self._file("flight", f"{self.settings.name}.tape")
        identity = f"{build_id()}-{os.urandom(8).hex()}"
        size = Tape.size(identity, capacity)
        return _shared(path, size, lambda view: Tape(view, identity, capacity))

    @property
    def pulse(self) -> Pulse:
        """The process's pulse; `open_pulse` makes it."""
        return self._pulse if self._pulse is not None else self.open_pulse()

    def open_pulse(self, stages: Iterable[str] = ()) -> Pulse:
        """Make the pulse with the stages of a pass of this loop, once, during `build`."""
        assert self._pulse is None, "a pulse's stages are fixed when it is made"
        layout = Layout(*self._identity(), realtime.priority(), tuple(stages))
        path = self._file("pulse", f"{self.settings.name}.pulse")
        self._pulse = _shared(path, Pulse.size(layout), lambda view: Pulse(view, layout))
        tether.hold(self._pulse.tether)
        return self._pulse

    def path(self, name: str) -> Path:
        """Name a file of this node's run directory."""
        return Path(self.settings.run_dir) / name

    def keep(self, thing: C) -> C:
        """Close `thing` at the end, before everything kept earlier."""
        self._kept.callback(thing.close)
        return thing

    def ready(self) -> None:
        """Tell the supervisor that this process does its work now, and beat from now on."""
        self.board.gauge("ready").set(1)
        self.keep(self.loop.every(self.pulse.layout.beat_ns, self._beat))

    def stop(self, code: int = 0) -> None:
        """End the process with `code` as soon as the loop comes round."""
        self.loop.stop(code)

    def close(self) -> None:
        """Close everything kept, newest first; one that fails does not spare the others."""
        if self._pulse is not None:
            self._pulse.enter(Phase.LEAVING)
        if self._board is not None:
            self._board.gauge("ready").set(0)
        self._kept.close()

    def _beat(self) -> None:
        # What is said here is said by the loop: building and collecting garbage are over.
        self.pulse.enter(Phase.WORKING)
        self.pulse.beat()

    def _identity(self) -> living.Identity:
        identity = living.identity_of(os.getpid())
        assert identity is not None
        return identity

    def _keep_house(self) -> None:
        realtime.sweep_young()
        self.board.gauge("pm_qos").set(int(self.pm_qos.held))

    def _file(self, folder: str, name: str) -> Path:
        directory = self.path(folder)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory / name


def main(
    settings_type: type[S],
    build: Callable[[S, Runtime], Closeable],
    prepare: Callable[[S], None] = lambda _: None,
) -> int:
    """Run a process file; return its exit code. ``argv[1]`` names the settings (JSON)."""
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: stops.append(caught))
    try:
        settings = load(settings_type, sys.argv[1:])
    except SettingsFault as fault:
        sys.stderr.write(f"{fault}\n")
        return EXIT_SETTINGS
    process = settings.process
    prepare(settings)
    lacks = realtime.enter(process.fifo, process.nice)
    for lack in lacks:
        sys.stderr.write(f"{process.name}: no {lack.what}: {lack.cost}; {lack.remedy}\n")
    code = 1
    runtime = Runtime(process, lacks)
    try:
        runtime.keep(build(settings, runtime))
        realtime.settle()
        code = 0 if stops else runtime.loop.run()
    except Exception:
        traceback.print_exc()
    finally:
        try:
            runtime.close()
        except Exception:
            traceback.print_exc()
            code = 1
    return code


class SettingsFault(Exception):
    """Settings that cannot be used; the message is for a person."""


def load(settings_type: type[S], arguments: Sequence[str]) -> S:
    """Read the settings file that is the only argument.

    Raises
    ------
    SettingsFault : no or surplus argument, no such file, not JSON, a field that is wrong
    """
    if len(arguments) != 1:
        raise SettingsFault("expected one argument: the file with this process's settings (JSON)")
    path = Path(arguments[0])
    try:
        with path.open("rb") as file:
            data = file.read(SETTINGS_BYTES_MAX)
        return msgspec.json.decode(data, type=settings_type)
    except OSError as error:
        raise SettingsFault(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SettingsFault(f"{path}: {error}") from error


def _shared(path: Path, size: int, make: Callable[[memoryview], T]) -> T:
    # The mapping is not kept for closing: handles point into it until the process ends.
    made: list[T] = []
    Mapping.create(path, size, lambda view: made.append(make(view)))
    return made[0]
