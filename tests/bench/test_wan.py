"""A node behind a bad network: measured, predicted, judged; what does not come about is named."""

from __future__ import annotations

import contextlib
import io
import json
import math
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench import wan
from bench.__main__ import main
from bench.children import spawn, stop
from bench.claims import load_claims
from bench.netem import ladder, namespace, results, stage, trace
from bench.netem.profile import find
from bench.netem.stage import SCALE, Tape, WanStage
from bench.netem.tap import HAND, POSE
from bench.readings import Window
from bench.stage import SHM, Keys, Spoiled
from safety.gate import Verdict
from safety.profile import MS
from safety.state import State
from transport.io.clock import Skew

WINDOW = Window(0, 10_000 * MS)
COMMAND = ("t_ns", "arm", "seq", "verdict", "age_ns", "t_called_ns")
RELAY = ("t_ns", "arm", "seq", "verdict")


def tape(fields: tuple[str, ...], records: list[tuple[int, ...]]) -> Tape:
    made = Tape(Path("none"), Skew.NONE)
    made.fields, made.records = fields, records
    return made


# How well it followed ----------------------------------------------------------------------------


def hand_at(ms: float) -> float:
    """A hand that swings 10 mm at 0.5 Hz, nm."""
    return 10e6 * math.sin(math.pi * ms / 1000)


def hand(clutch_at_ms: int = 1 << 30) -> Tape:
    lines = [
        (ms * MS, ms + 1, 1, 1 + (ms >= clutch_at_ms), 1, round(hand_at(ms)), 0, 0)
        for ms in range(2000)
    ]
    return tape(HAND, lines)


def pose(ms: int, at_nm: float, setpoint_nm: float, *, following: bool = True) -> tuple[int, ...]:
    measured, setpoint = (round(at_nm), 7, 0), (round(setpoint_nm), 7, 0)
    return (ms * MS, ms + 1, State.ENGAGED, int(following), *measured, *setpoint)


def test_an_instrument_that_follows_at_once_has_no_error() -> None:
    origin = 55e6
    poses = [
        pose(ms, origin + SCALE * hand_at(ms), origin + SCALE * hand_at(ms))
        for ms in range(0, 2000, 4)
    ]
    found = results.tracking(hand(), tape(POSE, poses), WINDOW)
    assert found is not None
    assert (found.max_um, found.n) == (pytest.approx(0.0, abs=0.01), 500)


def test_an_instrument_that_trails_is_behind_by_what_the_hand_did_meanwhile() -> None:
    trail_ms = 40
    first = pose(100, SCALE * hand_at(100), SCALE * hand_at(100))
    poses = [
        pose(ms, SCALE * hand_at(ms - trail_ms), SCALE * hand_at(ms)) for ms in range(104, 2000, 4)
    ]
    found = results.tracking(hand(), tape(POSE, [first, *poses]), WINDOW)
    assert found is not None
    behind_um = [SCALE * (hand_at(ms) - hand_at(ms - trail_ms)) / 1e3 for ms in range(104, 2000, 4)]
    rms_um = math.sqrt(sum(each**2 for each in behind_um) / len(behind_um))
    assert found.rms_um == pytest.approx(rms_um, rel=0.01)
    assert found.max_um == pytest.approx(SCALE * 10e3 * math.pi * trail_ms / 1000, rel=0.01)


@pytest.mark.parametrize("clutched", [False, True])
def test_a_new_reference_is_not_an_error(clutched: bool) -> None:
    def at(ms: int) -> float:
        return SCALE * hand_at(ms) + (3e6 if ms >= 1000 else 0)

    poses = [pose(ms, at(ms), at(ms)) for ms in range(0, 2000, 4)]
    if not clutched:
        poses[250] = pose(1000, at(1000), at(1000), following=False)
    found = results.tracking(hand(1000 if clutched else 1 << 30), tape(POSE, poses), WINDOW)
    assert found is not None
    assert found.max_um == pytest.approx(0.0, abs=0.01)


def test_who_never_followed_has_no_error_at_all() -> None:
    poses = [pose(ms, 0, 0, following=False) for ms in range(0, 2000, 4)]
    assert results.tracking(hand(), tape(POSE, poses), WINDOW) is None
    assert results.tracking(hand(), tape(POSE, []), WINDOW) is None


# What became of the commands ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "pressed_at", "expected"),
    [
        ({5}, 0, 1),
        ({5, 6}, 0, 2),
        ({5, 6, 7}, 0, 2),  # a frame bears two
        ({5}, 6, 0),  # under other pedals it bears none
        ({10}, 0, 0),  # nothing came after it
    ],
)
def test_a_lost_command_is_repaired_by_one_of_the_next_two(
    lost: set[int], pressed_at: int, expected: int
) -> None:
    seqs = range(1, 11)
    tapes = {
        "hand": tape(
            HAND, [(s, s, 1 + (pressed_at and s >= pressed_at), 1, 1, 0, 0, 0) for s in seqs]
        ),
        "command": tape(
            COMMAND, [(s, 0, s, Verdict.ADMITTED, 0, s) for s in seqs if s not in lost]
        ),
        "relay": tape(RELAY, []),
    }
    assert results.repaired(tapes, WINDOW) == expected


