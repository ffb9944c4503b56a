"""Talk beside the commands: keys that are revoked or rotated while it goes on."""

import time

import pytest

from tests.transport.conftest import World
from transport.io import keys
from transport.io.curve import Doorman
from transport.io.dialogue import Caller, Listener
from transport.io.keys import Keyring, Role

WORD = bytes([0x93, 1, 60, 0])


class Talk:
    """A listener with the relay's key, and a caller with a console's."""

    def __init__(self, world, limits=None):
        self.world = world
        self.keyring = Keyring.load(world.keys)
        self.heard, self.said, self.refused = [], [], []
        runtime = world.runtime
        doors = {"desk": frozenset({Role.CONSOLE})}
        self.doorman = Doorman(runtime.loop, runtime.context, self.keyring, doors, lambda _: None)
        self.listener = Listener(
            runtime,
            self.keyring,
            self.keyring.identity("relay"),
            "desk",
            "tcp://127.0.0.1:*",
            lambda _: None,
            lambda device, data: self.heard.append((device.name, data)),
            self.refused.append,
            limits=limits or {},
        )
        self.endpoint = self.listener.endpoint
        self.caller = Caller(
            runtime,
            self.keyring.identity("console"),
            self.keyring.server("relay"),
            self.endpoint,
            lambda: None,
            self.said.append,
        )

    def passes(self):
        """A word goes there, and one comes back."""
        self.heard.clear()
        self.said.clear()
        self.world.until(lambda: self.heard or (self.caller.send(WORD) and False))
        assert self.heard[0] == ("console", WORD)
        self.world.until(lambda: self.said or (self.listener.send("console", WORD) and False))

    def rotate(self, name):
        keys.rotate(self.world.keys, name, lambda *_: b"")
        assert self.keyring.refresh()

    def close(self):
        for thing in (self.caller, self.listener, self.doorman):
            thing.close()


@pytest.fixture
def talk(world: World):
    talk = Talk(world)
    talk.passes()
    yield talk
    talk.close()


def test_a_listener_takes_its_port_anew_with_another_key_and_callers_come_back(talk):
    talk.rotate("relay")
    talk.listener.rekey(talk.keyring.identity("relay"))
    talk.caller.rekey(talk.keyring.identity("console"), talk.keyring.server("relay"))
    talk.passes()
    assert talk.listener.endpoint == talk.endpoint


def test_who_has_the_old_key_in_mind_is_not_answered(talk):
    old = talk.keyring.server("relay")
    talk.rotate("relay")
    talk.listener.rekey(talk.keyring.identity("relay"))
    talk.caller.rekey(talk.keyring.identity("console"), talk.keyring.server("relay"))
    talk.passes()
    talk.caller.rekey(talk.keyring.identity("console"), old)
    talk.world.until(lambda: "handshake" in talk.refused)


def test_a_caller_goes_over_to_its_new_key_before_the_old_one_is_refused(talk):
    talk.rotate("console")
    talk.passes()
    talk.caller.rekey(talk.keyring.identity("console"), talk.keyring.server("relay"))
    assert keys.retire(talk.world.keys, "console") == 1
    assert talk.keyring.refresh()
    talk.passes()


def test_rekeying_with_the_same_key_disturbs_nothing(talk):
    talk.caller.rekey(talk.keyring.identity("console"), talk.keyring.server("relay"))
    assert talk.caller.send(WORD), "the connection is there still"


def test_a_revoked_caller_is_told_nothing_more_and_heard_no_more(talk):
    keys.revoke(talk.world.keys, "console")
    assert talk.keyring.refresh()
    talk.listener.forget_revoked()
    assert not talk.listener.send("console", WORD)
    talk.said.clear()
    talk.listener.broadcast(WORD)
    talk.caller.send(WORD)
    talk.world.until(lambda: "revoked" in talk.refused)
    assert talk.said == []


def test_who_is_here_stays_while_a_listener_proves_another_key(talk):
    lines = []
    talk.rotate("relay")
    talk.listener.rekey(talk.keyring.identity("relay"))
    for _ in range(50):
        talk.world.run_for(0.002)
        lines.append(talk.caller.send(WORD) and talk.listener.send("console", WORD))
    talk.caller.rekey(talk.keyring.identity("console"), talk.keyring.server("relay"))
    for _ in range(200):
        talk.world.run_for(0.002)
        lines.append(talk.caller.send(WORD) and talk.listener.send("console", WORD))
    assert all(lines), "neither is without the other for a moment"
    assert keys.retire(talk.world.keys, "relay") == 1
    assert talk.keyring.refresh()
    talk.listener.forget_revoked()
    assert talk.caller.send(WORD), "it has gone over"
    assert talk.listener.send("console", WORD)
    talk.passes()
    talk.listener.rekey(talk.keyring.identity("relay"))
    talk.passes()


def test_who_does_not_come_over_is_let_go_of_when_the_old_key_is_revoked(talk):
    talk.rotate("relay")
    talk.listener.rekey(talk.keyring.identity("relay"))
    talk.passes()
    assert keys.retire(talk.world.keys, "relay") == 1
    assert talk.keyring.refresh()
    talk.listener.forget_revoked()
    assert not talk.listener.send("console", WORD)
    talk.caller.rekey(talk.keyring.identity("console"), talk.keyring.server("relay"))
    talk.passes()


def test_rotation_after_rotation_at_one_port(talk):
    for _ in range(3):
        talk.rotate("relay")
        talk.listener.rekey(talk.keyring.identity("relay"))
        talk.caller.rekey(talk.keyring.identity("console"), talk.keyring.server("relay"))
        talk.passes()
    assert talk.listener.endpoint == talk.endpoint


def test_a_listener_that_is_closed_twice_lets_go(talk):
    talk.rotate("relay")
    talk.listener.rekey(talk.keyring.identity("relay"))
    talk.listener.close()
    talk.listener.close()


def flood(world, limits):
    """Say 60 words at once; return how many were heard, and how many refused for their rate."""
    talk = Talk(world, limits)
    try:
        talk.passes()
        world.until(lambda: not talk.heard or talk.heard.clear())
        before = talk.refused.count("rate")
        for _ in range(60):
            world.until(lambda: talk.caller.send(WORD))
        world.until(lambda: len(talk.heard) + talk.refused.count("rate") - before >= 60)
        return len(talk.heard), talk.refused.count("rate") - before
    finally:
        talk.close()


def test_a_device_may_have_a_limit_of_its_own(world: World):
    assert flood(world, {"console": (400, 100)}) == (60, 0)


def test_its_neighbour_has_not(world: World):
    heard, refused = flood(world, {"console2": (400, 100)})
    assert refused > 0
    assert heard < 60


def test_what_waits_is_taken_at_once_by_who_asks(talk):
    talk.heard.clear()
    talk.world.until(lambda: talk.caller.send(WORD))
    patience = 1000
    while not talk.heard and patience:
        time.sleep(0.005)  # the loop does not come round meanwhile
        talk.listener.poll()
        patience -= 1
    assert talk.heard == [("console", WORD)]
