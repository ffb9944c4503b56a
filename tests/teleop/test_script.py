"""A scripted person: paths move only while followed, pedals are pressed as with care."""

import math
from itertools import pairwise

import pytest

from safety.messages import Flags
from safety.profile import MS
from safety.state import State
from teleop.console.script import (
    CHORD_HZ,
    CLUTCH_NS,
    CYCLE_S,
    FEET,
    PATIENCE_NS,
    PRESS_AFTER_NS,
    SCRIPTS,
    Person,
    chord,
    figure8,
    foot_off,
    hold,
    shaking,
    stations,
)
from transport.wire.vector import ORIGIN, is_unit

T0 = 6_000_000_000_000


class Hands:
    """A person, read each millisecond."""

    def __init__(self, path=figure8, foot=foot_off):
        self.now_ns = T0
        self.person = Person(path, T0, foot)
        self.read = []

    def see(self, state, instrument=ORIGIN):
        self.person.sees(state, instrument, self.now_ns)
        return self

    def wait(self, ms):
        for _ in range(ms):
            self.now_ns += MS
            self.read.append(self.person.reads(self.now_ns))
        return self.read[-1]


def pressed(hand):
    return bool(hand.flags & Flags.DEADMAN)


# Paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCRIPTS.values())
def test_a_path_begins_at_the_origin_and_stays_small_and_smooth(path):
    assert path(0.0) == pytest.approx((0.0, 0.0, 0.0))
    before = path(0.0)
    for ms in range(1, 4000):
        here = path(ms / 1000)
        assert math.dist(here, before) <= 0.0001, "a tenth of a metre a second"
        assert max(map(abs, here)) <= 0.0105
        before = here


def test_the_figure_of_eight_is_20_mm_wide_and_repeats_every_two_seconds():
    xs = [figure8(ms / 1000)[0] for ms in range(2000)]
    assert max(xs) - min(xs) == pytest.approx(0.020, rel=1e-3)
    assert figure8(2.3) == pytest.approx(figure8(0.3))


def bin_of(values, hz):
    """Amplitude and phase at a frequency of values that are a millisecond apart."""
    count = len(values)
    turns = ((v, math.tau * hz * k / 1000) for k, v in enumerate(values))
    total = sum(v * complex(math.cos(a), -math.sin(a)) for v, a in turns)
    return abs(total) * 2 / count


@pytest.mark.parametrize(("name", "hz"), [("tremor6", 6), ("tremor", 9), ("tremor14", 14)])
def test_tremor_is_the_figure_with_two_tenths_of_a_millimetre_on_it(name, hz):
    here, there = SCRIPTS[name], figure8
    for axis in (1, 2):
        off = [here(ms / 1000)[axis] - there(ms / 1000)[axis] for ms in range(2000)]
        assert bin_of(off, hz) == pytest.approx(0.0002, rel=1e-6)
        assert max(bin_of(off, other) for other in (5, 7, 10, 15)) < 1e-9
    assert shaking(hz)(0.7) == here(0.7)


def test_the_chord_has_each_of_its_tones_alike():
    xs = [chord(ms / 1000)[0] for ms in range(10_000)]
    for hz in CHORD_HZ:
        assert bin_of(xs, hz) == pytest.approx(0.0015, rel=1e-6)
    assert bin_of(xs, 1.1) < 1e-9


def test_stations_are_all_over_the_field_and_never_the_same():
    places = [stations((n + 0.99) * CYCLE_S) for n in range(60)]
    assert len(set(places)) == 60
    for axis in range(3):
        octants = {math.floor(place[axis] / 0.003) for place in places}
        assert octants == {-2, -1, 0, 1}


def test_hold_holds():
    assert hold(1.0) == hold(99.0) == (0.0, 0.0, 0.0)


# Pedals ------------------------------------------------------------------------------------------


