"""Who may: two hands at once, two services that both believe, a grant for another robot."""

from __future__ import annotations

from typing import Any

import msgspec

from safety.authority import Authority
from safety.gate import Verdict
from safety.grant import Role
from safety.messages import NO_SESSION
from safety.profile import MS
from safety.state import State
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
