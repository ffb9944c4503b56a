"""The reference and its vectors are what the code says, and the code reads every vector."""

from __future__ import annotations

import json
import re
from typing import Any

import msgpack
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from docs.generate import FOLDER, render
from docs.generate.fields import BY_NAME, MESSAGES, rows
from docs.generate.vectors import in_fields
from safety.clamp import WORDS, Rule
from safety.grant import Grant, boot_id, derive, verify
from safety.messages import TAG_BYTES, RobotState
from safety.seal import is_sealed
from transport.io.datagram import Direction, Opener
from transport.wire.codec import Registry, encode, split
from transport.wire.errors import WireError
from transport.wire.messages import decode_hops
from transport.wire.vector import unpack_setpoint, unpack_twist

VECTORS: dict[str, Any] = json.loads((FOLDER.parent / "vectors.json").read_text())
REGISTRY = Registry(MESSAGES)


def told(rows: list[dict[str, Any]], *names: str) -> list[Any]:
    """Name each vector by its own words."""
    ids = [" ".join(str(row[name]) for name in names).strip() for row in rows]
    return [pytest.param(row, id=name) for row, name in zip(rows, ids, strict=True)]


# What stands in the folder -----------------------------------------------------------------


@pytest.mark.parametrize("path", list(render()), ids=lambda path: path.name)
def test_the_file_is_what_make_docs_writes(path):
    assert path.read_text() == render()[path], "run `make docs`"


def test_every_message_and_field_is_explained():
    text = (FOLDER.parent / "protocol.md").read_text()
    for name, struct in BY_NAME.items():
        assert f"\n### {name}\n" in text
        for row in rows(struct):
            assert row.meaning, f"{name}.{row.name} says nothing in its docstring"
    assert not re.search(r"<!--|\b(?:safety|transport|teleop)\.[a-z]+\.", text), "code names"


def test_every_message_has_an_example():
    assert {row["name"] for row in VECTORS["messages"]} == {m.__name__ for m in MESSAGES}


def test_links_inside_the_page_lead_somewhere():
    text = (FOLDER.parent / "protocol.md").read_text()
    heads = {head.lower() for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    places = {re.sub(r"[^\w -]", "", head).replace(" ", "-") for head in heads}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= places


# Every vector --------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", told(VECTORS["messages"], "name", "note"))
def test_a_message_decodes_to_its_fields_and_back(vector):
    data = bytes.fromhex(vector["hex"])
    message = REGISTRY.decode(data)
    assert type(message).__name__ == vector["name"]
    assert vector["kind"] == message.KIND
    assert in_fields(message) == vector["fields"]
    assert encode(message) == data


@pytest.mark.parametrize("vector", told(VECTORS["messages"], "name", "note"))
def test_another_library_reads_the_same(vector):
    version, kind, *fields = msgpack.unpackb(bytes.fromhex(vector["hex"]))
    assert (version, kind) == (VECTORS["version"], vector["kind"])
    for found, expected in zip(fields, vector["fields"].values(), strict=True):
        if isinstance(found, list):
            assert len(found) == len(expected)
        else:
            assert (found.hex() if isinstance(found, bytes) else found) == expected


@pytest.mark.parametrize("vector", told(VECTORS["refused"], "why"))
def test_a_refusal_is_refused_by_its_name(vector):
    with pytest.raises(WireError) as refused:
        REGISTRY.decode(bytes.fromhex(vector["hex"]))
    assert refused.value.cause == vector["error"]
    assert getattr(refused.value, "field", None) == vector.get("field")


def test_the_setpoint():
    vector = VECTORS["setpoint"]
    assert list(unpack_setpoint(bytes.fromhex(vector["hex"]))) == vector["numbers"]


def test_the_velocity():
    vector = VECTORS["velocity"]
    assert list(unpack_twist(bytes.fromhex(vector["hex"]))) == vector["numbers"]


def test_every_rule_is_explained():
    text = (FOLDER.parent / "protocol.md").read_text()
    for rule in Rule:
        (row,) = re.findall(
            rf"^\| {rule:d} \| `{rule.name}` \| (.+) \| (.+) \|$", text, re.MULTILINE
        )
        assert row[1] == (WORDS[rule] or "—")
        assert set(row) != {"—"}


def test_the_part_divides_into_message_and_hops():
    vector = VECTORS["part"]
    message, hops = split(bytes.fromhex(vector["hex"]))
    assert len(message) == vector["message_bytes"]
    assert [msgspec.structs.asdict(hop) for hop in decode_hops(hops)] == vector["hops"]


def test_the_session_follows_from_its_keys():
    session = {name: bytes.fromhex(value) for name, value in VECTORS["session"].items()}
    grant = REGISTRY.expect(session["grant"], Grant)
    verify(session["grant"], Ed25519PublicKey.from_public_bytes(session["signer_public"]))
    assert (grant.robot_key, grant.console_key) == (
        session["robot_public"],
        session["console_public"],
    )
    assert grant.boot == session["boot"] == boot_id(session["robot_public"])
    for own, peer in (("console", "robot"), ("robot", "console")):
        private = int.from_bytes(session[f"{own}_private"], "big")
        key = ec.derive_private_key(private, ec.SECP256R1())
        keys = derive(session["grant"], key, session[f"{peer}_public"])
        assert keys == (session["to_robot"], session["to_console"])


@pytest.mark.parametrize("vector", told(VECTORS["sealed"], "direction", "note"))
def test_a_seal_holds_or_breaks_as_it_should(vector):
    data, key = bytes.fromhex(vector["hex"]), bytes.fromhex(vector["key"])
    REGISTRY.decode(data)
    assert is_sealed(data, key) is vector["valid"]
    assert data[-TAG_BYTES:].hex() == vector["tag"]


def test_there_are_good_and_bad_seals():
    assert {vector["valid"] for vector in VECTORS["sealed"]} == {True, False}


@pytest.mark.parametrize("vector", told(VECTORS["datagrams"], "direction", "counter"))
def test_a_datagram_opens(vector):
    key, data = bytes.fromhex(vector["key"]), bytes.fromhex(vector["hex"])
    frame = Opener(key, Direction[vector["direction"].upper()]).open(data)
    assert frame.hex() == vector["plaintext"]


@pytest.mark.parametrize("vector", told(VECTORS["datagrams"], "direction", "counter"))
def test_a_datagram_is_made_as_the_page_says(vector):
    """From the page alone, without our code."""
    number = {"to_relay": 0, "to_end": 1}[vector["direction"]]
    info = f"trocar datagram 1 {vector['direction']}".encode()
    key = HKDF(SHA256(), 32, salt=None, info=info).derive(bytes.fromhex(vector["key"]))
    header = vector["connection"].to_bytes(4, "big") + vector["counter"].to_bytes(8, "big")
    nonce = number.to_bytes(4, "big") + header[4:]
    sealed = AESGCM(key).encrypt(nonce, bytes.fromhex(vector["plaintext"]), header)
    assert (header + sealed).hex() == vector["hex"]


def test_a_state_of_two_arms_is_among_them():
    states = [REGISTRY.decode(bytes.fromhex(v["hex"])) for v in VECTORS["messages"]]
    assert max(len(s.arms) for s in states if isinstance(s, RobotState)) == 2
