"""The ladders: ordered, as the design states them, and never bent by slow frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.profile import LADDERS, MS, Ladder, Profile

ladders = st.sampled_from(list(LADDERS.values()))


@pytest.mark.parametrize(
    ("profile", "silence_ms", "loop_ms"),
    [
        (Profile.NATIVE, (5, 20, 100, 2000), 60),
        (Profile.BROWSER, (12, 40, 150, 2000), 200),
        (Profile.WAN, (15, 60, 300, 5000), 500),
    ],
)
def test_the_ladders_are_the_designs(profile, silence_ms, loop_ms):
    ladder = LADDERS[profile]
    assert ladder[:4] == tuple(value * MS for value in silence_ms)
    assert ladder.max_loop_ns == loop_ms * MS
    assert ladder.recovery_ns == 200 * MS


def test_auto_is_a_wish_and_has_no_ladder():
    assert set(LADDERS) == set(Profile) - {Profile.AUTO}


@given(ladders, st.integers(1, 10**9))
def test_degraded_waits_for_three_frames_but_hold_waits_for_nothing(ladder, period_ns):
    slow = ladder.at_period(period_ns)
    assert slow.degraded_ns >= ladder.degraded_ns
    assert slow.degraded_ns >= min(3 * period_ns, ladder.hold_ns)
    assert slow[1:] == ladder[1:]
    assert slow.degraded_ns <= slow.hold_ns < slow.latched_ns < slow.stop_ns


def test_a_ladder_at_its_own_rate_is_itself():
    ladder = LADDERS[Profile.NATIVE]
    assert ladder.at_period(MS) == ladder
    assert ladder.at_period(2 * MS).degraded_ns == 6 * MS
    assert isinstance(ladder.at_period(2 * MS), Ladder)
