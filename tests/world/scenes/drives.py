"""Faults of the driver and its wires, and how an arm comes to rest: measured at its tip."""

from __future__ import annotations

import math

from safety.state import State
from tests.world.story import Story

Found = tuple[float, ...]


def a_sensor_freezes(seed: int) -> Found:
    """Row 54: it repeats a value while ticks go on and the arm is told to move.

    Slowly: of a faster arm its distance from the setpoint is seen first.
    """
    story = Story(seed, scale=0.5, script=sweep)
    story.world.simulator.freeze_sensors()
    story.run(120)
    assert story.why(State.HOLD) == "DRIVER_FROZEN", story.why(State.HOLD)
    return (story.after_ms(State.HOLD),)


def an_arm_is_blocked(seed: int) -> Found:
    """Row 65: it trembles where it is, whatever it is told."""
    story = Story(seed, scale=1.0, script=sweep)
    world, there = story.world, story.world.simulator.arms[0].pose
    behind_m = 0.0
    for ms in range(600):
        world.simulator.lies = there._replace(y=there.y + ms % 7 * 1e-7)
        story.run(1)
        if world.state >= State.DEGRADED:
            told = world.robot.agent.arms[0].setpoint
            behind_m = max(behind_m, math.dist(told[:3], there[:3]))
    whys = story.why(State.HOLD), story.why(State.PROTECTIVE_STOP)
    assert whys == ("FOLLOWING_ERROR", "FOLLOWING_ERROR"), whys
    return behind_m * 1e3, story.after_ms(State.PROTECTIVE_STOP) - story.after_ms(State.HOLD)


def a_wired_stop_falls_silent(seed: int) -> Found:
    """Row 47: the cable of a wired emergency stop is cut; its token came each 5 ms."""
    story = Story(seed, wired=("estop1",))
    world = story.world
    world.boxes["estop1"].cable.cut = True
    story.mark()
    story.run(50)
    assert story.why(State.PROTECTIVE_STOP) == "TOKEN_LOST"
    return (story.after_ms(State.PROTECTIVE_STOP),)


def sweep(t_s: float) -> tuple[float, float, float]:
    """Go to and fro by 40 mm at up to 126 mm/s."""
    return 0.04 * math.sin(math.pi * t_s), 0.0, 0.0
