"""A wired emergency stop in a running node: pressed, cut, dead; and what brings the robot back.

Bounds of time are proven in virtual time (tests/safety/test_estop.py, tests/teleop/test_estopd.py);
here only the order of things is, on a machine that may be as busy as it likes.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import readings
from safety.bedside import Report
from safety.state import Cause, State
from teleop.cli import main
from teleop.node.bedside import Bedsocket
from teleop.node.config import load
from tests.e2e.demo import PATIENCE_S, Demo

STOP = "[estop.red-button]\nmodule = 'transport.io.buttons.file'\ndevice = 'red'\n"
LIGHT = "[sim]\nmodel = 'point'\n[endoscope]\nrate_hz = 0\n[record]\ntotal_mb = 0\n"

pytestmark = pytest.mark.timeout(120)  # a machine that is busy takes its time to start a node


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        demo = Demo(Path(folder))
        path = Path(folder) / "node.toml"
        text = path.read_text().replace("[robot]\n", "[robot]\nestops = ['red-button']\n")
        path.write_text(text + STOP + LIGHT)
        demo.config = load(path)
        try:
            demo.start()
            said = demo.read_until("Ctrl-C")
            assert "trocar estop press red-button" in said
            yield demo
        finally:
            demo.close()


@pytest.fixture(autouse=True)
def at_rest(demo: Demo) -> None:
    """Begin each story with a robot that is not stopped, whose button was heard."""
    estop(demo, "release")
    until(lambda: reset(demo) and stands(demo).state > State.PROTECTIVE_STOP, "reset")


def until(so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < end, f"no {what} within {PATIENCE_S:g} s"
        time.sleep(0.01)


def stands(demo: Demo) -> Report:
    with Bedsocket(demo.config.run_dir, demo.config.robot.name) as link:
        return link.say("status")


def reset(demo: Demo) -> bool:
    """Ask for a reset; true unless a ceiling forbids it."""
    with Bedsocket(demo.config.run_dir, demo.config.robot.name) as link:
        return link.say("reset").state > State.PROTECTIVE_STOP


def estop(demo: Demo, verb: str) -> None:
    assert main(["estop", verb, "--config", str(demo.folder / "node.toml")]) == 0


def causes(demo: Demo) -> list[tuple[State, Cause]]:
    """List where the robot went, and why."""
    events = readings.flight(demo.config.run_dir, "robotd", "event")
    return [(State(event["new"]), Cause(event["cause"])) for event in events]


def lost(demo: Demo, before: int) -> list[State]:
    """List what a token that was lost has come to since so many events."""
    return [state for state, cause in causes(demo)[before:] if cause is Cause.TOKEN_LOST]


def test_the_node_says_its_token_and_the_robot_arms(demo: Demo):
    until(lambda: stands(demo).state >= State.DEGRADED, "motion")


def test_a_press_is_an_estop_that_only_the_bedside_ends_and_only_after_the_release(demo: Demo):
    estop(demo, "press")
    until(lambda: stands(demo).state == State.ESTOP, "ESTOP")
    assert not reset(demo), "while it is down"
    estop(demo, "release")
    until(lambda: reset(demo), "reset")
    assert stands(demo).state > State.PROTECTIVE_STOP


def test_a_press_of_a_robot_that_is_stopped_already_is_acknowledged_too(demo: Demo):
    with Bedsocket(demo.config.run_dir, demo.config.robot.name) as link:
        assert link.say("estop").state == State.ESTOP
    estop(demo, "press")
    board = readings.board(demo.config.run_dir, "estopd")
    assert board is not None
    until(lambda: board.gauge("pressed").value == 1, "press")
    estop(demo, "release")
    until(lambda: board.gauge("pressed").value == 0, "acknowledgement")
    until(lambda: reset(demo), "reset")


def test_a_cable_that_is_gone_is_a_protective_stop_until_it_is_back(demo: Demo):
    until(lambda: stands(demo).state > State.PROTECTIVE_STOP, "rest")
    shutil.rmtree(demo.config.run_dir / "estop")
    until(lambda: stands(demo).state == State.PROTECTIVE_STOP, "PROTECTIVE_STOP")
    assert causes(demo)[-1] == (State.PROTECTIVE_STOP, Cause.TOKEN_LOST)
    until(lambda: (demo.config.run_dir / "estop").exists(), "cable")
    until(lambda: reset(demo), "reset")


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_dies_or_hangs_is_a_protective_stop_until_it_is_back(demo: Demo, blow):
    pid = demo.pids()["estopd"]
    os.kill(pid, blow)
    until(lambda: stands(demo).state == State.PROTECTIVE_STOP, "PROTECTIVE_STOP")
    assert causes(demo)[-1] == (State.PROTECTIVE_STOP, Cause.TOKEN_LOST)
    until(lambda: demo.pids().get("estopd", pid) != pid, "successor")
    until(lambda: reset(demo), "reset")
    assert stands(demo).state > State.PROTECTIVE_STOP


def test_all_keys_are_rotated_and_the_token_is_heard_on(demo: Demo):
    def rotation() -> list[State]:
        until(lambda: reset(demo) and stands(demo).state >= State.DEGRADED, "motion")
        before = len(causes(demo))
        config = str(demo.folder / "node.toml")
        assert main(["keys", "rotate", "--grace", "2", "--config", config]) == 0
        until(lambda: stands(demo).state >= State.DEGRADED, "motion under the new keys")
        return lost(demo, before)

    pids = demo.pids()
    # A machine that stands still loses a token, too; not three times in a row.
    held = [rotation()]
    while held[-1] and len(held) < 3:
        held.append(rotation())
    assert not held[-1], held
    assert demo.pids() == pids, "nobody had to start anew"


def test_a_button_that_is_none_is_refused_in_words(demo: Demo, capsys):
    assert main(["estop", "press", "blue", "--config", str(demo.folder / "node.toml")]) == 2
    assert "no button 'blue' to press here; expected one of red-button" in capsys.readouterr().err
