"""Shows what the robots of a node say of themselves: a subscriber to its relay's publisher.

Rules
-----
- Looking changes nothing: an observer has no key and no session, and says not a word.
- What it shows is unverified (teleop/node/look.py), but came through this node's relay: the socket
  is in the run directory, which is its user's alone.
- The socket is emptied far more often than anybody looks, so that a look is never an old one.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import zmq
from rich.console import Console as Terminal
from rich.live import Live

from teleop.node.errors import NodeError
from teleop.node.look import Look, Watcher, hush, in_json, in_lines, on_screen
from teleop.node.sections import NodeConfig
from teleop.node.signals import Signals
from transport.io.zmq import Context, tune

#: A node that runs has a robot by then.
PATIENCE_NS: Final = 5_000_000_000
#: The socket is emptied at least so often: its queue must not grow old between two looks.
DRAIN_S_MAX: Final = 0.05
DRAIN_PARTS_MAX: Final = 2048


class WatchError(NodeError):
    """No robot was heard."""


class Wish(NamedTuple):
    """What is to be shown.

    Parameters
    ----------
    robot : this one alone; None shows every robot of the relay
    rate_hz : looks a second
    seconds : from the first state on; 0 until stopped
    json : an object for each arm instead of a line for each robot
    """

    robot: str | None = None
    rate_hz: float = 10.0
    seconds: float = 0.0
    json: bool = False


class Ear:
    """A subscription to a relay's publisher, whether or not it is there (yet, or again).

    It subscribes, and after a relay's restart again, while it is drained: libzmq does so in the
    thread that reads.
    """

    def __init__(self, path: Path) -> None:
        self._context: Context = zmq.Context(1)
        self.socket = tune(self._context.socket(zmq.SUB))
        self.socket.subscribe(b"")
        self.socket.connect(f"ipc://{path}")

    def __enter__(self) -> Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def drain(self) -> Iterator[bytes]:
        """Take all that waits, up to a limit; what has several parts is no state."""
        for _ in range(DRAIN_PARTS_MAX):
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            yield parts[0] if len(parts) == 1 else b""


def watch(config: NodeConfig, wish: Wish) -> int:
    """Show the robots of a running node until told to stop, or for the seconds wished.

    Raises
    ------
    WatchError : none was heard in time
    """
    path = config.run_dir / f"state.{config.relay.path_id}.ipc"
    terminal = Terminal()
    live = None
    if terminal.is_terminal and not wish.json:
        live = Live(console=terminal, auto_refresh=False)
    with Signals() as signals, Ear(path) as ear, live or contextlib.nullcontext():
        watcher = Watcher(wish.robot)
        for look in looks(watcher, ear.drain, wish, signals.wait, time.monotonic_ns):
            if live is not None:
                live.update(on_screen(look), refresh=True)
            else:
                _say(sys.stdout, in_json(look) if wish.json else in_lines(look))
                _say(sys.stderr, hush(look) if wish.json else ())
    return 0


def looks(
    watcher: Watcher,
    drain: Callable[[], Iterable[bytes]],
    wish: Wish,
    wait: Callable[[float], bool],
    now_ns: Callable[[], int],
) -> Iterator[Look]:
    """Look at a steady rate until `wait` says that it is over, or the seconds wished are.

    Raises
    ------
    WatchError : nobody was heard within `PATIENCE_NS`
    """
    period_ns = round(1e9 / wish.rate_hz)
    began_ns = due_ns = now_ns()
    while not wait(min(1 / wish.rate_hz, DRAIN_S_MAX)):
        at_ns = now_ns()
        for part in drain():
            watcher.receive(part, at_ns)
        if watcher.first_ns is None:
            if at_ns - began_ns > PATIENCE_NS:
                raise WatchError(_nobody(wish, watcher))
            continue
        is_over = wish.seconds > 0 and at_ns - watcher.first_ns >= wish.seconds * 1e9
        if at_ns >= due_ns or is_over:
            due_ns = max(due_ns + period_ns, at_ns)  # a late look is not made up for
            yield watcher.look(at_ns)
        if is_over:
            return


def _nobody(wish: Wish, watcher: Watcher) -> str:
    who, others = wish.robot or "any robot", ", ".join(sorted(watcher.others))
    heard = f"only of {others}" if others else "does the node run, with its robot attached?"
    refused = f" ({watcher.refused} messages were no states)" if watcher.refused else ""
    return f"nothing was heard of {who} for {PATIENCE_NS // 1_000_000_000} s{refused}; {heard}"


def _say(file: TextIO, lines: Iterable[str]) -> None:
    for line in lines:
        file.write(f"{line}\n")
    file.flush()
