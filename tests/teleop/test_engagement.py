"""When a hand may move the robot and when no longer: every bound to the nanosecond."""

from itertools import pairwise

import pytest

from safety.messages import Flags
from safety.profile import LADDERS, MS, Profile
from safety.state import Cause, State
from teleop.robot import engagement
from tests.world.rig import Rig
from transport.wire.vector import Setpoint

LADDER_OF = {
    Profile.NATIVE: (5, 20, 100, 2000),
    Profile.BROWSER: (12, 40, 150, 2000),
    Profile.WAN: (15, 60, 300, 5000),
}


def since(rig, heard_ns):
    """The transitions after the last command, in nanoseconds since it."""
    return [(t.t_ns - heard_ns, t.new, t.cause) for t in rig.transitions]


def fall_silent(rig, ms):
    """The console dies; the driver lives on. Return when the last command was heard."""
    heard_ns = rig.now_ns
    rig.run(ms, says=False)
    return heard_ns


# The way up --------------------------------------------------------------------------------------


def test_idle_arms_on_a_raised_deadman_and_an_aligned_hand():
    rig = Rig()
    rig.measure()
    rig.grant()
    assert rig.state is State.IDLE
    rig.run(1)
    assert rig.path()[-1] == (State.ARMED, Cause.ALIGNED)


def test_a_hand_that_comes_with_the_deadman_pressed_arms_nothing():
    rig = Rig()
    rig.measure()
    rig.grant()
    rig.press()
    rig.run(300)
    assert rig.state is State.IDLE


def test_a_deadman_that_was_pressed_from_the_start_is_named():
    rig = Rig()
    rig.measure()
    rig.grant()
    rig.press()
    rig.run(5)
    assert (rig.state, rig.cause) == (State.IDLE, Cause.DEADMAN_STUCK)
    assert rig.verified().cause == Cause.DEADMAN_STUCK
    rig.release()
    rig.run(1)
    assert (rig.state, rig.cause) == (State.ARMED, Cause.ALIGNED)


def test_a_hand_turned_by_more_than_five_degrees_arms_nothing():
    rig = Rig()
    rig.measure()
    rig.grant()
    s = 0.0463  # sin(5.3° / 2)
    rig.at = Setpoint(0.0, 0.0, 0.0, (1 - s * s) ** 0.5, s, 0.0, 0.0, 0.0)
    rig.run(50)
    assert (rig.state, rig.cause) == (State.IDLE, Cause.MISALIGNED)
    s = 0.0427  # sin(4.9° / 2)
    rig.at = Setpoint(0.0, 0.0, 0.0, (1 - s * s) ** 0.5, s, 0.0, 0.0, 0.0)
    rig.run(1)
    assert rig.state is State.ARMED


def test_armed_engages_on_a_press_after_fifty_fresh_frames():
    rig = Rig()
    rig.measure()
    rig.grant()
    rig.run(48)
    rig.press()
    rig.run(1)
    assert rig.state is State.ARMED  # the 49th
    rig.run(1)
    assert rig.path()[-1] == (State.ENGAGED, Cause.PRESSED)


def test_a_gap_makes_the_stream_stale_again():
    rig = Rig().to_armed()
    rig.run(4, says=False)
    rig.run(1)
    rig.press()
    rig.run(48)
    assert rig.state is State.ARMED
    rig.run(1)
    assert rig.state is State.ENGAGED


def test_a_deadman_that_was_never_up_does_not_engage():
    rig = Rig().to_engaged()
    rig.hand["press_id"] += 1  # released and pressed again, and the frames between were lost
    rig.run(200)
    assert rig.path() == [(State.ARMED, Cause.RELEASED)]
    rig.release()
    rig.run(1)
    rig.press()
    rig.run(1)
    assert rig.state is State.ENGAGED


def test_releasing_the_deadman_stops_at_once():
    rig = Rig().to_engaged()
    rig.release()
    rig.say()
    assert rig.path() == [(State.ARMED, Cause.RELEASED)]


