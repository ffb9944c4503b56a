"""What a device packs is what the monitor unpacks, and every message fits its bound."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import (
    BLOCKS_MAX,
    SAMPLES_MAX,
    VOCABULARY,
    Block,
    Metric,
    Numeric,
    Reading,
    Reason,
    Samples,
    Signal,
    pack,
    unpack,
)
from transport.wire.codec import MESSAGE_BYTES_MAX, Registry, encode
from transport.wire.errors import BadField, Oversized

REGISTRY = Registry(VOCABULARY)
floats = st.floats(width=32)
blocks = st.lists(
    st.builds(
        Block,
        st.sampled_from(Signal),
        st.integers(1, 4_000_000).map(lambda mhz: mhz / 1000),
        st.integers(0, 1 << 62),
        st.lists(floats, min_size=1, max_size=50).map(lambda x: np.array(x, np.float32)),
    ),
    min_size=1,
    max_size=BLOCKS_MAX,
)


@given(blocks)
def test_what_is_packed_comes_out_bit_for_bit(blocks):
    message = REGISTRY.expect(encode(pack("icu/7", "ecg", 1, 2, 3, blocks)), Samples)
    found = unpack(message)
    assert [(b.signal, b.rate_hz, b.first) for b in found] == [
        (b.signal, b.rate_hz, b.first) for b in blocks
    ]
    for mine, theirs in zip(blocks, found, strict=True):
        np.testing.assert_array_equal(theirs.samples, mine.samples)


def test_the_largest_message_there_can_be_fits():
    each = SAMPLES_MAX // BLOCKS_MAX
    most = [Block(Signal.ECG_1, 1000.0, 1 << 62, np.ones(each, np.float32))] * BLOCKS_MAX
    name = "\N{GRINNING FACE}" * 32
    message = pack(name, name, (1 << 32) - 1, (1 << 63) - 1, (1 << 32) - 1, most)
    data = encode(message)
    assert len(data) <= MESSAGE_BYTES_MAX
    assert REGISTRY.decode(data) == message


def test_one_sample_more_is_refused_before_it_is_looked_at():
    message = pack("icu/7", "ecg", 1, 2, 3, [Block(Signal.ABP, 125.0, 0, np.ones(9, np.float32))])
    more = msgspec.structs.replace(message, samples=bytes(4 * SAMPLES_MAX + 4))
    with pytest.raises(BadField, match="samples"):
        REGISTRY.decode(encode(more))
    with pytest.raises(Oversized):
        REGISTRY.decode(encode(msgspec.structs.replace(message, samples=bytes(5000))))


def test_a_table_that_counts_wrong_is_refused():
    message = pack("icu/7", "ecg", 1, 2, 3, [Block(Signal.ABP, 125.0, 0, np.ones(9, np.float32))])
    with pytest.raises(ValueError, match="9 samples in the table, 8 behind"):
        unpack(msgspec.structs.replace(message, samples=message.samples[:-4]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2e6])
def test_a_number_that_is_none_is_nil_and_nothing_else(value):
    reading = Reading(65, "icu/7", "probe", 1, 1, Metric.TEMP, value, 0)
    numeric = Numeric(66, "icu/7", 1, Metric.HR, value, 100, Reason.PRESENT, 0)
    for message in (reading, numeric):
        with pytest.raises(BadField, match="value"):
            REGISTRY.decode(encode(message))


def test_kinds_are_the_monitors():
    assert all(64 <= message.KIND <= 79 for message in VOCABULARY)
