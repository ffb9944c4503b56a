"""Messages between two processes of one machine."""

import socket
import stat

import pytest

from transport.io.seqpacket import MESSAGE_BYTES_MAX, SeqpacketClient, SeqpacketServer


class Ends:
    """A server and clients at one path."""

    def __init__(self, world):
        self.world = world
        self.path = world.folder / "driver.sock"
        self.asked, self.answered, self.story = [], [], []
        self.server = None

    def serve(self, **options):
        self.server = SeqpacketServer(
            self.world.runtime.loop,
            self.path,
            self.asked.append,
            lambda: self.story.append("drained"),
            lambda: self.story.append("came"),
            lambda: self.story.append("went"),
            **options,
        )
        return self.world.runtime.keep(self.server)

    def client(self):
        client = SeqpacketClient(self.world.runtime.loop, self.path, self.answered.append)
        return self.world.runtime.keep(client)

    def raw(self):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made.settimeout(5)
        made.connect(str(self.path))
        return made


@pytest.fixture
def ends(world):
    return Ends(world)


def test_messages_keep_their_bounds_both_ways(ends):
    server, client = ends.serve(), ends.client()
    assert not server.send(b"nobody there")
    ends.world.until(lambda: client.channel and server.channel)
    assert client.send(b"first")
    assert client.send(b"second")
    ends.world.until(lambda: len(ends.asked) == 2)
    assert ends.asked == [b"first", b"second"]
    assert server.send(b"answer")
    ends.world.until(lambda: ends.answered)
    assert ends.answered == [b"answer"]
    assert ends.story[:2] == ["came", "drained"]
    assert stat.S_IMODE(ends.path.stat().st_mode) == 0o600


def test_what_waits_can_be_taken_without_the_loop(ends):
    server = ends.serve()
    client = ends.raw()
    ends.world.until(lambda: server.channel)
    client.send(b"measure")
    server.poll()
    assert ends.asked == [b"measure"]
    client.close()


def test_a_second_client_is_refused_while_the_first_lives(ends):
    server = ends.serve()
    first = ends.raw()
    ends.world.until(lambda: server.channel)
    second = ends.raw()
    ends.world.until(lambda: server.refused)
    assert second.recv(10) == b""
    assert server.send(b"to the first")
    assert first.recv(100) == b"to the first"
    first.close()
    ends.world.until(lambda: "went" in ends.story)
    third = ends.raw()
    ends.world.until(lambda: server.channel)
    assert server.refused == 1
    second.close()
    third.close()


def test_a_client_comes_back_when_the_server_does(ends):
    client = ends.client()
    ends.world.run_for(0.05)  # nobody listens yet
    server = ends.serve()
    ends.world.until(lambda: client.send(b"1"))
    ends.world.until(lambda: ends.asked)
    server.close()
    server.close()
    ends.world.until(lambda: client.channel is None)
    assert not ends.path.exists()
    ends.serve()
    ends.world.until(lambda: client.send(b"2") and len(ends.asked) > 1)
    assert ends.asked[:2] == [b"1", b"2"]


def test_a_driver_that_stops_reading_cannot_build_a_queue(ends):
    server = ends.serve()
    driver = ends.raw()
    ends.world.until(lambda: server.channel)
    sent = 0
    while server.send(b"setpoint %04d" % sent + bytes(150)):
        sent += 1
        assert sent < 30  # at 1 kHz: milliseconds of motion, not half a second of it
    assert server.channel.dropped == 1
    assert driver.recv(1000).startswith(b"setpoint 0000")
    assert server.send(b"there is room again")
    driver.close()


def test_too_long_a_message_is_refused_and_the_next_one_taken(ends):
    server = ends.serve()
    driver = ends.raw()
    ends.world.until(lambda: server.channel)
    driver.send(bytes(MESSAGE_BYTES_MAX + 1))
    driver.send(b"ok")
    ends.world.until(lambda: ends.asked)
    assert ends.asked == [b"ok"]
    assert server.channel.oversized == 1
    driver.close()


def test_a_stale_socket_file_of_a_killed_server_is_no_obstacle(ends):
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    dead.bind(str(ends.path))
    dead.close()
    server = ends.serve()
    driver = ends.raw()
    ends.world.until(lambda: server.channel)
    driver.close()


def test_where_the_newest_is_heard_a_hung_client_is_in_nobodys_way(ends):
    server = ends.serve(newest=True)
    hung = ends.raw()
    ends.world.until(lambda: server.channel)
    hung.send(b"its last word")
    second = ends.raw()
    second.send(b"stop")
    ends.world.until(lambda: len(ends.asked) == 2)
    assert ends.asked == [b"its last word", b"stop"]
    assert hung.recv(10) == b""
    assert server.send(b"stopped")
    assert second.recv(10) == b"stopped"
    assert server.refused == 0
    assert ends.story.count("went") == 1
    hung.close()
    second.close()


def test_every_refusal_is_told_by_its_name(ends):
    told = []
    server = ends.serve(on_refused=told.append)
    first = ends.raw()
    ends.world.until(lambda: server.channel)
    first.send(bytes(MESSAGE_BYTES_MAX + 1))
    second = ends.raw()
    ends.world.until(lambda: len(told) == 2)
    assert sorted(told) == ["oversized", "second"]
    first.close()
    second.close()
