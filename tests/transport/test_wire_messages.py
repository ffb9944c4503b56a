"""Hop records stand behind a frame: read when whole, refused when anything else stands there."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.wire.errors import Malformed, WireError
from transport.wire.messages import Hop, decode_hops, encode_hop

hops = st.builds(
    Hop,
    st.integers(0, 0xFF),
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
)


def written(hop):
    return encode_hop(hop.path, hop.incarnation, hop.dwell_ns, hop.merged, hop.late)


@given(st.lists(hops, max_size=4))
def test_records_are_read_in_the_order_in_which_they_were_appended(records):
    assert decode_hops(b"".join(written(hop) for hop in records)) == records


def test_no_record_is_no_hop():
    assert decode_hops(b"") == []


def test_a_dwell_beyond_four_seconds_is_written_as_that():
    assert decode_hops(encode_hop(1, 2, 10**12))[0].dwell_ns == 0xFFFF_FFFF


@given(st.lists(hops, min_size=1, max_size=3), st.data())
def test_a_record_that_is_cut_short_is_refused(records, data):
    whole = b"".join(written(hop) for hop in records)
    ends = {sum(len(written(hop)) for hop in records[:n]) for n in range(len(records) + 1)}
    cut = data.draw(st.integers(0, len(whole) - 1).filter(lambda n: n not in ends))
    with pytest.raises(Malformed):
        decode_hops(whole[:cut])


@pytest.mark.parametrize(
    "record",
    [
        [],
        [1, 2, 3, 4],
        [1, 2, 3, 4, 5, 6],
        [256, 2, 3, 4, 5],
        [1, 2, -3, 4, 5],
        [1, 2, 3.0, 4, 5],
        [1, 2, None, 4, 5],
        [1, 2, [3], 4, 5],
        {"path": 1},
        {"path": 1, "incarnation": 2, "dwell_ns": 3, "merged": 4, "late": 5},
        7,
        "text",
        None,
        msgpack.ExtType(5, b"12345"),
        msgpack.Timestamp(1, 2),
    ],
    ids=repr,
)
def test_what_is_not_a_record_is_refused(record):
    with pytest.raises(Malformed):
        decode_hops(msgpack.packb(record))


@given(st.binary(max_size=128))
def test_any_bytes_behind_a_frame_are_hops_or_a_wire_error(data):
    try:
        records = decode_hops(data)
    except WireError:
        return
    assert all(isinstance(record, Hop) for record in records)
