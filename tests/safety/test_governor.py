"""One kind of motion along a line: its speed, its gain of speed and its window, to the number."""

import pytest

from safety.clamp import Rule
from safety.governor import STEP_NS_MAX, Governor

MS = 1_000_000
FREE = 1e6  # a limit that nothing here comes near
FAR = 1000.0


def on(way):
    """Where so much of the way is gone: along all four numbers alike, so that each one counts."""
    return (way / 2.0,) * 4


def along(governor):
    return 2.0 * governor._place[0]


def standing(speed=FREE, acceleration=FREE, window=FREE, at=0.0):
    governor = Governor(speed, acceleration, window)
    governor.stand(on(at), 0)
    return governor


def ask(governor, wish, now_ns, ratio=1.0):
    """Ask for a place and go as far as is allowed; give where that is, and the rule."""
    here = along(governor)
    share, rule = governor.share(on(wish), ratio, now_ns)
    there = wish if share == 1.0 else here + share * (wish - here)
    governor.move(on(there), now_ns)
    return there, rule


def lead(governor, speed, from_ms, to_ms, delay_ms=0):
    """Lead it evenly from where it is, each millisecond; what is asked may be late."""
    begun = along(governor)
    rules = {
        ask(governor, begun + speed * 1e-3 * (ms - from_ms), (ms + delay_ms) * MS)[1]
        for ms in range(from_ms + 1, to_ms + 1)
    }
    assert rules <= {Rule.NONE}


# Speed -------------------------------------------------------------------------------------------


def test_speed_is_an_allowance_that_begins_full_is_used_up_and_grows_with_time():
    governor = standing(speed=0.5, at=3.0)
    asked = [ask(governor, FAR, ms * MS) for ms in range(1, 40)]
    assert [place for place, _ in asked] == pytest.approx(
        [3.0 + 0.5 * (0.020 + 0.001 * n) for n in range(39)]
    )
    assert {rule for _, rule in asked} == {Rule.SPEED}


def test_what_keeps_the_limits_and_standing_still_are_told_of_no_rule():
    governor = standing(speed=0.5)
    assert governor.share(on(0.001), 1.0, MS) == (1.0, Rule.NONE)
    assert governor.share(on(0.0), 1.0, MS) == (1.0, Rule.NONE)
    all_of_it = 0.5 * (STEP_NS_MAX * 1e-9)
    assert standing(speed=0.5).share(on(all_of_it), 1.0, MS) == (1.0, Rule.NONE)


def test_while_it_stands_the_allowance_grows_again():
    governor = standing(speed=0.5)
    here, _ = ask(governor, FAR, 100 * MS)
    governor.rest(108 * MS)
    there, _ = ask(governor, FAR, 109 * MS)
    assert there - here == pytest.approx(0.5 * 0.009)
    governor.rest(2000 * MS)
    again, _ = ask(governor, FAR, 2001 * MS)
    assert again - there == pytest.approx(0.5 * STEP_NS_MAX * 1e-9), "to one longest step at most"


def test_a_part_of_the_speed_has_a_part_of_the_allowance():
    governor = standing(speed=0.5)
    places = [ask(governor, FAR, ms * MS, ratio=0.2)[0] for ms in range(1, 10)]
    assert places == pytest.approx([0.1 * (0.020 + 0.001 * n) for n in range(9)])


# Acceleration ------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True], ids=["at the start", "after a rest"])
def test_from_rest_a_step_is_what_the_acceleration_gives_in_the_time_that_is_averaged(again):
    """Over 11 ms and the 10 before them: a t^2 is 1.155 mm."""
    for step, rule in ((0.00115, Rule.NONE), (0.0012, Rule.ACCELERATION)):
        governor, now_ms = standing(acceleration=10.0), 0
        if again:
            lead(governor, 0.02, 0, 100)
            now_ms = 160
            governor.rest(now_ms * MS)
        here = along(governor)
        assert ask(governor, here + step, (now_ms + 1) * MS)[1] is rule


def ramp(n, acceleration=10.0):
    """Where a ramp of steps of a millisecond is after n of them."""
    return acceleration * 1e-6 * n * (n + 1) / 2


def test_what_is_too_sudden_becomes_a_ramp():
    governor = standing(acceleration=10.0)
    places = [ask(governor, FAR, ms * MS)[0] for ms in range(1, 30)]
    assert places == pytest.approx([ramp(n) for n in range(1, 30)])


