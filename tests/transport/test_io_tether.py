"""The kernel says that somebody died, before his memory is given back."""

import os
import signal
import subprocess
import sys
import time

import pytest

from transport.io import tether
from transport.io.mapping import Mapping
from transport.telemetry.pulse import Layout, Pulse, PulseReader

HOLDER = """
import sys, os, time
from pathlib import Path
from transport.io import tether
from transport.io.mapping import Mapping
from transport.telemetry.pulse import Layout, Pulse

layout = Layout(os.getpid(), 1, 0, ("fed", "sent"))
made = []
Mapping.create(Path(sys.argv[1]), Pulse.size(layout), lambda view: made.append(Pulse(view, layout)))
assert tether.hold(made[0].tether)
made[0].reach(0)
made[0].reach(1)
if "fork" in sys.argv:
    if os.fork() == 0:
        os._exit(0)
    os.wait()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path):
    """A process that holds a tether, and who reads its pulse."""
    started = []

    def start(*how):
        path = tmp_path / "a.pulse"
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), *how], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process, PulseReader(Mapping.open(path).view)

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def torn(reader, seconds=10.0):
    until = time.monotonic() + seconds
    while not reader.is_torn:
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def test_whoever_lives_holds_it_and_whoever_is_killed_does_not(hold):
    process, reader = hold()
    assert not torn(reader, 0.05)
    process.kill()
    assert torn(reader)
    assert reader.stages == (1, 1)


def test_who_stands_still_holds_it(hold):
    process, reader = hold()
    process.send_signal(signal.SIGSTOP)
    assert not torn(reader, 0.05)


def test_a_child_of_its_holder_may_die(hold):
    _, reader = hold("fork")
    assert not torn(reader, 0.05)


def test_it_is_seen_before_the_death_is_announced(hold):
    process, reader = hold()
    with os.fdopen(os.pidfd_open(process.pid)):
        process.kill()
        assert torn(reader)


def test_without_the_c_library_that_tells_its_word_nothing_is_held(monkeypatch):
    monkeypatch.setattr(os, "confstr", lambda _: (_ for _ in ()).throw(ValueError))
    layout = Layout(os.getpid(), 1)
    memory = memoryview(bytearray(Pulse.size(layout)))
    pulse = Pulse(memory, layout)
    assert not tether.hold(pulse.tether)
    assert not PulseReader(memory).is_torn


def test_a_thread_may_hold_one_after_the_other_though_nobody_else_keeps_their_memory(tmp_path):
    program = (
        "import gc, os, sys\n"
        "from pathlib import Path\n"
        "from transport.io import tether\n"
        "from transport.io.mapping import Mapping\n"
        "for n in range(12):\n"
        "    path = Path(sys.argv[1]) / str(n)\n"
        "    Mapping.create(path, 4096 << n, lambda view: tether.hold(view[:64]))\n"
        "    path.unlink()\n"
        "    gc.collect()\n"
        "print('well')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr
