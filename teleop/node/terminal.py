"""The terminal of a hand on a keyboard: keys in, a picture and the state out.

Rules
-----
- One loop reads and draws. A terminal that does not take what is drawn stops the reading of its
  keys too; then the readings grow old, and the robot holds: who sees nothing moves nothing.
- Whatever happens, the terminal is given back as it was.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from typing import Final

from teleop.console.keyboard import FOCUS_OFF, FOCUS_ON, KITTY_OFF, KITTY_ON

READ_BYTES_MAX: Final = 4096
#: Without wrapping (DECAWM): a row that is too long is cut, and writes over no other.
_OPEN: Final = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J" + FOCUS_ON + KITTY_ON
_CLOSE: Final = KITTY_OFF + FOCUS_OFF + b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"


class NoTerminalError(Exception):
    """Standard input or output is not a terminal."""


class Terminal:
    """Standard input and output as a raw terminal, while entered.

    Raises
    ------
    NoTerminalError : they are something else
    """

    def __init__(self) -> None:
        self.fd = sys.stdin.fileno()
        self._out = sys.stdout.fileno()
        if not (os.isatty(self.fd) and os.isatty(self._out)):
            raise NoTerminalError(
                "a keyboard needs a terminal on standard input and output; "
                "elsewhere a scripted hand can move the arm: --script figure8"
            )

    def __enter__(self) -> Terminal:
        self._was = termios.tcgetattr(self.fd)
        tty.setraw(self.fd, termios.TCSANOW)
        self._write(_OPEN)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._write(_CLOSE)
        termios.tcsetattr(self.fd, termios.TCSANOW, self._was)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = os.get_terminal_size(self._out)
        return max(20, size.columns), max(8, size.lines)

    def read(self) -> bytes:
        """Take what has been typed, without waiting; b"" when nothing was."""
        if not select.select([self.fd], [], [], 0)[0]:
            return b""
        return os.read(self.fd, READ_BYTES_MAX)

    def draw(self, rows: list[str]) -> None:
        """Draw rows from the top; what stood beside and below them is cleared."""
        text = "".join(f"\x1b[{n + 1};1H{row}\x1b[0m\x1b[K" for n, row in enumerate(rows))
        self._write(f"{text}\x1b[J".encode())

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data) :]


class Region:
    """Rows at the end of what a terminal shows, drawn over and over; what stands above stays."""

    def __init__(self) -> None:
        self._height = 0

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = os.get_terminal_size(sys.stdout.fileno())
        return max(20, size.columns), max(8, size.lines)

    def draw(self, rows: list[str], above: list[str]) -> None:
        """Draw the rows anew, and before them what is to stand above for good."""
        up = f"\x1b[{self._height}A" if self._height else ""
        drawn = "".join(f"{row}\x1b[0m\x1b[K\n" for row in (*above, *rows))
        sys.stdout.write(f"{up}\r{drawn}\x1b[J")
        sys.stdout.flush()
        self._height = len(rows)
