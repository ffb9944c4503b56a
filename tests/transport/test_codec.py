"""A message is one MessagePack array; whatever else arrives is refused, and by name."""

import random
import time

import msgpack
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from safety.messages import Command, RobotState
from tests.transport.frames import MESSAGES, VOCABULARIES, longest, valid
from transport.wire.codec import (
    HOPS_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    VERSION,
    Registry,
    encode,
    peek_kind,
    split,
)
from transport.wire.errors import (
    BadField,
    Malformed,
    Oversized,
    UnknownKind,
    UnknownVersion,
    WireError,
)
from transport.wire.messages import Clock, decode_hops, encode_hop

EVERYTHING = Registry(*VOCABULARIES)
CLOCK = Clock(3, 1, 2, 3)

any_message = st.sampled_from(MESSAGES).flatmap(valid)


@given(any_message)
def test_what_is_encoded_is_decoded(message):
    data = encode(message)
    assert EVERYTHING.decode(data) == message
    assert peek_kind(data) == message.KIND
    assert data[0] == 0xDC or data[0] & 0xF0 == 0x90
    assert msgpack.unpackb(data)[:2] == [VERSION, message.KIND]


@pytest.mark.parametrize("letter", ["m", "𝄞"])
@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__name__)
def test_the_longest_message_of_each_kind_has_room(message, letter):
    """A ceiling must not be refused because somebody explained it at length."""
    data = encode(longest(message, letter))
    assert len(data) <= message.BYTES_MAX
    assert EVERYTHING.decode(data) == longest(message, letter)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__name__)
def test_a_kind_is_the_first_field_and_can_be_no_other(message):
    fields = msgpack.unpackb(encode(longest(message)))
    for other in (0, message.KIND + 1, 127):
        fields[1] = other
        with pytest.raises(WireError):
            EVERYTHING.expect(msgpack.packb(fields), message)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__name__)
def test_a_missing_and_a_surplus_field_are_refused(message):
    fields = msgpack.unpackb(encode(longest(message)))
    for wrong in (fields[:-1], [*fields, 0]):
        with pytest.raises(BadField, match=message.__name__):
            EVERYTHING.decode(msgpack.packb(wrong))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__name__)
def test_a_field_of_the_wrong_type_is_refused_by_its_name(message):
    good = msgpack.unpackb(encode(longest(message)))
    for index, name in enumerate(message.__struct_fields__[1:], start=2):
        fields = [*good]
        fields[index] = {"a": 1}
        with pytest.raises(BadField) as refusal:
            EVERYTHING.decode(msgpack.packb(fields))
        assert refusal.value.field == name


def test_a_vocabulary_that_this_end_does_not_speak_is_unknown():
    with pytest.raises(UnknownKind, match="kind 3 "):
        Registry((Command,)).decode(encode(CLOCK))
    with pytest.raises(UnknownKind, match="kind 3 "):
        EVERYTHING.expect(encode(CLOCK), Command)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", Malformed),
        (b"\x90", Malformed),
        (b"\x91\x01", Malformed),
        (b"\xdc\x00\x05\x01", Malformed),
        (b"\xdd\x00\x00\x00\x05\x01\x03\x01\x02\x03", Malformed),
        (b"\x85\x01\x03\x01\x02\x03", Malformed),
        (b"\xc1\xc1\xc1", Malformed),
        (b"\x95\x02\x03\x01\x02\x03", UnknownVersion),
        (b"\x95\xcc\x01\x03\x01\x02\x03", UnknownVersion),
        (b"\x95\x01\x7f\x01\x02\x03", UnknownKind),
        (b"\x95\x01\x00\x01\x02\x03", UnknownKind),
        (b"\x95\x01\xa1\x01\x02\x03", UnknownKind),
        (b"\x95\x01\x03\x01\x02", Malformed),  # cut short
        (b"\x95\x01\x03\x01\x02\x03\x04", Malformed),  # trailed by something
        (b"\x95\x01\x03\x01\x02\xff", BadField),  # -1
        (b"\x95\x01\x03\x01\x02\xcb" + bytes(8), BadField),  # a float
        (b"\x95\x01\x03\x01\x02\xcf" + b"\xff" * 8, BadField),  # 2^64 - 1
        (b"\x95\x01\x03\x01\x02" + b"\x91" * 240 + b"\x03", BadField),
        (b"\x95\x01\x03\x01\x02\x82\xa1a\x01\xa1a\x02", BadField),  # a map with a doubled key
        (b"\x95\x01\x03\x01\x02\x03" + bytes(251), Oversized),  # of its kind
        (bytes(MESSAGE_BYTES_MAX + 1), Oversized),  # of any kind
    ],
)
def test_bytes_that_are_no_clock(data, error):
    with pytest.raises(WireError) as refusal:
        EVERYTHING.decode(data)
    assert type(refusal.value) is error


def test_text_that_is_not_utf8_is_refused():
    data = encode(longest(Command))
    with pytest.raises(WireError):
        EVERYTHING.decode(data.replace(b"m" * 32, b"\xff" * 32))


def test_size_is_judged_before_a_byte_is_parsed():
    bomb = b"\x91" * 10_000
    with pytest.raises(Oversized):
        EVERYTHING.decode(bomb)
    with pytest.raises(Oversized):
        split(bomb)


def test_ten_thousand_nested_arrays_cannot_exhaust_the_stack():
    for depth in (500, 1023, 1024, 1025, 4000):
        with pytest.raises(WireError):
            split(b"\x91" * depth)
        with pytest.raises(WireError):
            EVERYTHING.decode(b"\x9e\x01\x11" + b"\x91" * min(depth, RobotState.BYTES_MAX - 3))


