"""Faults of hands, and of the machines that read them: repeated, absurd, leaping, stuck."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from safety.gate import Verdict
from safety.messages import Command, Flags
from safety.state import State
from tests.world.story import Story
from tests.world.world import World
from transport.wire.vector import Setpoint, pack_setpoint, unpack_setpoint

Found = tuple[float, ...]


def posed(change: Callable[[Setpoint], Setpoint]) -> Callable[[Command], Command]:
    """Make a hand's fault of what it does to a pose."""

    def alter(command: Command) -> Command:
        setpoint = pack_setpoint(change(unpack_setpoint(command.setpoint)))
        return msgspec.structs.replace(command, setpoint=setpoint, previous=None, earlier=None)

    return alter


def the_network_card_repeats_the_last_frame(seed: int) -> Found:
    """Row 7."""
    story = Story(seed)
    console, world = story.console, story.world
    story.run(1)
    world.kill(console)
    story.mark()
    for _ in range(60):
        console.paths[0].send(console.frames[-1])
        story.run(1)
    return story.silence_ms(State.HOLD), float(max(0, len(story.moved) - 1))


def a_pose_is_no_number(seed: int) -> Found:
    """Row 50."""
    story = Story(seed)
    bad = [math.nan, math.inf, -math.inf][seed % 3]
    story.console.alter = posed(lambda pose: pose._replace(x=bad))
    first = story.console.operator.seq + 1
    story.run(60)
    world = story.world
    assert world.count(Verdict.NOT_FINITE) >= 3
    applied = sum(seq > first for seq in story.moved)
    return float(applied), float(_until_stopped(story, Verdict.NOT_FINITE))


def a_hand_leaps(seed: int) -> Found:
    """Row 51: there and back by 50 mm."""
    story = Story(seed, scale=1.0, script="hold")
    odd = [0]

    def leap(pose: Setpoint) -> Setpoint:
        odd[0] += 1
        return pose._replace(x=pose.x + 0.05 * (odd[0] // 20 % 2))

    story.console.alter = posed(leap)
    story.run(100)
    assert story.world.state is State.PROTECTIVE_STOP, story.world.path()
    assert story.why(State.PROTECTIVE_STOP) == "LEAPS"
    return story.leap_mm(), story.after_ms(State.PROTECTIVE_STOP)


def a_hand_drifts_out_of_the_field(seed: int) -> Found:
    """Row 52: at 50 mm/s, downwards, where the fence ends."""
    path = lambda t_s: (0.0, 0.0, -0.05 * t_s)  # noqa: E731
    story = Story(seed, scale=1.0, script=path)
    world = story.world
    floor_m = world.robot.settings.limits.corner_m_min[2]
    world.until(lambda: world.state is State.HOLD, ms=6000)
    low = min(unpack_setpoint(servo.setpoint).z for _, servo in world.simulator.applied)
    assert low < floor_m + 0.001
    assert story.why(State.HOLD) == "FENCE"
    return (max(0.0, floor_m - low) * 1e3,)


def a_deadman_is_stuck(seed: int) -> Found:
    """Row 53: it has been down since the start."""
    world = World(seed=seed)
    world.run(5)
    console = world.add_console()
    console.alter = lambda command: msgspec.structs.replace(
        command, flags=command.flags | Flags.DEADMAN, press_id=1
    )
    console.ask()
    world.run(1000)
    assert console.operator.is_granted
    return float(world.witness.applied), float(max(t.new for t in world.robot.transitions))


def _until_stopped(story: Story, verdict: Verdict) -> int:
    """Count how many of these the robot bore until it stopped."""
    stops = [t for t in story.world.robot.transitions if t.new <= State.PROTECTIVE_STOP]
    if not stops:
        return 1_000_000
    return sum(r.verdict is verdict and r.t_ns <= stops[0].t_ns for r in story.world.robot.records)
