"""Listens to the running node's alarms, and shows them.

It needs no key here: the sockets are in the run directory, which is its user's alone. What was
missed is asked for (`monitor.alarms.listener`); a feed that is silent is said, and nothing else.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import zmq
from rich.console import Console as Terminal
from rich.live import Live

from monitor.alarms.listener import Listener, Shown
from monitor.alarms.messages import STREAM, Page
from monitor.settings import alarms, desk
from teleop.node import alarm_screen
from teleop.node.errors import NodeError
from teleop.node.sections import NodeConfig
from teleop.node.signals import Signals
from teleop.node.watch import DRAIN_S_MAX, Wish
from transport.io.zmq import Context, Socket, Tuning, tune
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError

#: A node that runs has answered by then.
PATIENCE_NS: Final = 5_000_000_000
DRAIN_PARTS_MAX: Final = 2048
TUNING: Final = Tuning(hwm=64)
_HEARD: Final = Registry((*STREAM, Page))


class AlarmError(NodeError):
    """Nobody is heard, or nobody may answer; the text says what to do."""


class Line:
    """A subscription on this machine, with its desk; what is missing is asked for."""

    def __init__(self, run_dir: Path) -> None:
        self.listener = Listener(time.monotonic_ns())
        self._context: Context = zmq.Context(1)
        self._ear = tune(self._context.socket(zmq.SUB), TUNING)
        self._ear.subscribe(b"")
        self._ear.connect(alarms(run_dir))
        self._desk = tune(self._context.socket(zmq.DEALER), TUNING)
        self._desk.connect(desk(run_dir))

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def listen(self, now_ns: int) -> None:
        """Take what waits, and ask for what is missing."""
        ask = self.listener.to_send(now_ns)
        if ask is not None:
            with contextlib.suppress(zmq.Again):  # not connected yet: it is asked again
                self._desk.send(encode(ask), zmq.NOBLOCK)
        for socket in (self._ear, self._desk):
            for message in _drain(socket):
                self.listener.receive(message, now_ns)

    def catches_up(self) -> Listener:
        """Wait until everything is known.

        Raises
        ------
        AlarmError : it is not, in time
        """
        began_ns = time.monotonic_ns()
        while not self.listener.is_whole:
            now_ns = time.monotonic_ns()
            if now_ns - began_ns > PATIENCE_NS:
                raise AlarmError(_nobody())
            self.listen(now_ns)
            time.sleep(0.005)
        return self.listener


def watch(config: NodeConfig, wish: Wish) -> int:
    """Show alarms until told to stop, or for the seconds wished.

    Raises
    ------
    AlarmError : nobody was heard in time
    """
    terminal, live = Terminal(), None
    if terminal.is_terminal and not wish.json:
        live = Live(console=terminal, auto_refresh=False)
    with Signals() as signals, Line(config.run_dir) as line, live or contextlib.nullcontext():
        listener = line.catches_up()
        first_ns = due_ns = time.monotonic_ns()
        news, said = listener.alerts(), ""
        while True:
            now_ns = time.monotonic_ns()
            line.listen(now_ns)
            if live is None:
                news += listener.newest
                listener.newest = []
                said = _tell(listener, news, said, now_ns, as_json=wish.json)
                news = []
            elif now_ns >= due_ns:
                due_ns = now_ns + round(1e9 / wish.rate_hz)
                live.update(alarm_screen.on_screen(listener, now_ns), refresh=True)
            if wish.seconds and now_ns - first_ns >= wish.seconds * 1e9:
                return 0
            if signals.wait(min(1 / wish.rate_hz, DRAIN_S_MAX)):
                return 0


def listing(config: NodeConfig) -> list[dict[str, object]]:
    """Return every alert that is not over.

    Raises
    ------
    AlarmError
    """
    with Line(config.run_dir) as line:
        found, now_ns = line.catches_up().alerts(), time.monotonic_ns()
        return [alarm_screen.in_facts(shown, now_ns) for shown in found]


def _tell(
    listener: Listener, news: Iterable[Shown], said: str, now_ns: int, *, as_json: bool
) -> str:
    """Say a line for each transition, and one when this place has an alarm of its own."""
    for shown in news:
        facts = alarm_screen.in_facts(shown, now_ns)
        sys.stdout.write(
            f"{msgspec.json.encode(facts).decode()}\n"
            if as_json
            else f"{alarm_screen.in_line(shown, now_ns)}\n"
        )
    words = "; ".join(alarm_screen.local(listener, now_ns))
    if words != said:
        local = {"local": words, "presence": "On" if words else "Off", "kind": "Tec"}
        sys.stdout.write(
            f"{msgspec.json.encode(local).decode()}\n" if as_json else f"{words or 'heard again'}\n"
        )
    sys.stdout.flush()
    return words


def _drain(socket: Socket) -> Iterator[Message]:
    for _ in range(DRAIN_PARTS_MAX):
        try:
            parts = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        with contextlib.suppress(WireError):
            yield _HEARD.decode(parts[-1])


def _nobody() -> str:
    return (
        f"nothing was heard of alarms for {PATIENCE_NS // 1_000_000_000} s: does the node run, and "
        "does its node.toml name beds?"
    )
