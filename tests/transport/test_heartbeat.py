"""Heartbeats: quiet when traffic flows, and a silence is announced once."""

from hypothesis import given
from hypothesis import strategies as st

from transport.link.heartbeat import Heartbeat

MS = 1_000_000
START = 77_000 * MS


def new():
    return Heartbeat(period_ns=100 * MS, silence_ns=350 * MS, now_ns=START)


def test_the_first_beat_is_due_at_once():
    beat = new()
    assert beat.due(START)
    assert beat.next_deadline_ns() == START


def test_traffic_replaces_beats():
    beat = new()
    now_ns = START
    for _ in range(1000):
        beat.sent(now_ns)
        now_ns += MS
        assert not beat.due(now_ns)
    now_ns += 99 * MS
    assert beat.due(now_ns)


def test_a_beat_stays_due_until_sent():
    beat = new()
    assert beat.due(START + 5 * MS)
    assert beat.due(START + 6 * MS)
    beat.sent(START + 6 * MS)
    assert not beat.due(START + 6 * MS)
    assert beat.next_deadline_ns() == START + 106 * MS


def test_a_silence_is_announced_once_and_its_end_makes_the_next_possible():
    beat = new()
    assert not beat.fell_silent(START + 349 * MS)
    assert beat.fell_silent(START + 350 * MS)
    assert not beat.fell_silent(START + 351 * MS)
    assert beat.silent(START + 351 * MS)
    assert beat.silent_for_ns(START + 351 * MS) == 351 * MS
    beat.heard(START + 400 * MS)
    assert not beat.silent(START + 400 * MS)
    assert beat.fell_silent(START + 750 * MS)


def test_an_announced_silence_wakes_nobody_again():
    beat = new()
    beat.sent(START + 340 * MS)
    assert beat.next_deadline_ns() == START + 350 * MS
    assert beat.fell_silent(START + 350 * MS)
    assert beat.next_deadline_ns() == START + 440 * MS


@given(st.lists(st.tuples(st.integers(0, 300 * MS), st.booleans()), max_size=60))
def test_a_shell_that_wakes_only_at_deadlines_misses_nothing(traffic):
    """Drive it by its deadlines alone, with traffic from the peer in between."""
    beat = new()
    now_ns, last_heard, last_sent, announced = START, START, None, False
    for wait_ns, heard in traffic:
        until = now_ns + wait_ns
        for _ in range(100):  # would fail on a deadline that never moves
            deadline = beat.next_deadline_ns()
            if deadline > until:
                break
            now_ns = max(now_ns, deadline)
            if beat.due(now_ns):
                assert last_sent is None or now_ns - last_sent == 100 * MS
                beat.sent(now_ns)
                last_sent = now_ns
            if beat.fell_silent(now_ns):
                assert not announced
                assert now_ns == last_heard + 350 * MS
                announced = True
        else:
            raise AssertionError("deadlines do not advance")
        now_ns = until
        assert announced == (now_ns - last_heard >= 350 * MS)
        if heard:
            beat.heard(now_ns)
            last_heard, announced = now_ns, False
