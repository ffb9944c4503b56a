"""Who may: two hands at once, two services that both believe, a grant for another robot."""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.authority import Authority
from safety.gate import Verdict
from safety.grant import Role
from safety.messages import NO_SESSION
from safety.profile import MS
from safety.state import State
from tests.world.console import Console
from tests.world.rig import ROBOT
from tests.world.story import Story
from tests.world.world import World

Found = tuple[float, ...]


def two_ask_at_once(seed: int) -> Found:
    """Row 36."""
    world = World(seed=seed)
    world.run(5)
    consoles = [world.add_console(name, role=Role.SURGEON) for name in ("surgeon1", "surgeon2")]
    for console in consoles:
        console.ask()
    asked_ns = world.now_ns
    world.until(lambda: any(console.operator.is_granted for console in consoles))
    took_ms = (world.now_ns - asked_ns) / MS
    world.run(300)
    granted = sum(console.operator.is_granted for console in consoles)
    assert sum(len(console.refusals) for console in consoles) == 1
    return float(granted), took_ms


def two_services_both_believe(seed: int) -> Found:
    """Row 37: each of two nodes holds that the robot is its console's."""
    world = World(seed=seed, nodes=2)
    world.run(5)
    first = world.add_console("surgeon1", role=Role.SURGEON)
    second = world.add_console("surgeon2", role=Role.SURGEON, desk=1)
    first.asks_again = False
    first.ask()
    world.until(lambda: world.state is State.ENGAGED)
    world.robot.guard[0].cut = True  # the first hears no more of the robot
    behind = world.desks[1].authority  # the second has never heard of the session
    believes(behind, session=NO_SESSION, epoch_max=0)
    second.ask()
    world.until(lambda: second.refusals)
    assert "is not above" in second.refusals[0], "what it grants is too low"
    behind.epoch = 10
    second.ask()
    world.until(lambda: second.operator.is_granted)
    assert all(desk.authority.holders for desk in world.desks)
    began = len(world.robot.records)
    world.run(400)
    late = world.robot.records[began:]
    theirs = sum(r.applied and r.seq in second.sent for r in late)
    assert theirs > 0
    refused = world.count(Verdict.UNKNOWN_SESSION)
    assert refused > 0
    return (float(sum(r.applied for r in late) - theirs),)


def a_hand_over_while_the_arm_moves(seed: int) -> Found:
    """Row 38."""
    story, other = _two_surgeons(seed)
    world, first = story.world, story.console
    epoch = world.robot.agent.epoch_max
    first.offer("surgeon2")
    story.run(50)
    assert story.why(State.HOLD) == "CEILING"
    took_ms = story.after_ms(State.HOLD)
    other.ask()
    world.until(lambda: other.refusals)
    assert "has not confirmed" in other.refusals[0]
    first.confirm()
    other.confirm()
    story.run(10)
    return took_ms, *_passes_on(story, other, epoch)


def the_bedside_breaks_the_glass(seed: int) -> Found:
    """Row 39: the robot holds before the session service has heard a word."""
    story, other = _two_surgeons(seed)
    world = story.world
    epoch = world.robot.agent.epoch_max
    world.robot.vouch("surgeon2")
    assert story.why(State.HOLD) == "BREAK_GLASS"
    took_ms = story.after_ms(State.HOLD)
    world.until(lambda: other.standings)
    told = [standing.why for standing in story.console.standings]
    assert told == [f"the bedside gives {ROBOT} to surgeon2"], "its holder is told"
    other.confirm()
    story.run(10)
    found = _passes_on(story, other, epoch)
    acts = [done.act for done in world.desks[0].done]
    assert acts[-5:] == ["break_glass", "confirm", "request", "grant", "handover"]
    return took_ms, *found


def keys_are_rotated_in_a_session(seed: int) -> Found:
    """Row 45: the signer's key; what is refused of the old one is counted beside it."""
    story = Story(seed)
    world, desk = story.world, story.world.desks[0]
    before, fresh = desk.signer, Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
    epoch = world.robot.agent.epoch_max
    desk.rotate(fresh)
    story.run(200)
    assert not story.falls()
    lost = float(story.console.operator.tally.lost)
    desk.authority.sign_with(before)
    story.console.ask()
    world.until(lambda: story.console.refusals)
    assert "signature" in story.console.refusals[-1]
    believed = float(world.robot.agent.epoch_max != epoch)
    desk.authority.sign_with(fresh)
    story.console.operator.trust({desk.node: fresh.public_key()})
    story.replace()
    return lost, believed


def _two_surgeons(seed: int) -> tuple[Story, Console]:
    """One moves the robot, and another is there."""
    story = Story(seed, role=Role.SURGEON)
    story.console.asks_again = False
    other = story.world.add_console("surgeon2", role=Role.SURGEON)
    story.run(10)
    story.mark()
    return story, other


def _passes_on(story: Story, other: Console, epoch: int) -> tuple[float, float]:
    """Grant the other one, and see it move; count epochs, and what the first one moved since."""
    world, first = story.world, story.console
    held_ns = next(t.t_ns for t in world.robot.transitions if t.new is State.HOLD)
    other.ask()
    world.until(lambda: world.state is State.ENGAGED)
    world.run(300)
    assert world.authority.holders[ROBOT].console == "surgeon2"
    late = [r for r in world.robot.records if r.applied and r.t_ns > held_ns]
    theirs = sum(r.seq in other.sent for r in late)
    assert theirs > 0
    assert first.lost == 1, "the first one sees that the robot has another session"
    return float(world.robot.agent.epoch_max - epoch), float(len(late) - theirs)


def other_limits_were_granted(seed: int) -> Found:
    """Row 59: the robot's file of limits is not the one that the grant was made for."""
    story = Story(seed)
    world = story.world
    story.console.asks_again = False
    believes(world.authority, limits=bytes(32))
    story.console.ask()
    story.run(50)
    assert any("other limits" in reason for reason in story.console.refusals)
    return (float(world.robot.agent.epoch_max - 1),)


def believes(authority: Authority, **changes: Any) -> None:
    """Have a session service hold something of the robot that is not so."""
    seat = authority._seats[ROBOT]
    assert seat.boot is not None
    seat.boot = msgspec.structs.replace(seat.boot, **changes)
