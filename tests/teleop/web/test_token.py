"""What is signed is believed from its signer, of its kind, until its end, and from nobody else."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from teleop.web.refusal import Cause, Refused
from teleop.web.token import TEXT_MAX, Mint, S, Ticket, Visit

MINT = Mint(bytes(range(32)))
VISIT = Visit(name="v", role="observer", until_ns=100 * S)
TICKET = Ticket(name="t", visit="v", camera=0, fingerprint="AB", until_ns=30 * S)


def refused(kind, text: str, now_ns: int = 0) -> Cause:
    with pytest.raises(Refused) as caught:
        MINT.read(kind, text, now_ns)
    return caught.value.cause


def part(data: object) -> str:
    return urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("token", [VISIT, TICKET], ids=["visit", "ticket"])
def test_what_was_signed_is_read_until_its_last_nanosecond(token):
    text = MINT.sign(token)
    assert len(text) < TEXT_MAX
    assert MINT.read(type(token), text, token.until_ns - 1) == token
    with pytest.raises(Refused):
        MINT.read(type(token), text, token.until_ns)


def test_a_cookie_is_no_ticket_and_a_ticket_no_cookie():
    assert refused(Ticket, MINT.sign(VISIT)) is Cause.TOKEN
    assert refused(Visit, MINT.sign(TICKET)) is Cause.VISIT


def test_the_type_alone_tells_a_ticket_from_a_visit():
    """Whatever they may have in common one day."""
    header = {"alg": "Ed25519", "typ": "trocar-ticket"}
    payload = msgspec.json.encode(VISIT)
    text = jws.serialize_compact(header, payload, MINT._key, algorithms=["Ed25519"])
    assert refused(Visit, text) is Cause.VISIT


def test_another_node_s_signature_is_nobody_s():
    assert refused(Visit, Mint(bytes(32)).sign(VISIT)) is Cause.VISIT


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA", "ES256"])
def test_the_algorithm_is_ours_not_the_token_s(algorithm: str):
    _, payload, signature = MINT.sign(VISIT).split(".")
    header = part({"alg": algorithm, "typ": "trocar-visit"})
    for sealed in (signature, ""):
        assert refused(Visit, f"{header}.{payload}.{sealed}") is Cause.VISIT


def test_the_public_key_signs_nothing():
    """The classic: a verifier that takes its public key for an HMAC secret."""
    public = MINT._key.as_dict(private=False)["x"]
    secret = OctKey.import_key(urlsafe_b64decode(public + "="))
    forged = jws.serialize_compact(
        {"alg": "HS256", "typ": "trocar-visit"}, b"{}", secret, algorithms=["HS256"]
    )
    assert refused(Visit, forged) is Cause.VISIT


def test_a_changed_word_is_noticed():
    header, payload, signature = MINT.sign(VISIT).split(".")
    claims = json.loads(urlsafe_b64decode(payload + "=="))
    claims["until_ns"] *= 2
    assert refused(Visit, f"{header}.{part(claims)}.{signature}") is Cause.VISIT


def test_what_is_too_long_is_not_parsed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("teleop.web.token.jws.deserialize_compact", lambda *_, **__: 1 / 0)
    assert refused(Visit, "a" * (TEXT_MAX + 1)) is Cause.VISIT


@given(st.text(max_size=TEXT_MAX))
def test_any_text_is_refused_by_name(text: str):
    assert refused(Visit, text) is Cause.VISIT


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_one_changed_character_is_refused(at: int, character: str):
    text = MINT.sign(TICKET)
    at %= len(text)
    if text[at] == character:
        return
    changed = text[:at] + character + text[at + 1 :]
    try:
        read = MINT.read(Ticket, changed, 0)
    except Refused:
        return
    assert read == TICKET  # the last character of base64url has bits that mean nothing
    assert at == len(text) - 1
