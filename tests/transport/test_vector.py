"""A setpoint is eight float64; NaN, infinity and a stretched quaternion are told from a pose."""

import math
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transport.wire.vector import (
    ORIGIN,
    SETPOINT_BYTES,
    UNIT_TOLERANCE,
    Setpoint,
    is_finite,
    is_unit,
    pack_joints,
    pack_setpoint,
    unpack_joints,
    unpack_setpoint,
)

doubles = st.floats(width=64)
setpoints = st.builds(Setpoint, *[doubles] * 8)
metres = st.floats(-1e3, 1e3)


@given(setpoints)
def test_a_setpoint_keeps_every_bit(setpoint):
    data = pack_setpoint(setpoint)
    assert len(data) == SETPOINT_BYTES
    assert pack_setpoint(unpack_setpoint(data)) == data
    assert struct.unpack("<8d", data)[4:7] == pytest.approx(setpoint[4:7], nan_ok=True)


def test_the_order_is_position_quaternion_jaw_little_endian():
    setpoint = Setpoint(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
    data = pack_setpoint(setpoint)
    assert data[:8] == bytes.fromhex("000000000000f03f")
    assert unpack_setpoint(data) == setpoint
    assert (setpoint.x, setpoint.qw, setpoint.jaw) == (1.0, 4.0, 8.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8))
def test_eight_numbers_of_an_arms_size_are_finite(values):
    assert is_finite(Setpoint(*values))


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8),
    st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from([math.nan, math.inf, -math.inf])),
        min_size=1,
    ),
)
def test_a_single_nan_or_infinity_is_found_wherever_it_hides(values, poisons):
    for index, poison in poisons:
        values[index] = poison
    assert not is_finite(Setpoint(*values))


@given(setpoints)
def test_what_is_called_finite_has_no_number_that_is_not(setpoint):
    assume(is_finite(setpoint))
    assert all(math.isfinite(value) for value in setpoint)


@given(st.floats(0.0, 2.0), st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_unit_means_a_squared_norm_within_the_tolerance(scale, direction):
    norm = math.hypot(*direction)
    assume(norm > 1e-3)
    q = [scale * value / norm for value in direction]
    off = abs(scale * scale - 1.0)
    assume(abs(off - UNIT_TOLERANCE) > 1e-12)
    assert is_unit(Setpoint(0.0, 0.0, 0.0, *q, 0.0)) is (off < UNIT_TOLERANCE)


@pytest.mark.parametrize(
    "q", [(0, 0, 0, 0), (math.nan, 0, 0, 1), (math.inf, 0, 0, 0), (1, 1, 0, 0)]
)
def test_what_turns_nothing_is_no_orientation(q):
    assert not is_unit(Setpoint(0.0, 0.0, 0.0, *q, 0.0))


def test_a_float32_source_is_unit_enough():
    q = [struct.unpack("<f", struct.pack("<f", v))[0] for v in (0.5, 0.5, math.sqrt(0.5), 0.0)]
    assert is_unit(Setpoint(0.0, 0.0, 0.0, *q, 0.0))


def test_the_origin_is_a_pose():
    assert is_finite(ORIGIN)
    assert is_unit(ORIGIN)


@given(st.lists(doubles, max_size=16).map(tuple))
def test_joints_keep_every_bit(joints):
    data = pack_joints(joints)
    assert len(data) == 8 * len(joints)
    assert pack_joints(unpack_joints(data)) == data
