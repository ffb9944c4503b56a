"""Whose word a robot takes: the pinned signer's, then whom that one named, and nobody's between."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.grant import GrantError, sign
from safety.signers import Signers, Succession, succeed
from tests.safety.test_grant import a_grant
from transport.wire.codec import encode

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(5)]
few = settings(max_examples=40, deadline=None)


def word(old, new, signer="node1"):
    return succeed(signer, KEYS[old], KEYS[new].public_key())


@pytest.fixture
def signers():
    return Signers({"node1": KEYS[0].public_key()})


def believes(signers, key):
    try:
        signers.read(sign(a_grant(), KEYS[key]))
    except GrantError:
        return False
    return True


def test_the_pinned_signers_grants_are_read(signers):
    assert signers.read(sign(a_grant(), KEYS[0])).console == "console1"
    with pytest.raises(GrantError, match="signature"):
        signers.read(sign(a_grant(), KEYS[1]))
    with pytest.raises(GrantError, match="'node2' is not pinned here"):
        signers.read(sign(msgspec.structs.replace(a_grant(), signer="node2"), KEYS[0]))
    with pytest.raises(GrantError):
        signers.read(encode(word(0, 1)))


def test_the_old_key_names_the_new_one_and_is_then_believed_no_more(signers):
    assert signers.follow(word(0, 1))
    assert signers.key("node1") == KEYS[1].public_key()
    assert [believes(signers, key) for key in (0, 1)] == [False, True]


def test_who_slept_through_rotations_follows_them_in_their_order(signers):
    assert not signers.follow(word(1, 2))
    assert [signers.follow(word(n, n + 1)) for n in range(3)] == [True] * 3
    assert believes(signers, 3)


@pytest.mark.parametrize(
    "forged",
    [
        word(1, 2),
        word(0, 1, "node2"),
        msgspec.structs.replace(word(0, 1), new=KEYS[2].public_key().public_bytes_raw()),
        msgspec.structs.replace(word(1, 2), old=KEYS[0].public_key().public_bytes_raw()),
        msgspec.structs.replace(word(0, 1), signature=bytes(64)),
    ],
)
def test_nobody_but_the_present_key_names_another(signers, forged):
    assert not signers.follow(forged)
    assert believes(signers, 0)


def test_a_key_speaks_of_itself_alone(signers):
    """Whoever signs must be whom the word calls the old one."""
    old, new = (KEYS[n].public_key().public_bytes_raw() for n in (1, 2))
    said = b"trocar signer succession v1\nnode1\n" + old + new
    assert not signers.follow(Succession(62, "node1", old, new, KEYS[0].sign(said)))
    assert believes(signers, 0)


def test_a_word_is_not_taken_twice_and_leads_nowhere_back(signers):
    assert signers.follow(word(0, 1))
    assert not signers.follow(word(0, 1))
    assert not signers.follow(word(0, 2))


def test_a_person_pins_and_unpins(signers):
    signers.pin("node1", None)
    assert signers.key("node1") is None
    signers.pin("node1", KEYS[4].public_key())
    assert believes(signers, 4)


@few
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_whatever_words_come_exactly_one_key_is_believed_and_it_was_named_by_the_one_before(words):
    signers, present = Signers({"node1": KEYS[0].public_key()}), 0
    for old, new in words:
        assert signers.follow(word(old, new)) is (old == present)
        present = new if old == present else present
        assert signers.key("node1") == KEYS[present].public_key()