def test_what_was_too_old_was_not_lost() -> None:
    tapes = {
        "hand": tape(HAND, [(s, s, 1, 1, 1, 0, 0, 0) for s in (1, 2)]),
        "command": tape(
            COMMAND, [(2, 0, 2, Verdict.ADMITTED, 0, 2), (1, 0, 1, Verdict.LATE, 0, 0)]
        ),
        "relay": tape(RELAY, []),
    }
    assert results.repaired(tapes, WINDOW) == 0


# Bad input ---------------------------------------------------------------------------------------


def test_an_unknown_network_names_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["wan", "--profile", "ge6"])
    assert "no network is called 'ge6'; known: clean, ge5," in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "601", "soon"])
def test_a_time_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["wan", "--profile", "ge5", "--seconds", seconds])
    assert "--seconds" in capsys.readouterr().err


def test_the_claims_are_about_numbers_that_a_run_has() -> None:
    rows = [claim for claim in load_claims().claim if claim.part == wan.PART]
    assert {row.key for row in rows} == {"rows.ge5+udp.stops", "rows.ge5+udp.latched_off"}


# A real node -------------------------------------------------------------------------------------

LINK = "udp" if namespace.missing() else "zmq"
"""ZeroMQ goes through two namespaces, where they are permitted."""


@pytest.fixture
def leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have everything made in a folder of our own, where what is left behind shows."""
    with tempfile.TemporaryDirectory(prefix="trocar-wan-", dir=SHM) as folder:
        for module in ("bench.stage", "bench.wan"):
            monkeypatch.setattr(f"{module}.SHM", Path(folder))
        yield
        assert list(Path(folder).iterdir()) == []


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    stage.warm(print)
    return Keys(tmp_path_factory.mktemp("wan") / "keys")


@pytest.mark.usefixtures("leaves_nothing")
def test_without_the_right_to_a_network_the_proxy_takes_over_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace, "missing", lambda: "there is no /dev/net/tun")
    monkeypatch.setattr(wan, "WARM_S", 0.2)
    words = Console(record=True, width=200, file=io.StringIO())
    file = tmp_path / "report.json"
    course = wan.Course(find("ge5"), 0.6, "zmq", 1)
    code = wan.run(course, words, file, None)
    assert file.exists(), words.export_text()
    report = json.loads(file.read_text())
    assert report["missing"] == {
        "ge5+zmq": "there is no /dev/net/tun; the datagram proxy takes its place, with the udp link"
    }
    [row] = report["rows"]
    assert row["variant"] == "ge5+udp"
    assert row["n"] > 0
    assert row["extra"]["up_packets"] >= row["extra"]["sent"] > 0
    assert {f"predicted_{name}" for name in ladder.TALLIED} <= set(row["extra"])
    assert [claim["id"] for claim in report["claims"]] == ["wan-ge5-stops", "wan-ge5-latched"]
    assert code == int(any(claim["ok"] is False for claim in report["claims"]))
    kept = trace.read(tmp_path / "report.trace.jsonl")
    assert (kept.head.profile, kept.head.link, kept.head.shell) == ("ge5", "udp", "proxy")
    assert len(kept.messages(trace.UP)) >= row["n"]


@pytest.mark.usefixtures("leaves_nothing")
def test_behind_any_shell_a_process_that_hangs_is_named(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "HANG_S", 1.2)  # every process wakes once a second
    with WanStage(find("clean"), LINK, keys=keys, seed=1) as node:
        assert node.moves_within(10.0)
        node.children["relayd"].send_signal(signal.SIGSTOP)
        with pytest.raises(Spoiled, match="relayd hangs"):
            watch(node, 8.0)
        children: list[subprocess.Popen[bytes]] = list(node.children.values())
        crossings = results.crossings(node.tapes["packet"])
    assert any(c.up == trace.UP for c in crossings)
    assert all(child.poll() is not None for child in children)


def _children(parent: int) -> dict[int, str]:
    """The processes that this one has started, and their commands."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found[int(path.name)] = (path / "cmdline").read_bytes().decode()
    return found


def watch(node: WanStage, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        node.look()
        time.sleep(0.05)


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    words = tmp_path / "words"
    bench = spawn(["-m", "bench", "wan", "--profile", "ge5", "--link", LINK], output=words)
    made: list[Path] = []
    node: dict[int, str] = {}
    try:
        while not any("natived" in command for command in node.values()):
            assert bench.poll() is None, words.read_text()
            time.sleep(0.02)
            node = _children(bench.pid)
            made = [
                path
                for path in SHM.glob("trocar-bench-*")
                if any(str(path) in c for c in node.values())
            ]
        bench.send_signal(signal.SIGINT)
        assert bench.wait(20) == 130, words.read_text()
    finally:
        stop([bench])
    assert "interrupted" in words.read_text()
    assert not any(path.exists() for path in made)
    give_up = time.monotonic() + 20
    while left := [pid for pid in node if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < give_up, [node[pid] for pid in left]
        time.sleep(0.02)  # one that was being begun has the kernel's promise to end, soon after
