"""What is said to all: a rotated key costs no listener a word, a revoked one all of them."""

import pytest
import zmq

from tests.transport.conftest import World
from transport.io import curve, keys
from transport.io.curve import Doorman
from transport.io.keys import Keyring, Role
from transport.io.publisher import Publisher
from transport.io.zmq import Port

TOPIC = b"vital/icu/1"


class Hall:
    """A publisher with the relay's key, and consoles that listen."""

    def __init__(self, world):
        self.world = world
        self.keyring = Keyring.load(world.keys)
        runtime = world.runtime
        doors = {"hall": frozenset({Role.CONSOLE})}
        self.doorman = Doorman(runtime.loop, runtime.context, self.keyring, doors, lambda _: None)
        self.publisher = Publisher(
            runtime, self.keyring, self.keyring.identity("relay"), "hall", "tcp://127.0.0.1:*"
        )
        self.endpoint = self.publisher.endpoint
        self.said = 0
        self.listeners = []

    def listens(self, server_z85=None):
        """Somebody listens; what they hear is a list that grows."""
        heard = []
        runtime = self.world.runtime
        socket = curve.client_socket(
            runtime.context,
            zmq.SUB,
            self.keyring.identity("console"),
            server_z85 or self.keyring.server("relay"),
            self.endpoint,
        )
        socket.subscribe(TOPIC)
        port = Port(runtime.loop, socket, lambda frames: heard.append(int(frames[1].bytes)))
        self.listeners.append(port)
        return heard

    def says(self):
        self.said += 1
        self.publisher.send_to(TOPIC, str(self.said).encode())

    def heard_by(self, heard):
        """All is said until this one hears."""
        before = len(heard)
        self.world.until(lambda: len(heard) > before or self.says())

    def rotate(self):
        keys.rotate(self.world.keys, "relay", lambda *_: b"")
        assert self.keyring.refresh()
        self.publisher.rekey(self.keyring.identity("relay"))

    def retire(self):
        assert keys.retire(self.world.keys, "relay") == 1
        assert self.keyring.refresh()
        self.publisher.forget_revoked()

    def close(self):
        for thing in (*self.listeners, self.publisher, self.doorman):
            thing.close()


@pytest.fixture
def hall(world: World):
    hall = Hall(world)
    yield hall
    hall.close()


def has_no_gap(heard):
    return heard == list(range(heard[0], heard[0] + len(heard)))


def test_who_listens_goes_over_to_the_new_key_and_misses_nothing(hall):
    before = hall.listens()
    hall.heard_by(before)
    hall.rotate()
    for _ in range(20):
        hall.says()
        hall.world.run_for(0.002)
    after = hall.listens()
    hall.heard_by(after)
    for _ in range(20):
        hall.says()
        hall.world.run_for(0.002)
    hall.world.until(lambda: before[-1] == after[-1] == hall.said)
    assert has_no_gap(before)
    hall.retire()
    last = before[-1]
    hall.heard_by(after)
    hall.world.run_for(0.3)  # the older one would have come back by now
    hall.heard_by(after)
    assert has_no_gap(after)
    assert before[-1] == last, "whoever did not go over hears nothing more"
    assert hall.publisher.endpoint == hall.endpoint


def test_who_has_the_old_key_in_mind_is_not_answered_once_it_is_rotated(hall):
    old = hall.keyring.server("relay")
    hall.rotate()
    fooled, listens = hall.listens(old), hall.listens()
    for _ in range(3):
        hall.heard_by(listens)
    assert fooled == []


def test_rotation_after_rotation_at_one_port(hall):
    for _ in range(3):
        hall.rotate()
        hall.heard_by(hall.listens())


def test_a_publisher_that_is_closed_twice_lets_go(hall):
    hall.rotate()
    hall.publisher.close()
    hall.publisher.close()

    def is_free():
        """libzmq closes what it is told to a moment later."""
        identity = hall.keyring.identity("relay")
        try:
            Publisher(hall.world.runtime, hall.keyring, identity, "hall", hall.endpoint).close()
        except zmq.ZMQError:
            return False
        return True

    hall.world.until(is_free)
