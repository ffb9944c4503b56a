"""Authority in a whole node: what outlives a death, what lapses, what must be asked anew."""

import pytest

from safety.authority import Authority
from safety.grant import Role
from safety.seat import Phase
from safety.state import Cause, State
from tests.world.desk import SOURCE
from tests.world.rig import ROBOT
from tests.world.story import Story


@pytest.fixture
def story():
    story = Story(3, role=Role.SURGEON)
    story.console.asks_again = False
    return story


def test_a_service_that_comes_back_knows_its_holder_and_can_end_it(story):
    world, desk = story.world, story.world.desks[0]
    story.run(20)
    desk.kill()
    story.run(100)
    desk.restart()
    story.run(20)
    assert not story.falls(), "a running session does not need it"
    assert desk.authority.holders[ROBOT].console == "console1"
    desk.revoke("console1")
    story.run(50)
    assert story.why(State.IDLE) == "REVOKED"
    assert world.robot.agent.gate.session is None


def test_what_a_dead_service_forgot_is_not_granted_twice(story):
    """It dies after the grant was stored and sent, before the robot's yes: the epoch is gone."""
    world, desk = story.world, story.world.desks[0]
    other = world.add_console("surgeon2", role=Role.SURGEON)
    before = world.robot.agent.epoch_max
    story.console.release()
    story.run(20)
    other.asks_again = False
    other.ask()
    world.until(lambda: desk.disk.record.epoch == before + 1)
    desk.kill()
    story.run(20)
    desk.restart()
    story.run(20)
    assert not other.operator.is_granted, "nobody told it"
    other.ask()
    world.until(lambda: other.operator.is_granted)
    assert world.robot.agent.epoch_max == before + 2


def test_a_hand_over_dies_with_its_service_and_the_holder_goes_on_by_its_own_act(story):
    world, desk = story.world, story.world.desks[0]
    world.add_console("surgeon2", role=Role.SURGEON)
    story.console.offer("surgeon2")
    world.until(lambda: world.state is State.HOLD)
    desk.kill()
    epoch = world.robot.agent.epoch_max
    story.run(900)
    assert world.state is State.HOLD, "the ceiling stands for a second"
    world.until(lambda: world.state is State.ENGAGED, 2000)
    path = world.path()
    assert (State.ARMED, Cause.ALIGNED.name) in path, "deadman up, a clutch cycle, aligned"
    assert world.robot.agent.epoch_max == epoch, "and it is the same session"
    desk.restart()
    story.run(20)
    assert desk.authority._seats[ROBOT].phase is Phase.GRANTED


def test_a_grant_whose_time_is_over_is_asked_for_anew_with_an_epoch_of_its_own():
    story = Story(5, role=Role.SURGEON)
    world, desk = story.world, story.world.desks[0]
    kept = desk.disk.record
    desk.authority = Authority(desk.node, desk.signer, kept.epoch, SOURCE, kept.rows, duration_s=1)
    world.robot.introduce()
    story.run(20)
    story.replace()
    story.mark()
    epoch = world.robot.agent.epoch_max
    story.run(900)
    world.until(lambda: story.why(State.IDLE), 1000)
    assert story.why(State.IDLE) == "EXPIRED"
    world.until(lambda: world.state is State.ENGAGED, 2000)
    assert world.robot.agent.epoch_max == epoch + 1
    assert ("expire", "console1") in [(done.act, done.actor) for done in desk.done]
