"""LOCAL: what the team at the robot may do, what nobody else may meanwhile, and how it ends."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.bedside import Bind, Token
from safety.grant import Revoke
from safety.messages import Bedside, Ceiling, Event, Flags
from safety.profile import MS
from safety.state import Cause, State
from teleop.robot.local import TOKEN_NS_MAX
from tests.world.rig import ROBOT, Rig
from transport.wire.vector import Setpoint, unpack_setpoint

TOKEN_MS = 50
#: At the local speed it comes to rest within this, and one setpoint is on its way.
REST_M = 0.0002


def say(rig, verb):
    done = rig.agent.bedside(Bedside(20, verb), rig.now_ns)
    rig.drain()
    return done


def press(rig, motion="retract", *, number=1, arm=0):
    done = rig.agent.bedside(Token(21, motion, arm, number), rig.now_ns)
    rig.drain()
    return done


def hold(rig, ms, motion="retract", *, number=1, says=False, **hand):
    """Hold a key for so long."""
    done = []
    for _ in range(ms // TOKEN_MS):
        done.append(press(rig, motion, number=number))
        rig.run(TOKEN_MS, says=says, **hand)
    return done


def depth(rig):
    """How deep the simulated tip is behind the remote centre."""
    return math.hypot(*rig.pose[0][:3])


def taken(**grant):
    """An engaged robot that the team has taken."""
    rig = Rig().to_engaged(**grant)
    assert say(rig, "take")
    return rig


def wander(step):
    """A hand that keeps asking for somewhere else."""
    return Setpoint(0.0002 * step, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


# Taking ------------------------------------------------------------------------------------------


def test_the_team_takes_the_robot_from_a_moving_hand_at_once():
    rig = taken()
    assert rig.path() == [(State.HOLD, Cause.LOCAL)]
    before = rig.pose[0]
    rig.run(500, move=wander)
    assert rig.path() == []
    assert math.dist(before[:3], rig.pose[0][:3]) < REST_M
    assert rig.agent.report("", rig.now_ns).local
    assert not say(rig, "take"), "it has it already"


def test_whatever_the_remote_hand_does_in_local_it_arms_nothing():
    rig = taken()
    rig.release()
    rig.run(100)
    rig.cycle_clutch()
    rig.run(100)
    rig.press()
    rig.run(200, move=wander)
    assert rig.state is State.HOLD


def test_a_grant_that_comes_in_local_takes_nothing_from_the_team():
    rig = taken()
    rig.run(20)
    rig.grant()
    rig.release()
    rig.run(200)
    assert rig.state is State.HOLD
    rig.press()
    start = rig.pose[0]
    rig.run(200, move=wander)
    assert rig.pose[0] == start


def test_giving_back_resumes_nothing_without_a_clutch_cycle_and_a_new_press():
    rig = taken()
    rig.run(60)
    rig.release()
    rig.run(60)
    rig.cycle_clutch()  # in LOCAL it does not count
    rig.run(20)
    assert say(rig, "give")
    assert not say(rig, "give"), "it has it no more"
    assert rig.cause is Cause.GIVEN_BACK
    rig.run(300)
    assert rig.state is State.HOLD
    rig.cycle_clutch()
    rig.run(60)
    assert rig.state is State.ARMED
    rig.run(60)
    assert rig.state is State.ARMED
    rig.press()
    rig.run(5)
    assert rig.state is State.ENGAGED


def test_a_deadman_held_all_the_time_resumes_nothing():
    rig = taken()
    rig.run(30)
    say(rig, "give")
    rig.run(3000)
    assert rig.state is State.HOLD


def test_every_act_of_the_team_is_told_over_the_guard():
    rig = taken()
    hold(rig, 100)
    hold(rig, 100, "release", number=2)
    say(rig, "give")
    rig.agent.bedside(Bind(22, "or-3", "p-1"), rig.now_ns)
    told = [event.cause for event in rig.told if isinstance(event, Event)]
    acts = (Cause.LOCAL, Cause.RETRACTING, Cause.RELEASING, Cause.GIVEN_BACK)
    for act in acts:
        assert act in told
    assert Cause.BOUND not in told, "the session's bed is not bound anew under it"


# Moving ------------------------------------------------------------------------------------------


def test_a_held_key_retracts_towards_the_remote_centre_slowly_and_keeps_the_orientation():
    rig = taken()
    rig.run(50, says=False)
    start, deep = rig.pose[0], depth(rig)
    hold(rig, 1000)
    went = deep - depth(rig)
    assert went == pytest.approx(rig.settings.limits.local_speed_m_s, rel=0.1)
    assert rig.pose[0][3:7] == pytest.approx(start[3:7])
    along = [b / a for a, b in zip(start[:3], rig.pose[0][:3], strict=True) if abs(a) > 1e-6]
    assert along == pytest.approx([along[0]] * len(along))
    assert not any(a.message.energy for a in rig.servos[-100:])


def test_a_held_key_opens_the_jaw_and_moves_nothing_else():
    rig = taken()
    rig.run(50, says=False)
    start = rig.pose[0]
    hold(rig, 8000, "release")
    assert rig.pose[0].jaw == pytest.approx(rig.settings.limits.local_jaw_rad)
    assert rig.pose[0][:7] == pytest.approx(start[:7])


def test_the_fence_ends_a_retraction():
    rig = taken()
    hold(rig, 20_000)
    top = rig.settings.limits.corner_m_max[2]
    assert rig.pose[0].z == pytest.approx(top, abs=1e-6)
    assert not press(rig), "its press is over"


@pytest.mark.parametrize("silent_ms", [95, 105])
def test_a_hundred_milliseconds_without_a_token_stop_it_for_good(silent_ms):
    rig = taken()
    rig.run(50, says=False)
    hold(rig, 200)
    rig.run(silent_ms - TOKEN_MS, says=False)
    at = depth(rig)
    moved = press(rig)
    rig.run(40, says=False)
    assert moved is (silent_ms * MS < TOKEN_NS_MAX)
    assert (at - depth(rig) > REST_M) is moved


def test_a_press_that_moves_nothing_says_what_to_do_first():
    rig = Rig().to_engaged()
    assert rig.agent.why_not("token", rig.now_ns) == "take it first"
    say(rig, "take")
    assert rig.agent.why_not("token", rig.now_ns) == "its press is over: press again"
    say(rig, "estop")
    assert rig.agent.why_not("token", rig.now_ns) == "nothing moves in ESTOP: reset it first"
    assert rig.agent.why_not("take", rig.now_ns) == "nothing to take in ESTOP"


def test_nothing_moves_without_local():
    rig = Rig().to_engaged()
    at = rig.pose[0]
    assert not press(rig)
    rig.run(100)
    assert rig.pose[0] == at
    assert rig.state is State.ENGAGED


def test_without_any_session_the_first_token_brings_power_and_giving_back_takes_it():
    rig = Rig()
    rig.run(20, says=False)
    say(rig, "take")
    rig.run(50, says=False)
    assert rig.state is State.IDLE
    assert not rig.enabled, "taking alone moves no brake"
    deep = depth(rig)
    hold(rig, 300)
    assert rig.state is State.HOLD
    assert deep - depth(rig) > 0.003
    say(rig, "give")
    assert rig.state is State.IDLE
    assert rig.stops[-1] == 1


def test_a_session_that_ends_in_local_leaves_the_team_its_power():
    rig = taken()
    hold(rig, 200)
    deep = depth(rig)
    rig.agent.receive_guard("sessiond", Revoke(55, rig.session, "why"), rig.now_ns)
    rig.drain()
    assert all(hold(rig, 200))
    assert deep - depth(rig) > 0.003
    assert rig.enabled


@pytest.mark.parametrize("stop", [State.ESTOP, State.PROTECTIVE_STOP])
def test_a_latched_stop_is_reset_before_a_new_press_moves_anything(stop):
    rig = Rig(ceilings={"watchdogd": "hold"}).to_engaged()
    say(rig, "take")
    hold(rig, 100)
    if stop is State.ESTOP:
        say(rig, "estop")
    else:
        lowered = Ceiling(19, "watchdogd", ROBOT, stop, "why", 10)
        rig.agent.receive_guard("watchdogd", lowered, rig.now_ns)
        rig.drain()
    at = rig.pose[0]
    assert not any(hold(rig, 200))
    assert not any(hold(rig, 100, number=2))
    assert rig.state is stop
    assert rig.pose[0] == at
    assert say(rig, "reset")
    assert not any(hold(rig, 100, number=2)), "that press has ended"
    assert rig.state is State.IDLE
    assert all(hold(rig, 100, number=3))
    assert rig.pose[0] != at


@pytest.mark.parametrize("fault", ["silent", "braked", "gone"])
def test_a_driver_that_is_lost_is_not_moved(fault):
    rig = taken()
    hold(rig, 100)
    if fault == "silent":
        rig.measures = False
    elif fault == "braked":
        rig.enabled = rig.powers = False
    else:
        rig.agent.driver_gone(rig.now_ns)
        rig.measures = False
    rig.run(40, says=False)
    at = rig.setpoint()
    press(rig)
    rig.run(300, says=False)
    assert math.dist(at[:3], rig.setpoint()[:3]) < REST_M


def test_a_robot_that_was_paused_moves_nothing_by_an_old_press():
    rig = taken()
    hold(rig, 100)
    rig.now_ns += 60 * MS
    rig.agent.handle_deadline(rig.now_ns)
    rig.drain()
    assert not press(rig)


def test_another_motion_needs_another_press():
    rig = taken()
    assert press(rig)
    assert not press(rig, "release")
    assert press(rig, "release", number=2)
    assert not press(rig, arm=3, number=3), "there is no such arm"


# Whatever happens --------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["token", "new press", "silence", "take", "give", "estop", "reset", "hand"]
        ),
        st.integers(1, 120),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_in_local_only_a_token_moves_the_arm_and_then_slowly_and_outward(steps):
    rig = Rig().to_engaged()
    number, token_ns = 1, -(10**18)
    for what, ms in steps:
        number += what == "new press"
        if what in ("token", "new press") and press(rig, number=number):
            token_ns = rig.now_ns
        elif what == "hand":
            rig.hand["flags"] ^= Flags.DEADMAN
            rig.hand["press_id"] += 1
            rig.hand["clutch_id"] += 1
        elif what in ("take", "give", "estop", "reset"):
            say(rig, what)
        settle_ns = rig.now_ns + 60 * MS  # a hand's motion comes to rest
        for _ in range(ms):
            at, deep = rig.pose[0], depth(rig)
            rig.run(1, move=lambda _: wander(rig.now_ns // MS % 20))
            if not rig.agent.report("", rig.now_ns).local or rig.now_ns < settle_ns:
                continue
            went = math.dist(at[:3], rig.pose[0][:3])
            assert went <= rig.settings.limits.local_speed_m_s * 0.005 + 1e-9
            assert depth(rig) <= deep + 1e-9
            if rig.now_ns - token_ns > TOKEN_NS_MAX + 10 * MS:
                assert went == 0.0
            assert rig.state <= State.HOLD
    told = [unpack_setpoint(asked.message.setpoint) for asked in rig.servos]
    assert all(math.isfinite(part) for pose in told for part in pose)
