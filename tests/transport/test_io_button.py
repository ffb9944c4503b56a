"""A wired button is in order only while its loop is seen closed, whatever kind it is.

Modem lines and GPIO chips are not everywhere: there the kernel's answers are made up, bit by bit
as its headers lay them out. A pty has no modem lines, and the refusal of one is the real kernel's.
"""

import errno
import fcntl
import os
import pty
import struct
import termios
from pathlib import Path

import msgspec
import pytest

from transport.io.button import ButtonFault, ButtonSettings, open_button
from transport.io.buttons import file, gpio, serial

RTS, CTS, DTR, DSR = 0x004, 0x020, 0x002, 0x100  # asm-generic/termios.h


class Here:
    """As much of a runtime as a button asks for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        return self._folder / name


def settings(kind: str, device: str, **more) -> ButtonSettings:
    return ButtonSettings(module=f"transport.io.buttons.{kind}", device=device, **more)


def test_a_kind_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ButtonFault, match=r"transport\.io\.buttons\.telepathy"):
        open_button(settings("telepathy", "mind"), Here(tmp_path))


def test_settings_are_strict():
    told = {"module": "transport.io.buttons.gpio", "device": "/dev/gpiochip0", "line": "17"}
    assert msgspec.convert(told, ButtonSettings).bias == "up"
    for wrong in ({"bias": "sideways"}, {"device": ""}, {"module": "a b"}, {"colour": "red"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**told, **wrong}, ButtonSettings)


# -------------------------------------------------------------------------------------- serial


class Modem:
    """The kernel's side of a port with modem lines; `loops` joins an output to an input."""

    def __init__(self, monkeypatch, loops: dict[int, int]) -> None:
        self.out, self.loops, self.gone = 0, loops, False
        monkeypatch.setattr(fcntl, "ioctl", self.ioctl)

    def ioctl(self, _fd, request, data=b""):
        if self.gone:
            raise OSError(errno.EIO, "the adapter is gone")
        if request == termios.TIOCMBIS:
            self.out |= struct.unpack("i", data)[0]
            return data
        if request == termios.TIOCMGET:
            back = sum(sense for feed, sense in self.loops.items() if self.out & feed)
            return struct.pack("i", self.out | back)
        assert request == termios.TIOCEXCL
        return 0


@pytest.fixture
def port():
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_port_without_modem_lines_is_refused_in_words(port, tmp_path):
    with pytest.raises(ButtonFault, match="no serial port with modem lines"):
        open_button(settings("serial", port, line="cts"), Here(tmp_path))


@pytest.mark.parametrize("device", ["/dev/null", "/nowhere/ttyS9"])
def test_what_is_no_port_is_refused_in_words(device, tmp_path):
    with pytest.raises(ButtonFault, match=device):
        open_button(settings("serial", device, line="cts"), Here(tmp_path))


@pytest.mark.parametrize("line", ["", "CTS", "rts", "17"])
def test_a_line_that_is_none_is_refused(line, port, tmp_path):
    with pytest.raises(ButtonFault, match="neither cts nor dsr"):
        open_button(settings("serial", port, line=line), Here(tmp_path))


@pytest.mark.parametrize(("line", "feed", "sense"), [("cts", RTS, CTS), ("dsr", DTR, DSR)])
def test_the_loop_is_fed_and_its_opening_seen(line, feed, sense, port, tmp_path, monkeypatch):
    modem = Modem(monkeypatch, {feed: sense})
    button = serial.open_button(settings("serial", port, line=line), Here(tmp_path))
    assert modem.out == feed, "and no other output"
    assert button.closed()
    modem.loops = {}
    assert not button.closed()
    modem.loops = {feed: sense}
    assert button.closed()
    button.close()


def test_the_other_lines_loop_is_not_ours(port, tmp_path, monkeypatch):
    Modem(monkeypatch, {RTS: DSR, DTR: CTS})
    button = serial.open_button(settings("serial", port, line="cts"), Here(tmp_path))
    assert not button.closed()
    button.close()


