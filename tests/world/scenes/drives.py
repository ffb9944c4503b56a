"""Faults of the driver and its wires, and how an arm comes to rest: measured at its tip."""

from __future__ import annotations

import math

from safety.profile import MS
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
    """Row 47: the cable of a wired emergency stop is cut; its token came each 5 ms."""
    story = Story(seed, wired=("estop1",))
    world = story.world
    world.boxes["estop1"].kill()
    story.mark()
    story.run(50)
    assert story.why(State.PROTECTIVE_STOP) == "TOKEN_LOST"
    return (story.after_ms(State.PROTECTIVE_STOP),)


def sweep(t_s: float) -> tuple[float, float, float]:
    """Go to and fro by 40 mm at up to 126 mm/s."""
    return 0.04 * math.sin(math.pi * t_s), 0.0, 0.0


def run_on(seed: int) -> tuple[float, float, float]:
    """Hold an arm in motion; say its speed (m/s), how far it ran (mm), and whether it rests."""
    story = Story(seed, scale=1.0, script=sweep)
    world = story.world
    story.run(5 * (seed % 5))
    tip = world.simulator.arms[0]
    before = tip.pose
    story.run(1)
    speed_m_s = math.dist(before[:3], tip.pose[:3]) / 1e-3
    world.ceiling("watchdogd", State.HOLD, 60_000)
    world.until(lambda: world.state is State.HOLD)
    held_ns = world.now_ns
    story.run(150)
    assert world.now_ns - held_ns == 150 * MS
    return speed_m_s, world.witness.standstill.ran_m * 1e3, held_ns / MS
