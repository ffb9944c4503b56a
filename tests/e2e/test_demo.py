"""The demo as a person starts it: a node, an arm that follows, and nothing left afterwards.

It runs as users run it, but for its ports and its name: a machine may have another demo running.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from teleop.node.config import parse
from teleop.node.demo import node_toml
from teleop.node.estop import FILE
from teleop.node.rundir import base_path
from teleop.node.sections import NodeConfig
from tests.e2e.demo import PATIENCE_S, ROOT, Demo

pytestmark = pytest.mark.timeout(240)  # a machine that is busy takes its time to start a node


@pytest.fixture
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        demo = Demo(Path(folder))
        try:
            yield demo
        finally:
            demo.close()


def relatives(*words: str) -> list[str]:
    """List the command lines of the living that name one of these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode()
            if path.parent.name != str(os.getpid()) and any(word in line for word in words):
                found.append(line)
    return found


def assert_nothing_left(demo: Demo, demo_pid: int) -> None:
    """Wait for who is just leaving: noded (by its node.toml), its processes, and the hand."""
    console = base_path() / f"console-{demo_pid}"
    words = (str(demo.folder), str(demo.config.run_dir), str(console))
    deadline_s = time.monotonic() + PATIENCE_S
    while relatives(*words) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert relatives(*words) == []
    assert not demo.config.run_dir.exists()


def test_the_demos_node_differs_from_production_in_its_names_arms_stop_and_picture_only():
    production, demo = NodeConfig(), parse(node_toml(wired=True))
    assert [button.module for button in demo.estop.values()] == [FILE]
    assert tuple(demo.estop) == demo.robot.estops
    differing = {
        f"{section}.{key}"
        for section in production.__struct_fields__
        if section != "estop"
        for key in getattr(production, section).__struct_fields__
        if getattr(getattr(production, section), key) != getattr(getattr(demo, section), key)
    }
    picture = {"endoscope.rate_hz", "video.camera", "video.rate_hz"}
    robot = {"robot.driver", "robot.arms", "robot.estops"}
    assert differing == {"node.name", "node.state_dir", *robot, *picture}


def test_without_real_time_rights_no_token_can_be_late():
    demo = parse(node_toml(wired=False))
    assert (demo.estop, demo.robot.estops) == ({}, ())
    wired = parse(node_toml(wired=True))
    unwired = msgspec.structs.replace(wired.robot, estops=())
    assert msgspec.structs.replace(wired, estop={}, robot=unwired) == demo


def test_the_arm_follows_and_the_record_says_how_well(demo: Demo):
    record = demo.folder / "run.json"
    popen = demo.start("--seconds", "3", "--json", str(record))
    said, _ = popen.communicate(timeout=PATIENCE_S)
    assert popen.returncode == 0, said
    link = f"http://{demo.config.web.listen}/#"
    for words in ("robotd    ready", "trocar console --link", "ppm", link, "ENGAGED", "rtt "):
        assert words in said
    run = json.loads(record.read_bytes())
    assert run["rtt_us"]["n"] > 300
    assert 0 < run["rtt_us"]["p50"] < run["rtt_us"]["p99"] <= run["rtt_us"]["max"]
    assert run["sent"] > 1500
    assert 0 < run["tracking_rms_mm"] < 5
    assert run["dwell_us"]["robot"]["p50"] > 0
    assert_nothing_left(demo, popen.pid)


def test_secrets_of_the_demo_are_its_owners_alone(demo: Demo):
    demo.start("--seconds", "0.5").communicate(timeout=PATIENCE_S)
    for path in demo.folder.glob("keys/*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_two_seconds_and_leaves_nothing(demo: Demo, number: signal.Signals):
    popen = demo.start()
    demo.read_until("ENGAGED")
    with urllib.request.urlopen(f"http://{demo.config.metrics.listen}/metrics") as page:
        assert 'trocar_ready{process="robotd"} 1.0' in page.read().decode()
    popen.send_signal(number)
    began_s = time.monotonic()
    popen.wait(PATIENCE_S)
    assert time.monotonic() - began_s < 2.0
    assert popen.returncode == 0
    assert_nothing_left(demo, popen.pid)


def test_control_outlives_its_keeper_and_the_next_one_adopts_it(demo: Demo):
    popen = demo.start()
    demo.read_until("ENGAGED")
    before, keeper = demo.pids(), demo.keeper()
    os.kill(keeper, signal.SIGKILL)
    said = demo.read_until("robotd    adopted")
    assert "has died" in said
    demo.read_until("ENGAGED")
    assert demo.pids() == before
    assert demo.keeper() != keeper
    popen.send_signal(signal.SIGTERM)
    popen.wait(PATIENCE_S)
    assert_nothing_left(demo, popen.pid)


@pytest.mark.parametrize("link", ["zmq", "udp"])
def test_a_console_of_ones_own_takes_the_robot_and_the_demos_hand_gets_it_back(
    demo: Demo, link: str
):
    demo.start()
    demo.read_until("ENGAGED")
    record = demo.folder / "own.json"
    file = demo.folder / "node.toml"
    wish = f"--link {link} --script tremor --seconds 2 --json {record}".split()
    own = subprocess.run(
        [sys.executable, "-m", "teleop", "console", "--config", str(file), *wish],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert own.returncode == 0, own.stderr
    run = json.loads(record.read_bytes())
    assert (run["link"], run["script"]) == (link, "tremor")
    assert run["sent"] > 1000
    assert run["rtt_us"]["n"] > 200
    demo.read_until("WAITING")
    demo.read_until("ENGAGED")


def test_a_demo_that_is_killed_takes_its_node_and_its_hand_along(demo: Demo):
    popen = demo.start()
    demo.read_until("ENGAGED")
    popen.kill()
    popen.wait()
    assert_nothing_left(demo, popen.pid)


def test_a_second_demo_says_that_one_runs(demo: Demo):
    first = demo.start()
    demo.read_until("ENGAGED")
    second = subprocess.run(
        [sys.executable, "-m", "teleop", "demo", "--dir", str(demo.folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert second.returncode == 2
    assert "the demo runs already" in second.stderr
    assert first.poll() is None
