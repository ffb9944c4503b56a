"""A beat is matched as EC57 asks; wfdb judges the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.vitals_match import WINDOW_S, Score, match, score, scored_from_s, total

RATE_HZ = 360
NEAR = round(WINDOW_S * RATE_HZ)


def times(*at_s: float) -> np.ndarray:
    return np.array(at_s, np.float64)


def test_a_detection_within_the_window_is_the_beat_and_one_beyond_is_not():
    beats = times(1.0, 2.0)
    assert score(beats, times(1.15, 1.85)) == Score(2, 0, 0)
    assert score(beats, times(1.151, 1.849)) == Score(0, 2, 2)


def test_a_second_detection_of_a_beat_is_false():
    assert score(times(1.0), times(0.95, 1.05)) == Score(1, 1, 0)


def test_two_beats_close_together_may_share_no_detection():
    assert score(times(1.0, 1.1), times(1.05)) == Score(1, 0, 1)


def test_a_detection_goes_where_it_leaves_the_most_pairs():
    # The second detection fits both beats; the first fits only the first beat.
    assert match(times(1.0, 1.2), times(0.9, 1.1)).tolist() == [[0, 0], [1, 1]]
    assert match(times(1.0, 1.2), times(1.1, 1.3)).tolist() == [[0, 0], [1, 1]]


def test_learning_is_not_scored_and_no_beat_is_lost_at_its_seam():
    beats = times(100.0, 299.9, 300.05, 301.0)
    found = times(50.0, 299.95, 301.2)
    # The beat at 300.05 is matched by a detection that came before the seam.
    assert score(beats, found, 300.0) == Score(0, 1, 2)
    assert score(times(300.05), times(299.95), 300.0) == Score(1, 0, 0)


def test_short_records_are_scored_but_for_eight_seconds():
    assert scored_from_s(1800.0) == 300.0
    assert scored_from_s(360.0) == 300.0
    assert scored_from_s(359.9) == 8.0


def test_scores_add_up_over_beats_not_over_records():
    both = total([Score(9, 0, 1), Score(90, 10, 0)])
    assert both == Score(99, 10, 1)
    assert both.se == pytest.approx(0.99)
    assert both.ppv == pytest.approx(99 / 109)
    assert both.der == pytest.approx(0.11)
    assert total([]) == Score()


def test_whoever_finds_nothing_has_missed_all_and_whoever_invents_is_told():
    assert score(times(1.0, 2.0), times()) == Score(0, 0, 2)
    assert Score(0, 0, 2).f1 == 0.0
    assert Score(0, 3, 0).der == 1.0
    assert Score(0, 3, 0).ppv == 0.0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(2 * NEAR + 2, 3 * RATE_HZ), min_size=1, max_size=25),
    st.lists(st.integers(1, RATE_HZ), min_size=1, max_size=40),
)
def test_wfdb_counts_the_same_where_beats_lie_apart(gaps: list[int], found_gaps: list[int]):
    """With windows that do not overlap there is nothing to choose, and no two judges differ."""
    processing = pytest.importorskip("wfdb.processing")
    beats, found = np.cumsum(gaps), np.cumsum(found_gaps)
    # wfdb's window is open, EC57's closed: one sample more.
    judge = processing.compare_annotations(beats, found, NEAR + 1)
    ours = score(beats / RATE_HZ, found / RATE_HZ)
    assert ours == Score(judge.tp, judge.fp, judge.fn)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(40, 400), min_size=1, max_size=12),
    st.lists(st.integers(40, 400), min_size=1, max_size=12),
)
def test_no_other_way_of_pairing_finds_more(gaps: list[int], found_gaps: list[int]):
    beats, found = np.cumsum(gaps), np.cumsum(found_gaps)
    fits = np.abs(beats[:, None] - found[None, :]) <= NEAR
    assert len(match(beats / RATE_HZ, found / RATE_HZ)) == _most_pairs(fits)


def _most_pairs(fits: np.ndarray) -> int:
    """Count by augmenting paths (Kuhn): slow, and sure."""
    partner = [-1] * fits.shape[1]

    def augment(beat: int, seen: set[int]) -> bool:
        for other in np.flatnonzero(fits[beat]):
            if other not in seen:
                seen.add(other)
                if partner[other] < 0 or augment(partner[other], seen):
                    partner[other] = beat
                    return True
        return False

    return sum(augment(beat, set()) for beat in range(fits.shape[0]))
