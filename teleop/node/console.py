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
from rich.console import Console as Terminal
from rich.live import Live

from teleop.console.screen import View, in_line, on_screen, result, view
from teleop.node import child
from teleop.node.config import NodeConfig, load
from teleop.node.errors import NodeError
from teleop.node.rundir import RunDir, base_path, default_path, keeper_of, tail
from teleop.node.signals import Signals
from teleop.node.slices import console_slice
from transport.io.mapping import Mapping
from transport.telemetry.board import Board
from transport.telemetry.header import TelemetryError

DEMO: Final = "demo"
LOOK_S: Final = 0.5
LINE_S: Final = 1.0
START_PATIENCE_S: Final = 5.0
GRANT_PATIENCE_S: Final = 10.0
STOP_PATIENCE_S: Final = 1.0
LAST_WORDS_BYTES: Final = 2_000
STALE: Final = "console-"


class ConsoleError(NodeError):
    """A console found no node, or got no robot."""


def running_node(asked: Path | None, usual: Path) -> NodeConfig:
    """Find the node to use: the one asked for, else the usual file's if it runs, else the demo's.

    Raises
    ------
    ConsoleError : none runs
    ConfigError : its node.toml is wrong
    """
    if asked is not None:
        return load(asked)
    if usual.exists() and keeper_of((config := load(usual)).run_dir):
        return config
    keeper = keeper_of(default_path(DEMO))
    if keeper is None:
        raise ConsoleError(
            f"no node runs here: neither that of ./{usual} nor the demo. "
            "Start one (`trocar up` or `trocar demo`), or name its node.toml with --config"
        )
    return load(Path(keeper.config))


def console(
    config: NodeConfig,
    *,
    device: str,
    link: str,
    script: str,
    rate_hz: int,
    seconds: float,
    skew_seed: int | None = None,
    json_file: Path | None = None,
) -> int:
    """Run a scripted console until its time is over or we are told to stop.

    Raises
    ------
    ConsoleError : it got no robot; the text says why
    """
    about = {"link": link, "script": script, "rate_hz": rate_hz, "seconds": seconds}
    with (
        Hand(
            config,
            console=device,
            link=link,
            script=script,
            rate_hz=rate_hz,
            seconds=seconds,
            skew_seed=skew_seed,
        ) as hand,
        Signals() as signals,
    ):
        show(hand, f"{script} over {link}, {rate_hz} Hz", signals)
        code = hand.stop()
        last = hand.view()
    if json_file is not None and last is not None:
        write_json(json_file, {**about, **result(last)})
    return code


class Hand:
    """A running hot process (`teleop.console.natived`), and its board.

    Parameters are those of `teleop.node.slices.console_slice`.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        console: str,
        link: str,
        script: str,
        rate_hz: int,
        seconds: float,
        skew_seed: int | None,
    ) -> None:
        clear_stale()
        self._run_dir = RunDir(base_path() / f"{STALE}{os.getpid()}")
        self._run_dir.prepare()
        settings = console_slice(
            config,
            run_dir=str(self._run_dir.path),
            console=console,
            link=link,
            script=script,
            rate_hz=rate_hz,
            seconds=seconds,
            skew_seed=skew_seed,
        )
        name = settings.process.name
        path = self._run_dir.write(f"{name}.json", msgspec.json.encode(settings))
        self._log = self._run_dir.log_path(name)
        self._board_path = self._run_dir.path / "boards" / f"{name}.board"
        self._board: Board | None = None
        self._last: View | None = None
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

    def stop(self, patience_s: float = STOP_PATIENCE_S) -> int:
        """Let it give its robot back and end; return 0 when it did so as it should.

        Raises
        ------
        ConsoleError : it had failed
        """
        code = child.stop(self._child, patience_s)
        if code != 0:
            raise ConsoleError(f"the console ended with code {code}: {self.last_words()}")
        return code

    def last_words(self) -> str:
        """Return what it said last."""
        said = tail(self._log, LAST_WORDS_BYTES).decode(errors="replace").strip()
        return said or "it said nothing"


def show(
    hand: Hand,
    title: str,
    signals: Signals,
    news: Callable[[], list[str]] = lambda: [],
) -> None:
    """Show live lines until the console ends or we are told to stop: a screen, or plain lines.

    Parameters
    ----------
    news : asked now and then for lines to print above

    Raises
    ------
    ConsoleError : no robot was granted in time
    """
    terminal = Terminal()
    live = Live(console=terminal, auto_refresh=False) if terminal.is_terminal else None
    before: View | None = None
    began_s = time.monotonic()
    with live or contextlib.nullcontext():
        while hand.runs and not signals.wait(LOOK_S if live else LINE_S, hand.pidfd):
            for line in news():
                terminal.print(line, markup=False, highlight=False)
            now = hand.view()
            _check_granted(hand, now, time.monotonic() - began_s)
            if now is None:
                continue
            if live is not None:
                live.update(on_screen(now, before, title), refresh=True)
            else:
                sys.stdout.write(f"{in_line(now, before)}\n")
                sys.stdout.flush()
            before = now


def _check_granted(hand: Hand, now: View | None, waited_s: float) -> None:
    if now is None and waited_s > START_PATIENCE_S:
        raise ConsoleError(f"the console does not start: {hand.last_words()}")
    if now is not None and not now.granted and waited_s > GRANT_PATIENCE_S:
        raise ConsoleError(f"no robot was granted within {waited_s:.0f} s: {hand.last_words()}")


def clear_stale() -> None:
    """Remove what consoles that were killed left behind."""
    for path in base_path().glob(f"{STALE}*"):
        if keeper_of(path) is None:
            shutil.rmtree(path, ignore_errors=True)


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write a result for a program."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
