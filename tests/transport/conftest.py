"""A small world on loopback: one loop, a relay's hub, links to it, all in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from transport.io import curve, doorway, keys
from transport.io import hub as hub_module
from transport.io.hub import Hub, HubSettings
from transport.io.keys import Keyring, Role
from transport.io.link import Link, LinkSettings, open_link
from transport.io.peer import Peer
from transport.io.process import ProcessSettings, Runtime
from transport.io.zmq import Port
from transport.wire.codec import Registry, encode
from transport.wire.messages import VOCABULARY, Attach, Attached

DEVICES = {
    "relay": Role.RELAY,
    "console": Role.CONSOLE,
    "console2": Role.CONSOLE,
    "script": Role.SCRIPT,
    "robot": Role.ROBOT,
    "observer": Role.OBSERVER,
}
PATIENCE_S = 10.0
#: Neither Attach nor Clock: the hub looks no deeper.
FRAME = bytes([0xDC, 0, 30, 1, 20]) + bytes(300)
ATTACH = encode(Attach(1, "arm", 20_000, 60_000, False))
ATTACH_DATAGRAMS = encode(Attach(1, "arm", 20_000, 60_000, True))


def numbered(number: int) -> bytes:
    """Make a frame that can be told from others."""
    return FRAME + number.to_bytes(4, "big")


class World:
    """What a story needs: start a relay, attach ends, wait until something is so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        for name, role in DEVICES.items():
            keys.new(self.keys, name, role)
        self.runtime = self.new_runtime("test")
        self.runtime.open_board(hub_module.COUNTERS, hub_module.GAUGES)
        self.frames: list[tuple[Peer, bytes]] = []
        self.arrived: list[Peer] = []
        self.gone: list[Peer] = []
        self.passes = 0
        self.forbid: str | None = None
        self.hub: Hub | None = None
        self.ends: list[Link] = []
        self._ports = ("*", "*", 0)

    def new_runtime(self, name: str) -> Runtime:
        return Runtime(ProcessSettings(name=name, run_dir=str(self.folder / "run")))

    def start_hub(self, datagrams: bool = True) -> Hub:
        console, robot, udp = self._ports
        settings = HubSettings(
            keys=str(self.keys),
            identity="relay",
            path=1,
            console=f"tcp://127.0.0.1:{console}",
            robot=f"tcp://127.0.0.1:{robot}",
            datagram=f"udp://127.0.0.1:{udp}" if datagrams else "",
        )
        self.hub = hub = Hub(
            self.runtime, settings, self._on_attach, self._on_frame, self.gone.append, self._pass
        )
        self._ports = (
            hub.console_endpoint.rpartition(":")[2],
            hub.robot_endpoint.rpartition(":")[2],
            hub.datagram_port,
        )
        return hub

    def stop_hub(self) -> None:
        assert self.hub is not None
        self.hub.close()
        self.hub = None

    def link(
        self, carrier: str, identity: str, robot: str = "arm", door: str | None = None
    ) -> Link:
        assert self.hub is not None
        robot_side = (door or identity) == "robot"
        endpoint = self.hub.robot_endpoint if robot_side else self.hub.console_endpoint
        settings = LinkSettings(
            module=f"transport.io.links.{carrier}",
            endpoint=endpoint,
            keys=str(self.keys),
            identity=identity,
            server="relay",
        )
        attach = Attach(1, robot, 20_000, 60_000, False)
        end = open_link(settings, attach, self.runtime, lambda: None)
        self.ends.append(end)
        return end

    def raw(self, identity: str, route: bytes | None = None) -> Raw:
        """Connect a client that keeps no rule of ours, with a routing id of its choice."""
        assert self.hub is not None
        keyring, endpoint = Keyring.load(self.keys), self.hub.console_endpoint
        socket = curve.client_socket(
            self.runtime.context,
            zmq.DEALER,
            keyring.identity(identity),
            keyring.server("relay"),
            endpoint,
        )
        if route is not None:
            socket.disconnect(endpoint)
            socket.routing_id = route
            socket.connect(endpoint)
        return Raw(self, socket)

    def boxes(self) -> Attached:
        """Attach raw as the console, asking for datagrams; return the relay's answer."""
        raw = self.raw("console")
        raw.say(ATTACH_DATAGRAMS)
        self.until(lambda: raw.answers)
        return Registry(VOCABULARY).expect(raw.answers[0], Attached)

    def attached(self, carrier: str, identity: str, robot: str = "arm") -> tuple[Link, Peer]:
        """Attach an end and return it with what the relay has of it."""
        before = len(self.arrived)
        end = self.link(carrier, identity, robot)
        self.until(lambda: end.attached and len(self.arrived) > before)
        return end, self.arrived[-1]

    def until(self, so: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Run the loop until `so()` is true."""
        ends_at = time.monotonic() + seconds
        loop = self.runtime.loop
        seen: list[object] = []

        def look() -> None:
            if seen:  # asked once more before the loop stands still
                return
            if so():
                seen.append(True)
            if seen or time.monotonic() > ends_at:
                loop.stop()

        ticks = loop.every(1_000_000, look)
        code = loop.run()
        ticks.close()
        assert code == 0, "a callback raised"
        assert seen, f"did not happen within {seconds} s"

    def run_for(self, seconds: float) -> None:
        """Run the loop for a while, to see that something does not happen."""
        ends_at = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= ends_at)

    def counted(self, name: str) -> int:
        board = self.runtime.board
        if name in hub_module.CAUSES:
            return board.counter(f'hub_refused_total{{cause="{name}"}}').value
        return board.counter(f"hub_{name}_total").value

    def close(self) -> None:
        for end in self.ends:
            end.close()
        if self.hub is not None:
            self.hub.close()
        self.runtime.close()

    def _on_attach(self, peer: Peer) -> str | None:
        if self.forbid is None:
            self.arrived.append(peer)
        return self.forbid

    def _on_frame(self, peer: Peer, data: bytes) -> None:
        self.frames.append((peer, data))

    def _pass(self) -> None:
        self.passes += 1


class Raw:
    """A client that speaks CURVE and says what it is told to say."""

    def __init__(self, world: World, socket: zmq.Socket[bytes]) -> None:
        self.world = world
        self.answers: list[bytes] = []
        runtime = world.runtime
        self.port = runtime.keep(
            Port(runtime.loop, socket, lambda frames: self.answers.append(frames[0].bytes))
        )

    def say(self, data: bytes) -> None:
        """Say it, as soon as there is a connection."""
        self.world.until(lambda: self.port.send(data))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # How soon libzmq's own thread runs here is nobody's to judge.
    monkeypatch.setattr(doorway, "LEAVE_NS", 10_000_000_000)
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def hub(world: World) -> Hub:
    return world.start_hub()
