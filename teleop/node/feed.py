"""Plays a recording into the running node's monitor, and shows what the monitor makes of it.

Rules
-----
- It pushes into a socket in the run directory: whoever may do so may be any device of this machine.
- What cannot be sent is lost and counted, as a device's would be; it is never sent later.
- What it shows comes back from the monitor, not from the recording.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import zmq
from rich.console import Console as Terminal
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from monitor.feed.player import Player, tracks_of
from monitor.feed.readers import read
from monitor.feed.recording import FeedFault
from monitor.messages import Metric, Numeric, Samples
from monitor.settings import sources, vitals
from teleop.node.errors import NodeError
from teleop.node.signals import Signals
from transport.io.zmq import Context, Tuning, tune
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError

DEVICE: Final = "feed"
#: A monitor that runs has its socket by then, and takes what comes.
PATIENCE_NS: Final = 5_000_000_000
#: Two seconds of messages may wait for a monitor that is busy; then they are lost.
TUNING: Final = Tuning(hwm=64)
DRAIN_PARTS_MAX: Final = 512
SHOWN: Final = (Metric.HR, Metric.PR, Metric.SPO2, Metric.SYS, Metric.DIA, Metric.RR)
_NUMBERS: Final = Registry((Numeric,))


class FeedError(NodeError):
    """A recording cannot be played: it is none, or nobody takes it."""


class Wish(NamedTuple):
    """What is to be played.

    Parameters
    ----------
    bed : "unit/bed"
    file : the recording
    speed : 2 is twice as fast
    loop : begins anew at its end
    rate_hz : of a CSV without time
    """

    bed: str
    file: Path
    speed: float = 1.0
    loop: bool = False
    rate_hz: float | None = None


def feed(run_dir: Path, wish: Wish) -> int:
    """Play a recording until its end, or until told to stop.

    Raises
    ------
    FeedError : it is no recording, or nobody takes it; the text says what was expected
    """
    try:
        tracks = tracks_of(read(wish.file, wish.rate_hz), wish.speed)
    except FeedFault as fault:
        raise FeedError(str(fault)) from fault
    if not Path(sources(run_dir).removeprefix("ipc://")).exists():
        raise FeedError(f"no monitor listens in {run_dir}: does its node.toml name beds?")
    names = ", ".join(f"{track.name} as {track.signal.name}" for track in tracks)
    terminal = Terminal(stderr=True, highlight=False)
    terminal.print(f"{wish.file.name} -> {wish.bed}: {names}", markup=False)
    with Signals() as signals, Line(run_dir, wish.bed) as line:
        line.opens()
        began_ns = time.monotonic_ns()
        incarnation = (began_ns >> 16) & 0xFFFF_FFFF
        player = Player(tracks, wish.bed, DEVICE, incarnation, began_ns, wish.loop)
        _play(player, line, signals, terminal)
    lost = player.lost + line.lost
    terminal.print(
        f"played {player.played_s:.1f} s in {player.sent} messages, {lost} lost", markup=False
    )
    return 0


class Line:
    """The two sockets between us and the monitor.

    Attributes
    ----------
    lost : messages that it did not take in time
    numbers : what it last said of the bed
    """

    def __init__(self, run_dir: Path, bed: str) -> None:
        self.lost = 0
        self.numbers: dict[Metric, Numeric] = {}
        self.bed = bed
        self._context: Context = zmq.Context(1)
        self._out = tune(self._context.socket(zmq.PUSH), TUNING)
        self._out.connect(sources(run_dir))
        self._in = tune(self._context.socket(zmq.SUB), TUNING)
        self._in.subscribe(f"vital/{bed}/".encode())
        self._in.connect(vitals(run_dir))

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.destroy(linger=0)

    def opens(self) -> None:
        """Wait until the monitor is there.

        Raises
        ------
        FeedError : it is not, in time
        """
        if not self._out.poll(PATIENCE_NS // 1_000_000, zmq.POLLOUT):
            raise FeedError(f"the monitor did not answer for {PATIENCE_NS // 1_000_000_000} s")

    def send(self, message: Samples) -> None:
        """Send, or count what nobody takes."""
        try:
            self._out.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            self.lost += 1

    def listen(self) -> None:
        """Take what the monitor says of the bed."""
        with contextlib.suppress(zmq.Again):
            for _ in range(DRAIN_PARTS_MAX):
                parts = self._in.recv_multipart(zmq.NOBLOCK)
                with contextlib.suppress(WireError, ValueError):
                    numeric = _NUMBERS.expect(parts[-1], Numeric)
                    self.numbers[Metric(numeric.metric)] = numeric

    def in_words(self) -> str:
        """Say the numbers for a person; a dash where there is none."""
        found = [(metric, self.numbers[metric]) for metric in SHOWN if metric in self.numbers]
        return "  ".join(
            f"{metric.name} {'-' if said.value is None else round(said.value)}"
            for metric, said in found
        )


def _play(player: Player, line: Line, signals: Signals, terminal: Terminal) -> None:
    columns = (BarColumn(40), TimeElapsedColumn(), TextColumn("{task.fields[numbers]}"))
    began_ns = time.monotonic_ns()
    with Progress(*columns, console=terminal, transient=True) as progress:
        task = progress.add_task("playing", total=player.lasts_s, numbers="")
        while (due_ns := player.next_deadline_ns()) is not None:
            if signals.wait(max(0.0, (due_ns - time.monotonic_ns()) / 1e9)):
                return
            now_ns = time.monotonic_ns()
            for message in player.handle_deadline(now_ns):
                line.send(message)
            line.listen()
            if now_ns - began_ns > PATIENCE_NS and not line.numbers:
                raise FeedError(
                    f"the monitor said nothing of {line.bed} for {PATIENCE_NS // 1_000_000_000} s: "
                    "is it among its beds?"
                )
            progress.update(
                task, completed=player.played_s % player.lasts_s, numbers=line.in_words()
            )
