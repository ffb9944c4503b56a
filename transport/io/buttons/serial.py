"""A button in the modem lines of a serial port: an output feeds the loop, an input sees it closed.

    line = "cts"   RTS (pin 7 of DE-9) ── contact ── CTS (pin 8)
    line = "dsr"   DTR (pin 4 of DE-9) ── contact ── DSR (pin 6)

Nothing is sent: the level of the output is on for as long as the port is open. An input that
nothing drives is off, so a cut cable and an unplugged box are a pressed button. With an adapter
the question goes over USB (about 1 ms); when that hangs, so does the process, and is silent.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import Final, NamedTuple

from transport.io.button import ButtonFault, ButtonSettings
from transport.io.process import Runtime


class Loop(NamedTuple):
    """The output that feeds a loop, and the input that sees it: bits of TIOCMGET."""

    feed: int
    sense: int


LOOPS: Final = {
    "cts": Loop(termios.TIOCM_RTS, termios.TIOCM_CTS),
    "dsr": Loop(termios.TIOCM_DTR, termios.TIOCM_DSR),
}
_CFLAG = 2  # in the list of tcgetattr


def open_button(settings: ButtonSettings, _: Runtime) -> SerialButton:
    """Open the port for us alone, and feed the loop.

    Raises
    ------
    ButtonFault
    """
    loop = LOOPS.get(settings.line)
    if loop is None:
        raise ButtonFault(f"{settings.device}: line {settings.line!r} is neither cts nor dsr")
    try:
        return SerialButton(settings.device, loop)
    except (OSError, termios.error) as error:
        raise ButtonFault(f"{settings.device}: no serial port with modem lines: {error}") from error


class SerialButton:
    """A loop between two modem lines."""

    def __init__(self, device: str, loop: Loop) -> None:
        self._loop = loop
        self._fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
            attributes = termios.tcgetattr(self._fd)
            # The driver must not take the lines for a modem's, or for flow control.
            attributes[_CFLAG] = (attributes[_CFLAG] | termios.CLOCAL) & ~termios.CRTSCTS
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
            fcntl.ioctl(self._fd, termios.TIOCMBIS, struct.pack("i", loop.feed))
            self.closed()
        except BaseException:
            os.close(self._fd)
            raise

    def closed(self) -> bool:
        """Tell whether the input sees what the output feeds."""
        (bits,) = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCMGET, bytes(4)))
        both = self._loop.feed | self._loop.sense
        return bool(bits & both == both)

    def close(self) -> None:
        """Let go of the port."""
        os.close(self._fd)
