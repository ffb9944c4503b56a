"""Every command that was sent gets one fate, and only applied ones have a latency."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.join import Fate, Seen, concatenate, join, spread

US = 1000


def test_each_command_gets_its_fate() -> None:
    sent = {(0, seq): seq * 1000 * US for seq in range(1, 7)}
    seen = [
        Seen((0, 1), Fate.APPLIED, 1300 * US),
        Seen((0, 2), Fate.LATE, 0),
        Seen((0, 3), Fate.MERGED, 0),
        Seen((0, 4), Fate.REFUSED, 0),
        Seen((1, 5), Fate.APPLIED, 9999 * US),  # another arm's
        Seen((0, 99), Fate.APPLIED, 9999 * US),  # outside the window
    ]
    joined = join(sent, seen, let_go={(0, 5): Fate.MERGED, (0, 1): Fate.LATE})
    assert joined.counts == {
        Fate.APPLIED: 1,
        Fate.MERGED: 2,
        Fate.LATE: 1,
        Fate.REFUSED: 1,
        Fate.LOST: 1,
    }
    assert joined.latency_ns.tolist() == [300 * US]
    assert joined.sent == 6


def test_a_duplicate_does_not_undo_the_first_arrival() -> None:
    seen = [
        Seen((0, 1), Fate.APPLIED, 50),
        Seen((0, 1), Fate.REFUSED, 0),
        Seen((0, 1), Fate.APPLIED, 70),
    ]
    joined = join({(0, 1): 20}, seen)
    assert joined.latency_ns.tolist() == [30]


@given(
    st.sets(st.integers(0, 50)),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(list(Fate)[:4]))),
)
def test_nothing_is_invented_and_nothing_vanishes(
    sent: set[int], seen: list[tuple[int, Fate]]
) -> None:
    lines = [Seen((0, seq), fate, 100) for seq, fate in seen]
    joined = join({(0, seq): 0 for seq in sent}, lines)
    assert joined.sent == len(sent)
    assert joined.counts[Fate.APPLIED] == len(joined.latency_ns)
    assert joined.counts[Fate.LOST] == len(sent - {seq for seq, _ in seen})


def test_pooling_adds_up() -> None:
    one = join({(0, 1): 0, (0, 2): 0}, [Seen((0, 1), Fate.APPLIED, 7)])
    both = concatenate([one, one])
    assert both.sent == 4
    assert both.latency_ns.tolist() == [7, 7]
    assert concatenate([]).sent == 0


def test_percentiles_are_times_that_occurred() -> None:
    seen = spread(np.arange(1, 1001, dtype=np.int64) * US)
    assert seen == (500.0, 990.0, 999.0, 1000.0)
    assert spread(np.array([], np.int64)) is None
