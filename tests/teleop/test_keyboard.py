"""A keyboard as a hand: what terminals send, which keys that holds, how they move the hand."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.messages import Flags
from safety.profile import MS
from safety.state import State
from teleop.console.keyboard import (
    BINDINGS,
    DEADMAN_NS,
    JAW_MAX,
    PULSE_NS,
    Gait,
    Key,
    KeyboardHand,
    Keys,
)
from transport.wire.vector import ORIGIN, is_unit

KITTY = b"\x1b[?11u"


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
def exact():
    """A terminal that tells of releases."""
    keys = Keys()
    keys.feed(KITTY, 0)
    assert keys.reports_release
    return keys


# What a terminal sends -----------------------------------------------------------------------


@pytest.mark.parametrize("row", BINDINGS, ids=lambda row: row.name)
def test_every_key_is_understood_from_any_terminal(keys, row):
    keys.feed(row.spelling, 0)
    assert keys.held(1) == row.key


@pytest.mark.parametrize("row", [row for row in BINDINGS if row.code], ids=lambda row: row.name)
def test_with_the_kitty_protocol_a_key_is_held_until_it_is_released(exact, row):
    exact.feed(b"\x1b[%d;1:1u" % row.code, 0)
    assert exact.held(10**12) == row.key
    exact.feed(b"\x1b[%d;1:3u" % row.code, 0)
    assert exact.held(1) == Key(0)


def test_arrows_of_the_kitty_protocol_keep_their_letters(exact):
    exact.feed(b"\x1b[1;1:1C\x1b[1;1:1A", 0)
    assert exact.held(10**12) == Key.RIGHT | Key.AWAY
    exact.feed(b"\x1b[1;1:3C", 0)
    assert exact.held(0) == Key.AWAY


def test_ctrl_c_ends_it_in_both_spellings(keys, exact):
    keys.feed(b"\x03", 0)
    assert keys.held(1) == Key.QUIT
    exact.feed(b"\x1b[99;5u", 0)
    assert exact.held(1) == Key.QUIT, "and is no clutch"


def test_without_releases_a_key_counts_for_a_moment_after_its_last_repeat(keys):
    keys.feed(b"w", 0)
    keys.feed(b"w", 30 * MS)
    assert keys.held(30 * MS + PULSE_NS - 1) == Key.UP
    assert keys.held(30 * MS + PULSE_NS) == Key(0)


def test_without_releases_the_deadman_lasts_as_long_as_any_key_comes(keys):
    keys.feed(b" ", 0)
    keys.feed(b"w", DEADMAN_NS - 1)
    assert Key.DEADMAN in keys.held(2 * DEADMAN_NS - 2)
    assert keys.held(2 * DEADMAN_NS - 1) == Key(0)


def test_a_motion_key_alone_presses_no_deadman(keys):
    keys.feed(b"wwww", 0)
    assert keys.held(1) == Key.UP


def test_looking_elsewhere_lets_everything_go(exact):
    exact.feed(b"\x1b[32;1:1u", 0)
    assert exact.held(0) == Key.DEADMAN
    exact.feed(b"\x1b[O", 0)
    assert exact.held(0) == Key(0)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_in_any_pieces_are_read_the_same(data, cuts):
    """What a terminal sends is not ours to trust; and a sequence may come in two reads."""
    at = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    whole, parts = Keys(), Keys()
    whole.feed(data, 0)
    for start, end in pairwise(at):
        parts.feed(data[start:end], 0)
    assert whole.held(1) == parts.held(1)
    assert len(parts._rest) < 32


def test_a_sequence_without_end_is_not_kept(keys):
    keys.feed(b"\x1b[" + b"1" * 10_000, 0)
    assert len(keys._rest) <= 32


# How keys move the hand ----------------------------------------------------------------------


class Typist:
    """A keyboard that is read at 100 Hz, a hand that is read at 1 kHz."""

    def __init__(self):
        self.now_ns = 5_000_000_000
        self.hand = KeyboardHand(self.now_ns)
        self.reads = 0

    def hold(self, keys, ms):
        for n in range(ms):
            self.now_ns += MS
            if n % 10 == 0:
                self.reads += 1
                self.hand.feed(int(keys), self.reads, self.now_ns)
            reading = self.hand.reads(self.now_ns)
        return reading


@pytest.fixture
def typist():
    return Typist()


@pytest.mark.parametrize(
    ("key", "axis", "sign"),
    [(Key.RIGHT, 0, 1), (Key.LEFT, 0, -1), (Key.AWAY, 1, 1), (Key.NEAR, 1, -1), (Key.UP, 2, 1)],
)
def test_a_key_moves_the_hand_along_its_axis_and_no_other(typist, key, axis, sign):
    start = typist.hold(Key(0), 10).setpoint
    end = typist.hold(key, 1000).setpoint
    moved = [b - a for a, b in zip(start[:3], end[:3], strict=True)]
    gait = Gait()
    assert sign * moved[axis] == pytest.approx(gait.speed_m_s * (1.0 - gait.smooth_s), rel=0.05)
    assert [m for n, m in enumerate(moved) if n != axis] == [0.0, 0.0]


def test_motion_begins_and_ends_softly(typist):
    typist.hold(Key(0), 10)
    places = [typist.hold(Key.RIGHT, 1).setpoint.x for _ in range(300)]
    places += [typist.hold(Key(0), 1).setpoint.x for _ in range(300)]
    steps = [b - a for a, b in pairwise(places)]
    jumps = [abs(b - a) for a, b in pairwise(steps)]
    assert max(jumps) < Gait().speed_m_s * 0.001 / 40
    assert steps[-1] < 1e-6


def test_turning_keeps_a_unit_quaternion_and_the_jaw_its_bounds(typist):
    reading = typist.hold(Key.ROLL_LEFT | Key.PITCH_UP | Key.OPEN, 5000)
    assert is_unit(reading.setpoint)
    assert reading.setpoint.jaw == JAW_MAX
    assert typist.hold(Key.CLOSE, 5000).setpoint.jaw == 0.0


def test_each_press_and_each_clutch_has_its_number(typist):
    assert typist.hold(Key(0), 20).press_id == 0
    pressed = typist.hold(Key.DEADMAN, 20)
    assert (pressed.flags, pressed.press_id, pressed.clutch_id) == (Flags.DEADMAN, 1, 1)
    assert typist.hold(Key.DEADMAN | Key.CLUTCH, 20).flags == Flags.DEADMAN | Flags.CLUTCH
    assert typist.hold(Key.DEADMAN, 20).clutch_id == 2
    typist.hold(Key(0), 20)
    assert typist.hold(Key.DEADMAN, 20).press_id == 2


def test_when_the_terminal_hangs_its_readings_stop_counting_and_grow_old(typist):
    before = typist.hold(Key.DEADMAN | Key.RIGHT, 100)
    for _ in range(70):
        typist.now_ns += MS
        reading = typist.hand.reads(typist.now_ns)
    assert reading.input_seq == before.input_seq
    assert reading.input_age_ns == 70 * MS + 9 * MS


def test_a_hand_that_lets_go_can_still_stop_everything(typist):
    typist.hand.let_go()
    assert typist.hold(Key.DEADMAN | Key.ESTOP, 20).flags == Flags.ESTOP


def test_the_hand_takes_the_instruments_orientation_until_it_moves_it(typist):
    turned = ORIGIN._replace(qw=math.cos(0.3), qx=math.sin(0.3), jaw=0.4)
    typist.hand.sees(State.ARMED, turned, typist.now_ns)
    reading = typist.hold(Key(0), 20)
    assert reading.setpoint[3:] == pytest.approx(turned[3:])
    typist.hold(Key.DEADMAN, 20)
    typist.hand.sees(State.ENGAGED, ORIGIN, typist.now_ns)
    assert typist.hold(Key.DEADMAN, 20).setpoint.qw == pytest.approx(turned.qw)
