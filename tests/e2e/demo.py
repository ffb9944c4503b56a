"""A demo in a folder of its own: its ports and its name are nobody else's."""

import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

from teleop.node.config import load
from teleop.node.sections import NodeConfig

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # two busy cores leave little beside the real-time processes of a demo


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Demo:
    """A demo in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        console, robot, session, guard, metrics, pages = free_ports(6)
        (folder / "node.toml").write_text(
            f"[node]\nname = 'demo-{console}'\nstate_dir = '.'\n"
            f"[relay]\nconsole = 'tcp://127.0.0.1:{console}'\n"
            f"datagram = 'udp://127.0.0.1:{console}'\nrobot = 'tcp://127.0.0.1:{robot}'\n"
            f"[session]\nlisten = 'tcp://127.0.0.1:{session}'\n"
            f"[robot]\nguard = 'tcp://127.0.0.1:{guard}'\ndriver = 'teleop.sim.simd'\n"
            f"[metrics]\nlisten = '127.0.0.1:{metrics}'\n"
            f"[web]\nlisten = '127.0.0.1:{pages}'\n"
        )
        self.config: NodeConfig = load(folder / "node.toml")
        self.popen: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "teleop", "demo", "--dir", str(self.folder), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self.popen

    def read_until(self, word: str) -> str:
        """Read the demo's lines until one has this word."""
        assert self.popen is not None
        assert self.popen.stdout is not None
        said = ""
        for line in self.popen.stdout:
            said += line
            if word in line:
                return said
        raise AssertionError(f"no {word!r} in: {said}")

    def pids(self) -> dict[str, int]:
        records = json.loads((self.config.run_dir / "processes.json").read_bytes())
        return {name: record["pid"] for name, record in records.items()}

    def keeper(self) -> int:
        lock = json.loads((self.config.run_dir / "noded.lock").read_bytes())
        return int(lock["pid"])

    def close(self) -> None:
        if self.popen is None:
            return
        if self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait(PATIENCE_S)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
