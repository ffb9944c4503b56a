"""What noded does about the watchdog: looks after it, asks why it ended whom, tells systemd."""

import os
import socket

import pytest

from safety.watchdog import Fault
from safety.watchdogd import FIELDS
from teleop.node.fences import RING, why_fenced
from teleop.node.notify import ALIVE, READY, STOPPING, Notify
from teleop.node.vigil import LOOK_NS, LOOKS, Vigil, pulse_of
from transport.io.living import Identity
from transport.io.mapping import Mapping
from transport.telemetry.flight import Flight
from transport.telemetry.pulse import Layout, Phase, Pulse

WHO, NEXT = Identity(4711, 99), Identity(4712, 100)
WORKING = Phase.WORKING


class Keeper:
    """noded's vigil in virtual time."""

    def __init__(self):
        self.vigil = Vigil()
        self.now_ns = 5 * LOOK_NS
        self.beats = 0

    def looks(self, times, *, beats, who=WHO, phase=WORKING, late_ns=0):
        found = []
        for _ in range(times):
            self.now_ns += LOOK_NS + late_ns
            self.beats += beats
            found.append(self.vigil.look(who, (phase, self.beats), self.now_ns))
        return found


def test_a_watchdog_that_beats_is_kept():
    keeper = Keeper()
    assert not any(keeper.looks(20, beats=60))
    assert keeper.vigil.is_kept


def test_one_that_does_not_is_ended_after_four_looks():
    keeper = Keeper()
    keeper.looks(3, beats=60)
    assert keeper.looks(LOOKS, beats=0) == [False, False, False, True]
    assert not keeper.vigil.is_kept


def test_our_own_lateness_is_one_look():
    keeper = Keeper()
    keeper.looks(3, beats=60)
    assert not any(keeper.looks(LOOKS - 1, beats=0, late_ns=100 * LOOK_NS))
    assert not any(keeper.looks(1, beats=1))


def test_looks_that_come_too_often_are_none():
    keeper = Keeper()
    keeper.looks(3, beats=60)
    assert not any(
        keeper.vigil.look(WHO, (WORKING, keeper.beats), keeper.now_ns) for _ in range(99)
    )


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.LEAVING])
def test_who_does_not_work_is_not_judged_and_does_not_count_as_kept(phase):
    keeper = Keeper()
    keeper.looks(3, beats=60)
    assert not any(keeper.looks(50, beats=0, phase=phase))
    assert not keeper.vigil.is_kept


def test_a_successor_begins_anew():
    keeper = Keeper()
    keeper.looks(3, beats=60)
    keeper.looks(LOOKS - 1, beats=0)
    assert keeper.looks(LOOKS, beats=0, who=NEXT) == [False] * LOOKS
    assert keeper.looks(1, beats=0, who=NEXT) == [True]


def test_only_the_pulse_of_the_very_process_counts(tmp_path):
    (tmp_path / "pulse").mkdir()
    path = tmp_path / "pulse" / "watchdogd.pulse"
    assert pulse_of(tmp_path, "watchdogd", WHO) == (Phase.STARTING, 0)
    layout = Layout(*WHO)
    made = []
    Mapping.create(path, Pulse.size(layout), lambda view: made.append(Pulse(view, layout)))
    made[0].enter(WORKING)
    made[0].beat()
    assert pulse_of(tmp_path, "watchdogd", WHO) == (WORKING, 1)
    assert pulse_of(tmp_path, "watchdogd", NEXT) == (Phase.STARTING, 0)
    path.write_bytes(b"x")
    assert pulse_of(tmp_path, "watchdogd", WHO) == (Phase.STARTING, 0)


# Why ---------------------------------------------------------------------------------------------


@pytest.fixture
def ring(tmp_path):
    (tmp_path / RING.parent).mkdir()
    made = []
    size = Flight.size(FIELDS, 8)
    Mapping.create(tmp_path / RING, size, lambda view: made.append(Flight(view, FIELDS, 8)))
    return made[0]


def test_why_somebody_was_ended_is_in_the_ring(tmp_path, ring):
    ring.append(1, 0, *WHO, Fault.HUNG, 20_490_000)
    ring.append(2, 1, *NEXT, Fault.DISORDER, 0)
    assert why_fenced(tmp_path, WHO) == "hung for 20 ms: fenced"
    assert why_fenced(tmp_path, NEXT) == "left out a part of its work: fenced"


def test_who_is_not_in_it_was_not_ended_by_the_watchdog(tmp_path, ring):
    ring.append(1, 0, *WHO, Fault.HUNG, 20_490_000)
    assert why_fenced(tmp_path, Identity(WHO.pid, WHO.start + 1)) == ""


def test_a_fault_of_a_later_build_is_still_a_fence(tmp_path, ring):
    ring.append(1, 0, *WHO, 99, 0)
    assert why_fenced(tmp_path, WHO) == "fenced"


def test_without_a_ring_nobody_was_ended(tmp_path):
    assert why_fenced(tmp_path, WHO) == ""
    (tmp_path / RING.parent).mkdir()
    (tmp_path / RING).write_bytes(b"no ring" * 100)
    assert why_fenced(tmp_path, WHO) == ""


# systemd -----------------------------------------------------------------------------------------


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def heard(listener):
    said = []
    while True:
        try:
            said.append(listener.recv(4096).decode())
        except BlockingIOError:
            return said


def test_systemd_hears_of_start_life_and_end(systemd):
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "2000000"}
    notify = Notify(environment, os.getpid())
    notify.say(READY)
    for ms in range(0, 3000, 250):
        notify.alive(7_000_000_000 + ms * 1_000_000)
    notify.say(STOPPING)
    notify.close()
    assert heard(systemd) == ["READY=1", *[ALIVE] * 3, "STOPPING=1"]


@pytest.mark.parametrize(
    "more",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}],
    ids=["not asked", "no number", "meant for another"],
)
def test_who_is_not_asked_for_signs_of_life_gives_none(systemd, more):
    notify = Notify({"NOTIFY_SOCKET": systemd.getsockname(), **more}, os.getpid())
    notify.alive(10**12)
    notify.close()
    assert heard(systemd) == []


def test_an_abstract_name_is_one_too():
    name = f"\0trocar-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.setblocking(False)
        notify = Notify({"NOTIFY_SOCKET": "@" + name[1:]}, os.getpid())
        notify.say(READY)
        notify.close()
        assert heard(listener) == ["READY=1"]


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "odd"}]
)
def test_without_systemd_nothing_is_said_and_nothing_fails(environment):
    notify = Notify({"WATCHDOG_USEC": "1000", **environment}, os.getpid())
    notify.say(READY)
    notify.alive(1)
    notify.close()
    notify.close()