# Silence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", LADDER_OF)
def test_a_console_that_dies_while_engaged_goes_down_the_ladder_to_the_nanosecond(profile):
    rig = Rig().to_engaged(profile=profile, max_loop_ms=LADDERS[profile].max_loop_ns // MS)
    degraded, hold, latched, stop = (ms * MS for ms in LADDER_OF[profile])
    heard_ns = fall_silent(rig, LADDER_OF[profile][3] + 20)
    assert since(rig, heard_ns) == [
        (degraded, State.DEGRADED, Cause.GAP),
        (hold, State.HOLD, Cause.SILENCE),
        (stop, State.PROTECTIVE_STOP, Cause.LONG_SILENCE),
    ]
    assert rig.stored[-1].state is State.PROTECTIVE_STOP
    assert rig.stops[-1] == 1
    assert rig.agent.gate.session is None, "and its keys are gone"
    assert latched < stop


@pytest.mark.parametrize(("period_us", "degraded_ms"), [(1000, 5), (2000, 6), (5000, 15)])
def test_a_slow_stream_is_degraded_after_three_periods_and_held_as_ever(period_us, degraded_ms):
    rig = Rig().to_engaged(period_us=period_us)
    heard_ns = fall_silent(rig, 25)
    assert since(rig, heard_ns) == [
        (degraded_ms * MS, State.DEGRADED, Cause.GAP),
        (20 * MS, State.HOLD, Cause.SILENCE),
    ]


@pytest.mark.parametrize("period_us", [10_000, 50_000, 100_000])
def test_no_period_that_can_be_asked_for_delays_the_hold(period_us):
    rig = Rig().to_engaged(period_us=period_us)
    heard_ns = fall_silent(rig, 30)
    assert since(rig, heard_ns)[-1] == (20 * MS, State.HOLD, Cause.SILENCE)


def test_silence_while_armed_ends_the_grant_and_stops_nothing():
    rig = Rig().to_armed()
    rig.path()
    heard_ns = fall_silent(rig, 2020)
    assert since(rig, heard_ns) == [
        (20 * MS, State.HOLD, Cause.SILENCE),
        (2000 * MS, State.IDLE, Cause.ENDED),
    ]
    assert rig.agent.gate.session is None
    assert rig.stored[-1].state is State.BOOT


def test_silence_after_a_release_ends_the_grant_too():
    rig = Rig().to_engaged()
    rig.release()
    rig.run(10)
    fall_silent(rig, 2020)
    assert rig.state is State.IDLE


def test_a_grant_that_nobody_uses_ends():
    rig = Rig()
    rig.measure()
    rig.grant()
    rig.run(1999, says=False)
    assert rig.agent.gate.session is not None
    rig.run(1, says=False)
    assert rig.agent.gate.session is None
    assert rig.state is State.IDLE


def test_commands_that_come_too_late_are_no_sign_of_life_and_name_the_cause():
    rig = Rig().to_engaged()
    stale = rig.verified().tick
    heard_ns = rig.now_ns
    for ms in range(1, 120):
        rig.wait(heard_ns + ms * MS)
        rig.measure()
        rig.say(tick_echo=stale)
    loop_ns = next(t.t_ns for t in rig.transitions if t.new is State.HOLD)
    assert rig.cause is Cause.LATE
    assert loop_ns - heard_ns <= 45 * MS, "hold above the floor, then 20 ms of silence"


# Loss ---------------------------------------------------------------------------------------------


def lose(rig, one_in, ms, first=0):
    """Of so many commands one is lost."""
    for n in range(first, first + ms):
        rig.wait(rig.now_ns + MS)
        rig.measure()
        command = rig.command()
        if n % one_in:
            rig.agent.receive(command, rig.now_ns)
        rig.drain()


def test_one_command_in_ten_lost_is_degraded_within_a_second_and_named():
    rig = Rig().to_engaged()
    begun_ns = rig.now_ns
    lose(rig, 10, 1000)
    [fall] = rig.transitions
    assert (fall.new, fall.cause) == (State.DEGRADED, Cause.LOSS)
    assert fall.t_ns - begun_ns <= 1000 * MS
    rig.run(700)
    assert rig.state is State.DEGRADED, "more than half of the limit is still in the last second"
    rig.run(400)
    assert rig.state is State.ENGAGED


def test_one_command_in_a_hundred_lost_is_counted_only():
    rig = Rig().to_engaged()
    lose(rig, 100, 3000)
    assert rig.path() == []
    assert rig.agent.gate.session.windows[0].counts().missing == 30


def test_a_burst_is_the_ladders_and_one_hole():
    rig = Rig().to_engaged()
    for _ in range(60):
        rig.command()
    rig.run(300)
    assert rig.path() == []


def test_under_loss_a_press_engages_no_higher_than_degraded():
    rig = Rig().to_armed()
    lose(rig, 8, 1000, first=1)
    rig.press()
    lose(rig, 8, 100, first=1)
    assert rig.path()[-1] == (State.DEGRADED, Cause.PRESSED)


def test_degraded_does_not_flicker_more_than_once_a_second():
    """A link whose gaps come every 250 ms: the recovery time alone would flicker four times."""
    rig = Rig().to_engaged()
    for _ in range(40):
        rig.run(240)
        fall_silent(rig, 6)
    rises = [t.t_ns for t in rig.transitions if t.new is State.ENGAGED]
    assert len(rises) >= 5
    assert min(b - a for a, b in pairwise(rises)) >= 1000 * MS


# Coming back -------------------------------------------------------------------------------------


def test_a_gap_of_some_milliseconds_is_degraded_for_200_ms():
    rig = Rig().to_engaged()
    fall_silent(rig, 7)
    back_ns = rig.now_ns + MS
    rig.run(210)
    assert [(t.t_ns - back_ns, t.new) for t in rig.transitions][1:] == [(200 * MS, State.ENGAGED)]
    assert rig.cause is Cause.STREAM_CLEAN


def test_gaps_of_over_two_periods_keep_it_degraded():
    rig = Rig().to_engaged()
    fall_silent(rig, 7)
    for _ in range(6):
        rig.run(100)
        fall_silent(rig, 3)
    assert rig.state is State.DEGRADED


@pytest.mark.parametrize("ms", [21, 60, 99])
def test_a_return_before_the_latch_resumes_through_degraded(ms):
    rig = Rig().to_engaged()
    heard_ns = rig.now_ns
    fall_silent(rig, ms)
    assert rig.state is State.HOLD
    rig.say()
    assert rig.state is State.DEGRADED
    assert rig.cause is Cause.RESUMED
    rig.run(205)
    assert rig.state is State.ENGAGED
    assert rig.now_ns - heard_ns < 400 * MS


def test_a_return_at_the_latch_finds_it_latched():
    rig = Rig().to_engaged()
    fall_silent(rig, 100)
    rig.run(500)
    assert rig.state is State.HOLD


@pytest.mark.parametrize(
    ("x", "resumes"), [(0.0019, True), (0.0021, False)], ids=["within 2 mm", "beyond 2 mm"]
)
def test_a_hand_that_moved_during_the_hold_does_not_resume(x, resumes):
    rig = Rig().to_engaged()
    fall_silent(rig, 40)
    rig.at = rig.at._replace(x=x)
    rig.say()
    assert (rig.state is State.DEGRADED) is resumes


def test_a_hand_that_turned_during_the_hold_does_not_resume():
    rig = Rig().to_engaged()
    fall_silent(rig, 40)
    s = 0.0192  # sin(2.2° / 2)
    rig.at = rig.at._replace(qw=(1 - s * s) ** 0.5, qz=s)
    rig.run(10)
    assert rig.state is State.HOLD


def test_resuming_leaps_nowhere():
    rig = Rig().to_engaged()
    rig.run(50, move=lambda ms: rig.at._replace(x=ms * 1e-5))
    fall_silent(rig, 40)
    held = rig.setpoint()
    rig.at = rig.at._replace(x=rig.at.x + 0.0015)
    rig.run(5)
    assert rig.state is State.DEGRADED
    assert rig.setpoint().x == pytest.approx(held.x, abs=1e-9), "a new reference was taken"


def test_a_press_that_changed_during_the_hold_does_not_resume():
    rig = Rig().to_engaged()
    fall_silent(rig, 40)
    rig.hand["press_id"] += 1
    rig.run(50)
    assert rig.state is State.HOLD


@pytest.mark.parametrize(("lasted_ms", "resumes"), [(199, True), (200, False)])
def test_a_press_that_has_lasted_for_half_an_hour_does_not_resume(monkeypatch, lasted_ms, resumes):
    """As if an hour had 400 ms."""
    assert engagement.PRESS_NS_MAX == 30 * 60 * 1000 * MS
    monkeypatch.setattr(engagement, "PRESS_NS_MAX", 200 * MS)
    rig = Rig().to_engaged()
    rig.run(lasted_ms - 41)
    fall_silent(rig, 40)
    rig.say()
    assert (rig.state is State.DEGRADED) is resumes
    rig.run(300)
    assert (rig.state is State.HOLD) is not resumes
    rig.release()
    rig.run(1)
    assert rig.state is State.ARMED, "by a hand that lets go"


def test_a_deadman_that_was_up_in_one_frame_of_the_hold_rearms_instead():
    rig = Rig().to_engaged()
    fall_silent(rig, 40)
    rig.release()
    rig.say()
    assert rig.path()[-1] == (State.ARMED, Cause.ALIGNED)
    rig.hand["flags"] |= Flags.DEADMAN  # the same press again, says a broken console
    rig.run(1)
    assert rig.state is State.ARMED, "a stream with a gap is not fresh"


def to_latched(rig):
    fall_silent(rig, 150)
    rig.run(20)
    assert rig.state is State.HOLD
    rig.path()
    return rig


def test_a_latched_hold_needs_deadman_up_a_clutch_cycle_and_a_new_press():
    rig = to_latched(Rig().to_engaged())
    rig.release()
    rig.run(100)
    assert rig.state is State.HOLD, "deadman up, but no clutch cycle"
    rig.cycle_clutch()
    rig.run(1)
    assert rig.state is State.ARMED
    rig.run(60)
    assert rig.state is State.ARMED, "and nothing moves before a press"
    rig.press()
    rig.run(1)
    assert rig.path() == [(State.ARMED, Cause.ALIGNED), (State.ENGAGED, Cause.PRESSED)]


def test_a_clutch_cycle_under_a_pressed_deadman_does_not_unlatch():
    rig = to_latched(Rig().to_engaged())
    rig.cycle_clutch()
    rig.run(200)
    assert rig.state is State.HOLD


def test_a_hold_of_a_hand_that_never_comes_near_again_is_latched_after_a_second():
    rig = Rig().to_engaged()
    fall_silent(rig, 40)
    rig.at = rig.at._replace(x=0.005)
    rig.run(1000)
    rig.at = rig.at._replace(x=0.0)
    rig.run(100)
    assert rig.state is State.HOLD


def test_two_arms_with_clutches_of_their_own_are_no_clutch_cycle():
    """Clutch ids are per arm: that they differ between arms unlatches nothing."""
    rig = Rig(arms=2)
    rig.measure()
    rig.grant()

    def both(ms):
        for _ in range(ms):
            rig.wait(rig.now_ns + MS)
            rig.measure()
            rig.say(arm=0, clutch_id=4)
            rig.say(arm=1, clutch_id=9)

    both(60)
    rig.press()
    both(5)
    assert rig.state is State.ENGAGED
    fall_silent(rig, 150)
    both(5)
    rig.release()
    both(50)
    assert rig.state is State.HOLD


# The hand's own silence --------------------------------------------------------------------------


def freeze(rig, ms):
    """A page that is frozen: its worker repeats the last reading in fresh frames."""
    reading = rig.input_seq
    for _ in range(ms):
        rig.wait(rig.now_ns + MS)
        rig.measure()
        rig.say(input_seq=reading)
    rig.input_seq = reading


def test_a_worker_that_repeats_a_frozen_hand_is_held_after_40_ms():
    rig = Rig().to_engaged()
    read_ns = rig.now_ns
    freeze(rig, 60)
    assert since(rig, read_ns) == [(40 * MS, State.HOLD, Cause.HAND_SILENCE)]


def test_a_frozen_hand_stays_held_and_is_latched_after_100_ms_of_hold():
    rig = Rig().to_engaged()
    freeze(rig, 145)
    rig.run(300)
    assert rig.state is State.HOLD


def test_a_hand_that_thaws_in_time_resumes():
    rig = Rig().to_engaged()
    freeze(rig, 80)
    assert rig.state is State.HOLD
    rig.run(3)
    assert rig.state is State.DEGRADED


def test_a_frozen_hand_does_not_engage():
    rig = Rig().to_armed()
    freeze(rig, 50)
    rig.press()
    freeze(rig, 20)
    assert rig.state is State.ARMED
