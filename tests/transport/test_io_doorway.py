"""A port that is taken over: all who come reach the newest, and nobody else can take a share."""

import errno
import socket
import threading

import pytest
import zmq

from transport.io import doorway as doorway_module
from transport.io.doorway import Doorway


def listen(fd):
    made = socket.socket(fileno=fd)
    made.settimeout(0.5)
    return made


def arrivals(listener):
    found = 0
    listener.settimeout(0.05)
    while True:
        try:
            listener.accept()[0].close()
        except TimeoutError:
            return found
        found += 1


def come(doorway, count=20):
    host, _, port = doorway.endpoint.removeprefix("tcp://").rpartition(":")
    for _ in range(count):
        socket.create_connection((host, int(port)), 1.0).close()


def test_whoever_comes_reaches_the_newest():
    doorway = Doorway("tcp://127.0.0.1:*")
    first = listen(doorway.open())
    endpoint = doorway.endpoint
    come(doorway)
    assert arrivals(first) == 20
    second = listen(doorway.open())
    assert doorway.endpoint == endpoint
    come(doorway)
    assert (arrivals(first), arrivals(second)) == (0, 20)
    first.close()
    doorway.settle()
    come(doorway)
    assert arrivals(second) == 20
    third = listen(doorway.open())
    come(doorway)
    assert (arrivals(second), arrivals(third)) == (0, 20)
    for each in (second, third, doorway):
        each.close()


def test_a_third_waits_until_the_first_has_really_left(monkeypatch):
    """libzmq closes what it is told to a moment later, in a thread of its own."""
    doorway = Doorway("tcp://127.0.0.1:*")
    first = listen(doorway.open())
    second = listen(doorway.open())
    doorway.settle()
    with pytest.raises(zmq.ZMQError) as caught:
        doorway.open()
    assert caught.value.errno == errno.EBUSY
    come(doorway)
    assert arrivals(second) == 20, "and nothing has changed"
    monkeypatch.setattr(doorway_module, "LEAVE_NS", 10**10)
    leaves = threading.Timer(0.002, first.close)
    leaves.start()
    third = listen(doorway.open())
    leaves.join()
    come(doorway)
    assert (arrivals(second), arrivals(third)) == (0, 20)
    for each in (second, third, doorway):
        each.close()


@pytest.mark.parametrize("settled", [False, True])
def test_nobody_else_binds_the_port(settled):
    doorway = Doorway("tcp://127.0.0.1:*")
    first = listen(doorway.open())
    if settled:
        second = listen(doorway.open())
        first.close()
        doorway.settle()
        first = second
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, not settled)
        with pytest.raises(OSError, match="in use"):
            stranger.bind(first.getsockname())
    with pytest.raises(zmq.ZMQError) as caught:
        Doorway(doorway.endpoint).open()
    assert caught.value.errno == zmq.EADDRINUSE
    first.close()
    doorway.close()
    doorway.close()


def test_a_host_that_is_unknown_cannot_be_bound():
    with pytest.raises(zmq.ZMQError):
        Doorway("tcp://no.such.host.invalid:7411").open()


def test_any_address_is_a_star():
    doorway = Doorway("tcp://*:*")
    listener = listen(doorway.open())
    assert doorway.endpoint.startswith("tcp://0.0.0.0:")
    listener.close()
    doorway.close()
