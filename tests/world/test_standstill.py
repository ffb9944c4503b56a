"""An arm that is told to hold: how far its tip runs on, how soon it rests, and that it stays."""

import math

import pytest

from safety.state import State
from tests.world.scenes.drives import sweep
from tests.world.story import Story

REST_MM = 0.5


def held(seed, state):
    """An arm in motion that a monitor holds or stops; its speed then, in m/s."""
    story = Story(seed, scale=1.0, script=sweep, ceilings={"watchdogd": "hold"})
    world, tip = story.world, story.world.simulator.arms[0]
    story.run(40 * seed)
    before = tip.pose
    story.run(1)
    speed_m_s = math.dist(before[:3], tip.pose[:3]) / 1e-3
    world.ceiling("watchdogd", state, 60_000)
    world.until(lambda: world.state <= state)
    return story, speed_m_s


@pytest.mark.parametrize("state", [State.HOLD, State.PROTECTIVE_STOP, State.ESTOP])
@pytest.mark.parametrize("seed", range(5))
def test_it_runs_no_further_than_its_brakes_need_and_rests_within_150_ms(seed, state):
    story, speed_m_s = held(seed, state)
    world, tip = story.world, story.world.simulator.arms[0]
    story.run(150)
    braking_mm = speed_m_s**2 / (2 * world.brake_m_s2) * 1e3
    assert world.witness.standstill.ran_m * 1e3 <= braking_mm + REST_MM
    rest = tip.pose
    story.run(100)
    assert math.dist(rest[:3], tip.pose[:3]) * 1e3 < 0.001


@pytest.mark.parametrize("state", [State.HOLD, State.PROTECTIVE_STOP])
def test_it_stands_for_ten_seconds(state):
    story, _ = held(2, state)
    tip = story.world.simulator.arms[0]
    story.run(150)
    rest = tip.pose
    for _ in range(20):
        story.run(500)
        assert math.dist(rest[:3], tip.pose[:3]) * 1e3 <= REST_MM
