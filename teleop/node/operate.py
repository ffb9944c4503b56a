"""Lets a person move the robot from a terminal: keys to the console's hot process, a picture back.

Keys are read `READS_HZ` times a second, whether or not anything was typed, and each reading is
counted: readings that stop coming are a silent hand, and the robot holds.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Protocol

from teleop.console.keyboard import BINDINGS, Key, Keys
from teleop.console.screen import View
from teleop.node.display import Display
from teleop.node.signals import Signals
from teleop.node.terminal import Terminal
from transport.io.mapping import Mapping
from transport.telemetry.board import Board

#: The robot holds after three readings that did not come (safety.deadline): at 30 Hz a terminal may
#: take up to 100 ms for what it is sent.
READS_HZ: Final = 30
#: Readings from one picture, and from one text, to the next.
PICTURE_EVERY: Final = 3
TEXT_EVERY: Final = 8
GAUGES: Final = ("reads", "keys")
_NAMES: Final = {row.key: row.name for row in BINDINGS}
#: What a person may press, in the order in which it is needed.
HELP: Final = (
    ("hold to move", (Key.DEADMAN,)),
    ("x y", (Key.LEFT, Key.RIGHT, Key.AWAY, Key.NEAR)),
    ("z", (Key.UP, Key.DOWN)),
    ("roll", (Key.ROLL_LEFT, Key.ROLL_RIGHT)),
    ("pitch", (Key.PITCH_UP, Key.PITCH_DOWN)),
    ("yaw", (Key.YAW_LEFT, Key.YAW_RIGHT)),
    ("jaw", (Key.CLOSE, Key.OPEN)),
    ("clutch", (Key.CLUTCH,)),
    ("E-STOP", (Key.ESTOP,)),
    ("end", (Key.QUIT,)),
)


class Hot(Protocol):
    """The console's hot process, as `teleop.node.console.Hand`."""

    pidfd: int

    @property
    def runs(self) -> bool:
        """Whether it runs still."""

    def view(self) -> View | None:
        """Look at its board."""


class KeyBoard:
    """The board on which a terminal's keys cross to the hot process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made: list[Board] = []
        size = Board.size((), GAUGES)
        Mapping.create(path, size, lambda view: made.append(Board.create(view, (), GAUGES)))
        self.path = path
        self._reads, self._keys = (made[0].gauge(name) for name in GAUGES)

    def publish(self, keys: Key) -> None:
        """Say which keys are held, as one more reading."""
        self._keys.set(int(keys))
        self._reads.set(self._reads.value + 1)


def operate(hot: Hot, board: KeyBoard, display: Display, signals: Signals) -> None:
    """Read keys and draw until the person ends it, the console does, or we are told to stop.

    Raises
    ------
    NoTerminalError : there is none
    """
    keys, reads = Keys(), 0
    with Terminal() as terminal:
        while not signals.wait(1 / READS_HZ, hot.pidfd) and hot.runs:
            now_ns = time.monotonic_ns()
            keys.feed(terminal.read(), now_ns)
            held = keys.held(now_ns)
            board.publish(held)
            if Key.QUIT in held:
                return
            columns, rows = terminal.size
            if reads % TEXT_EVERY == 0:
                display.count(hot.view(), columns)
            if reads % PICTURE_EVERY == 0:
                display.look(columns, rows)
                terminal.draw([*display.rows(), help_line(held)])
            reads += 1


def help_line(held: Key) -> str:
    """Name the keys; those that are held stand out."""
    parts = []
    for what, keys in HELP:
        names = "".join(
            f"\x1b[7m{_NAMES[key]}\x1b[27m" if key in held else _NAMES[key] for key in keys
        )
        parts.append(f"\x1b[2m{what}\x1b[22m {names}")
    return "  ".join(parts)
