"""Faults that the watchdog sees, and those of the watchdog itself."""

from __future__ import annotations

import random

from safety.profile import MS
from safety.state import State
from safety.watchdog import (
    LATE_NS,
    LOOK_NS,
    SLOW_LOOKS,
    Appeared,
    Examined,
    Fault,
    Fence,
    Look,
    Watchdog,
)
from safety.watched import Watched
from tests.world.story import Story
from tests.world.warden import WARDEN
from transport.telemetry.pulse import BEAT_REALTIME_NS, Phase

Found = tuple[float, ...]
LEAK_BYTES_S = 2 << 20
QUIET_S = 20


def watched(seed: int, relays: int) -> Story:
    return Story(seed, relays=relays, watchdogs=(WARDEN,))


def fenced_ms(story: Story) -> float:
    """From the mark to the first end that the watchdog ordered."""
    (warden,) = story.world.wardens
    return (warden.fenced[0][0] - story.t_ns) / MS


def one_of_two_relays_stands_still(seed: int) -> Found:
    """Row 2."""
    story = watched(seed, 2)
    relay = story.world.relays[0]
    relay.pause(30_000 * MS)
    story.run(900)
    assert not story.falls()
    assert relay.runs, "it is back"
    (warden,) = story.world.wardens
    assert [ended for _, ended in warden.fenced] == [relay]
    return float(story.lost), story.gap_ms() - 1.0, fenced_ms(story)


def a_relays_loop_is_blocked(seed: int) -> Found:
    """Row 22: the only relay; it would go on after 50 ms, and no longer gets the chance."""
    story = watched(seed, 1)
    story.world.relays[0].pause(50 * MS)
    story.run(60)
    return fenced_ms(story), story.after_ms(State.HOLD)


def an_interpreter_is_held(seed: int) -> Found:
    """Row 23: for 700 ms, as a compilation does it; another relay goes on."""
    story = watched(seed, 2)
    story.world.relays[1].pause(700 * MS)
    story.run(900)
    assert not story.falls()
    return float(story.lost), fenced_ms(story)


def a_process_leaks(seed: int) -> Found:
    """Row 28: 2 MiB a second, examined as often as the process does it."""
    now_ns = random.Random(seed).randrange(10**15)
    begun_ns, grown = now_ns, 50 << 20
    dog = Watchdog("w", (), (Watched(name="visiond"),), (), now_ns)
    dog.receive(Appeared(0, 1, 1, 0), now_ns)
    beats = 0
    while True:
        now_ns += SLOW_LOOKS * LOOK_NS
        beats += 1
        dog.receive(Look([(Phase.WORKING, beats)]), now_ns)
        grown += LEAK_BYTES_S * SLOW_LOOKS * LOOK_NS // 10**9
        dog.receive(Examined(0, (), grown), now_ns)
        while (event := dog.next_event()) is not None:
            if event.fault is Fault.GROWS:
                return ((now_ns - begun_ns) / MS,)


def the_watchdog_dies(seed: int) -> Found:
    """Row 57: what moves goes on slowly; after a HOLD nothing arms."""
    story = watched(seed, 1)
    world = story.world
    world.kill(world.wardens[0])
    story.run(100)
    degraded_ms = story.after_ms(State.DEGRADED)
    assert world.state is State.DEGRADED
    story.cut()
    story.run(60)
    assert world.state is State.HOLD
    story.cut(away=False)
    armed = 0
    for _ in range(500):
        story.run(1)
        armed += world.state >= State.ARMED
    return degraded_ms, float(armed)


def the_watchdog_errs(seed: int) -> Found:
    """Row 58: everything stands still now and then, and beats come late; nobody hangs."""
    rng = random.Random(seed)
    now_ns = rng.randrange(10**15)
    watched = tuple(Watched(name=f"relayd{row}", fifo=55, hang_ms=20) for row in range(3))
    dog = Watchdog("w", ("psm",), watched, (), now_ns)
    beats, next_ns = [0, 0, 0], [now_ns] * 3
    for row in range(3):
        dog.receive(Appeared(row, row + 1, 1, 55), now_ns)
    fences = holds = 0
    end_ns = now_ns + QUIET_S * 10**9
    while now_ns < end_ns:
        # One look in fifty comes after the whole machine stood still.
        stands_still = rng.random() < 0.02
        now_ns += rng.randrange(LOOK_NS, LATE_NS) if stands_still else LOOK_NS
        for row in range(3):
            if now_ns >= next_ns[row]:
                beats[row] += 1
                late_ns = rng.randrange(12 * MS) if rng.random() < 0.1 else 0
                next_ns[row] = now_ns + BEAT_REALTIME_NS + late_ns
        dog.receive(Look([(Phase.WORKING, count) for count in beats]), now_ns)
        fences += sum(isinstance(order, Fence) for order in dog.to_send(now_ns))
        while (event := dog.next_event()) is not None:
            holds += event.fault is not Fault.WORKS
    return float(fences), float(holds)
