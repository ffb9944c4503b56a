"""Every peer really carries our frames, both ways, through a relay process of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.children import spawn, stop
from bench.peers import certificates
from bench.ports import free_ports
from bench.readings import is_ready
from bench.variants import CONSOLE, RELAY, ROBOT, VARIANTS, Place, Variant, has_zenoh
from transport.io import keys
from transport.io.keys import Role
from transport.io.link import Link, open_link
from transport.io.process import ProcessSettings, Runtime
from transport.wire.messages import Attach

PEERS = [variant for variant in VARIANTS if not variant.ours]
ATTACH = Attach(kind=1, robot="arm", hold_us=20_000, max_loop_us=60_000, datagrams=False)
MS = 1_000_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    directory = tmp_path_factory.mktemp("bench")
    for name, role in ((CONSOLE, Role.SCRIPT), (ROBOT, Role.ROBOT), (RELAY, Role.RELAY)):
        keys.new(directory, name, role)
    certificates.make(directory)
    return Place(directory, 0, 0)


class Ends:
    """Both ends of one peer in one loop: what the console says, the robot answers."""

    def __init__(self, variant: Variant, place: Place, run_dir: Path) -> None:
        self.runtime = Runtime(ProcessSettings(name="ends", run_dir=str(run_dir)))
        wiring = variant.wire(place)
        self.heard: list[bytes] = []
        self.answered: list[bytes] = []
        self.robot: Link = open_link(wiring.robot, ATTACH, self.runtime, self._robot_ready)
        self.console: Link = open_link(wiring.console, ATTACH, self.runtime, self._console_ready)
        self.runtime.keep(self.robot)
        self.runtime.keep(self.console)
        self.ticks = self.runtime.loop.every(5 * MS, self._tick)
        self.left = 400

    def _robot_ready(self) -> None:
        for frame in self.robot.receive():
            self.heard.append(frame)
            self.robot.send(b"state " + frame)

    def _console_ready(self) -> None:
        self.answered += self.console.receive()
        if self.answered:
            self.runtime.stop()

    def _tick(self) -> None:
        self.console.send(b"command %d" % self.left + bytes(300))
        self.left -= 1
        if not self.left:
            self.runtime.stop(1)


@pytest.fixture
def relay(
    request: pytest.FixtureRequest, place: Place, tmp_path: Path
) -> Iterator[tuple[Variant, Place]]:
    variant: Variant = request.param
    if variant.needs and not has_zenoh():
        pytest.skip("eclipse-zenoh is not installed")
    console_port, robot_port = free_ports(2)
    place = place._replace(console_port=console_port, robot_port=robot_port)
    process = ProcessSettings(name="relayd", run_dir=str(tmp_path))
    settings = {"process": msgspec.to_builtins(process), **variant.wire(place).relay}
    path = tmp_path / "relayd.json"
    path.write_bytes(msgspec.json.encode(settings))
    child: subprocess.Popen[bytes] = spawn(["-m", variant.module, str(path)])
    while not is_ready(tmp_path, "relayd") and child.poll() is None:
        time.sleep(0.01)
    yield variant, place
    stop([child])
    # How fast a peer's library closes is not ours to promise; that nothing stays behind is.
    assert child.returncode is not None


@pytest.mark.parametrize("relay", PEERS, indirect=True, ids=[peer.name for peer in PEERS])
def test_a_peer_carries_frames_both_ways(relay: tuple[Variant, Place], tmp_path: Path) -> None:
    variant, place = relay
    ends = Ends(variant, place, tmp_path)
    try:
        assert ends.runtime.loop.run() == 0
    finally:
        ends.ticks.close()
        ends.runtime.close()
    assert ends.heard[0].startswith(b"command ")
    assert ends.answered[0] == b"state " + ends.heard[0]
    assert ends.console.stats.received == len(ends.answered)
    assert ends.console.stats.sent > 0
