"""A sealed message cannot be changed, shortened, lengthened or sealed under another key."""

import hashlib
import hmac
from typing import ClassVar, Literal

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from safety.messages import NO_TAG, Command
from safety.seal import Envelope, Tags, is_sealed, seal
from tests.transport.frames import longest, valid
from transport.wire.codec import HOPS_BYTES_MAX, Bin16, Message, Registry, Text, encode, split
from transport.wire.errors import Malformed, Oversized, UnknownKind, UnknownVersion, WireError
from transport.wire.messages import encode_hop

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
commands = valid(Command)


@given(commands)
def test_a_sealed_command_decodes_to_itself_with_a_tag(command):
    data = seal(command, KEY)
    decoded = Registry((Command,)).expect(data, Command)
    assert decoded.tag == hmac.new(KEY, data[:-16], hashlib.sha256).digest()[:16]
    for field in Command.__struct_fields__[:-1]:
        assert getattr(decoded, field) == getattr(command, field)


@given(commands)
def test_the_tag_before_sealing_does_not_matter(command):
    fields = {name: getattr(command, name) for name in Command.__struct_fields__}
    assert seal(Command(**{**fields, "tag": NO_TAG}), KEY) == seal(command, KEY)


@given(commands, st.data())
def test_one_changed_bit_breaks_the_seal(command, data):
    frame = bytearray(seal(command, KEY))
    assert is_sealed(bytes(frame), KEY)
    assert not is_sealed(bytes(frame), OTHER)
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    assert not is_sealed(bytes(frame), KEY)


@given(commands, st.integers(0, 255))
def test_every_bit_of_the_tag_counts(command, mask):
    frame = seal(command, KEY)
    for byte in range(1, 17):
        changed = bytearray(frame)
        changed[-byte] ^= mask or 1
        assert not is_sealed(bytes(changed), KEY)


@given(commands, st.binary(min_size=1, max_size=20))
def test_a_sealed_frame_is_neither_cut_nor_continued(command, more):
    frame = seal(command, KEY)
    assert not is_sealed(frame + more, KEY)
    assert not is_sealed(frame[: -len(more)], KEY)


@given(st.binary(max_size=40))
def test_no_bytes_are_sealed_by_chance(data):
    assert not is_sealed(data, KEY)


# Tags under one key


@given(commands, st.binary(min_size=1, max_size=64), st.data())
def test_tags_under_one_key_hold_where_a_seal_does(command, key, data):
    frame = bytearray(seal(command, key))
    tags = Tags(key)
    assert tags.hold(bytes(frame))
    assert tags.hold(bytes(frame)), "and again"
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not tags.hold(bytes(frame))
    assert not Tags(key[:-1] + bytes([key[-1] ^ 1])).hold(seal(command, key))


@given(st.binary(max_size=300), st.binary(max_size=64))
def test_of_any_bytes_they_say_what_a_seal_says(data, key):
    sealed = data + hmac.new(key, data, hashlib.sha256).digest()[:16]
    assert Tags(key).hold(sealed)
    assert Tags(key).hold(data) is is_sealed(data, key)


def test_a_key_is_no_longer_than_a_block():
    Tags(bytes(64))
    with pytest.raises(AssertionError):
        Tags(bytes(65))


# Parts, taken apart

ENVELOPE = Envelope(Command)
COMMANDS = Registry((Command,))
GOOD = seal(longest(Command), KEY)
HOP = encode_hop(1, 2, 3)
#: Hop records that look like the beginning of a tag, and like a whole one.
DECOYS = (encode_hop(1, 0xC410, 3), b"\xc4\x10", b"\xc4\x10" + bytes(16))


def from_its_beginning(part, message=Command):
    data, hops = split(part)
    return Registry((message,)).expect(data, message), data, hops


def outcome(take_apart, part):
    try:
        return take_apart(part)
    except WireError as error:
        return type(error), str(error)


@given(commands, st.one_of(st.binary(max_size=140), st.sampled_from(DECOYS)), st.data())
def test_a_part_is_taken_apart_as_from_its_beginning(command, hops, data):
    part = bytearray(seal(command, KEY) + hops)
    assert outcome(ENVELOPE.take_apart, bytes(part)) == outcome(from_its_beginning, bytes(part))
    part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(ENVELOPE.take_apart, bytes(part)) == outcome(from_its_beginning, bytes(part))
    del part[data.draw(st.integers(0, len(part) - 1)) :]
    assert outcome(ENVELOPE.take_apart, bytes(part)) == outcome(from_its_beginning, bytes(part))


@given(st.binary(max_size=600))
@example(b"")
@example(GOOD[:5])
@example(GOOD + bytes(4000))
def test_any_bytes_are_taken_apart_as_from_their_beginning(part):
    assert outcome(ENVELOPE.take_apart, part) == outcome(from_its_beginning, part)


@pytest.mark.parametrize("hops", [b"", HOP, HOP * 8, *DECOYS])
def test_a_message_is_found_whatever_stands_behind_it(hops):
    assert ENVELOPE.take_apart(GOOD + hops) == (COMMANDS.expect(GOOD, Command), GOOD, hops)


def test_so_much_may_stand_behind_it_and_not_a_byte_more():
    whole = bytes(HOPS_BYTES_MAX)
    assert ENVELOPE.take_apart(GOOD + whole)[2] == whole
    with pytest.raises(Oversized):
        ENVELOPE.take_apart(GOOD + whole + b"\0")


class Note(Message, frozen=True):
    """A message that fills all the bytes that it may have."""

    KIND: ClassVar[int] = 99
    BYTES_MAX: ClassVar[int] = 40
    kind: Literal[99]
    words: Text
    tag: Bin16


def test_what_would_decode_but_is_too_long_is_refused_before():
    envelope = Envelope(Note)
    note = Note(99, "w" * 18, NO_TAG)
    assert envelope.take_apart(encode(note) + HOP) == (note, encode(note), HOP)
    with pytest.raises(Oversized):
        envelope.take_apart(encode(Note(99, "w" * 19, NO_TAG)))


@pytest.mark.parametrize("hops", [b"", HOP, bytes(HOPS_BYTES_MAX)])
@pytest.mark.parametrize("message", [longest(Command), Note(99, "w" * 18, NO_TAG)])
def test_whatever_is_good_is_found_without_a_search_from_its_beginning(message, hops, monkeypatch):
    envelope = Envelope(type(message))
    monkeypatch.setattr("safety.seal.split", lambda _: pytest.fail("searched"))
    data = encode(message)
    assert envelope.take_apart(data + hops) == (message, data, hops)


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"\xdd\0\0\0\x15\x01\x10", Malformed),  # the same array, announced with 32 bit
        (b"\xdc\0\x15\xcc\x01\x10", UnknownVersion),  # the same numbers, in two bytes each
        (b"\xdc\0\x15\x01\xcc\x10", UnknownKind),
    ],
)
def test_there_is_one_way_to_begin(head, error):
    part = head + GOOD[5:]
    assert msgpack.unpackb(part) == msgpack.unpackb(GOOD)
    with pytest.raises(error):
        ENVELOPE.take_apart(part)
