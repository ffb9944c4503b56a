"""Faults of the driver and its wires, and how an arm comes to rest: measured at its tip."""

from __future__ import annotations

import math

from safety.state import State
from tests.world.story import Story

Found = tuple[float, ...]


def a_sensor_freezes(seed: int) -> Found:
    """Row 54: it repeats a value while ticks go on and the arm is told to move."""
    story = Story(seed, scale=1.0, script=sweep)
    story.world.simulator.freeze_sensors()
    story.run(120)
    assert story.why(State.HOLD) == "DRIVER_FROZEN", story.why(State.HOLD)
    return (story.after_ms(State.HOLD),)


def a_wired_stop_falls_silent(seed: int) -> Found:
    """Row 47: whoever reads a wired emergency stop is dead; its token came each 5 ms."""
    story = Story(seed, wired=("estop1",))
    world = story.world
    world.boxes["estop1"].cable.cut = True
    story.mark()
    story.run(550)
    assert story.why(State.HOLD) == story.why(State.PROTECTIVE_STOP) == "TOKEN_LOST"
    return story.after_ms(State.HOLD), story.after_ms(State.PROTECTIVE_STOP)


def sweep(t_s: float) -> tuple[float, float, float]:
    """Go to and fro by 40 mm at up to 126 mm/s."""
    return 0.04 * math.sin(math.pi * t_s), 0.0, 0.0
