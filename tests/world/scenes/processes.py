"""Faults of processes and of the machines under them: death, standstill, a second life."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from safety.gate import Verdict
from safety.messages import Command
from safety.profile import MS, Profile
from safety.state import State
from tests.world.rig import ROBOT
from tests.world.story import Story, differing

Found = tuple[float, ...]
HOUR_NS = 3600 * 10**9


def one_of_two_relays_dies(seed: int) -> Found:
    """Row 1."""
    story = Story(seed, relays=2)
    story.world.kill(story.world.relays[0])
    story.run(500)
    assert not story.falls()
    return float(story.lost), story.gap_ms() - 1.0


def a_relay_goes_on_after_three_seconds(seed: int) -> Found:
    """Row 3: it holds hundreds of frames of a session that has been replaced meanwhile."""
    story = Story(seed, relays=2, rate_hz=250)
    relay = story.world.relays[0]
    relay.pause(3000 * MS)
    story.run(100)
    story.replace()
    story.run(2600)
    waiting = len(relay._inbox)
    story.mark()
    story.run((relay.paused_until_ns - story.world.now_ns) / MS + 100)
    assert waiting > 500
    moved = story.moved
    back = sum(b <= a for a, b in pairwise(moved))
    assert not story.falls()
    return float(back), story.oldest_ms()


def both_relays_die(seed: int) -> Found:
    """Row 4."""
    story = Story(seed, relays=2)
    for relay in story.world.relays:
        story.world.kill(relay)
    story.run(60)
    return story.silence_ms(State.DEGRADED), story.silence_ms(State.HOLD)


def everything_but_the_robot_dies(seed: int) -> Found:
    """Row 5."""
    story = Story(seed, relays=2)
    world = story.world
    for process in (*world.relays, *world.desks, *world.consoles.values()):
        world.kill(process)
    story.run(2100)
    assert not world.simulator.arms[0].enabled
    world.robot.boot(8)
    assert world.state is State.PROTECTIVE_STOP, "a stop survives a reboot"
    return story.silence_ms(State.HOLD), story.silence_ms(State.PROTECTIVE_STOP)


def the_console_dies(seed: int) -> Found:
    """Row 6."""
    story = Story(seed)
    story.world.kill(story.console)
    story.run(60)
    return (story.silence_ms(State.HOLD),)


def a_tab_is_hidden(seed: int) -> Found:
    """Row 8: a hidden page's timers come once a second."""
    story = Story(seed, profile=Profile.BROWSER, rate_hz=250)
    story.console.pause(1000 * MS)
    story.run(100)
    return (story.silence_ms(State.HOLD),)


def the_wall_clock_leaps(seed: int) -> Found:
    """Row 30: the one foreign time in a command, its sender's, leaps by hours."""

    def leap(command: Command) -> Command:
        by_ns = HOUR_NS if command.seq % 2 else -HOUR_NS
        return msgspec.structs.replace(command, t_tx=max(0, command.t_tx + by_ns))

    calm, struck = Story(seed), Story(seed)
    struck.console.alter = leap
    for story in (calm, struck):
        story.run(200)
    return float(struck.falls()), differing(calm, struck)


def the_robots_machine_stands_still(seed: int) -> Found:
    """Row 31: for half a second, on a virtual machine that its host forgot."""
    story = Story(seed)
    world = story.world
    world.robot.pause(500 * MS)
    story.mark(world.robot.resumed_ns)
    story.run(520)
    assert world.state <= State.HOLD
    return story.after_ms(State.HOLD), float(len(story.moved)), story.oldest_ms()


def the_robot_reboots(seed: int) -> Found:
    """Row 32."""
    story = Story(seed)
    world = story.world
    story.console.asks_again = False
    world.robot.boot(8)
    story.mark()
    for frame in story.console.frames[-100:]:
        world.robot.arrive(frame)
    story.run(100)
    assert world.count(Verdict.UNKNOWN_SESSION) >= 100
    return (float(len(story.moved)),)


def a_relay_returns_with_an_old_epoch(seed: int) -> Found:
    """Row 33: everything that it ever forwarded, under a grant that has been replaced."""
    story = Story(seed, relays=2)
    world = story.world
    old = list(story.console.frames)
    story.replace()
    world.relays[0].restart()
    story.mark()
    last = story.console.operator.seq - 50
    for frame in old:
        world.relays[0].down[ROBOT].send(frame)
    story.run(100)
    assert world.count(Verdict.UNKNOWN_SESSION) >= len(old) // 2
    return (float(sum(seq <= last for seq in story.moved)),)


def the_gate_dies(seed: int) -> Found:
    """Row 55: the drives have a watchdog of their own."""
    story = Story(seed)
    world = story.world
    world.kill(world.robot)
    arm = world.simulator.arms[0]
    world.until(lambda: not arm.enabled, ms=100)
    return ((world.now_ns - story.t_ns) / MS,)


def the_gates_loop_is_late(seed: int) -> Found:
    """Row 56: 18 ms, in motion; what it owed was due within the first four."""
    story = Story(seed)
    world = story.world
    world.robot.pause(18 * MS)
    story.mark(world.robot.resumed_ns)
    story.run(50)
    assert story.why(State.HOLD) == "SELF_LATE", story.why(State.HOLD)
    return story.after_ms(State.HOLD), story.oldest_ms()
