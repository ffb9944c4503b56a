"""Permission is raised by rows of one table and by nothing else; a fault is a minimum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.interlock import RAISES, Act, ForbiddenActError, Interlock
from safety.state import WORDS, Cause, State

states = st.sampled_from(list(State))
acts = st.sampled_from(list(Act))
causes = st.sampled_from(list(Cause))


def at(state):
    interlock = Interlock()
    interlock.state = state
    return interlock


def test_more_motion_is_a_higher_state():
    assert [state.name for state in State] == [
        "ESTOP",
        "PROTECTIVE_STOP",
        "BOOT",
        "IDLE",
        "HOLD",
        "ARMED",
        "DEGRADED",
        "ENGAGED",
    ]
    assert sorted(State) == list(State)


def test_the_table_says_something_of_every_state_and_only_raises():
    assert set(RAISES) == set(State)
    for state, row in RAISES.items():
        assert all(new > state for new in row.values())


def test_a_stop_is_left_to_idle_and_by_a_reset_only():
    for stop in (State.ESTOP, State.PROTECTIVE_STOP):
        assert RAISES[stop] == {Act.RESET: State.IDLE}


def test_motion_begins_from_armed_or_from_an_unlatched_hold():
    into_motion = {
        (state, act)
        for state, row in RAISES.items()
        for act, new in row.items()
        if new >= State.DEGRADED and state < State.DEGRADED
    }
    assert into_motion == {
        (State.ARMED, Act.ENGAGE),
        (State.ARMED, Act.ENGAGE_SLOWLY),
        (State.HOLD, Act.RESUME),
    }


def test_the_bedside_brings_power_from_rest_and_no_motion_of_a_hand():
    assert [state for state, row in RAISES.items() if Act.TAKE in row] == [State.IDLE]
    assert RAISES[State.IDLE][Act.TAKE] is State.HOLD


def test_a_new_interlock_boots_and_nobody_holds_it_down_yet():
    interlock = Interlock()
    assert (interlock.state, interlock.cause) == (State.BOOT, Cause.NONE)
    assert interlock.permits(Act.BOOT)
    assert interlock.ceiling is State.ENGAGED


@pytest.mark.parametrize("stored", list(State))
def test_a_robot_boots_at_or_below_what_was_stored_and_never_above_boot(stored):
    assert Interlock(stored).state is min(State.BOOT, stored)


@given(states, states, causes, st.integers(0, 10**18))
def test_no_ceiling_raises(state, ceiling, cause, now_ns):
    interlock = at(state)
    transition = interlock.lower(ceiling, cause, now_ns)
    assert interlock.state is min(state, ceiling)
    if ceiling < state:
        assert transition == (state, ceiling, cause, now_ns)
        assert interlock.cause is cause
    else:
        assert transition is None
        assert interlock.cause is Cause.NONE


@given(states, acts, causes, states)
def test_an_act_without_a_row_below_the_ceiling_is_an_error_and_changes_nothing(
    state, act, cause, ceiling
):
    interlock = at(state)
    interlock.ceiling = ceiling
    row = RAISES[state].get(act)
    assert interlock.permits(act) is (row is not None and row <= ceiling)
    if row is None or row > ceiling:
        with pytest.raises(ForbiddenActError, match=act.name):
            interlock.act(act, cause, 5)
        assert (interlock.state, interlock.cause) == (state, Cause.NONE)
    else:
        assert interlock.act(act, cause, 5) == (state, row, cause, 5)
        assert (interlock.state, interlock.cause) == (row, cause)


@given(states, st.lists(st.one_of(acts, states), max_size=40))
def test_whatever_happens_only_a_row_of_the_table_raises(start, happenings):
    interlock = at(start)
    for happening in happenings:
        before = interlock.state
        if isinstance(happening, State):
            interlock.lower(happening, Cause.CEILING, 0)
            assert interlock.state <= before
        elif interlock.permits(happening):
            interlock.act(happening, Cause.NONE, 0)
            assert RAISES[before][happening] is interlock.state


def test_every_cause_has_words_for_people():
    assert set(WORDS) == set(Cause)
    assert all(WORDS[cause] for cause in Cause if cause is not Cause.NONE)
