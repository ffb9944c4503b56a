"""Faults of links: what is lost, late, doubled, out of order, or goes one way only."""

from __future__ import annotations

from itertools import pairwise

from safety.profile import MS
from safety.state import State
from tests.world.story import Story
from tests.world.wire import Burst

Found = tuple[float, ...]


def nothing_passes(seed: int) -> Found:
    """Row 9."""
    story = Story(seed)
    story.cut()
    story.run(90)
    engagement = story.world.robot.agent._permission.engagement
    assert engagement is not None
    early = engagement.latched
    story.run(30)
    assert engagement.latched
    assert not early
    return story.silence_ms(State.HOLD), story.silence_ms(State.DEGRADED)


def one_in_a_hundred_is_lost(seed: int) -> Found:
    """Row 10."""
    story = Story(seed)
    wire = story.console.paths[0]
    wire.loss = 0.01
    story.run(1000)
    session = story.world.robot.agent.gate.session
    assert session is not None
    missing = session.windows[0].counts().missing
    assert wire.lost > 0
    return float(story.falls()), float(abs(wire.lost - missing))


def one_in_ten_is_lost(seed: int) -> Found:
    """Row 11."""
    story = Story(seed)
    story.console.paths[0].loss = 0.1
    story.run(1100)
    assert "LOSS" in {t.cause.name for t in story.world.robot.transitions}
    return story.after_ms(State.DEGRADED), story.oldest_ms()


def half_is_lost_in_bursts(seed: int) -> Found:
    """Row 12."""
    story = Story(seed)
    burst = Burst(0.02, 0.02)
    assert burst.mean_loss == 0.5
    story.console.paths[0].burst = burst
    story.world.until(lambda: story.world.state <= State.HOLD, ms=3000)
    return story.silence_ms(State.HOLD), story.oldest_ms()


def delay_steps_by_50_ms(seed: int) -> Found:
    """Row 13."""
    story = Story(seed)
    story.console.paths[0].delay_ns += 50 * MS
    story.run(120)
    return story.silence_ms(State.HOLD), story.oldest_ms()


def delay_creeps_to_100_ms(seed: int) -> Found:
    """Row 14: so slowly that there is never a gap."""
    story = Story(seed)
    wire = story.console.paths[0]
    for _ in range(400):
        wire.delay_ns += MS // 4
        story.run(1)
        if story.world.state <= State.HOLD:
            break
    late_ms = wire.delay_ns / MS
    return late_ms, story.oldest_ms()


def everything_jitters_by_10_ms(seed: int) -> Found:
    """Row 15."""
    story = Story(seed)
    wire = story.console.paths[0]
    wire.delay_ns, wire.jitter_ns = wire.delay_ns, 20 * MS
    seconds = 3
    story.run(1000 * seconds)
    rises = sum(t.new is State.ENGAGED for t in story.world.robot.transitions)
    return rises / seconds, story.oldest_ms()


def frames_overtake_each_other(seed: int) -> Found:
    """Row 16."""
    story = Story(seed)
    wire = story.console.paths[0]
    wire.held, wire.held_ns = 0.2, 3 * MS
    story.run(500)
    moved = story.moved
    assert len(moved) > 300
    back = sum(b <= a for a, b in pairwise(moved))
    return (float(back),)


def frames_come_twice(seed: int) -> Found:
    """Row 17."""
    story = Story(seed)
    wire = story.console.paths[0]
    wire.copies, wire.jitter_ns = 1.0, 2 * MS
    story.run(500)
    moved = story.moved
    assert len(moved) > 300
    return (float(len(moved) - len(set(moved))),)


def the_link_comes_and_goes(seed: int) -> Found:
    """Row 18: for up to three seconds, each 8.5 s (CLM-1 of NetFI, two cycles of it)."""
    story = Story(seed, rate_hz=250, script="hold")
    worst = 0.0
    for _ in range(2):
        away_ms = story.world.rng.uniform(200.0, 1900.0)
        story.mark()
        story.cut()
        story.run(away_ms)
        story.cut(away=False)
        worst = max(worst, story.silence_ms(State.HOLD))
        story.run(200)
        assert story.world.state is State.HOLD, "a latched hold waits for its person"
        story.run(8500 - away_ms - 200)
        assert story.world.state is State.ENGAGED
    return worst, story.leap_mm()


def only_the_way_back_is_cut(seed: int) -> Found:
    """Row 19."""
    story = Story(seed)
    story.back.cut = True
    story.run(100)
    return story.after_ms(State.HOLD), story.oldest_ms()
