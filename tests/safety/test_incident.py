"""What is kept for ever of what befalls a robot."""

import pytest

from safety.audit import ACTS
from safety.incident import incident
from safety.messages import Event
from safety.state import Cause, State


def event(old, new, cause):
    return Event(18, "robot", bytes(8), 7, 5, old, new, cause, 99)


@pytest.mark.parametrize(
    ("old", "new", "cause", "act", "actor"),
    [
        (State.ENGAGED, State.ESTOP, Cause.ESTOP_PRESSED, "estop", "console-1"),
        (State.IDLE, State.ESTOP, Cause.BEDSIDE_ESTOP, "estop", "bedside of robot"),
        (State.ESTOP, State.IDLE, Cause.BEDSIDE_RESET, "reset", "bedside of robot"),
        (State.ENGAGED, State.HOLD, Cause.LOCAL, "take", "bedside of robot"),
        (State.HOLD, State.HOLD, Cause.GIVEN_BACK, "give", "bedside of robot"),
        (State.HOLD, State.HOLD, Cause.RETRACTING, "retract", "bedside of robot"),
        (State.HOLD, State.HOLD, Cause.RELEASING, "retract", "bedside of robot"),
        (State.HOLD, State.PROTECTIVE_STOP, Cause.LONG_SILENCE, "stop", "robot"),
        (State.ENGAGED, State.PROTECTIVE_STOP, Cause.LEAPS, "stop", "robot"),
        (State.ENGAGED, State.ENGAGED, Cause.FORGERY, "alarm", "robot"),
    ],
)
def test_a_stop_its_reset_and_an_attack_are_kept(old, new, cause, act, actor):
    found = incident(event(old, new, cause), "console-1")
    assert (found.act, found.actor) == (act, actor)
    assert found.act in ACTS
    assert f"{old.name} to {new.name}, epoch 7, command 99: " in found.detail


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        (State.ENGAGED, State.DEGRADED, Cause.GAP),
        (State.DEGRADED, State.HOLD, Cause.SILENCE),
        (State.ENGAGED, State.ARMED, Cause.RELEASED),
        (State.BOOT, State.IDLE, Cause.BOOTED),
        (State.ESTOP, State.PROTECTIVE_STOP, Cause.BOOTED),
    ],
)
def test_what_happens_every_day_is_not(old, new, cause):
    assert incident(event(old, new, cause), "console-1") is None


@pytest.mark.parametrize(("old", "new", "cause"), [(99, 0, 17), (0, 99, 17), (7, 0, 250)])
def test_numbers_that_we_do_not_know_are_nothing(old, new, cause):
    assert incident(event(old, new, cause), "") is None
