"""Names what this machine and this node lack, and what each lack costs.

Green is as it should be; amber works, worse, and says how much; red does not work.
A new check is one function, and one row of `CHECKS`.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console as Terminal
from rich.markup import escape
from rich.table import Table

from safety.watched import RELAXED
from teleop.node.commission import lacking
from teleop.node.config import load
from teleop.node.errors import NodeError
from teleop.node.processes import PROCESSES
from teleop.node.rundir import keeper_of
from teleop.node.sections import NodeConfig
from teleop.node.up import taken_ports
from transport.io import realtime

CORES_GOOD: Final = 4
DESCRIPTORS_GOOD: Final = 1024
SHM: Final = Path("/dev/shm")
SHM_BYTES_GOOD: Final = 64 << 20
CLOCK_SOURCE: Final = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
#: Read without a system call; the others cost a microsecond and more for each of many readings.
GOOD_CLOCKS: Final = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter")
GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


class Verdict(StrEnum):
    """The order is that of severity."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class Finding(NamedTuple):
    """One thing that was looked at.

    Parameters
    ----------
    what : short name
    verdict : green, amber or red
    found : what is so
    cost : what that does, "" when green
    remedy : what a person can do about it, "" when green
    """

    what: str
    verdict: Verdict
    found: str
    cost: str = ""
    remedy: str = ""


def check(file: Path) -> list[Finding]:
    """Look at the machine, and at the node that `file` describes."""
    findings = [finding for look in CHECKS for finding in look()]
    try:
        config = load(file)
    except NodeError as error:
        missing = not file.exists()
        verdict = Verdict.AMBER if missing else Verdict.RED
        cost = "keys and ports were not looked at"
        return [*findings, Finding("node.toml", verdict, str(error), cost, "name it by --config")]
    return [
        *findings,
        Finding("node.toml", Verdict.GREEN, f"{file}: node {config.node.name!r}"),
        *_keys(config),
        *_watchdog(config),
        *_ports(config),
    ]


def worst(findings: Iterable[Finding]) -> Verdict:
    """Return the severest verdict."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.GREEN)


def print_findings(findings: Iterable[Finding]) -> None:
    """Print a line for each, and what it costs below it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    colours = {Verdict.GREEN: "green", Verdict.AMBER: "yellow", Verdict.RED: "bold red"}
    for finding in findings:
        colour = colours[finding.verdict]
        table.add_row(f"[{colour}]{finding.verdict}[/]", finding.what, escape(finding.found))
        for word, text in (("costs", finding.cost), ("mend", finding.remedy)):
            if text:
                table.add_row("", f"  [dim]{word}[/]", escape(text))
    Terminal(highlight=False, soft_wrap=True).print(table)


# The machine


def _rights() -> list[Finding]:
    """Real-time rights, as a process of ours would ask for them."""
    lacks = {lack.what: lack for lack in realtime.explain()}
    wanted = (realtime.NO_FIFO, realtime.NO_NICE, realtime.NO_MLOCK, realtime.NO_PM_QOS)
    return [
        Finding(lack.what, Verdict.AMBER, "not permitted", lack.cost, lack.remedy)
        if lack.what in lacks
        else Finding(lack.what, Verdict.GREEN, "permitted")
        for lack in wanted
    ]


def _cores() -> list[Finding]:
    cores = len(os.sched_getaffinity(0))
    if cores >= CORES_GOOD:
        return [Finding("cores", Verdict.GREEN, str(cores))]
    cost = "video, vision and control share them: tails grow under load, medians do not"
    verdict = Verdict.RED if cores == 1 else Verdict.AMBER
    return [Finding("cores", verdict, str(cores), cost, f"give the node {CORES_GOOD} or more")]


def _clock_source() -> list[Finding]:
    source = _read(CLOCK_SOURCE)
    if not source or source in GOOD_CLOCKS:
        return [Finding("clock source", Verdict.GREEN, source or "unknown")]
    cost = "each reading of the clock is a system call of a microsecond or more"
    remedy = "boot with tsc (look for `clocksource` in the kernel's log)"
    return [Finding("clock source", Verdict.AMBER, source, cost, remedy)]


