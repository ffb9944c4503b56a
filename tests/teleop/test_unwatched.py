"""A robot whose watchdog is silent: what moves goes on slowly, and nothing arms anew."""

import pytest

from safety.messages import Ceiling
from safety.profile import MS
from safety.state import State
from tests.world.rig import ROBOT, Rig

WARDEN = "watchdog"
TTL_MS = 48


def heard(rig, state=State.ENGAGED, ttl_ms=TTL_MS):
    said = Ceiling(19, WARDEN, ROBOT, state, "why", ttl_ms)
    assert rig.agent.receive_guard(WARDEN, said, rig.now_ns)


def watched(rig, ms):
    """Let time pass under a watchdog that speaks as often as ours does."""
    for _ in range(ms // 12):
        heard(rig)
        rig.run(12)


def granted(rig):
    rig.measure()
    rig.grant()
    return rig


def engaged():
    rig = granted(Rig(watchdogs=(WARDEN,)))
    watched(rig, 60)
    assert rig.state is State.ARMED
    rig.press()
    watched(rig, 24)
    assert rig.state is State.ENGAGED
    return rig


def test_a_robot_that_has_no_watchdog_misses_none():
    assert granted(Rig()).to_engaged().state is State.ENGAGED


def test_before_the_watchdog_was_heard_nothing_arms():
    rig = granted(Rig(watchdogs=(WARDEN,)))
    rig.run(500)
    assert rig.state is State.IDLE
    watched(rig, 60)
    assert rig.state is State.ARMED


def test_when_it_dies_motion_goes_on_slowly_and_is_free_again_when_it_is_back():
    rig = engaged()
    heard(rig)
    died_ns = rig.now_ns
    rig.path()
    rig.run(200)
    (fallen,) = [t for t in rig.transitions if t.t_ns > died_ns]
    assert (fallen.new, fallen.t_ns - died_ns) == (State.DEGRADED, TTL_MS * MS)
    watched(rig, 400)
    assert rig.state is State.ENGAGED


def test_while_it_is_silent_a_hand_may_pause_and_go_on_slowly():
    rig = engaged()
    rig.run(100)
    rig.release()
    rig.run(20)
    assert rig.state is State.ARMED
    rig.press()
    rig.run(400)
    assert rig.state is State.DEGRADED


def test_while_it_is_silent_no_hold_is_left():
    rig = engaged()
    rig.run(100)
    rig.run(40, says=False)
    assert rig.state is State.HOLD
    rig.run(400)
    assert rig.state is State.HOLD


@pytest.mark.parametrize("state", [State.HOLD, State.IDLE, State.ESTOP])
def test_a_heard_watchdog_that_lowers_is_obeyed_and_its_silence_then_is_its_silence(state):
    rig = engaged()
    heard(rig, state)
    rig.drain()
    assert rig.state is state
    rig.run(300)
    assert rig.state is state, "its silence raises nothing"
