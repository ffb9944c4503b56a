"""Who is let in at a CURVE door."""

import pytest
import zmq

from transport.io import curve, keys
from transport.io.keys import Keyring, Role
from transport.io.zmq import Happened, Port, bound_to, tune, watch

DOORS = {"yard": frozenset({Role.ROBOT})}


class Door:
    """A guarded ROUTER and whoever knocks."""

    def __init__(self, world, domain="yard"):
        self.world = world
        self.verdicts, self.senders, self.events = [], [], []
        self.keyring = Keyring.load(world.keys)
        runtime = world.runtime
        runtime.keep(
            curve.Doorman(runtime.loop, runtime.context, self.keyring, DOORS, self.verdicts.append)
        )
        self.socket = curve.server_socket(
            runtime.context,
            zmq.ROUTER,
            self.keyring.identity("relay"),
            domain,
            "tcp://127.0.0.1:*",
        )
        self.port = runtime.keep(Port(runtime.loop, self.socket, self._frames))

    def knock(self, identity, server="relay"):
        keyring = self.keyring
        return self.enter(
            curve.client_socket(
                self.world.runtime.context,
                zmq.DEALER,
                keyring.identity(identity),
                keyring.server(server),
                bound_to(self.socket),
            )
        )

    def enter(self, socket):
        runtime = self.world.runtime
        runtime.keep(watch(runtime.loop, socket, self.events.append))
        port = runtime.keep(Port(runtime.loop, socket, lambda _: None))
        self.world.until(lambda: self.events)
        return port

    def _frames(self, frames):
        self.senders.append(curve.sender(frames[1]))


def test_a_device_of_the_right_role_is_let_in_and_every_frame_proves_it(world):
    door = Door(world)
    client = door.knock("robot")
    assert door.events[0] is Happened.SUCCEEDED
    world.until(lambda: client.send(b"frame"))
    world.until(lambda: door.senders)
    assert door.senders == [door.keyring.named("robot").public_z85]
    assert door.verdicts == ["admitted"]


@pytest.mark.parametrize("role", ["console", "script", "observer", "relay"])
def test_a_wrong_role_is_refused_at_the_handshake(world, role):
    door = Door(world)
    door.knock(role)
    assert door.events[0] is Happened.FAILED_AUTH
    assert door.verdicts == ["wrong_role"]


def test_unknown_and_revoked_keys_are_refused(world):
    door = Door(world)
    identity = door.keyring.identity("robot")
    keys.revoke(world.keys, "robot")
    door.keyring.refresh()
    door.enter(
        curve.client_socket(
            world.runtime.context,
            zmq.DEALER,
            identity,
            door.keyring.server("relay"),
            bound_to(door.socket),
        )
    )
    assert door.events[0] is Happened.FAILED_AUTH
    assert door.verdicts == ["unknown_key"]


def test_a_door_without_a_row_lets_nobody_in(world):
    door = Door(world, "cellar")
    door.knock("robot")
    assert door.events[0] is Happened.FAILED_AUTH
    assert door.verdicts == ["unknown_domain"]


def test_a_server_that_cannot_prove_itself_gets_nothing(world):
    door = Door(world)
    keyring, runtime = door.keyring, world.runtime
    socket = curve.client_socket(
        runtime.context,
        zmq.DEALER,
        keyring.identity("robot"),
        keyring.server("console"),  # we expect another server than the one that answers
        bound_to(door.socket),
    )
    port = runtime.keep(Port(runtime.loop, socket, lambda _: None))
    world.run_for(0.1)
    assert not port.send(b"secret")
    assert not door.verdicts
    assert not door.senders


def test_without_curve_nobody_gets_in(world):
    door = Door(world)
    socket = tune(world.runtime.context.socket(zmq.DEALER))
    socket.connect(bound_to(door.socket))
    port = world.runtime.keep(Port(world.runtime.loop, socket, lambda _: None))
    world.run_for(0.1)
    port.send(b"frame")
    world.run_for(0.05)
    assert not door.senders