def test_an_input_that_something_else_holds_up_is_not_a_closed_loop(port, tmp_path, monkeypatch):
    modem = Modem(monkeypatch, {RTS: CTS})
    button = serial.open_button(settings("serial", port, line="cts"), Here(tmp_path))
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: struct.pack("i", CTS))
    assert not button.closed(), "its feed is off"
    modem.gone = True
    monkeypatch.setattr(fcntl, "ioctl", modem.ioctl)
    with pytest.raises(OSError, match="gone"):
        button.closed()
    button.close()


# ---------------------------------------------------------------------------------------- GPIO


class Chip:
    """A GPIO chip: takes a request as linux/gpio.h lays it out, and gives the level of its line."""

    def __init__(self, monkeypatch) -> None:
        self.level = 0
        self.flags = self.offset = -1
        self._line = -1
        monkeypatch.setattr(fcntl, "ioctl", self.ioctl)

    def ioctl(self, _fd, request, data):
        assert len(data) == request >> 16 & 0x3FFF, "the size that the number says"
        if request == 0xC250B407:
            self.offset = int.from_bytes(data[0:4], "little")
            assert data[256:288].rstrip(b"\0") == b"trocar estop"
            self.flags = int.from_bytes(data[288:296], "little")
            assert int.from_bytes(data[560:564], "little") == 1, "one line"
            self._line = os.open("/dev/null", os.O_RDONLY)
            data[588:592] = self._line.to_bytes(4, "little")
        else:
            assert request == 0xC010B40E
            assert int.from_bytes(data[8:16], "little") == 1, "its first line is meant"
            active = self.level ^ (self.flags >> 1 & 1)  # GPIO_V2_LINE_FLAG_ACTIVE_LOW
            data[0:8] = active.to_bytes(8, "little")
        return 0


@pytest.mark.parametrize(
    ("bias", "flags", "closed", "opened"),
    [("up", 1 << 1 | 1 << 2 | 1 << 8, 0, 1), ("down", 1 << 2 | 1 << 9, 1, 0)],
)
def test_a_line_is_closed_away_from_its_bias(bias, flags, closed, opened, monkeypatch, tmp_path):
    chip = Chip(monkeypatch)
    told = settings("gpio", "/dev/null", line="17", bias=bias)
    button = gpio.open_button(told, Here(tmp_path))
    assert (chip.offset, chip.flags) == (17, flags)
    chip.level = closed
    assert button.closed()
    chip.level = opened
    assert not button.closed(), "where a cut cable leaves it"
    button.close()


@pytest.mark.parametrize("line", ["", "cts", "-1", "65536", "²"])
def test_a_line_without_a_number_is_refused(line, tmp_path):
    with pytest.raises(ButtonFault, match="no number of a line"):
        open_button(settings("gpio", "/dev/null", line=line), Here(tmp_path))


@pytest.mark.parametrize("device", ["/dev/null", "/nowhere/gpiochip0"])
def test_what_is_no_chip_is_refused_in_words(device, tmp_path):
    with pytest.raises(ButtonFault, match="GPIO character device"):
        open_button(settings("gpio", device, line="17"), Here(tmp_path))


# ---------------------------------------------------------------------------------------- file


def test_a_file_that_is_there_is_a_pressed_button(tmp_path):
    button = open_button(settings("file", "red"), Here(tmp_path))
    path = file.path_of(tmp_path, "red")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert button.closed()
    path.touch()
    assert not button.closed()
    path.unlink()
    assert button.closed()
    path.symlink_to("nowhere")
    assert not button.closed(), "whatever it is"


def test_without_its_folder_nobody_knows_the_button(tmp_path):
    button = open_button(settings("file", "red"), Here(tmp_path))
    (tmp_path / "estop").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        button.closed()


@pytest.mark.parametrize("device", ["../red", "a/b", "/red", ".."])
def test_a_file_elsewhere_is_no_button(device, tmp_path):
    with pytest.raises(ButtonFault, match="plain name"):
        open_button(settings("file", device), Here(tmp_path))
