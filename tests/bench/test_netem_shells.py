"""The sockets and devices that apply a network: what goes through, what they say, what stays."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from bench import readings
from bench.children import spawn, stop
from bench.netem import namespace, passage
from bench.netem.channel import Fate
from bench.netem.passage import Passage, ShellSettings
from bench.netem.profile import BY_NAME, Delay, Impairment, Profile
from bench.netem.proxyd import ProxydSettings
from bench.netem.trace import DOWN, FIELDS, UP, Crossing
from bench.netem.tund import CONSOLE_ADDRESS, NODE_ADDRESS, TundSettings
from bench.ports import free_ports
from safety.profile import MS
from transport.io.process import ProcessSettings

WAIT_S = 10.0


# The passage, in virtual time --------------------------------------------------------------------


class Bench:
    """A passage with a clock, an alarm and a ring that can be looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **impairment: object) -> None:
        self.now_ns = 100
        self.alarm_ns: int | None = None
        self.out: list[tuple[int, int, bytes]] = []
        self.records: list[Crossing] = []
        row = Profile("row", "", up=Impairment(**impairment))
        monkeypatch.setitem(BY_NAME, "row", row)
        flight = SimpleNamespace(append=lambda *values: self.records.append(Crossing(*values)))
        alarm = SimpleNamespace(set=lambda at_ns: setattr(self, "alarm_ns", at_ns))
        runtime = SimpleNamespace(
            clock=SimpleNamespace(now_ns=lambda: self.now_ns),
            loop=SimpleNamespace(alarm=lambda _: alarm),
            flight=lambda name, fields, capacity: flight,
            keep=lambda thing: thing,
        )
        settings = ShellSettings(
            process=ProcessSettings(name="network", run_dir=""), profile="row", seed=1
        )
        self.passage = Passage(
            runtime,
            settings,
            lambda data: self.out.append((UP, self.now_ns, data)),
            lambda data: self.out.append((DOWN, self.now_ns, data)),
        )

    def run(self, until_ns: int) -> None:
        while self.alarm_ns is not None and self.alarm_ns <= until_ns:
            self.now_ns = self.alarm_ns
            self.passage.release()
        self.now_ns = until_ns


def test_what_is_due_at_once_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.passage.enter(UP, b"command")
    bench.passage.enter(DOWN, b"state")
    assert bench.out == [(UP, 100, b"command"), (DOWN, 100, b"state")]
    assert bench.alarm_ns is None
    assert [c.packet for c in bench.records] == [1, 2]


def test_a_packet_leaves_at_its_time_and_is_recorded_then(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, delay=Delay(5 * MS), copied=1.0, copied_ns=MS)
    bench.passage.enter(UP, b"a")
    assert bench.alarm_ns == 100 + 5 * MS
    bench.run(4 * MS)
    assert bench.out == bench.records == []
    bench.run(10 * MS)
    assert bench.out == [(UP, 100 + 5 * MS, b"a"), (UP, 100 + 6 * MS, b"a")]
    due_ns = 100 + 5 * MS
    assert bench.records[0] == Crossing(100, 1, UP, Fate.CARRIED, due_ns, due_ns, 1)
    assert bench.records[1].packet == 1


def test_more_than_it_keeps_is_lost_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "UNDER_WAY_MAX", 3)
    bench = Bench(monkeypatch, delay=Delay(5 * MS))
    for _ in range(5):
        bench.passage.enter(UP, b"")
    assert [(c.packet, c.fate) for c in bench.records] == [(4, Fate.FULL), (5, Fate.FULL)]
    bench.run(10 * MS)
    bench.passage.enter(UP, b"")
    assert len(bench.records) == 5


def test_what_is_under_way_at_the_end_is_said_and_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, delay=Delay(5 * MS))
    bench.passage.enter(UP, b"abc")
    bench.passage.close()
    assert bench.records == [Crossing(100, 1, UP, Fate.UNDER_WAY, 0, 0, 3)]
    assert bench.out == []


# The proxy ---------------------------------------------------------------------------------------


class Shell:
    """A shell as its own process."""

    def __init__(self, run_dir: Path, module: str, settings: object) -> None:
        self.run_dir = run_dir
        file, self.log = run_dir / "network.json", run_dir / "network.log"
        file.write_bytes(msgspec.json.encode(settings))
        self.child = spawn(["-m", module, str(file)], output=self.log)

    def wait(self, so: Callable[[], object]) -> None:
        give_up = time.monotonic() + WAIT_S
        while not so():
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.005)

    def ready(self) -> Shell:
        self.wait(
            lambda: readings.is_ready(self.run_dir, "network") or self.child.poll() is not None
        )
        assert self.child.poll() is None, self.log.read_text()
        return self

    def crossings(self) -> list[Crossing]:
        lines = readings.flight(self.run_dir, "network", "packet")
        return [Crossing(**line) for line in lines]


def process(run_dir: Path) -> ProcessSettings:
    return ProcessSettings(name="network", run_dir=str(run_dir))


def proxy(run_dir: Path, name: str, port: int) -> Shell:
    return Shell(
        run_dir,
        "bench.netem.proxyd",
        ProxydSettings(
            process=process(run_dir),
            profile=name,
            seed=1,
            listen="127.0.0.2",
            relay="127.0.0.1",
            port=port,
        ),
    )


@contextlib.contextmanager
def ends(port: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A console and a relay at their addresses."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as console,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay,
    ):
        relay.bind(("127.0.0.1", port))
        console.connect(("127.0.0.2", port))
        for end in (console, relay):
            end.settimeout(WAIT_S)
        yield console, relay


