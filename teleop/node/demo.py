"""Runs a whole node with a simulated robot, and a scripted hand that moves it.

The demo is `trocar up` with generated keys: its node.toml names another node, another place for
its keys, and the simulator as the robot's driver; all else is as in production. Every process
gets a clock of its own, days away from its neighbours', since two real machines never share one.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from teleop.node import child
from teleop.node.commission import commission, ensure
from teleop.node.config import load
from teleop.node.console import Hand, show
from teleop.node.errors import NodeError
from teleop.node.estop import files
from teleop.node.kernels import COMPILE, PATIENCE_S
from teleop.node.link import LinkError, link
from teleop.node.noded import Report, in_words
from teleop.node.processes import CONSOLE, Process
from teleop.node.rundir import Busy, keeper_of
from teleop.node.sections import NodeConfig
from teleop.node.signals import Signals
from teleop.node.slices import Wish, process_slice, rows
from teleop.node.whereabouts import DEMO
from transport.io import realtime
from transport.io.clock import Skew
from transport.io.keys import Role

NEWS_PATIENCE_S: Final = 20.0  # from one report to the next, until all is ready
POLL_S: Final = 0.05
HAND_PATIENCE_S: Final = 0.3  # of the two seconds that everything has to be gone in
NODE_PATIENCE_S: Final = 1.9
STARTS_MAX: Final = 10
REPORT_BYTES_MAX: Final = 1 << 20
DAY_NS: Final = 86_400_000_000_000
HAND: Final = "demo"
CONSOLES: Final = {
    HAND: Role.SCRIPT,
    "script": Role.SCRIPT,
    "console": Role.CONSOLE,
    "observer": Role.OBSERVER,
}
BUTTON: Final = "red-button"
_NODE_TOML: Final = """\
# The demo's node. What is not here has the default of a production node.toml.

[node]
name = "{name}"
state_dir = "."               # generated keys, the robot's store

[robot]
driver = "teleop.sim.simd"    # two simulated arms over something to grip
arms = 2
{estops}
[endoscope]                   # as much as two cores can spare
width = 640
height = 360
rate_hz = 15

[video]                       # what the page shows
camera = "transport.io.cameras.ring"
rate_hz = 15
"""
_BUTTON_TOML: Final = f"""
[estop.{BUTTON}]              # `trocar estop press`
module = "transport.io.buttons.file"
device = "{BUTTON}"
"""


class DemoError(NodeError):
    """The demo's node did not come up."""


def demo(folder: Path, wish: Wish, json_file: Path | None = None) -> int:
    """Run the demo until Ctrl-C, or for the seconds of motion wished; return the exit code.

    Raises
    ------
    NodeError : what keeps it from running
    """
    config, file = furnish(folder)
    seed = secrets.randbits(31)
    wish = wish._replace(device=HAND, yields=True, skew_seed=seed)
    with Signals() as signals, Node(file, seed) as node:
        if node.wait_until_ready(signals):
            _say(introduction(config, file, seed))
            _say(invitation(config))
            with Hand(config, wish) as hand:
                show(hand, config, signals, node.news)
                hand.finish(HAND_PATIENCE_S, json_file)
        return node.stop()


def furnish(folder: Path) -> tuple[NodeConfig, Path]:
    """Make the demo's node.toml, keys and store where they are missing.

    Raises
    ------
    Busy : it runs already
    ConfigError : somebody has changed its node.toml, for the worse
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "node.toml"
    if not file.exists():
        file.write_text(node_toml(wired=_is_in_time()))
    config = load(file)
    keeper = keeper_of(config.run_dir)
    if keeper is not None:
        raise Busy(f"the demo runs already (noded, pid {keeper.pid}); `trocar console` uses it")
    commission(config)
    for name, role in CONSOLES.items():
        ensure(config.keys_dir, name, role)
    return config, file


def node_toml(*, wired: bool) -> str:
    """Write the demo's node.toml, with an emergency stop or without."""
    estops = f'estops = ["{BUTTON}"]\n' if wired else ""
    return _NODE_TOML.format(name=DEMO, estops=estops) + (_BUTTON_TOML if wired else "")


def _is_in_time() -> bool:
    """Tell whether a token every 5 ms comes in time here: else it would stop for nothing."""
    return realtime.NO_FIFO not in realtime.explain()


