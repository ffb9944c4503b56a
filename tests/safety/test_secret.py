"""The same answers with the key and, from a record of them, without it."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from safety.grant import GrantError, boot_id, derive, public_point
from safety.messages import NO_SESSION, NO_TAG, RobotState
from safety.seal import seal
from safety.secret import Recalled, Secret

KEY, CONSOLE = (ec.derive_private_key(number, ec.SECP256R1()) for number in (7, 11))
GRANT = b"any bytes that were signed"


def sealed(key):
    point = public_point(KEY)
    state = RobotState(17, "psm1", boot_id(point), 1, NO_SESSION, 0, 0, 3, 0, False, 0, (), NO_TAG)
    return seal(state, key)


def test_with_the_key_a_session_is_opened_for_the_console_alone():
    secret = Secret(KEY)
    keys = secret.open(GRANT, public_point(CONSOLE))
    assert secret.point == public_point(KEY)
    assert keys == derive(GRANT, CONSOLE, secret.point)
    assert secret.holds(sealed(keys.to_robot), keys.to_robot)
    assert secret.held
    assert not secret.holds(sealed(keys.to_console), keys.to_robot)
    assert not secret.held


def test_each_session_has_tags_of_its_own():
    secret = Secret(KEY)
    one, two = (secret.open(grant, public_point(CONSOLE)).to_robot for grant in (GRANT, b"other"))
    for key, other in ((one, two), (two, one), (one, two)):
        assert secret.holds(sealed(key), key)
        assert not secret.holds(sealed(other), key)


def test_without_it_what_was_said_is_said_again_and_no_key_comes_out():
    secret, recalled = Secret(KEY), Recalled(public_point(KEY))
    keys = recalled.open(GRANT, public_point(CONSOLE))
    assert recalled.point == secret.point
    assert set(keys).isdisjoint(secret.open(GRANT, public_point(CONSOLE)))
    for said in (True, False):
        recalled.held = said
        assert recalled.holds(sealed(bytes(32)), keys.to_robot) is said


@pytest.mark.parametrize("seals", [Secret(KEY), Recalled(public_point(KEY))])
def test_both_refuse_a_key_that_is_none(seals):
    with pytest.raises(GrantError, match="not a point"):
        seals.open(GRANT, b"\4" + bytes(64))
