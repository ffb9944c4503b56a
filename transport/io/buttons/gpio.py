"""A button at an input of a Linux computer (GPIO character device, version 2 of its interface).

`device` is the chip ("/dev/gpiochip0"), `line` the number of its line. The bias decides where the
line rests while the loop is open, and so what closed looks like:

    bias = "up"     the contact joins the line to ground: closed is low
    bias = "down"   the contact joins the line to the supply: closed is high

So a cut cable is a pressed button. A line shorted to what its contact joins it to looks closed: no
single input sees that, and two of them, on separate lines, are two names in `estops`.

Numbers and layouts are those of linux/gpio.h (Linux 5.10 and later).
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

from transport.io.button import ButtonFault, ButtonSettings
from transport.io.process import Runtime

GET_LINE: Final = 0xC250_B407  # GPIO_V2_GET_LINE_IOCTL
GET_VALUES: Final = 0xC010_B40E  # GPIO_V2_LINE_GET_VALUES_IOCTL
ACTIVE_LOW, INPUT = 1 << 1, 1 << 2
BIAS: Final = {"up": 1 << 8 | ACTIVE_LOW, "down": 1 << 9}
LINE_MAX: Final = 0xFFFF
CONSUMER: Final = b"trocar estop"
#: gpio_v2_line_request: 64 offsets, the consumer, the flags and no attribute, one line; then its
#: descriptor, as the kernel's answer.
REQUEST: Final = struct.Struct("=I252x 32s Q264x I4x20x i")
#: gpio_v2_line_values: bits, mask.
VALUES: Final = struct.Struct("=QQ")


def open_button(settings: ButtonSettings, _: Runtime) -> GpioButton:
    """Ask the chip for the line.

    Raises
    ------
    ButtonFault
    """
    chip, line = settings.device, settings.line
    if not (line.isascii() and line.isdecimal() and int(line) <= LINE_MAX):
        raise ButtonFault(f"{chip}: line {line!r} is no number of a line, such as 17")
    try:
        return GpioButton(chip, int(line), INPUT | BIAS[settings.bias])
    except OSError as error:
        raise ButtonFault(
            f"{chip}: no line {line} of a GPIO character device (Linux 5.10 or later): {error}"
        ) from error


class GpioButton:
    """A loop between a line and ground, or the supply."""

    def __init__(self, chip: str, line: int, flags: int) -> None:
        request = bytearray(REQUEST.pack(line, CONSUMER, flags, 1, -1))
        fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, GET_LINE, request)
        finally:
            os.close(fd)
        self._fd = REQUEST.unpack(request)[-1]

    def closed(self) -> bool:
        """Tell whether the line is at the level that only the contact gives it."""
        values = bytearray(VALUES.pack(0, 1))
        fcntl.ioctl(self._fd, GET_VALUES, values)
        return bool(VALUES.unpack(values)[0] & 1)

    def close(self) -> None:
        """Give the line back."""
        os.close(self._fd)