def test_a_person_presses_some_time_after_armed():
    hands = Hands()
    assert not pressed(hands.see(State.IDLE).wait(500))
    assert not pressed(hands.see(State.ARMED).wait(PRESS_AFTER_NS // MS - 1))
    hand = hands.wait(1)
    assert pressed(hand)
    assert hand.press_id == 1


def test_the_hand_moves_only_while_it_is_followed():
    hands = Hands()
    still = hands.see(State.ARMED).wait(150).setpoint
    assert still[:3] == (0.0, 0.0, 0.0)
    moved = hands.see(State.ENGAGED).wait(200).setpoint
    assert moved.x > 0.005
    frozen = hands.see(State.HOLD).wait(200).setpoint
    assert math.dist(frozen[:3], moved[:3]) <= 0.0001, "one step, at most"
    on = hands.see(State.DEGRADED).wait(1).setpoint
    assert math.dist(on[:3], frozen[:3]) < 0.0001, "and goes on from there, without a leap"


def test_a_brief_hold_is_pressed_through():
    hands = Hands()
    hands.see(State.ARMED).wait(150)
    hands.see(State.ENGAGED).wait(50)
    assert pressed(hands.see(State.HOLD).wait(PATIENCE_NS // MS - 1))
    assert hands.read[-1].press_id == 1


def test_after_a_long_hold_a_person_lets_go_and_cycles_the_clutch_once():
    hands = Hands()
    hands.see(State.ARMED).wait(150)
    hands.see(State.ENGAGED).wait(50)
    hands.see(State.HOLD).wait(PATIENCE_NS // MS)
    hand = hands.read[-1]
    assert not pressed(hand)
    assert hand.flags & Flags.CLUTCH
    hands.wait(CLUTCH_NS // MS)
    assert not hands.read[-1].flags & Flags.CLUTCH
    assert hands.read[-1].clutch_id == 2
    hands.wait(1000)
    assert hands.read[-1].clutch_id == 2, "once"


def test_the_clutch_id_changes_when_the_clutch_is_released():
    hands = Hands()
    hands.see(State.ARMED).wait(150)
    hands.see(State.HOLD).wait(500)
    ids = {bool(hand.flags & Flags.CLUTCH): hand.clutch_id for hand in hands.read}
    while_open = {hand.clutch_id for hand in hands.read if hand.flags & Flags.CLUTCH}
    assert while_open == {1}
    assert ids[False] == 2


def test_a_foot_presses_while_the_hand_moves_and_lets_go_while_it_rests():
    hands = Hands(stations, FEET["clutch"])
    hands.see(State.ARMED).wait(150)
    hands.see(State.ENGAGED).wait(5200)
    read = hands.read[150:]
    ids = [hand.clutch_id for hand in read]
    assert ids[-1] - ids[0] == 10
    pressed_at = set()
    for k in range(100, len(read) - 25):
        down, before = (bool(hand.flags & Flags.CLUTCH) for hand in (read[k], read[k - 1]))
        if down and not before:
            assert math.dist(read[k].setpoint[:3], read[k - 1].setpoint[:3]) > 1e-6
            pressed_at.add(round((k % (CYCLE_S * 1000)) / 10))
        if before and not down:
            assert ids[k] == ids[k - 1] + 1
            still = [hand.setpoint[:3] for hand in read[k - 40 : k + 25]]
            assert len(set(still)) == 1
    assert len(pressed_at) > 5, "at moments that differ"


def test_a_foot_does_nothing_while_the_deadman_is_up():
    hands = Hands(stations, lambda _: True)
    assert not hands.see(State.ARMED).wait(50).flags & Flags.CLUTCH
    assert hands.wait(100).flags & Flags.CLUTCH


def test_pressing_waits_until_the_clutch_is_released():
    hands = Hands()
    hands.see(State.HOLD).wait(PATIENCE_NS // MS)
    assert hands.read[-1].flags & Flags.CLUTCH
    hands.see(State.ARMED).wait(300)
    first = next(hand for hand in hands.read if pressed(hand))
    assert not first.flags & Flags.CLUTCH


def test_a_press_that_the_robot_does_not_take_is_let_go_and_repeated():
    hands = Hands()
    hands.see(State.ARMED).wait(1000)
    assert hands.read[-1].press_id >= 2
    presses = [pressed(hand) for hand in hands.read]
    assert presses.count(True) > 0
    assert any(a and not b for a, b in pairwise(presses))


@pytest.mark.parametrize("state", [State.IDLE, State.PROTECTIVE_STOP, State.ESTOP, State.BOOT])
def test_below_hold_a_person_lets_go(state):
    hands = Hands()
    hands.see(State.ARMED).wait(150)
    assert pressed(hands.read[-1])
    assert not pressed(hands.see(state).wait(1))


def test_a_person_aligns_with_the_instrument_while_not_pressing():
    tilted = ORIGIN._replace(qw=0.6, qx=0.8)
    hands = Hands()
    assert hands.see(State.ARMED, tilted).wait(150).setpoint[3:7] == (0.6, 0.8, 0.0, 0.0)
    assert pressed(hands.read[-1])
    assert hands.see(State.ENGAGED, ORIGIN).wait(1).setpoint[3:7] == (0.6, 0.8, 0.0, 0.0)
    assert all(is_unit(hand.setpoint) for hand in hands.read)


def test_who_has_let_go_presses_nothing_any_more():
    hands = Hands()
    hands.see(State.ARMED).wait(150)
    hands.person.let_go()
    assert not pressed(hands.wait(1))
    hands.see(State.ARMED)
    assert not pressed(hands.wait(1000))
