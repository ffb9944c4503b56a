"""Say what was measured, on which machine, to whoever reads JSON."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec

from bench.blocks import Ratio
from bench.claims import Condition, Ratios, Verdict
from bench.rows import Row
from bench.sentinel import Watch

STEAL_MAX = 0.01
"""Part of a core's time that may go to other guests before absolute times mean little."""
LIBRARIES = ("pyzmq", "uvloop", "msgspec", "cryptography", "numpy", "eclipse-zenoh", "av")


class Report(msgspec.Struct, kw_only=True):
    """A whole run.

    Attributes
    ----------
    missing : labels that this machine cannot measure, with the reason
    spoiled : every attempt that did not come about, even if its repetition did
    """

    bench: str
    command: str
    t_utc: str
    seed: int
    parts: list[str]
    quick: bool
    host: dict[str, object]
    sentinel: dict[str, object]
    rows: list[Row]
    ratios: dict[str, dict[str, dict[str, object]]]
    claims: list[Verdict]
    missing: dict[str, str] = {}
    spoiled: list[str] = []


def write(report: Report, path: Path) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def ratio_tables(ratios: Ratios) -> dict[str, dict[str, dict[str, object]]]:
    """Lay ratios out for JSON: value, lo, hi; every run's own interval; "too noisy" where so."""
    return {
        name: {quantity: _ratio_table(ratio) for quantity, ratio in by_quantity.items()}
        for name, by_quantity in ratios.items()
    }


def host() -> dict[str, object]:
    """Describe this machine and the libraries that were measured with."""
    versions: dict[str, str] = {}
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return {
        "cpu": _first_value("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _first_value("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "preemption": _text("/sys/kernel/debug/sched/preempt"),
        "cpuidle": _text("/sys/devices/system/cpu/cpuidle/current_driver"),
        "clocksource": _text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "python": platform.python_version(),
        "libraries": versions,
    }


def sentinel_table(watches: Sequence[Watch], steal_ms: Mapping[int, float]) -> dict[str, object]:
    """Lay the sentinels' record out for JSON."""
    return {
        "cores": [
            {**msgspec.to_builtins(watch), "steal_ms": steal_ms.get(watch.cpu, 0.0)}
            for watch in watches
        ],
        "stalls": sum(len(watch.stalls) + watch.stalls_dropped for watch in watches),
    }


def steal_condition(watches: Sequence[Watch], steal_ms: Mapping[int, float]) -> list[Condition]:
    """Say so if the hypervisor took more of a core than absolute times can bear."""
    taken = [
        (watch.cpu, steal_ms.get(watch.cpu, 0.0) / max(1, watch.ticks + watch.missed))
        for watch in watches
    ]
    return [
        Condition("steal", f"the hypervisor took {part:.1%} of core {cpu}")
        for cpu, part in taken
        if part > STEAL_MAX
    ]


def now_utc() -> str:
    """Return the wall time for the report's head; nothing is computed from it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _ratio_table(ratio: Ratio) -> dict[str, object]:
    table: dict[str, object] = {
        **ratio.overall._asdict(),
        "runs": [run._asdict() for run in ratio.runs],
    }
    if ratio.too_noisy:
        table["note"] = "too noisy"
    return table


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _first_value(path: str, label: str) -> str:
    for line in _text(path).splitlines():
        if line.startswith(label):
            return line.partition(":")[2].strip()
    return ""
