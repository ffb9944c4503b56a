"""An alarm lowers what the robot at that bed may do, as far as the policy says, and no further."""

import itertools

import pytest

from monitor.alarms.alert import Bed
from monitor.alarms.condition import Condition
from monitor.alarms.coupling import CEILINGS, SAY_NS, TTL_MS, Coupling, has_stopped
from safety.state import State

S = 1_000_000_000
C = Condition


@pytest.fixture
def bed() -> Bed:
    return Bed("or/1", itertools.count(1))


def coupled(bed: Bed, policy: str = "hold", now_ns: int = S) -> State:
    return Coupling("monitor", "psm", policy).to_send(bed, now_ns).max_state


def test_nothing_is_lowered_by_a_patient_who_is_well(bed):
    assert coupled(bed) == State.ENGAGED


@pytest.mark.parametrize("policy", CEILINGS)
def test_a_high_alarm_lowers_as_far_as_the_policy_says(bed, policy):
    bed.begin(C.ASYSTOLE, 0, None, 0)
    assert coupled(bed, policy) == CEILINGS[policy]


def test_what_is_lower_technical_answered_or_over_lowers_nothing(bed):
    bed.begin(C.HR_HIGH, 0, 130.0, 0)
    bed.begin(C.ROBOT_STOPPED, 0, None, 0)
    assert coupled(bed) == State.ENGAGED
    (said,) = bed.begin(C.VF, 0, None, 0)
    bed.acknowledge(said.alert.id, "desk", "", 1)
    assert coupled(bed) == State.ENGAGED
    bed.begin(C.VT, 0, None, 0)
    assert coupled(bed) == State.HOLD
    bed.end(C.VT)
    assert coupled(bed) == State.ENGAGED


def test_it_is_said_at_once_and_again_while_it_lasts_and_never_later_than_it_lives(bed):
    coupling = Coupling("monitor", "psm", "hold")
    assert coupling.to_send(bed, S) is not None
    assert coupling.to_send(bed, S + 1) is None
    bed.begin(C.ASYSTOLE, 0, None, 0)
    ceiling = coupling.to_send(bed, S + 2)
    assert (ceiling.source, ceiling.robot, ceiling.max_state) == ("monitor", "psm", State.HOLD)
    assert "Asystole" in ceiling.cause
    assert coupling.to_send(bed, S + 2 + SAY_NS - 1) is None
    assert coupling.to_send(bed, S + 2 + SAY_NS) == ceiling
    assert 2 * SAY_NS < TTL_MS * 1_000_000


def test_a_robot_has_stopped_when_somebody_must_reset_it():
    assert has_stopped(State.PROTECTIVE_STOP)
    assert has_stopped(State.ESTOP)
    assert not has_stopped(State.HOLD)
