"""Each profile's ladder, to the nanosecond, at each frame rate: DESIGN's numbers, written out.

silence -> DEGRADED / HOLD / latched / PROTECTIVE_STOP; DEGRADED is never below three periods.
"""

import pytest

from safety.profile import MS, Profile
from safety.state import State
from tests.world.story import Story

NATIVE, BROWSER, WAN = Profile.NATIVE, Profile.BROWSER, Profile.WAN


@pytest.mark.parametrize(
    ("profile", "rate_hz", "degraded", "hold", "latched", "stop"),
    [
        (NATIVE, 1000, 5, 20, 100, 2000),
        (NATIVE, 500, 6, 20, 100, 2000),
        (NATIVE, 250, 12, 20, 100, 2000),
        (BROWSER, 250, 12, 40, 150, 2000),
        (BROWSER, 125, 24, 40, 150, 2000),
        (BROWSER, 60, 40, 40, 150, 2000),
        (WAN, 500, 15, 60, 300, 5000),
        (WAN, 100, 30, 60, 300, 5000),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_silence_climbs_to_the_nanosecond(profile, rate_hz, degraded, hold, latched, stop, seed):
    story = Story(seed, profile=profile, rate_hz=rate_hz)
    world = story.world
    world.kill(story.console)
    world.run(hold + 30)
    heard_ns = max(r.t_ns for r in world.robot.records if r.verdict <= 1)
    engagement = world.robot.agent._permission.engagement
    edge_ns = world.robot.clock.when(heard_ns + latched * MS)
    world.run((edge_ns - 1 - world.now_ns) / MS)
    assert not engagement.latched
    world.run(1 / MS)
    assert engagement.latched
    world.run(stop)
    rungs = [(t.t_ns - heard_ns, t.new) for t in world.robot.transitions]
    if degraded == hold:
        assert rungs.pop(0) == (hold * MS, State.HOLD)
    else:
        assert rungs.pop(0) == (degraded * MS, State.DEGRADED)
        assert rungs.pop(0) == (hold * MS, State.HOLD)
    assert rungs == [(stop * MS, State.PROTECTIVE_STOP)]


@pytest.mark.parametrize("profile", [NATIVE, BROWSER, WAN])
def test_silence_of_a_hand_that_did_not_move_ends_its_grant_and_stops_nothing(profile):
    story = Story(3, profile=profile, rate_hz=500, script="hold")
    story.console.operator.let_go()
    story.run(50)
    assert story.world.state is State.ARMED
    story.world.kill(story.console)
    story.run(5100)
    assert story.world.path()[-1] == (State.IDLE, "ENDED")
