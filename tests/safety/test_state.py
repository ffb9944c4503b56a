"""What stands for a state or a cause: numbers that never change, and no two that are one."""

import pytest

from safety.clamp import Rule
from safety.deadline import Rung
from safety.gate import Verdict
from safety.interlock import Act
from safety.profile import Profile
from safety.state import Cause, State
from safety.supervision import Status

#: As they are in recordings and on the wire: append, never renumber.
CAUSES = """
    NONE BOOTED GRANTED ALIGNED PRESSED RELEASED CLUTCHED GAP SILENCE LONG_SILENCE HAND_SILENCE
    LATE STREAM_CLEAN RESUMED LATCHED ENDED REVOKED ESTOP_PRESSED BEDSIDE_RESET BEDSIDE_ESTOP
    DRIVER_LOST DRIVER_SILENT CEILING STORE_UNREADABLE MISALIGNED EXPIRED SELF_LATE LAG
    DRIVER_BRAKED LOSS FENCE LEAPS NO_POSE DRIVER_FROZEN FORGERY DEADMAN_STUCK TOKEN_LOST
    BREAK_GLASS LOCAL GIVEN_BACK RETRACTING RELEASING BOUND FOLLOWING_ERROR WIRED_ESTOP
"""
RULES = """
    NONE JAW SPEED TURN ACCELERATION WINDOW STEP WORKSPACE FIXTURE TORQUE SINGULAR JOINT
    UNREACHABLE
"""
STATES = "ESTOP PROTECTIVE_STOP BOOT IDLE HOLD ARMED DEGRADED ENGAGED"


@pytest.mark.parametrize(
    ("words", "names"), [(State, STATES), (Cause, CAUSES), (Rule, RULES)], ids=lambda v: str(v)[:9]
)
def test_numbers_in_recordings_never_change(words, names):
    assert [(word.name, int(word)) for word in words] == [
        (name, number) for number, name in enumerate(names.split())
    ]


@pytest.mark.parametrize("words", [State, Cause, Rule, Verdict, Act, Rung, Status, Profile])
def test_words_count_from_zero_and_no_two_are_one(words):
    """Of two names for one number the second would silently be the first."""
    assert [int(word) for word in words.__members__.values()] == list(range(len(words)))
