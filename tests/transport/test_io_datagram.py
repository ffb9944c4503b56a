"""The box around a datagram."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.io.datagram import (
    OVERHEAD_BYTES,
    Direction,
    Forged,
    Opener,
    Replayed,
    Sealer,
    Short,
)

KEY = bytes(range(32))
CONNECTION = 0xC0FFEE01


def pair(direction=Direction.TO_RELAY, key=KEY):
    return Sealer(key, direction, CONNECTION), Opener(key, direction)


@given(st.lists(st.binary(max_size=2048), max_size=5))
def test_what_was_sealed_opens(frames):
    sealer, opener = pair()
    sealed = [sealer.seal(frame) for frame in frames]
    assert [opener.open(datagram) for datagram in sealed] == frames
    assert all(len(d) == len(f) + OVERHEAD_BYTES for d, f in zip(sealed, frames, strict=True))
    assert all(d[:4] == CONNECTION.to_bytes(4, "big") for d in sealed)
    assert len(set(sealed)) == len(sealed)


def test_a_replay_is_refused_before_the_cipher():
    sealer, opener = pair()
    first = sealer.seal(b"frame")
    opener.open(first)
    damaged = first[:-1] + bytes([first[-1] ^ 1])
    for again in (first, damaged):  # a forgery with a used counter is not even decrypted
        with pytest.raises(Replayed):
            opener.open(again)


def test_reordered_datagrams_open_once_and_only_the_newest_moves_the_address():
    sealer, opener = pair()
    early, late = sealer.seal(b"1"), sealer.seal(b"2")
    assert opener.open(late) == b"2"
    assert opener.newest
    assert opener.open(early) == b"1"
    assert not opener.newest


def test_what_fell_out_of_the_window_counts_as_used():
    sealer, opener = pair()
    old = sealer.seal(b"old")
    for _ in range(1024):
        newest = sealer.seal(b"new")
    opener.open(newest)
    with pytest.raises(Replayed):
        opener.open(old)


@given(st.integers(0, 8 * (OVERHEAD_BYTES + 40) - 1))
def test_any_flipped_bit_is_refused_and_the_real_one_still_opens(bit):
    sealer, opener = pair()
    datagram = sealer.seal(b"f" * 40)
    flipped = bytearray(datagram)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Forged):
        opener.open(bytes(flipped))
    assert opener.open(datagram) == b"f" * 40


def test_directions_and_keys_do_not_mix():
    sealer, _ = pair(Direction.TO_END)
    datagram = sealer.seal(b"state")
    for opener in (Opener(KEY, Direction.TO_RELAY), Opener(bytes(32), Direction.TO_END)):
        with pytest.raises(Forged):
            opener.open(datagram)


@given(st.binary(max_size=OVERHEAD_BYTES - 1))
def test_junk_is_short(junk):
    with pytest.raises(Short):
        Opener(KEY, Direction.TO_RELAY).open(junk)


def test_a_key_has_32_bytes():
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(b"short", Direction.TO_RELAY, 1)
