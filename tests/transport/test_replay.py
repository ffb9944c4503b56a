"""A replay window takes each counter once, in any order, and no forgery moves it."""

from hypothesis import given
from hypothesis import strategies as st

from transport.link.replay import WIDTH, ReplayWindow


def test_in_order_then_replayed():
    window = ReplayWindow()
    assert all(window.accept(counter) for counter in range(5000))
    assert not any(window.check(counter) for counter in range(5000))


def test_counters_may_start_at_zero_and_are_never_negative():
    assert ReplayWindow().check(0)
    assert not ReplayWindow().check(-1)


def test_reordered_within_the_window_is_taken_once():
    window = ReplayWindow()
    window.accept(5000)
    assert window.accept(5000 - WIDTH + 1)
    assert not window.accept(5000 - WIDTH + 1)
    assert not window.check(5000 - WIDTH)


def test_a_jump_within_the_window_keeps_what_was_used():
    window = ReplayWindow(width=64)
    window.accept(0)
    window.accept(63)
    assert not window.check(0)


def test_a_jump_over_the_whole_window_forgets_it_and_refuses_what_was_before():
    window = ReplayWindow(width=64)
    for counter in range(64):
        window.accept(counter)
    window.accept(1 << 63)
    assert not any(window.check(counter) for counter in range(64))
    assert window.check((1 << 63) - 63)


def test_checking_changes_nothing():
    window = ReplayWindow(width=8)
    window.accept(3)
    assert window.check(1 << 40)
    assert window.newest == 3
    assert window.accept(2)


@given(
    st.integers(1, 100),
    st.lists(st.one_of(st.integers(0, 150), st.integers(0, (1 << 64) - 1)), max_size=200),
)
def test_a_window_agrees_with_one_that_remembers_everything(width, counters):
    window = ReplayWindow(width)
    used, newest = set(), -1
    for counter in counters:
        fresh = counter not in used and counter > newest - width
        assert window.check(counter) is fresh
        assert window.accept(counter) is fresh
        if fresh:
            used.add(counter)
            newest = max(newest, counter)
        assert window.newest == newest
