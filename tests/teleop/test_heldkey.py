"""A key at the bedside counts as held no longer than a person holds it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.profile import MS
from teleop.console.heldkey import REPEAT_NS, HeldKey, Stroke
from teleop.robot.local import TOKEN_NS_MAX

KITTY = b"\x1b[?11u"


def repeated(keys, *, first_ms=400, every_ms=30, times=10, key=b"r", start_ms=0):
    """Hold a key as a terminal without releases shows it; when its last event came."""
    keys.feed(key, start_ms * MS)
    at = start_ms + first_ms
    for _ in range(times):
        keys.feed(key, at * MS)
        at += every_ms
    return (at - every_ms) * MS


def test_a_key_that_was_struck_once_is_not_held():
    keys = HeldKey()
    assert keys.feed(b"r", 0) == [Stroke("r", False)]
    assert keys.held(0) == keys.held(50 * MS) == ""


@pytest.mark.parametrize("first_ms", [250, 500, 660])
@pytest.mark.parametrize("every_ms", [20, 33, 80])
def test_a_key_is_held_from_its_first_repeat_to_a_moment_after_its_last(first_ms, every_ms):
    keys = HeldKey()
    last_ns = repeated(keys, first_ms=first_ms, every_ms=every_ms)
    assert keys.held(last_ns) == "r"
    assert keys.held(last_ns + REPEAT_NS - 1) == "r"
    assert keys.held(last_ns + REPEAT_NS) == ""
    assert REPEAT_NS < TOKEN_NS_MAX


def test_two_strokes_of_two_keys_are_no_repeat():
    keys = HeldKey()
    keys.feed(b"r", 0)
    keys.feed(b"o", 300 * MS)
    assert keys.held(300 * MS) == ""


def test_a_key_that_was_let_go_must_repeat_anew():
    keys = HeldKey()
    last_ns = repeated(keys)
    again_ns = last_ns + 200 * MS
    keys.feed(b"r", again_ns)
    assert keys.held(again_ns) == ""


def test_a_terminal_that_tells_of_releases_is_believed_at_once():
    keys = HeldKey()
    keys.feed(KITTY, 0)
    assert keys.feed(b"\x1b[114;1:1u", MS) == [Stroke("r", False)]
    assert keys.held(10_000 * MS) == "r"
    keys.feed(b"\x1b[114;1:2u", 10_001 * MS)
    assert keys.held(10_001 * MS) == "r"
    keys.feed(b"\x1b[114;1:3u", 10_002 * MS)
    assert keys.held(10_002 * MS) == ""


def test_a_terminal_that_loses_the_focus_holds_nothing():
    keys = HeldKey()
    keys.feed(KITTY + b"\x1b[114;1:1u", 0)
    keys.feed(b"\x1b[O", MS)
    assert keys.held(MS) == ""


def test_a_sequence_cut_in_two_is_read_whole():
    keys = HeldKey()
    keys.feed(KITTY, 0)
    keys.feed(b"\x1b[11", 0)
    keys.feed(b"4;1:1u", 0)
    assert keys.held(0) == "r"


def test_control_c_is_a_key_in_both_protocols():
    keys = HeldKey()
    assert keys.feed(b"\x03", 0) == [Stroke("\x03", False)]
    assert keys.feed(b"\x1b[99;5:1u", 0)[0].key == "\x03"


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 2000))
def test_whatever_a_terminal_sends_without_releases_nothing_is_held_for_long(chunks, gap_ms):
    keys, now_ns = HeldKey(), 0
    for chunk in chunks:
        keys.feed(chunk, now_ns)
        now_ns += gap_ms * MS
    if not keys.reports_release:
        assert keys.held(now_ns + REPEAT_NS) == ""
