"""Finding pulses: whose they are, and that nobody but the process that is meant is ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from transport.io.clock import Clock
from transport.io.living import identity_of, lives, open_pidfd, resident_bytes
from transport.io.loop import Loop
from transport.io.mapping import Mapping
from transport.io.pulses import NOBODY, Place
from transport.telemetry.pulse import Layout, Phase, Pulse

PATIENCE_NS = 10_000_000_000


class Ward:
    """A run directory, sleepers, and a loop that waits for their end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "pulse").mkdir()
        self.loop = Loop(Clock())
        self.died = []
        self.sleepers = []
        self.place = Place(self.loop, path, "relayd", self._told)

    def _told(self, reader):
        self.died.append(reader.layout.pid)
        self.loop.stop()

    def sleeper(self):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.sleepers.append(child)
        return child

    def shows(self, pid, start):
        layout = Layout(pid, start)
        made = []
        path = self.path / "pulse" / "relayd.pulse"
        Mapping.create(path, Pulse.size(layout), lambda view: made.append(Pulse(view, layout)))
        return made[0]

    def show(self, child):
        identity = identity_of(child.pid)
        assert identity is not None
        return self.shows(*identity)

    def wait(self):
        guard = self.loop.every(PATIENCE_NS, lambda: self.loop.stop(1))
        assert self.loop.run() == 0, "nobody was told of a death"
        guard.close()

    def close(self):
        self.place.close()
        self.loop.close()
        for child in self.sleepers:
            child.kill()
            child.wait()


@pytest.fixture
def ward(tmp_path):
    ward = Ward(tmp_path)
    yield ward
    ward.close()


def test_where_nobody_is_nothing_beats(ward):
    assert ward.place.seek() is None
    assert ward.place.look() == NOBODY
    assert not ward.place.kill(os.getpid(), 1)


def test_who_comes_is_found_once_and_read_as_it_goes_on(ward):
    child = ward.sleeper()
    pulse = ward.show(child)
    found = ward.place.seek()
    assert found is not None
    assert found.pid == child.pid
    assert ward.place.seek() is None
    pulse.enter(Phase.WORKING)
    pulse.beat()
    assert ward.place.look() == (Phase.WORKING, 1)


def test_a_death_is_told_with_what_it_said_last(ward):
    child = ward.sleeper()
    ward.show(child)
    ward.place.seek()
    child.kill()
    ward.wait()
    assert ward.died == [child.pid]
    assert ward.place.reader is None


def test_only_the_very_process_is_killed(ward):
    child = ward.sleeper()
    ward.show(child)
    found = ward.place.seek()
    assert not ward.place.kill(found.pid, found.start + 1), "another one of its number"
    assert child.poll() is None
    os.kill(child.pid, signal.SIGSTOP)
    assert ward.place.kill(found.pid, found.start)
    ward.wait()
    assert child.wait() == -signal.SIGKILL


def test_what_a_dead_one_left_behind_is_nobodys(ward):
    child = ward.sleeper()
    ward.show(child)
    child.kill()
    child.wait()
    assert ward.place.seek() is None
    mine = identity_of(os.getpid())
    ward.shows(mine.pid, mine.start - 1)
    assert ward.place.seek() is None, "our number, but not we"


def test_a_successor_that_is_found_first_ends_the_old_life(ward):
    old, new = ward.sleeper(), ward.sleeper()
    ward.show(old)
    ward.place.seek()
    ward.show(new)
    assert ward.place.seek().pid == new.pid
    assert ward.died == [old.pid]
    assert not ward.place.kill(*identity_of(old.pid))


def test_what_is_no_pulse_is_passed_over(ward):
    (ward.path / "pulse" / "relayd.pulse").write_bytes(b"no pulse" * 64)
    assert ward.place.seek() is None
    (ward.path / "pulse" / "relayd.pulse").write_bytes(b"")
    assert ward.place.seek() is None


def test_the_living_have_memory_and_the_dead_none(ward):
    assert resident_bytes(os.getpid()) > 4 << 20
    child = ward.sleeper()
    identity = identity_of(child.pid)
    child.kill()
    child.wait()
    assert not lives(identity)
    assert open_pidfd(identity) is None
    assert resident_bytes(child.pid) == 0
