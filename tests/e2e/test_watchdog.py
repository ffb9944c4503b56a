"""A whole node under its watchdog: who stands still is ended and comes back, the watchdog too.

Bounds of time are proven in virtual time (tests/safety/test_watchdog.py); here only the order of
things is, on a machine that may be as busy as it likes.
"""

import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import readings
from safety.state import State
from safety.watchdog import FENCED, Fault
from tests.e2e.demo import PATIENCE_S, Demo

#: No more than what a fault is shown on.
LIGHT = "[sim]\nmodel = 'point'\n[endoscope]\nrate_hz = 0\n[record]\ntotal_mb = 0\n"

pytestmark = pytest.mark.timeout(240)  # a machine that is busy takes its time to start a node


@pytest.fixture
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        demo = Demo(Path(folder))
        with (Path(folder) / "node.toml").open("a") as file:
            file.write(LIGHT)
        try:
            demo.start()
            demo.read_until("Ctrl-C")
            yield demo
        finally:
            demo.close()


def until(so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < end, f"no {what} within {PATIENCE_S:g} s"
        time.sleep(0.01)


def state(demo: Demo) -> State | None:
    board = readings.board(demo.config.run_dir, "robotd")
    return State(board.gauge("state").value) if board is not None else None


def moves(demo: Demo) -> bool:
    found = state(demo)
    return found is not None and found >= State.DEGRADED


def noticed(demo: Demo, ring: str = "notice") -> list[dict[str, int]]:
    return list(readings.flight(demo.config.run_dir, "watchdogd", ring))


def stand_still(demo: Demo, name: str) -> int:
    pid = demo.pids()[name]
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_a_relay_that_stands_still_is_ended_and_comes_back_and_the_robot_held_meanwhile(demo: Demo):
    until(lambda: moves(demo), "motion")
    assert noticed(demo, "fence") == [], "nobody was ended while all went well"
    pid = stand_still(demo, "relayd")
    until(lambda: noticed(demo, "fence"), "fence")
    until(lambda: not moves(demo), "HOLD")
    said = demo.read_until("relayd    exited")
    assert re.search(r"relayd    exited    hung for \d+ ms: fenced, signal 9, starts anew", said)
    demo.read_until("relayd    ready")
    assert demo.pids()["relayd"] != pid
    (fence,) = noticed(demo, "fence")
    assert (fence["pid"], fence["fault"]) == (pid, Fault.HUNG)
    # The session goes on by itself, unless a busy machine took longer than the ladder allows.
    until(lambda: moves(demo) or state(demo) is State.PROTECTIVE_STOP, "session that goes on")


def test_a_watchdog_that_stands_still_is_ended_by_noded_and_comes_back(demo: Demo):
    until(lambda: moves(demo), "motion")
    pid = stand_still(demo, "watchdogd")
    demo.read_until("watchdogd killed    no beat for 1 s")
    demo.read_until("watchdogd ready")
    assert demo.pids()["watchdogd"] != pid
    until(lambda: moves(demo), "motion under the new one")
    watched = {line["row"] for line in noticed(demo) if line["fault"] == Fault.WORKS}
    assert len(watched) == len(demo.pids()) - 1, "it found everybody who works already"


def test_a_death_is_no_hang_and_a_clean_stop_is_neither(demo: Demo):
    until(lambda: noticed(demo), "watching")
    os.kill(demo.pids()["webd"], signal.SIGKILL)
    said = demo.read_until("webd      exited")
    assert "webd      exited    signal 9, starts anew" in said
    demo.read_until("webd      ready")
    os.kill(demo.pids()["webd"], signal.SIGTERM)  # as a person does, or noded
    demo.read_until("webd      ready")
    faults = [line["fault"] for line in noticed(demo)]
    assert faults.count(Fault.DIED) == 1, "who leaves in order has not died"
    assert not FENCED & set(faults)
