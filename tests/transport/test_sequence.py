"""A sequence window takes what is newer, tells copies from late frames, and cannot be thrown."""

from hypothesis import given
from hypothesis import strategies as st

from transport.link.sequence import (
    JUMP_MAX,
    SEQ_MAX,
    SequenceWindow,
    Verdict,
    serial_distance,
    serial_newer,
)

NEW, DUPLICATE, OLD, FAR_FUTURE = Verdict

numbers = st.integers(0, SEQ_MAX)
#: Mostly neighbours, as networks make them, and now and then anything at all.
arrivals = st.lists(st.one_of(st.integers(0, 200), st.integers(0, 70_000), numbers), max_size=80)


def state_of(window):
    return {name: getattr(window, name) for name in window.__slots__}


def accepted_of(seqs):
    window = SequenceWindow(after=0)
    return [seq for seq in seqs if window.accept(seq) is NEW]


def test_an_orderly_stream_is_taken_whole():
    window = SequenceWindow(after=0)
    assert {window.accept(seq) for seq in range(1, 1001)} == {NEW}
    assert window.newest == 1000
    assert window.counts() == (1000, 0, 0, 0, 0, 0)


def test_every_frame_comes_twice_by_two_paths():
    window = SequenceWindow(after=0)
    for seq in range(1, 101):
        assert window.accept(seq) is NEW
        assert window.accept(seq) is DUPLICATE
    assert window.counts().duplicate == 100
    assert window.counts().old == 0


def test_a_late_frame_is_old_and_its_copy_a_duplicate():
    window = SequenceWindow(after=0)
    assert [window.accept(seq) for seq in (1, 3, 2, 2)] == [NEW, NEW, OLD, DUPLICATE]
    assert window.newest == 3


def test_a_copy_is_known_for_64_numbers():
    window = SequenceWindow(after=0)
    window.accept(1)
    window.accept(64)
    assert window.check(1) is DUPLICATE
    window.accept(65)
    assert window.check(1) is OLD


def test_a_gap_is_missing_and_the_history_repairs_what_it_carries():
    window = SequenceWindow(after=0)
    window.accept(1)
    window.accept(6, history=2)
    assert window.skipped == 4
    assert (window.counts().missing, window.counts().repaired) == (4, 2)
    window.accept(8, history=2)
    assert window.skipped == 1
    assert (window.counts().missing, window.counts().repaired) == (5, 3)
    window.accept(9, history=2)
    assert window.skipped == 0


def test_streams_begin_at_one_where_that_is_said():
    assert SequenceWindow(after=0).check(0) is DUPLICATE
    assert SequenceWindow(after=0).check(JUMP_MAX) is NEW
    assert SequenceWindow(after=0).check(JUMP_MAX + 1) is FAR_FUTURE


def test_an_end_that_starts_late_believes_the_first_number():
    window = SequenceWindow()
    assert window.accept(10**12) is NEW
    assert window.counts().missing == 0
    assert window.accept(10**12 - 1) is OLD
    assert window.accept(10**12 + 1) is NEW


def test_numbers_end_at_64_bits():
    assert SequenceWindow().check(SEQ_MAX) is NEW
    assert SequenceWindow().check(SEQ_MAX + 1) is FAR_FUTURE


def test_one_corrupt_number_does_not_make_the_honest_ones_old():
    window = SequenceWindow(after=0)
    window.accept(1)
    assert window.accept(SEQ_MAX) is FAR_FUTURE
    assert window.accept(2) is NEW


@given(arrivals, numbers)
def test_checking_changes_nothing(seqs, probe):
    window = SequenceWindow(after=0)
    for seq in seqs:
        window.accept(seq)
    before = state_of(window)
    verdict = window.check(probe)
    assert state_of(window) == before
    assert window.accept(probe) is verdict


@given(arrivals, st.integers(1, SEQ_MAX))
def test_the_far_future_moves_no_window(seqs, beyond):
    window = SequenceWindow(after=0)
    for seq in seqs:
        window.accept(seq)
    before = window.newest, window._seen, window.skipped, window.counts()
    assert window.accept(window.newest + JUMP_MAX + beyond) is FAR_FUTURE
    counted = window.counts()._replace(far_future=before[3].far_future)
    assert (window.newest, window._seen, window.skipped, counted) == before


@given(arrivals)
def test_a_window_agrees_with_one_that_remembers_everything(seqs):
    window = SequenceWindow(after=0)
    seen, newest, verdicts = {0}, 0, []
    for seq in seqs:
        verdict = window.accept(seq)
        verdicts.append(verdict)
        if seq > newest + JUMP_MAX:
            assert verdict is FAR_FUTURE
            continue
        if seq > newest:
            assert verdict is NEW
            newest = seq
        elif newest - seq < 64:
            assert verdict is (DUPLICATE if seq in seen else OLD)
        else:
            assert verdict is OLD
        seen.add(seq)
        assert window.newest == newest
    counts = window.counts()
    assert counts[:4] == tuple(
        verdicts.count(verdict) for verdict in (NEW, DUPLICATE, OLD, FAR_FUTURE)
    )
    assert counts.accepted + counts.missing == newest


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=120))
def test_two_paths_are_one_that_delivers_each_number_at_its_first_arrival(arrivals):
    """Whatever is lost, doubled or reordered on either path."""
    merged = [seq for seq, _ in arrivals]
    first = [seq for i, seq in enumerate(merged) if seq not in merged[:i]]
    assert accepted_of(merged) == accepted_of(first)


@given(st.sampled_from((8, 16, 32)), st.data())
def test_serial_numbers_do_not_mind_wrapping_around(bits, data):
    circle = 1 << bits
    start = data.draw(st.integers(0, circle - 1))
    ahead = data.draw(st.integers(1, circle // 2 - 1))
    later = (start + ahead) % circle
    assert serial_newer(later, start, bits)
    assert not serial_newer(start, later, bits)
    assert serial_distance(later, start, bits) == ahead
    assert serial_distance(start, later, bits) == -ahead


@given(st.sampled_from((8, 16, 32)), st.integers(0, (1 << 32) - 1))
def test_half_a_circle_away_neither_is_newer(bits, number):
    a = number % (1 << bits)
    b = (a + (1 << (bits - 1))) % (1 << bits)
    assert not serial_newer(a, b, bits)
    assert not serial_newer(b, a, bits)
    assert not serial_newer(a, a, bits)


def test_the_examples_of_the_rfc():
    """RFC 1982, section 5.2, with 8 bits."""
    for newer, older in ((1, 0), (44, 0), (100, 0), (100, 44), (200, 100), (255, 200), (0, 255)):
        assert serial_newer(newer, older, 8)
