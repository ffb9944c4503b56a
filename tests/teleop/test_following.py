"""An arm that does not follow is held; one that does not stand is stopped."""

import math

import pytest

from safety.bedside import Token
from safety.limits import Limits
from safety.messages import Bedside, Event
from safety.profile import MS
from safety.state import Cause, State
from teleop.robot.arm import DISPLACED_NS
from teleop.sim.arm import HOME
from tests.world.rig import Rig
from transport.wire.vector import ORIGIN, Setpoint

LIMITS = Limits()
FAR_M = LIMITS.following_m_max
PACE = 5e-5  # m in each ms


def onwards(ms: int) -> Setpoint:
    return ORIGIN._replace(x=PACE * ms)


class Stuck(Rig):
    """A robot whose arm is blocked: it trembles, and does not move."""

    obeys = False

    def measure(self, **changes):
        self.pose = [pose._replace(y=HOME.y + self.now_ns % 7 * 1e-7) for pose in self.pose]
        super().measure(**changes)


def blocked(**settings) -> Rig:
    rig = Stuck(**settings).to_engaged()
    rig.obeys = False
    rig.path()
    return rig


def test_a_blocked_arm_is_held_and_if_it_stays_away_stopped():
    rig = blocked()
    rig.run(150, move=onwards)
    assert rig.path() == [(State.HOLD, Cause.FOLLOWING_ERROR)]
    assert FAR_M < math.dist(rig.setpoint()[:3], HOME[:3]) < FAR_M + 4 * PACE
    rig.run(200)
    assert rig.path() == [(State.PROTECTIVE_STOP, Cause.FOLLOWING_ERROR)]
    assert rig.stops[-1] == 1


def test_it_is_held_when_it_is_so_far_behind_and_not_before():
    rig = blocked()
    rig.run(round(FAR_M / PACE), move=onwards)
    assert rig.path() == []
    rig.run(3, move=lambda ms: onwards(round(FAR_M / PACE) + ms))
    assert rig.path() == [(State.HOLD, Cause.FOLLOWING_ERROR)]


def test_an_arm_that_comes_after_moves_on_by_a_new_press():
    rig = blocked()
    rig.run(120, move=onwards)
    assert rig.path() == [(State.HOLD, Cause.FOLLOWING_ERROR)]
    rig.obeys = True
    rig.run(300)
    rig.release()
    rig.cycle_clutch()
    rig.run(5)
    rig.press()
    rig.run(60)
    there = rig.pose[0].x
    rig.run(100, move=lambda ms: onwards(120 - ms))
    assert rig.state is State.ENGAGED
    assert rig.pose[0].x == pytest.approx(there - 98 * PACE, abs=2 * PACE)


def test_an_arm_that_is_dragged_away_under_way_is_held():
    rig = Rig().to_engaged()
    rig.path()
    rig.obeys = False
    rig.pose = [HOME._replace(z=HOME.z + 2 * FAR_M)]
    rig.run(1)
    assert rig.path() == [(State.HOLD, Cause.FOLLOWING_ERROR)]


def test_measurements_that_are_wrong_for_an_instant_stop_no_arm_that_stands():
    rig = Rig().to_armed()
    rig.run(200)
    rig.path()
    rig.obeys = False
    for _ in range(5):
        rig.pose = [HOME._replace(x=HOME.x + 4 * FAR_M)]
        rig.run(8)
        rig.pose = [HOME]
        rig.run(2)
    assert rig.path() == 5 * [
        (State.HOLD, Cause.FOLLOWING_ERROR),
        (State.ARMED, Cause.ALIGNED),
    ]


def test_an_arm_that_is_pushed_away_at_rest_is_stopped():
    rig = Rig().to_armed()
    rig.run(200)
    rig.path()
    rig.obeys = False
    rig.pose = [HOME._replace(x=HOME.x + 1.01 * FAR_M)]
    rig.run(DISPLACED_NS // MS)
    assert rig.path() == [(State.HOLD, Cause.FOLLOWING_ERROR)]
    rig.run(1)
    assert rig.path() == [(State.PROTECTIVE_STOP, Cause.FOLLOWING_ERROR)]


def test_an_arm_that_comes_to_rest_has_the_time_of_a_stop_for_it():
    rig = Rig().to_engaged()
    rig.run(50, move=onwards)
    rig.release()
    rig.run(1, move=lambda ms: onwards(50))
    rig.path()
    rig.obeys = False
    rig.pose = [HOME._replace(x=HOME.x + 3 * FAR_M)]
    rig.run(140)
    assert rig.path() == [(State.HOLD, Cause.FOLLOWING_ERROR)]
    rig.run(30)
    assert rig.path() == [(State.PROTECTIVE_STOP, Cause.FOLLOWING_ERROR)]


def test_without_power_an_arm_may_be_anywhere():
    rig = Rig()
    rig.run(5, says=False)
    rig.path()
    for step in range(20):
        rig.pose = [HOME._replace(x=HOME.x + step * FAR_M)]
        rig.run(20, says=False)
    assert rig.path() == []
    assert rig.setpoint() == rig.pose[0]


def test_an_arm_that_is_blocked_while_the_team_retracts_it_stops_there_and_says_why():
    rig = Stuck().to_engaged()
    rig.agent.bedside(Bedside(20, "take"), rig.now_ns)
    rig.drain()
    rig.obeys = False
    rig.path()
    for _ in range(8):  # 0.02 m/s for 0.4 s
        rig.agent.bedside(Token(21, "retract", 0, 1), rig.now_ns)
        rig.run(50, says=False)
    assert rig.path() == []
    told = [word.cause for word in rig.told if isinstance(word, Event)]
    assert told.count(Cause.FOLLOWING_ERROR) == 1
    assert math.dist(rig.setpoint()[:3], HOME[:3]) < FAR_M + 1e-4
    rig.run(500, says=False)
    assert rig.path() == [(State.PROTECTIVE_STOP, Cause.FOLLOWING_ERROR)]


def test_one_wrong_measurement_of_a_slow_driver_stops_no_arm_that_stands():
    rig = Rig().to_armed()
    rig.run(200)
    rig.obeys = rig.measures = False
    for pose in (HOME, HOME._replace(x=HOME.x + 4 * FAR_M), HOME):  # at 50 Hz
        rig.run(20)
        rig.pose = [pose]
        rig.measure()
    assert State.PROTECTIVE_STOP not in [state for state, _ in rig.path()]


def test_an_arm_that_was_not_measured_for_a_while_is_not_displaced_by_another():
    rig = Rig(arms=2)
    rig.measure()
    rig.grant()
    rig.run(60)
    rig.press()
    rig.run(250)
    assert rig.path()[-1][0] >= State.DEGRADED
    rig.measures = rig.obeys = False
    rig.run(15)
    rig.now_ns += 1
    rig.pose[0] = HOME._replace(x=HOME.x + 2 * FAR_M)
    rig.measure()
    assert rig.path() == [(State.HOLD, Cause.FOLLOWING_ERROR)]
