"""The real processes come up around a relay, are measured on one clock, and leave nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from bench.children import spawn, stop
from bench.join import Fate
from bench.ports import free_ports
from bench.readings import Window, accepted, seen, sent, transitions
from bench.stage import SHM, Keys, Spoiled, Stage
from bench.variants import BY_NAME
from transport.io.clock import Skew
from transport.io.mapping import Mapping
from transport.telemetry.flight import Flight

S = 1_000_000_000


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("bench") / "keys")


@pytest.mark.parametrize(("variant", "bare"), [("trocar-udp", False), ("proxy+curve", True)])
def test_a_measurement_joins_clocks_that_differ(keys: Keys, variant: str, bare: bool) -> None:
    with Stage(BY_NAME[variant], bare=bare, keys=keys, seed=5) as stage:
        stage.wait_moving()
        window = stage.window(warm_s=0.1, measure_s=0.3)
        stage.finish()
        found = stage.recording(window)
    assert found.joined.counts[Fate.APPLIED] > 100
    assert found.joined.latency_ns.min() > 0
    assert found.joined.latency_ns.min() < 20_000_000
    assert len(found.round_trips_ns) > 10
    assert all(child.poll() is not None for child in stage.children.values())
    assert not stage.run_dir.exists()


def test_a_process_that_ends_spoils_the_measurement_by_name(keys: Keys) -> None:
    with Stage(BY_NAME["udp-plain"], bare=True, keys=keys, seed=5) as stage:
        stage.children["relayd"].kill()
        stage.children["relayd"].wait()
        with pytest.raises(Spoiled, match="relayd ended with code -9"):
            stage.check()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bench_leaves_nothing(ending: signal.Signals, tmp_path: Path) -> None:
    before = set(SHM.glob("trocar-bench-*"))
    words = tmp_path / "words"
    arguments = ["-m", "bench", "relay", "--quick", "--stall", "relayd"]
    bench = spawn(arguments, output=words)
    try:
        while not any((path / "relayd.json").exists() for path in _new(before)):
            assert bench.poll() is None
            time.sleep(0.01)
        made = _new(before)
        bench.send_signal(ending)
        assert bench.wait(timeout=20) == 130, words.read_text()
    finally:
        stop([bench])
    assert "interrupted" in words.read_text()
    assert not any(path.exists() for path in made)
    assert not any(_commands_with(str(path)) for path in made)


def test_ports_are_different_and_free() -> None:
    ports = free_ports(8)
    assert len(set(ports)) == 8


def test_rings_are_read_back_on_the_machines_clock(tmp_path: Path) -> None:
    skew = Skew(offset_ns=10**12, drift_ppb=150_000)

    def ring(name: str, fields: tuple[str, ...], *records: tuple[int, ...]) -> None:
        path = tmp_path / "flight" / name
        path.parent.mkdir(exist_ok=True)
        flight = Flight(Mapping.create(path, Flight.size(fields, 8)).view, fields, 8)
        for record in records:
            flight.append(*record)

    times = {t: skew.apply(t) for t in (1 * S, 2 * S, 3 * S, 9 * S)}
    ring(
        "natived.sent.ring",
        ("t_intended_ns", "t_sent_ns", "arm", "seq"),
        (times[1 * S], times[2 * S], 0, 1),
        (times[9 * S], times[9 * S], 0, 2),
    )
    window = Window(S // 2, 5 * S)
    assert sent(tmp_path, "natived", skew, window) == {(0, 1): (1 * S, 2 * S)}
    ring(
        "robotd.command.ring",
        ("t_ns", "arm", "seq", "verdict", "age_ns", "t_called_ns"),
        (times[2 * S], 0, 1, 0, 7, times[3 * S]),
        (times[2 * S], 0, 2, 0, 7, 0),
        (times[2 * S], 0, 3, 1, 7, 0),
        (times[2 * S], 0, 4, 16, 7, 0),
        (times[2 * S], 0, 5, 10, 7, 0),
    )
    lines = seen(tmp_path, "robotd", skew)
    assert [line.fate for line in lines] == [
        Fate.APPLIED,
        Fate.REFUSED,
        Fate.MERGED,
        Fate.LATE,
        Fate.REFUSED,
    ]
    assert lines[0].t_called_ns == 3 * S
    ring(
        "simd.servo.ring",
        ("t_ns", "arm", "seq", "refusal"),
        (times[1 * S], 0, 1, 1),
        (times[2 * S], 0, 1, 0),
        (times[3 * S], 0, 1, 0),
    )
    assert accepted(tmp_path, "simd", skew) == {(0, 1): 2 * S}
    assert transitions(tmp_path, "robotd", skew, window) == []


def _new(before: set[Path]) -> set[Path]:
    return set(SHM.glob("trocar-bench-*")) - before


def _commands_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if text in command:
                found.append(command)
    return found