def _governor() -> list[Finding]:
    governor = _read(GOVERNOR)
    if not governor or governor == "performance":
        return [Finding("frequency", Verdict.GREEN, governor or "not ours to choose")]
    cost = "cores clock down between two commands, and are slow when the next one comes"
    return [
        Finding("frequency", Verdict.AMBER, governor, cost, "cpupower frequency-set -g performance")
    ]


def _shared_memory() -> list[Finding]:
    mounts = [line.split() for line in _read(Path("/proc/mounts")).splitlines()]
    kind = next((mount[2] for mount in reversed(mounts) if mount[1] == str(SHM)), "")
    if not os.access(SHM, os.W_OK | os.X_OK):
        cost = "no node can run: boards, rings and local sockets live there"
        return [Finding("tmpfs", Verdict.RED, f"{SHM} is not ours to write", cost, f"mount {SHM}")]
    status = os.statvfs(SHM)
    free = status.f_bavail * status.f_frsize
    found = f"{SHM}: {kind or 'no mount of its own'}, {free >> 20} MiB free"
    if kind == "tmpfs" and free >= SHM_BYTES_GOOD:
        return [Finding("tmpfs", Verdict.GREEN, found)]
    cost = "a board on a disk stalls its writer; without room a process does not start"
    return [Finding("tmpfs", Verdict.AMBER, found, cost, f"mount a tmpfs at {SHM}, 64 MiB or more")]


def _descriptors() -> list[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= DESCRIPTORS_GOOD:
        found = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        return [Finding("descriptors", Verdict.GREEN, found)]
    cost = "a flood of half-open connections keeps honest consoles out"
    return [Finding("descriptors", Verdict.AMBER, str(hard), cost, "raise `nofile` in limits.d")]


CHECKS: Final[tuple[Callable[[], list[Finding]], ...]] = (
    _rights,
    _cores,
    _clock_source,
    _governor,
    _shared_memory,
    _descriptors,
)


# The node


def _keys(config: NodeConfig) -> list[Finding]:
    lacks = lacking(config)
    if not lacks:
        return [Finding("keys", Verdict.GREEN, f"{config.keys_dir}: complete, closed to others")]
    remedy = "`trocar keys init` makes what was never made"
    return [Finding("keys", Verdict.RED, lack, "the node does not start", remedy) for lack in lacks]


def _watchdog(config: NodeConfig) -> list[Finding]:
    """Say what the watchdog can promise here: its paces are those of the rights it finds."""
    if not config.watchdog.identity:
        cost = (
            "nobody ends what hangs: the robot stops by silence, and stays so until a person acts"
        )
        remedy = "watchdog.identity in node.toml, and `trocar keys init`"
        return [Finding("watchdog", Verdict.AMBER, "none", cost, remedy)]
    brisk_ms = min(row.watch.hang_ms for row in PROCESSES if row.fifo)
    if config.node.realtime and realtime.NO_FIFO not in realtime.explain():
        return [Finding("watchdog", Verdict.GREEN, f"a relay that hangs is ended in {brisk_ms} ms")]
    cost = f"a relay that hangs is ended in {RELAXED * brisk_ms} ms, not {brisk_ms}"
    remedy = realtime.NO_FIFO.remedy if config.node.realtime else "node.realtime = true"
    return [Finding("watchdog", Verdict.AMBER, "without SCHED_FIFO it waits longer", cost, remedy)]


def _ports(config: NodeConfig) -> list[Finding]:
    keeper = keeper_of(config.run_dir)
    if keeper is not None:
        return [Finding("ports", Verdict.GREEN, f"in use by this node (noded, pid {keeper.pid})")]
    taken = taken_ports(config)
    if not taken:
        return [Finding("ports", Verdict.GREEN, "free")]
    remedy = "stop that program, or give node.toml another port"
    return [
        Finding("ports", Verdict.RED, port, "the node does not start", remedy) for port in taken
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
