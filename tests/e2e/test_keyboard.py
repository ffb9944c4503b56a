"""A person at a terminal: keys move the arm, a picture comes back, and a terminal that hangs holds.

A real demo with the arm that has joints, and `trocar console` in a pseudo-terminal of its own.
"""

import os
import pty
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

import pytest

from bench import readings
from safety.state import Cause, State
from tests.e2e.demo import PATIENCE_S, ROOT, Demo

pytest.importorskip("mujoco")
pytestmark = pytest.mark.timeout(480)  # each waits for a node, a console and an arm

SPACE, RIGHT, CTRL_C = b" ", b"\x1b[C", b"\x03"
KEYS_HZ = 25
FOLLOWED = 50  # states in which the arm followed the hand
PRESS_S = 1.0  # a press takes effect within, and so does letting go


class Terminal:
    """A console in a pseudo-terminal, and what it has drawn so far."""

    def __init__(self, demo):
        self._fd, inner = pty.openpty()
        termios.tcsetwinsize(inner, (40, 100))
        self.drawn = b""
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "teleop", "console", "--config", demo.folder / "node.toml"],
            cwd=ROOT,
            stdin=inner,
            stdout=inner,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(inner)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def type(self, *keys):
        os.write(self._fd, b"".join(keys))

    def type_until(self, keys, so):
        """Keep typing, as a key that is held repeats, until it is so."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not so():
            assert self.popen.poll() is None, self.popen.stderr.read()
            assert time.monotonic() < deadline_s
            self.type(*keys)
            time.sleep(1 / KEYS_HZ)

    def close(self):
        self.popen.send_signal(signal.SIGCONT)
        self.popen.kill()
        self.popen.wait()
        self.popen.stderr.close()
        self._reader.join()

    def _read(self):
        while True:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # the other side is gone
                break
            self.drawn += data
        os.close(self._fd)


@pytest.fixture
def demo():
    with tempfile.TemporaryDirectory(prefix="keys-") as folder:
        demo = Demo(Path(folder))
        demo.start()
        try:
            demo.read_until("ready")
            demo.read_until("Ctrl-C")
            # Nobody reads the rest; a pipe that is full would stop the demo.
            threading.Thread(target=demo.popen.stdout.read, daemon=True).start()
            yield demo
        finally:
            demo.close()


@pytest.fixture
def terminal(demo):
    """A console that has the robot: the demo's hand has made way, and no key is held yet."""
    terminal = Terminal(demo)
    try:
        terminal.type_until([b"?"], lambda: console_gauge(demo, terminal, "state") == State.ARMED)
        yield terminal
    finally:
        terminal.close()


def drive(demo, terminal):
    """Steer until the arm has followed.

    A machine that is short of time lets the keyboard fall silent, and the robot holds, or ends
    the session. It moves on, as for any person, when the deadman was let go and is pressed anew.
    """
    deadline_s = time.monotonic() + 3 * PATIENCE_S
    pressed_s = time.monotonic()

    def has_followed():
        return console_gauge(demo, terminal, "error_n") > FOLLOWED

    def rests():
        return time.monotonic() > pressed_s + PRESS_S and not is_moving(demo)

    while not has_followed():
        assert time.monotonic() < deadline_s
        pressed_s = time.monotonic()
        terminal.type_until([SPACE, RIGHT], lambda: has_followed() or rests())
        if not has_followed():
            time.sleep(PRESS_S)


def gauge(demo, name):
    return readings.gauge(demo.config.run_dir, "robotd", name)


def is_moving(demo):
    return (gauge(demo, "state") or 0) >= State.DEGRADED


def console_gauge(demo, terminal, name):
    folder = demo.config.run_dir.parent / f"console-{terminal.popen.pid}"
    return readings.gauge(folder, "natived", name) or 0


def test_keys_move_the_arm_under_a_picture_and_ctrl_c_gives_all_back(demo, terminal):
    drive(demo, terminal)
    terminal.type_until([SPACE], lambda: "▀".encode() in terminal.drawn)
    terminal.type(CTRL_C)
    assert terminal.popen.wait(PATIENCE_S) == 0
    assert b"\x1b[?1049l" in terminal.drawn, "the terminal is as it was"


def test_a_terminal_that_hangs_holds_the_arm_although_its_commands_go_on(demo, terminal):
    drive(demo, terminal)
    terminal.popen.send_signal(signal.SIGSTOP)
    deadline_s = time.monotonic() + PATIENCE_S
    while is_moving(demo):
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    assert State(gauge(demo, "state")) is State.HOLD
    assert Cause(gauge(demo, "cause")) is Cause.HAND_SILENCE
