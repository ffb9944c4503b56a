"""A core that was frozen goes on as if nothing had been; and nothing else can be thawed."""

import os
import pickle
from collections import deque

import pytest

from safety.state import State
from safety.supervision import Burst
from transport.link.age import EchoAge
from transport.telemetry.freeze import ThawError, freeze, thaw


def named(thing):
    return "key" if isinstance(thing, memoryview) else None


def test_a_core_goes_on_where_it_was():
    burst, ticks = Burst(3, 1000), EchoAge()
    burst.add(1)
    ticks.sent(7, 70)
    parts = {"burst": burst, "ticks": ticks, "state": State.HOLD, "again": burst}
    there = thaw(freeze(parts, named), lambda _: None)
    assert there["ticks"].loop_ns(7, 100) == 30
    assert there["state"] is State.HOLD
    assert there["burst"] is there["again"]
    for core in (burst, there["burst"]):
        assert not core.add(2)
        assert core.add(3)


def test_what_it_only_refers_to_is_named_and_found():
    secret = memoryview(b"secret")
    data = freeze([secret, deque([1, 2], 5), {3}], named)
    assert b"secret" not in data
    assert thaw(data, lambda name: name) == ["key", deque([1, 2], 5), {3}]


def test_a_method_of_a_core_is_found_again():
    burst = Burst(1, 1000)
    core, method = thaw(freeze([burst, burst.add], named), lambda _: None)
    assert method.__self__ is core


class Evil:
    def __init__(self, *act):
        self._act = act

    def __reduce__(self):
        return self._act


@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.system, ("true",)),
        Evil(eval, ("1 + 1",)),
        Evil(getattr, (Burst, "add")),
        Evil(pickle.loads, (b"N.",)),
        Evil(open, ("/etc/hostname",)),
    ],
)
def test_nothing_that_acts_is_built(evil):
    data = pickle.dumps([evil], protocol=5)
    with pytest.raises(ThawError, match="is not of a core"):
        thaw(data, lambda _: None)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("safety.store.file", "RobotStore"),
        ("teleop.robot.robotd", "Robotd"),
        ("teleop.node.child", "Child"),
        ("transport.io.mapping", "Mapping"),
        ("safety.state", "annotations"),
        ("teleop.robot.shape", "warm"),
        ("teleop.robot.shape", "np.load"),
    ],
)
def test_nothing_of_a_process_a_disk_or_a_module_is_found(module, name):
    data = b"\x80\x05" + b"c" + f"{module}\n{name}\n".encode() + b"."
    with pytest.raises(ThawError):
        thaw(data, lambda _: None)


def test_what_was_cut_is_an_error():
    data = freeze([Burst(3, 1000), {"a": (1, 2.0)}], named)
    for end in range(len(data)):
        with pytest.raises(ThawError):
            thaw(data[:end], lambda _: None)