def test_the_proxy_carries_both_ways_and_records_each_packet(tmp_path: Path) -> None:
    [port] = free_ports(1)
    shell = proxy(tmp_path, "dup", port)
    try:
        shell.ready()
        with ends(port) as (console, relay):
            sent = [b"%03d" % number for number in range(60)]
            for data in sent:
                console.send(data)
            got: list[bytes] = []
            peer = ("", 0)
            while set(got) < set(sent):
                data, peer = relay.recvfrom(64)
                got.append(data)
            relay.sendto(b"state", peer)
            assert console.recv(64) == b"state"
            shell.wait(lambda: any(c.up == DOWN for c in shell.crossings()))
    finally:
        stop([shell.child])
    assert shell.child.returncode == 0
    crossings = shell.crossings()
    up = [c for c in crossings if c.up == UP]
    came = [c for c in up if c.fate == Fate.CARRIED]
    assert len({c.packet for c in came}) == 60
    assert len(up) > 60  # one in ten is copied; a copy may still have been under way at the end
    assert 60 <= len(got) <= len(came)
    assert next(c.bytes for c in crossings if c.up == DOWN) == 5
    assert all(c.t_in_ns <= c.t_due_ns <= c.t_out_ns for c in came)
    assert tuple(Crossing._fields) == FIELDS


def test_a_datagram_for_nobody_ends_nothing(tmp_path: Path) -> None:
    [port] = free_ports(1)
    shell = proxy(tmp_path, "clean", port)
    try:
        shell.ready()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as console:
            console.connect(("127.0.0.2", port))
            for _ in range(5):
                console.send(b"is there anybody?")
                time.sleep(0.01)
        shell.wait(lambda: len(shell.crossings()) == 5)
        assert shell.child.poll() is None
    finally:
        stop([shell.child])


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.bind(("127.0.0.2", 0))
        port = thief.getsockname()[1]
        shell = proxy(tmp_path, "clean", port)
        assert shell.child.wait(WAIT_S) == 1
    assert f"proxyd: UDP port {port} at 127.0.0.2: Address already in use" in shell.log.read_text()


# The two namespaces ------------------------------------------------------------------------------

LACK = namespace.missing()
needs_tun = pytest.mark.skipif(bool(LACK), reason=LACK)

SERVER = f"""
import socket
s = socket.create_server(("{NODE_ADDRESS}", 4000)); print("up", flush=True)
c, peer = s.accept(); print(peer[0], flush=True); c.sendall(c.recv(99)[::-1]); c.close()
"""
CLIENT = f"""
import socket
c = socket.create_connection(("{NODE_ADDRESS}", 4000), 9); c.sendall(b"through"); print(c.recv(99))
"""


def tun(run_dir: Path, name: str) -> Shell:
    settings = TundSettings(process=process(run_dir), profile=name, seed=1)
    return Shell(run_dir, "bench.netem.tund", settings)


def inside(shell: Shell, side: str, code: str, log: Path) -> subprocess.Popen[bytes]:
    """Run code in one of the shell's namespaces."""
    at = f"/proc/{shell.child.pid}/fd/{readings.gauge(shell.run_dir, 'network', side)}"
    enter = f"import os; from bench.netem import namespace; namespace.enter(os.open({at!r}, 0))\n"
    return spawn(["-c", enter + code], output=log)


@needs_tun
def test_tcp_goes_through_between_networks_that_vanish_with_their_shell(tmp_path: Path) -> None:
    before = socket.if_nameindex()
    shell = tun(tmp_path, "jitter10").ready()
    server = inside(shell, "node_ns", SERVER, tmp_path / "server")
    client = None
    try:
        shell.wait(lambda: "up" in (tmp_path / "server").read_text())
        client = inside(shell, "console_ns", CLIENT, tmp_path / "client")
        assert client.wait(WAIT_S) == server.wait(WAIT_S) == 0, (tmp_path / "client").read_text()
        assert socket.if_nameindex() == before  # the devices are in namespaces of their own
        shell.child.send_signal(signal.SIGKILL)
        shell.child.wait()
    finally:
        stop([c for c in (client, server, shell.child) if c is not None])
    assert (tmp_path / "client").read_text() == "b'hguorht'\n"
    assert (tmp_path / "server").read_text().splitlines()[1] == CONSOLE_ADDRESS
    assert socket.if_nameindex() == before
    assert not any(Path("/run/netns").glob("*trocar*"))
    # What it recorded outlives it. The words were answered, so they had come through; what comes
    # after them may still have been under way.
    came = [c.bytes for c in shell.crossings() if (c.up, c.fate) == (UP, Fate.CARRIED)]
    headers = 52  # of IP and TCP with a time stamp
    assert headers + len("through") in came


@needs_tun
def test_a_namespace_that_is_gone_cannot_be_entered() -> None:
    assert namespace.missing() == ""
    with open("/dev/null") as nothing, pytest.raises(namespace.NamespaceFault, match="entering"):
        namespace.enter(nothing.fileno())


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(namespace, "TUN_DEVICE", str(tmp_path / "tun"))
    assert namespace.missing() == f"there is no {tmp_path}/tun"
    (tmp_path / "tun").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert namespace.missing() == f"this user may not open {tmp_path}/tun"
    monkeypatch.undo()
    monkeypatch.setattr(namespace, "TUN_DEVICE", str(tmp_path / "tun"))
    monkeypatch.setattr(namespace, "_try", lambda: errno.EPERM)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "not root" in namespace.missing()
    assert "not permitted: Operation not permitted" in namespace.missing()