def test_an_array_that_promises_four_billion_fields_is_not_believed():
    state = encode(longest(RobotState))
    index = state.index(bytes([0x90 + len(longest(RobotState).arms)]), 80)
    for promise in (b"\xdd\xff\xff\xff\xff", b"\xdd\x10\x00\x00\x00", b"\xdc\xff\xff"):
        data = state[:index] + promise + state[index + 1 :]
        with pytest.raises(WireError):
            EVERYTHING.decode(data[: RobotState.BYTES_MAX])


# What stands behind a message ------------------------------------------------------------------


@given(any_message, st.lists(st.integers(0, 0xFFFF_FFFF), max_size=4))
def test_a_message_and_the_hops_behind_it_are_told_apart(message, dwells):
    hops = b"".join(encode_hop(1, 2, dwell) for dwell in dwells)
    assert split(encode(message) + hops) == (encode(message), hops)
    assert [hop.dwell_ns for hop in decode_hops(hops)] == dwells


def test_hops_have_room_for_relays_in_a_row_and_no_more():
    record = encode_hop(1, 2, 3)
    fits = HOPS_BYTES_MAX // len(record)
    data = encode(CLOCK)
    assert split(data + record * fits)[1] == record * fits
    assert split(data + bytes(HOPS_BYTES_MAX))[1] == bytes(HOPS_BYTES_MAX)
    with pytest.raises(Oversized):
        split(data + bytes(HOPS_BYTES_MAX + 1))


def test_a_message_of_exactly_the_cap_is_read_and_one_byte_more_is_not():
    full = b"\xc5" + (MESSAGE_BYTES_MAX + HOPS_BYTES_MAX - 3).to_bytes(2, "big")
    full += bytes(MESSAGE_BYTES_MAX + HOPS_BYTES_MAX - 3)
    assert split(full) == (full, b"")
    with pytest.raises(Oversized):
        split(full + b"\x00")


@pytest.mark.parametrize("part", [b"", b"\xdc", b"\xc1", b"\xc5\xff\xff", b"\xdd\xff\xff\xff\xff"])
def test_a_part_that_is_not_messagepack_has_no_head(part):
    with pytest.raises(Malformed):
        split(part)


# Anything at all -------------------------------------------------------------------------------


def only_wire_errors(data):
    """Give these bytes to everything that reads from a network."""
    for read in (EVERYTHING.decode, split, decode_hops, peek_kind):
        cause = None
        try:
            read(data)
        except WireError as error:
            cause = error.cause
        assert cause != WireError.cause, "each refusal has a name of its own"


@settings(max_examples=500)
@given(st.binary(max_size=MESSAGE_BYTES_MAX + HOPS_BYTES_MAX + 8))
@example(b"\x91" * 3000)
@example(b"\x81\x90\x01")  # a map with a key that has no hash
@example(b"\xd6\xff\x00\x00\x00\x00")  # a timestamp
@example(b"\xc7\x00\x05")  # an extension without content
@example(b"\xa4\xff\xff\xff\xff")
def test_any_bytes_at_all(data):
    only_wire_errors(data)


@settings(max_examples=300)
@given(st.sampled_from(MESSAGES), st.binary(max_size=300))
def test_any_bytes_behind_a_good_beginning(message, rest):
    size = len(message.__struct_fields__) + 1
    head = bytes([0x90 + size]) if size < 16 else b"\xdc\x00" + bytes([size])
    only_wire_errors(head + bytes([VERSION, message.KIND]) + rest)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.sampled_from(MESSAGES), st.data())
def test_any_values_in_the_fields(message, data):
    count = len(message.__struct_fields__) - 1 + data.draw(st.integers(-1, 1))
    fields = data.draw(st.lists(values, min_size=count, max_size=count))
    only_wire_errors(msgpack.packb([VERSION, message.KIND, *fields]))


@settings(max_examples=300)
@given(any_message, st.data())
def test_a_valid_message_with_a_few_bytes_changed_or_cut(message, data):
    frame = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    only_wire_errors(bytes(frame))
    only_wire_errors(bytes(frame[:cut]))


@given(any_message, st.data())
def test_a_message_cut_short_is_never_a_message(message, data):
    frame = encode(message)
    cut = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(WireError):
        EVERYTHING.decode(frame[:cut])
    with pytest.raises(WireError):
        split(frame[:cut])


def test_a_longer_fuzz_of_every_decoder():
    """Bytes swapped, repeated, cut out and put in, over frames of every kind; some seconds."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    frames = [encode(longest(message)) for message in MESSAGES]
    frames += [encode_hop(1, 2, 3) * 4, b"\x91" * 200, bytes(range(256))]
    end_s = time.monotonic() + 2.0
    while time.monotonic() < end_s:
        frame = bytearray(rng.choice(frames))
        for _ in range(rng.randint(1, 6)):
            at, size = rng.randrange(len(frame) + 1), rng.randint(0, 9)
            other = rng.choice(frames)
            start = rng.randrange(len(other))
            chunk = rng.choice([b"", rng.randbytes(size), other[start : start + size]])
            frame[at : at + rng.choice([0, len(chunk), size])] = chunk
        data = bytes(frame)
        try:
            only_wire_errors(data)
        except Exception as error:
            pytest.fail(f"{error!r} for {data.hex()} (seed {seed})")


def test_msgspec_refuses_what_is_in_no_vocabulary_at_compile_time():
    """Two messages of one kind would make a frame mean two things."""
    with pytest.raises(AssertionError):
        Registry((Clock,), (Clock,))


def test_no_message_class_allows_unknown_fields():
    for message in MESSAGES:
        config = message.__struct_config__
        assert config.array_like, message
        assert config.forbid_unknown_fields, message
        assert config.frozen, message
        assert config.tag == VERSION, message
        assert msgspec.inspect.type_info(message).fields[0].name == "kind", message