def introduction(config: NodeConfig, file: Path, seed: int) -> list[str]:
    """Say where everything is, and how to connect a console of one's own."""
    relay, listen = config.relay, config.metrics.listen
    metrics = f"http://{listen}/metrics" if listen else "none"
    clocks = [clock_line(config, row, seed) for row in (*rows(config), CONSOLE)]
    return [
        "",
        "Every process has a clock of its own; nothing may lean on a shared one:",
        *clocks,
        "",
        f"consoles   {relay.console} (CURVE), {relay.datagram or 'no'} datagrams (sealed)",
        f"robots     {relay.robot} (CURVE)",
        f"driver     {config.run_dir}/driver-{config.robot.name}.sock (AF_UNIX, 0600)",
        f"authority  {config.session.listen} (CURVE)",
        f"metrics    {metrics}",
        f"keys       {config.keys_dir}",
        *_emergency(config),
        "",
        "Your own console, from another terminal; the demo's hand makes way for it:",
        "    trocar console --link zmq --script tremor --seconds 10 --json FILE",
        "A key for another device, and who has one already:",
        f"    trocar keys new my-console --role console --config {file}",
        f"    trocar keys list --config {file}",
        "",
        "Ctrl-C stops everything and leaves nothing running.",
        "",
    ]


def _emergency(config: NodeConfig) -> list[str]:
    found = files(config)
    if not found:
        return ["emergency  `trocar bedside estop`; no wired one: it wants real-time rights"]
    said = "trocar estop press {}, release, `trocar bedside reset`"
    return [f"emergency  {said.format(name)}" for name in found]


def invitation(config: NodeConfig) -> list[str]:
    """Say how to watch in a browser: a link of which the first to follow it is let in."""
    try:
        return [
            "Watch in a browser. The link lets one in, once, within ten minutes:",
            f"    {link(config, 'observer')}",
            "Another one: trocar link observer",
            "",
        ]
    except LinkError as error:
        return [f"no page: {error}", ""]


def clock_line(config: NodeConfig, row: Process, seed: int) -> str:
    """Say how far a process's clock is off, and how fast it drifts."""
    skew_seed = process_slice(config, row, seed).skew_seed
    assert skew_seed is not None
    skew = Skew.draw(skew_seed)
    days, ppm = skew.offset_ns / DAY_NS, skew.drift_ppb / 1000
    return f"    {row.name:<9} {days:+8.3f} days  {ppm:+7.1f} ppm"


class Node:
    """The demo's node: `trocar up` as a child, its reports in a file."""

    def __init__(self, file: Path, seed: int) -> None:
        self._log = file.with_name("node.log")
        self._log.unlink(missing_ok=True)
        self._read = 0
        self._arguments = ["up", "--config", str(file), "--json", "--skew-seed", str(seed)]
        self._starts = 0
        self._start()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_ready(self, signals: Signals) -> bool:
        """Show what starts, until all is ready; return False when told to stop before that.

        Raises
        ------
        DemoError : it ended, or is not ready in time
        """
        deadline_s = time.monotonic() + NEWS_PATIENCE_S
        while not signals.wait(POLL_S):
            ended = self._child.poll() is not None
            reports = self._reports()
            _say([f"  {in_words(report)}" for report in reports])
            if reports:
                compiles = reports[-1].what == COMPILE
                patience_s = PATIENCE_S if compiles else NEWS_PATIENCE_S
                deadline_s = time.monotonic() + patience_s
            if any((report.name, report.what) == ("node", "ready") for report in reports):
                return True
            if ended:
                raise DemoError("the node did not start; why stands above")
            if time.monotonic() > deadline_s:
                raise DemoError("the node does not get ready; what it said last stands above")
        return False

    def news(self) -> list[str]:
        """Return what the node has reported since; a keeper that died is followed by another."""
        lines = [in_words(report) for report in self._reports()]
        if self._child.poll() is not None and self._starts < STARTS_MAX:
            lines.append("noded has died; control goes on, and another one adopts it")
            self._start()
        return lines

    def stop(self) -> int:
        """Stop the node and return its exit code."""
        return child.stop(self._child, NODE_PATIENCE_S)

    def _start(self) -> None:
        self._starts += 1
        self._child = child.start(["-m", "teleop", *self._arguments], log=self._log)

    def _reports(self) -> list[Report]:
        """Take the whole lines that are new; what is not a report stands there for a person."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            lines = file.read(REPORT_BYTES_MAX).split(b"\n")[:-1]
        self._read += sum(len(line) + 1 for line in lines)
        return [_report(line) for line in lines]


def _report(line: bytes) -> Report:
    try:
        return msgspec.json.decode(line, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Report("node", "says", line.decode(errors="replace"))


def _say(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
