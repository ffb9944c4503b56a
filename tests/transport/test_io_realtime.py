"""Rights that a process takes, or learns that it lacks."""

import gc
import os
import stat
import subprocess
import sys

import pytest

from transport.io import realtime
from transport.io.realtime import PmQos


def in_child(program):
    """Run a program where its scheduling harms nobody; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.split()


def test_what_is_missing_is_explained_with_its_cost_and_nothing_is_kept():
    policy = os.sched_getscheduler(0)
    lacks = realtime.explain()
    assert os.sched_getscheduler(0) == policy
    for lack in lacks:
        assert lack.what
        assert lack.cost
        assert lack.remedy


@pytest.mark.skipif(realtime.NO_FIFO in realtime.explain(), reason="no right to SCHED_FIFO")
def test_fifo_is_taken_and_inherited_by_the_threads_of_zmq():
    policies = in_child(
        "import os, zmq\n"
        "from transport.io import realtime\n"
        "assert not realtime.enter(1, 0)\n"
        "context = zmq.Context(); socket = context.socket(zmq.PAIR)\n"
        "for task in os.listdir('/proc/self/task'):\n"
        "    print(os.sched_getscheduler(int(task)))\n"
    )
    assert len(policies) >= 3
    assert set(policies) == {str(os.SCHED_FIFO)}


def test_without_rights_everything_is_named_and_nothing_fails():
    whats = in_child(
        "import os, resource\n"
        "from transport.io import realtime\n"
        "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_NICE, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "for lack in realtime.enter(50, 0): print(lack.what)\n"
    )
    assert whats == ["SCHED_FIFO", "nice", "mlockall"]


def test_the_collector_is_off_after_settling_and_young_cycles_still_go():
    seen = in_child(
        "import gc, weakref\n"
        "from transport.io import realtime\n"
        "class Knot: pass\n"
        "realtime.settle()\n"
        "knot = Knot(); knot.self = knot; gone = weakref.ref(knot); del knot\n"
        "print(gc.isenabled(), gone() is None)\n"
        "realtime.sweep_young()\n"
        "print(gone() is None)\n"
    )
    assert seen == ["False", "False", "True"]
    assert gc.isenabled()


def test_cores_are_kept_awake_only_while_held(tmp_path):
    device = tmp_path / "latency"
    device.touch()
    qos = PmQos(allowed=True, path=str(device))
    assert not qos.held
    assert qos.hold(True)
    assert qos.hold(True)
    assert qos.held
    assert device.read_bytes() == bytes(4)
    assert qos.hold(False)
    assert not qos.held
    qos.close()


def test_without_permission_or_device_a_wish_is_not_met(tmp_path):
    device = tmp_path / "latency"
    assert not PmQos(allowed=True, path=str(device)).hold(True)
    device.touch()
    forbidden = PmQos(allowed=False, path=str(device))
    assert not forbidden.hold(True)
    assert forbidden.hold(False)
    assert stat.S_ISREG(device.stat().st_mode)
    assert device.read_bytes() == b""
