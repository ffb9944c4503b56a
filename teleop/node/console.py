"""Runs a native console beside a node: starts its hot process, shows its board, sums it up.

Rules
-----
- The hot process draws nothing and knows no terminal; we only read its board.
- It ends when we do, and gives its robot back before that.
- Its run directory is its own: a node that stops takes nothing of it along.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from teleop.console.screen import View, in_line, in_the_end, result, view
from teleop.node import child
from teleop.node.config import load
from teleop.node.display import Display
from teleop.node.endoscope import Endoscope
from teleop.node.errors import NodeError
from teleop.node.operate import KeyBoard, operate
from teleop.node.rundir import RunDir, base_path, keeper_of, tail
from teleop.node.sections import NodeConfig
from teleop.node.signals import Signals
from teleop.node.slices import Wish, console_slice
from teleop.node.terminal import NoTerminalError, Region
from teleop.node.whereabouts import node_toml
from transport.io.mapping import Mapping
from transport.telemetry.board import Board
from transport.telemetry.header import TelemetryError

PICTURE_S: Final = 1 / 12
PICTURES_A_TEXT: Final = 6
LINE_S: Final = 1.0
START_PATIENCE_S: Final = 20.0  # two busy cores leave little beside the real-time processes
STOP_PATIENCE_S: Final = 1.0
LAST_WORDS_BYTES: Final = 2_000
EXIT_REFUSED: Final = 3  # of teleop.console.natived
STALE: Final = "console-"


class ConsoleError(NodeError):
    """A console got no robot."""


def running_node(asked: Path | None, usual: Path) -> NodeConfig:
    """Read the configuration of the node to use, as `teleop.node.whereabouts.node_toml` chooses.

    Raises
    ------
    NoNodeError : none runs
    ConfigError : its node.toml is wrong
    """
    return load(node_toml(asked, usual))


def console(config: NodeConfig, wish: Wish, json_file: Path | None = None) -> int:
    """Run a console until its time is over, its person ends it, or we are told to stop.

    Raises
    ------
    ConsoleError : it got no robot, or no terminal to be operated from; the text says why
    """
    with Signals() as signals, Hand(config, wish) as hand:
        if hand.keys is None:
            show(hand, config, signals)
        else:
            _operate(hand, hand.keys, config, signals)
        hand.finish(STOP_PATIENCE_S, json_file)
    return 0


def _operate(hand: Hand, keys: KeyBoard, config: NodeConfig, signals: Signals) -> None:
    with Endoscope(picture_path(config)) as endoscope:
        try:
            operate(hand, keys, Display(endoscope, title_of(hand.wish)), signals)
        except NoTerminalError as error:
            raise ConsoleError(str(error)) from error


class Hand:
    """A running hot process (`teleop.console.natived`), and its board."""

    def __init__(self, config: NodeConfig, wish: Wish) -> None:
        self.wish = wish
        clear_stale()
        self._run_dir = RunDir(base_path() / f"{STALE}{os.getpid()}")
        self._run_dir.prepare()
        boards = self._run_dir.path / "boards"
        self.keys = KeyBoard(boards / "keyboard.board") if wish.keyboard else None
        settings = console_slice(
            config, wish, str(self._run_dir.path), str(self.keys.path) if self.keys else ""
        )
        name = settings.process.name
        path = self._run_dir.write(f"{name}.json", msgspec.json.encode(settings))
        self._log = self._run_dir.log_path(name)
        self._board_path = boards / f"{name}.board"
        self._board: Board | None = None
        self._child = child.start(["-m", "teleop.console.natived", str(path)], log=self._log)
        self.pidfd = os.pidfd_open(self._child.pid)

    def __enter__(self) -> Hand:
        return self

    def __exit__(self, *_: object) -> None:
        child.stop(self._child, STOP_PATIENCE_S)
        os.close(self.pidfd)
        self._run_dir.remove()

    @property
    def runs(self) -> bool:
        """Whether the hot process runs still."""
        return self._child.poll() is None

    def view(self) -> View | None:
        """Look at the board; None as long as there is none."""
        if self._board is None:
            with contextlib.suppress(OSError, ValueError, TelemetryError):
                self._board = Board.attach(Mapping.open(self._board_path).view)
        return None if self._board is None else view(self._board)

    def finish(self, patience_s: float, json_file: Path | None) -> None:
        """Let it give its robot back and end; write what the whole run showed.

        Raises
        ------
        ConsoleError : it had failed, or got no robot
        """
        code = child.stop(self._child, patience_s)
        if code == EXIT_REFUSED:
            raise ConsoleError(f"no robot: {self.last_words()}")
        if code != 0:
            raise ConsoleError(f"the console ended with code {code}: {self.last_words()}")
        last = self.view()
        if last is not None:
            _say(in_the_end(last))
        if json_file is not None and last is not None:
            wish = self.wish
            script = "keyboard" if wish.keyboard else wish.script
            about = {"link": wish.link, "script": script, "rate_hz": wish.rate_hz}
            run = {**about, "seconds": wish.seconds, **result(last)}
            data = msgspec.json.format(msgspec.json.encode(run), indent=2)
            json_file.write_bytes(data + b"\n")

    def last_words(self) -> str:
        """Return what it said last."""
        said = tail(self._log, LAST_WORDS_BYTES).decode(errors="replace").strip()
        return said or "it said nothing"


def show(
    hand: Hand,
    config: NodeConfig,
    signals: Signals,
    news: Callable[[], list[str]] = lambda: [],
) -> None:
    """Show how it goes until the console ends or we are told to stop: a screen, or plain lines.

    Parameters
    ----------
    news : asked now and then for lines to print above

    Raises
    ------
    ConsoleError : the hot process does not start
    """
    if sys.stdout.isatty():
        with Endoscope(picture_path(config)) as endoscope:
            _show_screen(hand, Display(endoscope, title_of(hand.wish)), signals, news)
        return
    before: View | None = None
    deadline_s = time.monotonic() + START_PATIENCE_S
    while not signals.wait(LINE_S, hand.pidfd) and hand.runs:
        for line in news():
            _say(line)
        now = _started(hand, deadline_s)
        if now is not None:
            _say(in_line(now, before))
            before = now


def _show_screen(
    hand: Hand, display: Display, signals: Signals, news: Callable[[], list[str]]
) -> None:
    region, looks = Region(), 0
    deadline_s = time.monotonic() + START_PATIENCE_S
    while not signals.wait(PICTURE_S, hand.pidfd) and hand.runs:
        columns, rows = region.size
        if looks % PICTURES_A_TEXT == 0:
            display.count(_started(hand, deadline_s), columns)
        looks += 1
        display.look(columns, rows)
        region.draw(display.rows(), news())


def _started(hand: Hand, deadline_s: float) -> View | None:
    now = hand.view()
    if now is None and time.monotonic() > deadline_s:
        raise ConsoleError(f"the console does not start: {hand.last_words()}")
    return now


def picture_path(config: NodeConfig) -> Path:
    """Return where a node's endoscope leaves its pictures, if it has one."""
    return config.run_dir / "frames" / "endoscope.ring"


def title_of(wish: Wish) -> str:
    """Say what moves, how, and by how much."""
    hand = "keyboard" if wish.keyboard else wish.script
    return f"{hand} over {wish.link}, {wish.rate_hz} Hz, scale {wish.scale:g}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def clear_stale() -> None:
    """Remove what consoles that were killed left behind."""
    for path in base_path().glob(f"{STALE}*"):
        if keeper_of(path) is None:
            shutil.rmtree(path, ignore_errors=True)