def test_after_a_pause_a_ramp_goes_on_for_one_longest_step():
    governor = standing(acceleration=1.0)
    for n in range(1, 11):
        here, _ = ask(governor, FAR, n * MS)
    there, _ = ask(governor, FAR, 110 * MS)
    assert there - here == pytest.approx((0.010 + 0.020) * 0.020)


def test_a_ramp_ends_where_the_hand_asks_for_no_more_and_by_a_rest():
    governor = standing(acceleration=10.0)
    for n in range(1, 6):
        here, _ = ask(governor, FAR, n * MS)
    assert ask(governor, here, 6 * MS) == (here, Rule.NONE)
    assert ask(governor, here + 0.0005, 7 * MS)[1] is Rule.NONE
    governor = standing(acceleration=10.0)
    for n in range(1, 6):
        here, _ = ask(governor, FAR, n * MS)
    governor.rest(100 * MS)
    assert ask(governor, here + 0.0011, 101 * MS)[1] is Rule.NONE


def at_speed(speed, acceleration=2.0):
    """Give what was led gently to a speed and then evenly for 100 ms, and when that is, ms."""
    governor, ms_max = standing(acceleration=acceleration), round(2000 * speed / acceleration)
    for ms in range(1, ms_max + 1):
        _, rule = ask(governor, speed * 1e-3 * ms * ms / (2 * ms_max), ms * MS)
        assert rule is Rule.NONE
    lead(governor, speed, ms_max, ms_max + 100)
    return governor, ms_max + 100


@pytest.mark.parametrize("stood_ms", [0, 10])
def test_a_hand_that_turns_back_at_speed_begins_anew_from_rest(stood_ms):
    governor, now_ms = at_speed(0.4)
    here = along(governor)
    for ms in range(1, stood_ms + 1):
        ask(governor, here, (now_ms + ms) * MS)
    there, rule = ask(governor, here - 0.001, (now_ms + stood_ms + 1) * MS)
    assert rule is Rule.ACCELERATION
    assert here - there == pytest.approx(2.0e-6)


@pytest.mark.parametrize(("ahead_m", "rule"), [(0.0006, Rule.NONE), (0.0009, Rule.ACCELERATION)])
def test_at_speed_a_step_may_lie_ahead_by_a_t2_and_by_what_a_period_makes_of_the_speed(
    ahead_m, rule
):
    """Here a t^2 is 0.2 mm; and a millisecond of 0.3 m/s, twice, 0.6 mm: velocities are two."""
    governor, now_ms = at_speed(0.3)
    here = along(governor)
    assert ask(governor, here + 0.0003 + ahead_m, (now_ms + 1) * MS)[1] is rule


@pytest.mark.parametrize(
    ("slow_ms", "ahead_m", "rule"),
    [
        (35, 0.00030, Rule.NONE),
        (37, 0.00036, Rule.ACCELERATION),
        (60, 0.00045, Rule.ACCELERATION),
    ],
)
def test_who_was_fast_40_ms_ago_is_not_fast_now(slow_ms, ahead_m, rule):
    """The eighth mark back is the first after 36 ms, or the last of the fast ones."""
    governor, now_ms = at_speed(0.4)
    lead(governor, 0.02, now_ms, now_ms + slow_ms)
    here = along(governor)
    assert ask(governor, here + ahead_m, (now_ms + slow_ms + 1) * MS)[1] is rule


def test_who_has_just_begun_is_as_fast_as_over_all_that_is_remembered():
    """Over the 20 ms of standing too: or the first steps would excuse a leap."""
    governor = standing(acceleration=2.0)
    lead(governor, 0.05, 0, 5)
    here = along(governor)
    assert ask(governor, here + 0.0002, 6 * MS)[1] is Rule.ACCELERATION


def test_a_ramp_that_has_come_to_the_speed_is_told_as_the_speed():
    governor, step_ns = standing(speed=1.0, acceleration=8.0), 1_953_125  # 2**-9 s
    assert ask(governor, 1024.0, step_ns) == (2**-15, Rule.ACCELERATION)
    there, rule = ask(governor, 1024.0, 2 * step_ns, ratio=2**-5)
    assert (there, rule) == (pytest.approx(3 * 2**-15), Rule.SPEED), "of DEGRADED"


def test_the_hand_stops_the_arm_as_hard_as_it_likes():
    governor, now_ms = at_speed(0.4)
    here = along(governor)
    for ms in range(now_ms + 1, now_ms + 40):
        assert ask(governor, here, ms * MS) == (here, Rule.NONE)


