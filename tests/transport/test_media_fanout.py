"""Who is sent an encoded frame: nobody who could not decode it, and who lags holds up nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.media.fanout import BACKLOG_MAX, IDR_NS, VIEWERS_MAX, Fanout, Full, Watching

MS = 1_000_000


@pytest.fixture
def fanout():
    return Fanout()


def test_who_joins_waits_for_a_whole_picture_and_has_one_asked_for(fanout):
    fanout.join("a")
    assert fanout.needs_idr(0)
    assert fanout.offer(is_idr=False, now_ns=0) == []
    assert fanout.offer(is_idr=True, now_ns=1) == ["a"]
    assert not fanout.needs_idr(IDR_NS * 2)
    assert fanout.offer(is_idr=False, now_ns=2) == ["a"]


def test_a_second_viewer_does_not_hold_the_first_up(fanout):
    fanout.join("a")
    fanout.offer(is_idr=True, now_ns=0)
    fanout.join("b")
    assert fanout.offer(is_idr=False, now_ns=1) == ["a"]
    assert not fanout.needs_idr(IDR_NS - 1)
    assert fanout.needs_idr(IDR_NS)
    assert fanout.offer(is_idr=True, now_ns=IDR_NS) == ["a", "b"]


def test_who_asks_goes_on_being_sent_frames_and_gets_a_whole_one(fanout):
    fanout.join("a")
    fanout.offer(is_idr=True, now_ns=0)
    fanout.ask("a")
    assert fanout.offer(is_idr=False, now_ns=1) == ["a"]
    assert fanout.needs_idr(IDR_NS)
    fanout.offer(is_idr=True, now_ns=IDR_NS)
    assert not fanout.needs_idr(3 * IDR_NS)


def test_who_asks_without_end_gets_four_a_second_at_most(fanout):
    fanout.join("a")
    idrs = 0
    for ms in range(10_000):
        fanout.ask("a")
        is_idr = fanout.needs_idr(ms * MS)
        idrs += is_idr
        fanout.offer(is_idr=is_idr, now_ns=ms * MS)
    assert idrs == 40
    assert fanout.counts.idrs == 40
    assert fanout.counts.asked == 10_000


def test_who_lags_is_muted_until_a_whole_picture_when_its_queue_is_gone(fanout):
    for name in ("quick", "slow"):
        fanout.join(name)
    fanout.offer(is_idr=True, now_ns=0)
    fanout.unsent("slow", BACKLOG_MAX + 1)
    assert fanout.watching("slow") is Watching.MUTED
    assert fanout.offer(is_idr=False, now_ns=1) == ["quick"]
    assert not fanout.needs_idr(2 * IDR_NS), "it could not take one yet"
    assert fanout.offer(is_idr=True, now_ns=2) == ["quick"]
    fanout.unsent("slow", 0)
    assert fanout.needs_idr(2 * IDR_NS)
    assert fanout.offer(is_idr=True, now_ns=2 * IDR_NS) == ["quick", "slow"]
    assert fanout.counts.muted == 1


def test_a_short_queue_mutes_nobody(fanout):
    fanout.join("a")
    fanout.offer(is_idr=True, now_ns=0)
    fanout.unsent("a", BACKLOG_MAX)
    assert fanout.watching("a") is Watching.LIVE


def test_there_is_room_for_so_many_and_whoever_leaves_makes_room(fanout):
    for number in range(VIEWERS_MAX):
        fanout.join(number)
    with pytest.raises(Full, match=str(VIEWERS_MAX)):
        fanout.join("one more")
    fanout.leave(0)
    fanout.join("one more")
    assert len(fanout) == VIEWERS_MAX


def test_a_stranger_changes_nothing(fanout):
    fanout.ask("nobody")
    fanout.unsent("nobody", 9)
    fanout.leave("nobody")
    assert not fanout.needs_idr(0)
    assert fanout.counts == (0, 0, 0)


STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(("join", "leave", "ask", "lag", "frame"))),
    max_size=80,
)


@given(STEPS)
def test_nobody_is_sent_a_frame_that_builds_on_one_it_was_not_sent(steps):
    fanout, now_ns, has = Fanout(), 0, {"a": False, "b": False}
    for name, what in steps:
        now_ns += 40 * MS
        if what == "join" and not has.get(name):
            fanout.join(name)
            has[name] = False
        elif what == "leave":
            fanout.leave(name)
            has[name] = False
        elif what == "ask":
            fanout.ask(name)
        elif what == "lag":
            fanout.unsent(name, BACKLOG_MAX + 1)
            fanout.unsent(name, 0)
        else:
            is_idr = fanout.needs_idr(now_ns)
            sent = fanout.offer(is_idr=is_idr, now_ns=now_ns)
            for one, had in has.items():
                if one in sent:
                    assert is_idr or had
                has[one] = one in sent
