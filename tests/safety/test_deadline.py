"""Silence climbs its ladder to the nanosecond; a hand that is not read is silent too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.deadline import HAND_NS_MAX, HAND_NS_MIN, HandSilence, Rung, Silence
from safety.profile import LADDERS, MS, Profile

NATIVE = LADDERS[Profile.NATIVE]
T0 = 5_000_000_000

periods = st.integers(MS // 4, 100 * MS)
profiles = st.sampled_from(list(LADDERS.values()))


@pytest.mark.parametrize(
    ("age_ns", "rung"),
    [
        (0, Rung.CLEAN),
        (5 * MS - 1, Rung.CLEAN),
        (5 * MS, Rung.DEGRADED),
        (20 * MS - 1, Rung.DEGRADED),
        (20 * MS, Rung.HOLD),
        (100 * MS - 1, Rung.HOLD),
        (100 * MS, Rung.LATCHED),
        (2000 * MS - 1, Rung.LATCHED),
        (2000 * MS, Rung.STOP),
        (10**15, Rung.STOP),
    ],
)
def test_each_rung_is_reached_at_its_nanosecond(age_ns, rung):
    silence = Silence(NATIVE, MS, T0)
    assert silence.rung(T0 + age_ns) is rung


def test_above_the_last_rung_there_is_no_deadline():
    silence = Silence(NATIVE, MS, T0)
    silence.climb(T0 + 2000 * MS - 1)
    assert silence.next_deadline_ns() == T0 + 2000 * MS
    silence.climb(T0 + 2000 * MS)
    assert silence.next_deadline_ns() is None


def test_a_rung_stays_due_until_it_is_acted_on():
    silence = Silence(NATIVE, MS, T0)
    assert silence.rung(T0 + 150 * MS) is Rung.LATCHED
    assert silence.next_deadline_ns() == T0 + 5 * MS, "to look is not to act"
    assert silence.climb(T0 + 150 * MS) is Rung.LATCHED
    assert silence.next_deadline_ns() == T0 + 2000 * MS


@given(profiles, periods, st.integers(0, 6000 * MS))
def test_no_period_delays_hold_latch_or_stop(ladder, period_ns, age_ns):
    """A slow stream may widen DEGRADED; silence is held in its time all the same."""
    rung = Silence(ladder, period_ns, T0).rung(T0 + age_ns)
    for limit_ns, reached in (
        (ladder.hold_ns, Rung.HOLD),
        (ladder.latched_ns, Rung.LATCHED),
        (ladder.stop_ns, Rung.STOP),
    ):
        assert (rung >= reached) is (age_ns >= limit_ns)


@given(profiles, periods, st.lists(st.integers(0, 3000 * MS), max_size=20))
def test_the_next_deadline_is_the_first_moment_of_a_higher_rung(ladder, period_ns, gaps):
    silence, now_ns = Silence(ladder, period_ns, T0), T0
    for gap_ns in gaps:
        now_ns += gap_ns
        rung = silence.climb(now_ns)
        deadline_ns = silence.next_deadline_ns()
        if deadline_ns is None:
            assert rung is Rung.STOP
        else:
            assert deadline_ns > now_ns
            assert silence.rung(deadline_ns - 1) is rung
            assert silence.rung(deadline_ns) > rung
        if gap_ns % 2:
            silence.heard(now_ns)


def test_hearing_starts_the_ladder_again():
    silence = Silence(NATIVE, MS, T0)
    silence.heard(T0 + 19 * MS)
    assert silence.rung(T0 + 23 * MS) is Rung.CLEAN
    assert silence.next_deadline_ns() == T0 + 24 * MS


def test_what_was_acted_on_is_acted_on_again_in_the_next_silence():
    silence = Silence(NATIVE, MS, T0)
    assert silence.climb(T0 + 25 * MS) is Rung.HOLD
    silence.heard(T0 + 30 * MS)
    assert silence.next_deadline_ns() == T0 + 35 * MS


def test_a_stream_is_steady_after_200_ms_without_a_gap_over_two_periods():
    silence = Silence(NATIVE, MS, T0)
    now_ns = T0
    for _ in range(199):
        now_ns += MS
        silence.heard(now_ns)
        assert not silence.is_steady(now_ns)
    silence.heard(now_ns + MS)
    assert silence.is_steady(now_ns + MS)


def test_a_gap_of_two_periods_is_forgiven_and_one_nanosecond_more_is_not():
    for extra_ns, steady in ((0, True), (1, False)):
        silence = Silence(NATIVE, MS, T0)
        silence.heard(T0 + 100 * MS)  # a gap: clean from here
        silence.heard(T0 + 102 * MS + extra_ns)
        for ms in range(103, 301):
            silence.heard(T0 + ms * MS)
        assert silence.is_steady(T0 + 300 * MS) is steady


def test_the_longest_gap_is_kept_for_the_record():
    silence = Silence(NATIVE, MS, T0)
    silence.heard(T0 + MS)
    assert silence.longest_gap_ns == 0, "a period is none"
    for ms in (1, 3, 10, 12, 15):
        silence.heard(T0 + ms * MS)
    assert silence.longest_gap_ns == 7 * MS


# The hand ----------------------------------------------------------------------------------------


def test_a_hand_read_each_millisecond_is_silent_after_40_ms():
    hand = HandSilence(T0)
    for ms in range(10):
        hand.heard(ms, 0, T0 + ms * MS)
    assert hand.next_deadline_ns() == T0 + 9 * MS + HAND_NS_MIN


def test_a_hand_that_was_never_read_is_silent_40_ms_after_the_session_began():
    assert HandSilence(T0).next_deadline_ns() == T0 + HAND_NS_MIN


@pytest.mark.parametrize("first", [0, 1, 7])
def test_the_time_before_the_first_reading_is_no_period_of_the_device(first):
    hand = HandSilence(T0)
    hand.heard(first, 10 * MS, T0 + 90 * MS)
    assert hand.next_deadline_ns() == T0 + 80 * MS + HAND_NS_MIN


def test_two_readings_tell_how_often_a_device_is_read():
    hand = HandSilence(T0)
    hand.heard(0, 0, T0)
    hand.heard(1, 0, T0 + 20 * MS)
    assert hand.next_deadline_ns() == T0 + 80 * MS


def test_a_repeated_reading_is_no_sign_of_life():
    hand = HandSilence(T0)
    hand.heard(5, 0, T0)
    for ms in range(1, 30):
        hand.heard(5, 0, T0 + ms * MS)
        hand.heard(4, 0, T0 + ms * MS)
    assert hand.next_deadline_ns() == T0 + HAND_NS_MIN


def test_what_counts_is_when_the_device_was_read_not_when_the_frame_came():
    hand = HandSilence(T0)
    hand.heard(5, 30 * MS, T0)
    assert hand.next_deadline_ns() == T0 + 10 * MS


@pytest.mark.parametrize(
    ("period_ms", "limit_ms"), [(1, 40), (8, 40), (16, 48), (20, 60), (33, 99), (50, 100)]
)
def test_a_slow_device_has_three_of_its_periods_within_bounds(period_ms, limit_ms):
    hand, now_ns = HandSilence(T0), T0
    for reading in range(5):
        hand.heard(reading, 0, now_ns)
        now_ns += period_ms * MS
    assert hand.next_deadline_ns() == T0 + (4 * period_ms + limit_ms) * MS


def test_readings_lost_on_the_way_do_not_make_the_device_look_slow():
    hand = HandSilence(T0)
    hand.heard(0, 0, T0)
    hand.heard(50, 0, T0 + 50 * MS)
    assert hand.next_deadline_ns() == T0 + 50 * MS + HAND_NS_MIN


def test_a_reading_that_claims_to_be_older_than_the_one_before_it_lengthens_nothing():
    hand = HandSilence(T0)
    hand.heard(0, 0, T0)
    hand.heard(1, 30 * MS, T0 + 10 * MS)
    assert hand.next_deadline_ns() == T0 - 20 * MS + HAND_NS_MIN


@given(
    st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(0, 10**10)),
        max_size=30,
    )
)
def test_no_claim_of_a_console_keeps_a_hand_alive_longer_than_100_ms(claims):
    hand, now_ns = HandSilence(T0), T0
    for input_seq, input_age, step_ns in claims:
        now_ns += step_ns
        hand.heard(input_seq, input_age, now_ns)
        assert hand.next_deadline_ns() <= now_ns + HAND_NS_MAX
