"""The clock filter: the fastest exchange is the truest, and the stated error is never too small."""

from hypothesis import given
from hypothesis import strategies as st

from transport.link.rtt import MinFilter

MS = 1_000_000
S = 1_000 * MS


def exchange(filter_, now_ns, there_ns, back_ns, offset_ns=0, hold_ns=1000, drift_ppm=0):
    """Ping a peer whose clock is ours plus `offset_ns`, running fast by `drift_ppm`."""

    def peer(t_ns):
        return t_ns + offset_ns + t_ns * drift_ppm // 1_000_000

    t1 = now_ns
    arrival = t1 + there_ns
    t4 = arrival + hold_ns + back_ns
    assert filter_.add(t1, peer(arrival), peer(arrival + hold_ns), t4)
    return t4


def test_a_symmetric_path_gives_the_exact_offset():
    link = MinFilter()
    now_ns = exchange(link, S, 2 * MS, 2 * MS, offset_ns=-5 * S)
    estimate = link.estimate(now_ns)
    assert estimate.rtt_ns == 4 * MS
    assert estimate.offset_ns == -5 * S
    assert 2 * MS <= estimate.error_ns < 2.01 * MS


def test_nothing_is_known_before_the_first_exchange():
    assert MinFilter().estimate(5) is None


def test_the_hold_of_the_peer_is_not_the_path():
    link = MinFilter()
    now_ns = exchange(link, S, 1 * MS, 1 * MS, hold_ns=300 * MS)
    assert link.estimate(now_ns).rtt_ns == 2 * MS


def test_a_queue_in_one_direction_does_not_move_the_offset():
    link = MinFilter()
    for i in range(20):
        queue_ns = 0 if i == 3 else 8 * MS
        now_ns = exchange(link, S + i * 100 * MS, MS + queue_ns, MS, offset_ns=42)
    assert link.rtt_last_ns == 10 * MS
    estimate = link.estimate(now_ns)
    assert (estimate.rtt_ns, estimate.offset_ns) == (2 * MS, 42)


def test_an_old_fast_exchange_loses_when_drift_could_have_outweighed_it():
    link = MinFilter(drift_ppm=400)
    exchange(link, S, MS, MS, offset_ns=0)
    now_ns = exchange(link, 4 * S, MS, 2 * MS, offset_ns=0)  # 3 s of drift: 1.2 ms > 0.5 ms
    assert link.estimate(now_ns).offset_ns == -MS // 2
    assert link.estimate(now_ns).rtt_ns == 2 * MS


def test_what_left_the_window_counts_no_more():
    link = MinFilter(window_ns=S, drift_ppm=0)
    exchange(link, S, MS, MS, offset_ns=0)
    now_ns = exchange(link, 3 * S, 5 * MS, 5 * MS, offset_ns=9 * S)  # the peer was suspended
    assert link.estimate(now_ns)[:2] == (10 * MS, 9 * S)


def test_the_error_grows_when_exchanges_stop():
    link = MinFilter(drift_ppm=400)
    now_ns = exchange(link, S, MS, MS)
    fresh, stale = link.estimate(now_ns), link.estimate(now_ns + 10 * S)
    assert stale.offset_ns == fresh.offset_ns
    assert stale.error_ns - fresh.error_ns == 4 * MS


def test_impossible_exchanges_are_dropped_and_counted():
    link = MinFilter()
    assert not link.add(100, 5, 6, 99)  # back before sent
    assert not link.add(100, 6, 5, 200)  # answered before received
    assert not link.add(100, 5, 500, 200)  # held longer than away
    assert link.impossible == 3
    assert link.estimate(200) is None


def test_memory_is_fixed():
    link = MinFilter(samples=8, window_ns=10**18)
    for i in range(1000):
        exchange(link, S + i, MS, MS)
    assert len(link._samples) == 8


@given(
    st.integers(-(10**15), 10**15),
    st.integers(-400, 400),
    st.lists(
        st.tuples(st.integers(0, 2 * S), st.integers(0, 50 * MS), st.integers(0, 50 * MS)),
        min_size=1,
        max_size=60,
    ),
    st.integers(0, 30 * S),
)
def test_the_true_offset_lies_within_the_stated_error(offset_ns, drift_ppm, steps, later_ns):
    link = MinFilter(drift_ppm=400)
    now_ns = S
    for wait_ns, there_ns, back_ns in steps:
        now_ns = exchange(
            link, now_ns + wait_ns, there_ns, back_ns, offset_ns=offset_ns, drift_ppm=drift_ppm
        )
    now_ns += later_ns
    estimate = link.estimate(now_ns)
    true_offset_ns = offset_ns + now_ns * drift_ppm // 1_000_000
    assert abs(estimate.offset_ns - true_offset_ns) <= estimate.error_ns
