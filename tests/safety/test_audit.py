"""The audit's chain: what is written holds, and what was tampered with is found where it was."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.audit import (
    ACTS,
    LINE_BYTES_MAX,
    Chain,
    Entry,
    Outcome,
    Verifier,
    head_entry,
    records,
    sign,
)

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
KNOWN = {"node": (KEY.public_key(),)}
ENTRIES = [
    Entry(1_000 + n, "console-1", act, "robot", Outcome.DONE, f"epoch {n}")
    for n, act in enumerate(("request", "grant", "estop", "reset", "release", "key_revoke"))
]


def written(entries=ENTRIES):
    """A chain with a signed head in its middle, its lines and its end."""
    chain = Chain()
    half = len(entries) // 2
    lines = [chain.append(entry) for entry in entries[:half]]
    lines.append(chain.append(head_entry(chain, "node", KEY, 2_000)))
    lines += [chain.append(entry) for entry in entries[half:]]
    return lines, chain


def found(lines, *heads, known=KNOWN):
    """What a reading of these lines finds."""
    verifier = Verifier(lambda name: known.get(name, ()))
    for head in heads:
        if fault := verifier.expect(head):
            return fault
    for line in lines:
        if fault := verifier.read(line):
            return fault
    return verifier.end()


def test_what_was_written_holds_and_says_what_was_said():
    lines, chain = written()
    assert found(lines, sign(chain.n, chain.hash, "node", KEY)) is None
    acts = [record.act for record in records(lines)]
    assert acts == ["request", "grant", "estop", "head", "reset", "release", "key_revoke"]


def test_a_chain_goes_on_from_its_end():
    lines, chain = written()
    lines.append(Chain(chain.n, chain.hash).append(ENTRIES[0]))
    assert found(lines) is None


def test_an_act_without_a_row_is_an_error_and_changes_nothing():
    chain = Chain()
    with pytest.raises(KeyError):
        chain.append(ENTRIES[0].__class__(1, "a", "smile", "b"))
    assert (chain.n, chain.hash) == (0, "0" * 64)


@pytest.mark.parametrize("n", range(1, 8))
@pytest.mark.parametrize(
    ("old", "new"),
    [(b"robot", b"rabot"), (b'"t":', b'"t":1'), (b'"outcome":"done"', b'"outcome":"refused"')],
)
def test_an_edit_is_found_at_its_record(n, old, new):
    lines, _ = written()
    if old not in lines[n - 1]:
        pytest.skip("this record has no such word")
    lines[n - 1] = lines[n - 1].replace(old, new, 1)
    assert found(lines).n == n


def test_an_edit_with_its_own_hash_made_anew_is_found_at_the_next_record():
    lines, _ = written()
    forged = Chain()
    lines[0] = forged.append(Entry(1_000, "somebody", "request", "robot"))
    assert found(lines).n == 2


@pytest.mark.parametrize("n", range(1, 7))
def test_a_deletion_is_found_at_its_place(n):
    lines, _ = written()
    del lines[n - 1]
    fault = found(lines)
    assert fault.n == n
    assert "missing" in fault.what


@pytest.mark.parametrize("n", range(1, 7))
def test_another_order_is_found_at_its_place(n):
    lines, _ = written()
    lines[n - 1 : n + 1] = lines[n], lines[n - 1]
    assert found(lines).n == n


def test_a_repetition_is_found():
    lines, _ = written()
    assert "twice" in found([*lines[:3], lines[2], *lines[3:]]).what


@pytest.mark.parametrize("left", range(7))
def test_a_missing_end_is_found_by_the_head_that_was_kept_elsewhere(left):
    lines, chain = written()
    head = sign(chain.n, chain.hash, "node", KEY)
    assert found(lines[:left]) is None, "the chain alone cannot tell"
    fault = found(lines[:left], head)
    assert fault.n == left
    assert "ends here" in fault.what


def test_a_chain_made_anew_is_found_by_the_head_that_was_kept_elsewhere():
    _, chain = written()
    head = sign(chain.n, chain.hash, "node", KEY)
    anew, _ = written([entry.__class__(7, "x", "grant", "y") for entry in ENTRIES])
    assert "made anew" in found(anew, head).what


def test_a_chain_made_anew_without_the_key_is_found_by_its_own_heads():
    chain = Chain()
    lines = [chain.append(ENTRIES[0]), chain.append(head_entry(chain, "node", OTHER, 2))]
    fault = found(lines)
    assert fault.n == 2
    assert "signature" in fault.what


def test_a_signed_head_says_how_far_a_signature_covers():
    lines, _ = written()
    verifier = Verifier(lambda name: KNOWN.get(name, ()))
    assert [verifier.read(line) for line in lines] == [None] * 7
    assert (verifier.signed, verifier.chain.n) == (3, 7)


def test_a_head_of_another_place_is_found():
    lines, chain = written()
    moved = Chain(chain.n, chain.hash)
    other = Chain(chain.n - 1, "1" * 64)
    fault = found([*lines, moved.append(head_entry(other, "node", KEY, 3))])
    assert "not that of record 7" in fault.what


def test_a_head_whose_signer_nobody_knows_is_found():
    lines, chain = written()
    assert "nobody knows" in found(lines, known={}).what
    assert "nobody knows" in found(lines, sign(chain.n, chain.hash, "who", KEY)).what
    assert "signature" in found(lines, sign(chain.n, chain.hash, "node", OTHER)).what


def test_a_signer_may_have_had_another_key():
    lines, chain = written()
    head = sign(chain.n, chain.hash, "node", KEY)
    assert found(lines, head, known={"node": (OTHER.public_key(), KEY.public_key())}) is None


def test_a_head_that_is_no_head_is_found():
    chain = Chain()
    line = chain.append(Entry(1, "node", "head", "audit", detail="{}"))
    assert "cannot be read" in found([line]).what


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b"\xff\n", b"[1]\n", b'{"n":1}\n'])
def test_a_line_that_is_no_record_is_found(line):
    assert found([line]).n == 1


def test_a_line_that_is_cut_off_is_found():
    lines, _ = written()
    assert found([lines[0], lines[1][:-1]]).n == 2
    fault = found([lines[0], lines[1][:40]])
    assert "cut off" in fault.what


@given(st.text(), st.text(), st.text(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_any_words_fit_a_line_and_come_back(actor, target, detail):
    chain = Chain()
    line = chain.append(Entry(1, actor, "stop", target, Outcome.REFUSED, detail))
    assert len(line) <= LINE_BYTES_MAX
    assert line.count(b"\n") == 1
    assert found([line]) is None
    (record,) = records([line])
    assert detail.startswith(record.detail[:1]) or not detail


def test_words_that_no_text_can_hold_are_replaced():
    (record,) = records([Chain().append(Entry(1, "\ud800", "stop", "robot"))])
    assert record.actor == "?"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_byte_can_be_changed_unseen(data):
    lines, chain = written()
    whole = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(whole) - 1))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    whole[at] = new
    assert found(bytes(whole).splitlines(keepends=True), sign(chain.n, chain.hash, "node", KEY))


def test_every_act_has_its_words_and_a_letter_of_fhirs():
    assert all(kind.action in "CRUDE" and kind.words for kind in ACTS.values())
    assert all(kind.code.isdigit() for kind in ACTS.values())


def test_a_line_is_json_for_everybody():
    assert json.loads(written()[0][0])["actor"] == "console-1"
