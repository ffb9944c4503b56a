"""Pictures are whole, in order and at once; a hole is never papered over."""

from hypothesis import given, settings
from hypothesis import strategies as st

from transport.media import assembly
from transport.media.assembly import HOLE_NS, PACKETS_MAX, Assembly, Part, Whole

MS = 1_000_000


def stream(sizes, first=0, idrs=(0,)):
    """The packets of pictures with so many packets each; those of `idrs` stand alone."""
    parts, seq = [], first
    for picture, packets in enumerate(sizes):
        for number in range(packets):
            is_idr = picture in idrs and number == 0
            data = f"{picture}.{number} ".encode()
            last = number == packets - 1
            parts.append(Part(seq & 0xFFFF, picture * 3000, last, is_idr, data))
            seq += 1
    return parts


def received(parts, assembly=None, now_ns=0):
    assembly = assembly or Assembly()
    return [whole for part in parts for whole in assembly.add(part, now_ns)]


def names(wholes):
    return [whole.timestamp // 3000 for whole in wholes]


def test_a_picture_leaves_with_its_last_packet():
    buffer = Assembly()
    first, second, third, nothing_of_the_next = *stream([3]), None
    assert buffer.add(first, 0) == buffer.add(second, 0) == []
    assert buffer.add(third, 0) == [Whole(0, True, b"0.0 0.1 0.2 ")]
    assert nothing_of_the_next is None


def test_nothing_leaves_before_a_picture_that_stands_alone():
    assert names(received(stream([1, 2, 2, 1], idrs=(2,)))) == [2, 3]


def test_a_hole_holds_up_what_comes_behind_and_a_retransmission_fills_it():
    buffer = Assembly()
    parts = stream([2, 2, 2])
    lost = parts.pop(2)
    assert names(received(parts, buffer)) == [0]
    assert buffer.next_deadline_ns() == HOLE_NS
    assert names(buffer.add(lost, 10 * MS)) == [1, 2]
    assert buffer.next_deadline_ns() is None
    assert not buffer.asks()
    assert buffer.given_up == 0


def test_a_hole_that_stays_is_given_up_and_a_whole_picture_asked_for():
    buffer = Assembly()
    parts = stream([2, 2, 2, 2], idrs=(0, 3))
    del parts[2]
    assert names(received(parts[:5], buffer, 5 * MS)) == [0]
    assert buffer.handle_deadline(5 * MS + HOLE_NS - 1) == []
    assert not buffer.asks()
    assert buffer.handle_deadline(5 * MS + HOLE_NS) == [], "2 builds on 1, which is gone"
    assert buffer.asks()
    assert not buffer.asks(), "once"
    assert buffer.given_up == 1
    assert names(received(parts[5:], buffer)) == [3]


def test_a_hole_in_front_of_a_picture_that_stands_alone_lets_it_go():
    buffer = Assembly()
    parts = stream([1, 2, 2], idrs=(0, 2))
    del parts[1]
    received(parts, buffer)
    assert names(buffer.handle_deadline(HOLE_NS)) == [2]


def test_a_second_hole_is_given_its_own_time():
    buffer = Assembly()
    parts = stream([1] * 6, idrs=range(6))
    assert names(received([parts[0], parts[2]], buffer, 0)) == [0]
    assert names(received([parts[4]], buffer, HOLE_NS // 2)) == []
    assert names(buffer.handle_deadline(HOLE_NS)) == [2]
    assert buffer.next_deadline_ns() == 2 * HOLE_NS
    assert names(buffer.handle_deadline(2 * HOLE_NS)) == [4]


def test_packets_that_come_twice_or_too_late_are_counted():
    buffer = Assembly()
    parts = stream([1, 1, 2])
    received(parts[:3], buffer)
    received(parts[:1], buffer)
    received(parts[2:3], buffer)
    assert buffer.late == 2
    assert names(buffer.add(parts[3], 0)) == [2]


def test_numbers_wrap():
    assert names(received(stream([3] * 8, first=0xFFFF - 10))) == list(range(8))


def test_a_sender_that_starts_anew_is_followed():
    buffer = Assembly()
    received(stream([2, 2, 1]), buffer)
    assert names(received(stream([2, 2], first=20_000), buffer)) == [0, 1]
    assert buffer.asks()


def test_far_ahead_is_a_new_start_and_near_ahead_a_hole():
    buffer = Assembly()
    received(stream([1]), buffer)
    assert buffer.add(Part(PACKETS_MAX + 1, 0, True, True, b""), 0) == []
    assert len(buffer.add(Part(PACKETS_MAX + 2 + PACKETS_MAX, 0, True, True, b""), 0)) == 1


def test_a_picture_that_is_too_large_is_none(monkeypatch):
    monkeypatch.setattr(assembly, "PICTURE_BYTES_MAX", 10)
    buffer = Assembly()
    assert received(stream([3, 1]), buffer) == []
    assert buffer.asks()


def test_nothing_to_wait_for_is_no_deadline():
    buffer = Assembly()
    assert buffer.next_deadline_ns() is None
    assert buffer.handle_deadline(1 << 60) == []


SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=30)


@given(SIZES, st.integers(0, 0xFFFF), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_without_loss_every_picture_leaves_once_in_order_and_whole(sizes, first, rng):
    parts = stream(sizes, first)
    expected = received(parts)
    head, rest = parts[:1], parts[1:]
    for at in range(len(rest) - 1):  # neighbours change places, copies are thrown in
        if rng.random() < 0.4:
            rest[at], rest[at + 1] = rest[at + 1], rest[at]
    doubled = [part for part in rest for _ in range(1 + (rng.random() < 0.2))]
    assert received(head + doubled) == expected
    assert [whole.data for whole in expected] == [
        "".join(f"{picture}.{number} " for number in range(packets)).encode()
        for picture, packets in enumerate(sizes)
    ]


@given(SIZES, st.sets(st.integers(0, 200)), st.sets(st.integers(0, 29)))
@settings(max_examples=100)
def test_whatever_is_lost_no_picture_leaves_without_the_one_that_it_builds_on(sizes, lost, idrs):
    buffer, now_ns, out = Assembly(), 0, []
    for number, part in enumerate(stream(sizes, idrs=idrs)):
        now_ns += 5 * MS
        if number not in lost:
            out += buffer.add(part, now_ns)
        out += buffer.handle_deadline(now_ns)
    out += buffer.handle_deadline(now_ns + HOLE_NS)
    shown = names(out)
    assert shown == sorted(set(shown))
    for before, name in zip([None, *shown], shown, strict=False):
        assert name in idrs or before == name - 1
    for whole in out:
        picture = whole.timestamp // 3000
        assert whole.data.count(b" ") == sizes[picture]