# An uneven stream --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("even_ms", "rule"), [(4, Rule.NONE), (24, Rule.NONE), (40, Rule.ACCELERATION)]
)
def test_what_an_uneven_stream_makes_of_an_even_motion_is_no_acceleration_for_a_while(
    even_ms, rule
):
    """Its commands came 4 ms late, evenly; now one comes in time."""
    governor, now_ms = at_speed(0.3)
    lead(governor, 0.3, now_ms, now_ms + even_ms, delay_ms=4)
    here = along(governor)
    assert ask(governor, here + 0.3 * 0.005, (now_ms + even_ms + 5) * MS)[1] is rule


# Its past ----------------------------------------------------------------------------------------


def test_the_velocity_is_that_of_the_last_10_ms_and_none_after_10_ms_without_a_step():
    governor = standing()
    lead(governor, 0.2, 0, 100)
    assert governor.velocity(100 * MS) == pytest.approx(on(0.2))
    assert 0.0 < governor.velocity(105 * MS)[0] < 0.1
    assert governor.velocity(110 * MS - 1)[0] > 0.0
    assert governor.velocity(110 * MS) == on(0.0)


def test_of_a_step_a_while_ago_the_velocity_is_that_since_the_newest_mark():
    governor = standing()
    lead(governor, 0.2, 0, 104)
    assert governor.velocity(112 * MS) == pytest.approx(on(0.2 * 3 / 11)), "since 101 ms"


def test_steps_5_ms_apart_are_all_remembered():
    governor, there = standing(), 0.0
    for n in range(1, 40):
        there += 0.001 * n
        ask(governor, there, 5 * n * MS)
        if n > 2:
            velocity = (0.001 * n + 0.001 * (n - 1)) / 0.010
            assert governor.velocity(5 * n * MS) == pytest.approx(on(velocity))


def test_the_past_has_a_size():
    """The window at marks 5 ms apart, and what velocities look back beside."""
    governor = standing()
    lead(governor, 0.1, 0, 2000)
    assert len(governor._marks) == 250 // 5 + 14


def test_a_rest_of_5_ms_is_no_standstill():
    governor = standing()
    lead(governor, 0.2, 0, 100)
    governor.rest(105 * MS)
    assert governor.velocity(105 * MS)[0] > 0.05


def test_a_rest_of_10_ms_is_one_from_the_last_step_on():
    governor = standing()
    lead(governor, 0.2, 0, 103)
    governor.rest(113 * MS)
    assert governor.velocity(113 * MS) == on(0.0)


# The window --------------------------------------------------------------------------------------


def test_no_step_leads_out_of_the_window():
    governor = standing(window=0.1, at=5.0)
    assert ask(governor, 5.08, MS) == (5.08, Rule.NONE)
    there, rule = ask(governor, 6.0, 2 * MS)
    assert (there, rule) == (pytest.approx(5.1), Rule.WINDOW)
    assert ask(governor, 6.0, 3 * MS) == (pytest.approx(5.1), Rule.WINDOW)
    assert ask(governor, 5.02, 4 * MS) == (5.02, Rule.NONE), "back is free"


def test_a_long_way_within_the_window_is_free():
    governor = standing(window=0.1)
    for n in range(1, 500):
        assert ask(governor, 0.03 * (n % 2), n * MS)[1] is Rule.NONE


def test_what_is_older_than_250_ms_counts_no_longer():
    governor = standing(window=0.1)
    lead(governor, 0.38, 0, 1500)


def test_the_windows_250_ms_are_exact():
    """It stood at 0 until 10 ms before its first step, as far as marks tell."""
    for late_ns, rule in ((0, Rule.WINDOW), (1, Rule.NONE)):
        governor = standing(window=0.1)
        ask(governor, 0.09, MS)
        assert ask(governor, 0.15, 240 * MS + late_ns)[1] is rule


def test_the_furthest_place_counts_wherever_in_the_window_it_is():
    governor = standing(window=0.1)
    for ms in range(1, 47):  # out and back: what is furthest is neither the newest nor the oldest
        ask(governor, min(0.0045 * ms, 0.09, 0.0045 * (46 - ms)), ms * MS)
    assert along(governor) == pytest.approx(0.0)
    assert ask(governor, -0.05, 47 * MS) == (pytest.approx(0.09 - 0.1), Rule.WINDOW)


def test_resting_again_and_again_is_no_way_to_forget_the_window():
    governor = standing(window=0.1)
    ask(governor, 0.09, MS)
    for _ in range(100):
        governor.rest(40 * MS)
    assert ask(governor, 1.0, 41 * MS) == (pytest.approx(0.1), Rule.WINDOW)
