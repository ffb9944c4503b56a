"""A token bucket lets exactly its rate and its burst through."""

from hypothesis import given
from hypothesis import strategies as st

from transport.link.bucket import TokenBucket

S = 1_000_000_000


def test_starts_full_then_refuses():
    bucket = TokenBucket(rate_hz=1000, burst=5)
    assert [bucket.take(S) for _ in range(7)] == [True] * 5 + [False] * 2
    assert bucket.refused == 2


def test_the_rate_is_exact_even_where_its_period_is_not_a_whole_number():
    bucket = TokenBucket(rate_hz=3, burst=2)
    taken = sum(bucket.take(S + ms * 1_000_000) for ms in range(100 * 1000 + 1))
    assert taken == 2 + 3 * 100


def test_a_steady_sender_at_the_rate_is_never_refused():
    bucket = TokenBucket(rate_hz=1000, burst=1)
    assert all(bucket.take(S + k * 1_000_000) for k in range(10_000))


def test_a_long_pause_fills_no_more_than_the_burst():
    bucket = TokenBucket(rate_hz=1000, burst=4)
    bucket.take(S)
    assert sum(bucket.take(3600 * S) for _ in range(100)) == 4


def test_a_clock_that_steps_back_and_forth_fills_nothing():
    bucket = TokenBucket(rate_hz=1000, burst=1)
    assert bucket.take(10 * S)
    assert not bucket.take(5 * S)
    assert not bucket.take(10 * S)
    assert bucket.take(10 * S + 1_000_000)


def test_a_refused_call_takes_nothing():
    bucket = TokenBucket(rate_hz=1, burst=10)
    assert not bucket.take(S, tokens=11)
    assert bucket.take(S, tokens=10)


@given(
    st.integers(1, 5000),
    st.integers(1, 50),
    st.lists(st.integers(0, 20_000_000), min_size=1, max_size=200),
)
def test_no_stretch_of_time_gets_more_than_burst_and_rate(rate_hz, burst, waits):
    bucket = TokenBucket(rate_hz, burst)
    now_ns, taken_at = S, []
    for wait_ns in waits:
        now_ns += wait_ns
        if bucket.take(now_ns):
            taken_at.append(now_ns)
    for first in range(0, len(taken_at), 7):
        for last in range(first, len(taken_at)):
            elapsed_ns = taken_at[last] - taken_at[first]
            assert (last - first + 1 - burst) * S <= elapsed_ns * rate_hz
