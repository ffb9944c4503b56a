"""The pump: nothing that arrived stays unseen, nothing that cannot leave waits."""

import subprocess
import sys

import zmq

from transport.io.zmq import PARTS_MAX, Happened, Port, Tuning, bound_to, tune, watch

DEEP = Tuning(hwm=1000)
BURST = 300


def pair(world, on_server, on_client, tuning=DEEP, **more):
    """Make a ROUTER and a DEALER, connected; return both ports."""
    context, loop = world.runtime.context, world.runtime.loop
    router = tune(context.socket(zmq.ROUTER), tuning)
    router.bind("tcp://127.0.0.1:*")
    server = world.runtime.keep(Port(loop, router, on_server, **more))
    dealer = tune(context.socket(zmq.DEALER), tuning)
    dealer.connect(bound_to(router))
    client = world.runtime.keep(Port(loop, dealer, on_client))
    world.until(lambda: client.send(b"hello"))
    return server, client


def test_a_burst_both_ways_arrives_whole_though_edges_are_lost(world):
    heard, answered, route = [], [], []

    def on_server(frames):
        heard.append(frames[1].bytes)
        route[:] = [frames[0].bytes]

    server, client = pair(world, on_server, lambda frames: answered.append(frames[0].bytes))
    world.until(lambda: heard)
    heard.clear()
    sent = [b"%d" % number for number in range(BURST)]
    # Neither side looks for anything between its sends, each of which may swallow an edge.
    for data in sent:
        assert client.send(data)
        assert server.send_to(route[0], data)
    world.until(lambda: len(heard) == len(answered) == BURST)
    assert heard == answered == sent
    assert server.received == BURST + 1


def test_a_send_in_a_callback_does_not_hide_what_came_meanwhile(world):
    heard, answered, ports = [], [], []

    def on_server(frames):
        if ports:
            heard.append(1)
            ports[0].send_to(frames[0].bytes, b"answer")

    def on_client(frames):
        answered.append(1)
        if len(answered) < BURST:
            client.send(b"question")

    server, client = pair(world, on_server, on_client)
    ports.append(server)
    world.until(lambda: client.send(b"question"))
    world.until(lambda: len(answered) >= BURST)
    assert len(heard) >= BURST


def test_a_pass_is_bounded_and_says_once_that_it_is_over(world):
    heard, passes = [], []
    _, client = pair(
        world,
        lambda frames: heard.append(1),
        lambda frames: None,
        on_drained=lambda: passes.append(len(heard)),
        limit=16,
    )
    world.until(lambda: heard)
    heard.clear()
    passes.clear()
    for _ in range(100):
        assert client.send(b"x")
    world.until(lambda: len(heard) == 100)
    assert all(b - a <= 16 for a, b in zip([0, *passes], passes, strict=False))


def test_what_cannot_leave_is_dropped_and_counted(world):
    server, client = pair(world, lambda _: None, lambda _: None, Tuning(hwm=2))
    server.close()
    world.until(lambda: not client.send(b"x" * 1000))
    assert client.dropped


def test_nobody_there_is_not_an_error(world):
    routes = []
    server, client = pair(world, lambda f: routes.append(f[0].bytes), lambda _: None)
    world.until(lambda: routes)
    client.close()
    world.until(lambda: not server.send_to(routes[0], b"x"))
    assert not server.send_to(b"stranger", b"x")
    assert server.unreachable >= 2


def test_surplus_parts_are_refused(world):
    heard = []
    server, client = pair(world, lambda frames: heard.append(len(frames)), lambda _: None)
    world.until(lambda: heard)
    client.socket.send_multipart([b"part"] * (PARTS_MAX + 5))
    client.send(b"one")
    world.until(lambda: len(heard) == 2)
    assert heard == [2, 2]
    assert server.surplus == 1


def test_too_large_a_part_ends_its_connection_only(world):
    heard = []
    _, client = pair(world, lambda frames: heard.append(len(frames[1])), lambda _: None)
    events = []
    watcher = watch(world.runtime.loop, client.socket, events.append)
    world.until(lambda: heard)
    client.send(b"x" * 20_000)
    world.until(lambda: Happened.DISCONNECTED in events)
    world.until(lambda: client.send(b"again"))  # it came back by itself
    world.until(lambda: len(heard) == 2)
    assert heard == [5, 5]
    watcher.close()


def test_a_publisher_survives_its_subscribers(world):
    context, loop = world.runtime.context, world.runtime.loop
    path = f"ipc://{world.folder}/pub"
    publisher = tune(context.socket(zmq.PUB))
    publisher.bind(path)
    port = world.runtime.keep(Port(loop, publisher, lambda _: None))
    heard = []
    for _ in range(3):  # their coming and going wakes the publisher's descriptor
        subscriber = tune(context.socket(zmq.SUB))
        subscriber.subscribe(b"")
        subscriber.connect(path)
        reader = Port(loop, subscriber, lambda frames: heard.append(frames[0].bytes))
        before = len(heard)
        world.until(lambda before=before: port.send(b"state") and len(heard) > before)
        reader.close()
        reader.close()
    world.run_for(0.02)


def test_who_only_listens_hears_all_without_the_safety_tick(world, monkeypatch):
    context, loop = world.runtime.context, world.runtime.loop
    swept = []
    monkeypatch.setattr(loop, "sweep", swept.append)
    publisher = tune(context.socket(zmq.PUB), DEEP)
    publisher.bind(f"ipc://{world.folder}/pub")
    subscriber = tune(context.socket(zmq.SUB), DEEP)
    subscriber.subscribe(b"")
    subscriber.connect(f"ipc://{world.folder}/pub")
    said = world.runtime.keep(Port(loop, publisher, lambda _: None))
    heard = []
    ears = world.runtime.keep(Port(loop, subscriber, lambda f: heard.append(f[0].bytes), limit=7))
    world.until(lambda: said.send(b"") and heard)
    for number in range(BURST):
        assert said.send(b"%d" % number)
    world.until(lambda: heard[-1] == b"%d" % (BURST - 1))
    assert heard[-BURST:] == [b"%d" % number for number in range(BURST)]
    monitor = watch(loop, subscriber, lambda _: None)
    monitor.close()
    ears.close()
    assert not swept


def test_a_peer_that_floods_and_hangs_up_while_we_stall_does_not_end_us():
    # With ZMTP heartbeats, libzmq 4.3.5 aborts the process here, every time.
    program = (
        "import time, zmq\n"
        "from transport.io.zmq import RECEIVE_HWM, Tuning, bound_to, tune\n"
        "ours, theirs = zmq.Context(), zmq.Context()\n"
        "router = tune(ours.socket(zmq.ROUTER))\n"
        "router.bind('tcp://127.0.0.1:*')\n"
        "dealer = tune(theirs.socket(zmq.DEALER), Tuning(hwm=100_000))\n"
        "dealer.connect(bound_to(router))\n"
        "dealer.sndtimeo = 5000\n"
        "for _ in range(10 * RECEIVE_HWM): dealer.send(bytes(300))\n"
        "time.sleep(0.1)\n"
        "theirs.destroy(linger=0)\n"
        "time.sleep(0.3)\n"
        "router.recv(zmq.NOBLOCK)\n"
        "print('alive')\n"
        "ours.destroy(linger=0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
