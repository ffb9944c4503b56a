"""Deadlines on an absolute grid: no drift, and no burst beyond the stated one after a stall."""

from hypothesis import given
from hypothesis import strategies as st

from transport.link.pacing import Pacer

MS = 1_000_000


def serve(pacer, now_ns):
    """Serve everything that is due; return the intended times."""
    served = []
    while pacer.due(now_ns):
        served.append(pacer.next_ns)
        pacer.advance(now_ns)
    return served


def test_lateness_does_not_accumulate():
    pacer = Pacer(MS, 5 * MS)
    for k in range(10_000):
        assert pacer.next_ns == (5 + k) * MS
        assert pacer.advance(pacer.next_ns + 400_000) == 0
    assert pacer.missed == 0


def test_not_due_before_its_time():
    pacer = Pacer(MS, 5 * MS)
    assert not pacer.due(5 * MS - 1)
    assert pacer.due(5 * MS)


def test_after_a_stall_one_slot_is_served_and_the_rest_are_missed():
    pacer = Pacer(MS, 0)
    assert serve(pacer, 500 * MS) == [0]
    assert pacer.missed == 500
    assert pacer.next_ns == 501 * MS


def test_a_stated_burst_makes_up_for_no_more_than_it_says():
    pacer = Pacer(MS, 0, burst_max=3)
    assert serve(pacer, 500 * MS) == [0, 498 * MS, 499 * MS, 500 * MS]
    assert pacer.missed == 497


def test_an_early_timer_costs_no_slot():
    pacer = Pacer(MS, 5 * MS)
    assert pacer.advance(5 * MS - 10) == 0
    assert pacer.next_ns == 6 * MS


@given(
    st.integers(1, 10_000),
    st.integers(0, 10**9),
    st.integers(0, 5),
    st.lists(st.integers(0, 100_000), max_size=60),
)
def test_every_slot_is_served_or_missed_exactly_once(period_ns, start_ns, burst_max, waits):
    pacer = Pacer(period_ns, start_ns, burst_max)
    now_ns, served = 0, []
    for wait_ns in waits:
        now_ns += wait_ns
        burst = serve(pacer, now_ns)
        assert len(burst) <= burst_max + 2 or wait_ns < period_ns
        served += burst
        assert pacer.next_ns > now_ns
    assert served == sorted(set(served))
    assert all((slot_ns - start_ns) % period_ns == 0 for slot_ns in served)
    assert len(served) + pacer.missed == (pacer.next_ns - start_ns) // period_ns
