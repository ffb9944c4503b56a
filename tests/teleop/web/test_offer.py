"""An offer is bounded before it is parsed, and names one certificate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleop.web.offer import BYTES_MAX, CANDIDATES_MAX, LINES_MAX, fingerprint_of, normal
from teleop.web.refusal import Cause, Refused

ONE = ":".join(f"{n:02X}" for n in range(32))
OTHER = ":".join(f"{n:02X}" for n in range(1, 33))
OFFER = f"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=fingerprint:sha-256 {ONE}\r\na=mid:0\r\n"


def refused(sdp: str) -> Refused:
    with pytest.raises(Refused) as caught:
        fingerprint_of(sdp)
    return caught.value


def test_the_fingerprint_is_read_wherever_it_stands():
    assert fingerprint_of(OFFER) == ONE
    assert fingerprint_of(OFFER + f"m=application 9\r\na=fingerprint:sha-256 {ONE.lower()}") == ONE


def test_two_certificates_are_no_offer():
    assert "2 fingerprints" in str(refused(OFFER + f"a=fingerprint:sha-256 {OTHER}\r\n"))


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_a_certificate_cannot_hide_in_a_line(end: str):
    """Python's parser ends lines at more characters than SDP does."""
    smuggled = f"a=note:x{end}a=fingerprint:sha-256 {OTHER}\r\n"
    assert refused(OFFER + smuggled).cause is Cause.OFFER


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_nor_behind_a_character_that_is_none_of_sdp_s(end: str):
    assert "ASCII" in str(refused(OFFER + f"a=note:x{end}a=fingerprint:sha-256 {OTHER}"))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a=fingerprint:",
        "a=fingerprint:sha-1 00:11",
        f"a=fingerprint:sha-512 {ONE}",
        f"a=fingerprint:sha-256 {ONE}:00",
        f"A=FINGERPRINT:sha-256 {ONE}",
        f"a=fingerprint: sha-256 {ONE}",
    ],
)
def test_no_certificate_is_no_offer(line: str):
    assert refused(f"v=0\r\n{line}\r\n").cause is Cause.OFFER


def test_a_large_offer_is_refused_by_its_size():
    assert refused("v" * (BYTES_MAX + 1)).cause is Cause.SIZE
    assert refused("v" * (10 << 20)).cause is Cause.SIZE


def test_lines_and_candidates_are_bounded():
    assert f"{LINES_MAX} lines" in str(refused(OFFER + "a=x\r\n" * LINES_MAX))
    many = "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * (CANDIDATES_MAX + 1)
    assert f"{CANDIDATES_MAX} candidates" in str(refused(OFFER + many))


@given(st.text(max_size=300))
def test_any_text_is_refused_by_name(text: str):
    assert refused(text).cause in (Cause.OFFER, Cause.SIZE)


def test_case_is_no_difference():
    assert normal(f"sha-256 {ONE.lower()}") == normal(f"sha-256 {ONE}") == ONE
