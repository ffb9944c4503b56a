"""What the hostile stories throw is broken in the way it says, by the judges' own word."""

import time

import pytest

from bench import attacks, forge
from bench.claims import load_claims
from bench.hostile import ANY, LINKS
from safety.gate import Gate, Session
from safety.grant import SessionKeys
from safety.messages import NO_TAG, RobotState
from safety.profile import LADDERS, Profile
from teleop.relay import Relay
from transport.io.hub import CONSOLE, FRAME_BYTES_MAX
from transport.link.age import EchoAge
from transport.wire.codec import encode

SESSION, BOOT = b"12345678", bytes(8)
HEAD = RobotState(17, "psm", BOOT, 1, SESSION, 1, 1, 3, 0, False, 0, (), NO_TAG)
BROKEN = forge.broken(forge.command(HEAD, seq=1))


@pytest.mark.parametrize("found", BROKEN, ids=[found.name for found in BROKEN])
def test_the_gate_names_what_is_broken(found):
    gate = Gate("psm", 1, EchoAge())
    keys = SessionKeys(bytes(32), bytes(32))
    gate.session = Session(SESSION, 1, keys, LADDERS[Profile.NATIVE], 1)
    assert gate.admit(found.data, 1).verdict.name.lower() == found.at_gate


@pytest.mark.parametrize("found", BROKEN, ids=[found.name for found in BROKEN])
def test_the_relay_names_what_it_can_see(found):
    relay = Relay(1, 1)
    relay.attach_console("console", "psm", 20_000_000, 60_000_000)
    relay.attach_robot("robot", "psm")
    state = encode(HEAD)
    relay.receive("robot", state, 0)
    verdict = relay.receive("console", found.data, 1).name.lower()
    if not found.at_relay.startswith("hub:"):
        assert verdict == (found.at_relay or "forwarded")
    elif found.at_relay == "hub:oversized":
        assert len(found.data) > FRAME_BYTES_MAX[CONSOLE]
        assert verdict == "oversized"


def test_arrays_in_arrays_in_a_state_are_a_refusal_and_not_the_end_of_the_relay():
    relay = Relay(1, 1)
    relay.attach_robot("robot", "psm")
    state = encode(HEAD)
    for depth in (10, 500, 1000, 1900):
        deep = b"\xdc\x00\x0d" + state[1:-18] + forge.nested(depth) + b"\xc0"
        assert relay.receive("robot", deep, 0).name in ("MALFORMED", "FORWARDED", "DUPLICATE")


def test_every_attack_has_its_claims():
    keys = {claim.key for claim in load_claims().claim if claim.part == "hostile"}
    for link in LINKS:
        for name in attacks.BY_NAME:
            assert f"ratios.{link}+{name}/{link}.p99" in keys
        for field in ("lost", "moved", "uncounted"):
            assert f"rows.{link}{ANY}.{field}" in keys
    assert len(keys) == len(LINKS) * (len(attacks.BY_NAME) + 3)


def test_an_attack_has_a_rate_and_an_end():
    start = time.monotonic()
    struck = list(attacks.paced(1000, start + 0.1))
    assert 0.1 <= time.monotonic() - start < 1.0
    assert struck == list(range(len(struck)))
    assert len(struck) <= 101
