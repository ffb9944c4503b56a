"""Somebody who holds no key of the session: the motion of a struck day is that of a calm one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import msgspec

from safety.gate import Verdict
from safety.messages import Flags
from safety.state import Cause, State
from tests.world.mallory import Mallory, edited
from tests.world.rig import ROBOT
from tests.world.story import Story, differing

Found = tuple[float, ...]
Strike = Callable[[Mallory, Random], Iterable[bytes]]


def _struck(seed: int, strike: Strike) -> tuple[Story, float]:
    """Live the same 100 ms twice, once under attack at the robot; count what differs."""
    calm, struck = Story(seed), Story(seed)
    mallory, rng = Mallory(struck.console), Random(seed)
    for _ in range(100):
        calm.run(1)
        struck.run(1)
        for part in strike(mallory, rng):
            struck.world.robot.arrive(part)
    assert struck.world.state is State.ENGAGED
    assert not struck.falls()
    return struck, differing(calm, struck)


def forged(seed: int) -> Found:
    """Row 40."""
    story, differ = _struck(seed, lambda mallory, _: mallory.forgeries())
    assert story.world.count(Verdict.TAG) >= 300
    return (differ,)


def replayed(seed: int) -> Found:
    """Row 41: frames of this session, and of the one before."""
    story, differ = _struck(seed, lambda mallory, rng: mallory.replayed(rng))
    assert story.world.count(Verdict.DUPLICATE) + story.world.count(Verdict.OLD) >= 500
    return (differ,)


def leading(seed: int) -> Found:
    """Row 42."""
    story, differ = _struck(seed, lambda mallory, _: mallory.leading())
    session = story.world.robot.agent.gate.session
    assert session is not None
    newest = max(r.seq for r in story.world.robot.records if r.verdict is Verdict.ADMITTED)
    return differ, float(abs(session.windows[0].newest - newest))


def a_relay_edits_what_it_forwards(seed: int) -> Found:
    """Row 43: beside an honest one, and alone."""
    beside, alone = Story(seed, relays=2), Story(seed)
    for story in (beside, alone):
        story.world.relays[0].down[ROBOT].edit = edited
        story.mark()
        story.run(100)
    assert not beside.falls()
    assert beside.world.count(Verdict.TAG) >= 90
    told_ms = max(story.told_ms(Cause.FORGERY) for story in (beside, alone))
    return float(beside.lost), told_ms, alone.silence_ms(State.HOLD)


def an_estop_is_forged(seed: int) -> Found:
    """Row 46: a flood without the key, and one press with it."""
    _, differ = _struck(seed, lambda mallory, _: [mallory.pressing()] * 10)
    keyed = Story(seed)
    keyed.console.alter = lambda command: msgspec.structs.replace(
        command, flags=command.flags | Flags.ESTOP
    )
    keyed.run(20)
    return differ, keyed.after_ms(State.ESTOP)


def a_flood_of_garbage(seed: int) -> Found:
    """Rows 48 and 49: as far as a core can show it."""
    story, differ = _struck(seed, lambda mallory, rng: mallory.garbage(rng) * 5)
    counts = story.world.robot.agent.gate.counts
    named = sum(counts[v] for v in (Verdict.OVERSIZED, Verdict.MALFORMED, Verdict.FIELD))
    assert named > 100 * 5 * 3
    return (differ,)


def a_key_is_revoked(seed: int) -> Found:
    """Row 44."""
    story = Story(seed)
    story.world.desks[0].revoke(story.console.settings.console)
    story.console.asks_again = False
    story.run(150)
    assert story.why(State.IDLE) == "REVOKED"
    took_ms = story.after_ms(State.IDLE)
    story.mark()
    story.run(50)
    return took_ms, float(len(story.moved))
