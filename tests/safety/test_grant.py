"""A grant is believed from its signer only, and its keys are for one console, robot and boot."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.grant import (
    SIGNATURE_BYTES,
    Grant,
    GrantError,
    boot_id,
    derive,
    public_point,
    sign,
    verify,
)
from tests.transport.frames import valid
from transport.wire.codec import Registry, encode

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ROBOT, CONSOLE, MALLORY = (ec.derive_private_key(n, ec.SECP256R1()) for n in (7, 11, 13))

few = settings(max_examples=30)


def a_grant():
    return Grant(
        kind=50,
        session=b"session1",
        robot="psm1",
        boot=boot_id(public_point(ROBOT)),
        robot_key=public_point(ROBOT),
        console="console1",
        console_key=public_point(CONSOLE),
        role=1,
        epoch=1,
        limits=bytes(32),
        profile=1,
        period_us=1000,
        max_loop_ms=60,
        scale=0.5,
        video_gate=False,
        bed="",
        duration_s=60,
        signer="node1",
        signature=bytes(64),
    )


@few
@given(valid(Grant))
def test_a_signed_grant_is_the_same_grant_and_its_signers(grant):
    data = sign(grant, SIGNER)
    verify(data, SIGNER.public_key())
    decoded = Registry((Grant,)).expect(data, Grant)
    assert encode(decoded)[:-SIGNATURE_BYTES] == encode(grant)[:-SIGNATURE_BYTES]
    assert decoded.signature == data[-SIGNATURE_BYTES:]


@few
@given(valid(Grant), st.data())
def test_no_bit_of_a_grant_can_be_changed(grant, data):
    frame = bytearray(sign(grant, SIGNER))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(GrantError, match="signature"):
        verify(bytes(frame), SIGNER.public_key())


def test_another_signers_grant_is_not_this_ones():
    with pytest.raises(GrantError, match="signature"):
        verify(sign(a_grant(), OTHER), SIGNER.public_key())


@pytest.mark.parametrize("data", [b"", b"x", bytes(63), bytes(64)])
def test_what_is_too_short_to_be_signed_is_refused(data):
    with pytest.raises(GrantError):
        verify(data, SIGNER.public_key())


def test_both_ends_derive_the_same_two_keys():
    data = sign(a_grant(), SIGNER)
    at_robot = derive(data, ROBOT, public_point(CONSOLE))
    at_console = derive(data, CONSOLE, public_point(ROBOT))
    assert at_robot == at_console
    assert at_robot.to_robot != at_robot.to_console
    assert [len(key) for key in at_robot] == [32, 32]


def test_nobody_else_derives_them_nor_anyone_under_another_grant():
    data = sign(a_grant(), SIGNER)
    keys = {derive(data, ROBOT, public_point(CONSOLE))}
    keys.add(derive(data, MALLORY, public_point(ROBOT)))
    keys.add(derive(data, MALLORY, public_point(CONSOLE)))
    keys.add(derive(data + b"x", ROBOT, public_point(CONSOLE)))
    assert len(keys) == 4
    assert len({key for pair in keys for key in pair}) == 8


def test_a_boot_is_named_by_its_key():
    assert len(boot_id(public_point(ROBOT))) == 8
    assert boot_id(public_point(ROBOT)) != boot_id(public_point(MALLORY))


@few
@given(st.one_of(st.binary(min_size=65, max_size=65), st.binary(max_size=70)))
def test_a_point_off_the_curve_is_refused(point):
    with pytest.raises(GrantError, match="P-256"):
        derive(b"grant", ROBOT, point)


@pytest.mark.parametrize("first", [0, 2, 3, 5, 6, 7])
def test_a_point_in_another_encoding_is_refused(first):
    point = bytes([first]) + public_point(CONSOLE)[1:]
    with pytest.raises(GrantError, match="P-256"):
        derive(b"grant", ROBOT, point)
