"""A grant is held against what the robot knows itself; the first thing that is wrong is said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.grant import Grant, GrantError, Role, sign
from safety.profile import LADDERS, MS, Profile
from safety.signers import Signers
from teleop.robot.acceptance import accept, ladder_of
from tests.world.rig import NODE, ROBOT, SIGNER, STRANGER, Rig

BOOT = Rig().agent.boot
LIMITS = Rig().settings.digest()


def check(data, **changes):
    known = {
        "signers": Signers({NODE: SIGNER.public_key()}),
        "robot": ROBOT,
        "boot": BOOT,
        "epoch_max": 4,
        "limits": LIMITS,
        "simulated": True,
        "bed": "",
    }
    return accept(data, **{**known, **changes})


def grant(**changes):
    return Rig(epoch_max=4).make_grant(**changes)


def test_a_grant_that_fits_is_the_grant():
    accepted = check(grant())
    assert isinstance(accepted, Grant)
    assert (accepted.robot, accepted.epoch) == (ROBOT, 5)


@pytest.mark.parametrize("role", [Role.SURGEON, Role.SCRIPT])
def test_a_surgeon_may_move_what_is_real_and_a_script_may_not(role):
    assert check(grant(role=role)).role == role
    if role is Role.SURGEON:
        assert check(grant(role=role), simulated=False)
    else:
        with pytest.raises(GrantError, match="simulated"):
            check(grant(role=role), simulated=False)


def test_an_epoch_must_be_above_every_earlier_one():
    for epoch in (0, 3, 4):
        with pytest.raises(GrantError, match="not above 4"):
            check(grant(epoch=epoch))
    assert check(grant(epoch=2**63 - 1))


def test_a_name_borrowed_from_a_pinned_signer_does_not_help():
    with pytest.raises(GrantError, match="signature"):
        check(grant(key=STRANGER))
    with pytest.raises(GrantError, match="not pinned"):
        check(grant(key=STRANGER, signer="mallory"))


@pytest.mark.parametrize(("meant", "stands"), [("or-3", ""), ("", "or-3"), ("or-4", "or-3")])
def test_a_grant_for_another_bed_is_refused(meant, stands):
    assert check(grant(bed=stands), bed=stands)
    with pytest.raises(GrantError, match="it is for bed"):
        check(grant(bed=meant), bed=stands)


@pytest.mark.parametrize("period_us", [0, 1, 249, 100_001, 2**32 - 1])
def test_a_period_that_no_console_may_ask_for_is_not_accepted(period_us):
    with pytest.raises(GrantError, match="period"):
        check(grant(period_us=period_us))


def test_a_reason_fits_into_the_answer():
    long = "n" * 32
    for data in (grant(robot=long), grant(signer=long), grant(profile=200)):
        with pytest.raises(GrantError) as refusal:
            check(data)
        assert len(str(refusal.value)) <= 160, "the session service says in front of it whose it is"


@settings(max_examples=200)
@given(st.data())
def test_no_changed_grant_is_accepted(data):
    frame = bytearray(grant())
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(len(frame) - 5, len(frame)))
    with pytest.raises(GrantError):
        check(bytes(frame[:cut]))


@given(st.binary(max_size=2000))
def test_bytes_that_are_no_grant_raise_nothing_else(data):
    with pytest.raises(GrantError):
        check(data)


@pytest.mark.parametrize(("asked_ms", "given_ms"), [(60, 60), (30, 30), (5000, 60), (0, 0)])
def test_the_longest_loop_may_be_tightened_and_never_widened(asked_ms, given_ms):
    ladder = ladder_of(check(grant(max_loop_ms=asked_ms)))
    assert ladder.max_loop_ns == given_ms * MS
    assert ladder[:4] == LADDERS[Profile.NATIVE][:4]


def test_each_profile_brings_its_own_ladder():
    for profile, ladder in LADDERS.items():
        assert ladder_of(check(grant(profile=profile, max_loop_ms=9999))) == ladder


def test_the_signature_covers_what_was_sent_not_what_was_understood():
    data = grant()
    again = sign(check(data), SIGNER)
    assert again == data
