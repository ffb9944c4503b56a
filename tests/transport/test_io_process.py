"""How a process of the node starts, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from transport.io.mapping import Mapping
from transport.telemetry.board import Board
from transport.telemetry.flight import FlightReader

PROGRAM = """
import os
import sys
import msgspec
from transport.io.process import ProcessSettings, Runtime, main

class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    process: ProcessSettings
    act: str

class App:
    def __init__(self, name): self.name = name
    def close(self): print("closed", self.name, flush=True)

def build(settings, runtime):
    board = runtime.open_board(counters=("frames_total",), gauges=("depth",))
    flight = runtime.flight("sent", ("t_ns", "seq"), 8)
    board.counter("frames_total").add(3)
    flight.append(runtime.clock.now_ns(), 42)
    runtime.keep(App("first")); runtime.keep(App("second"))
    if settings.act == "fail in build":
        raise RuntimeError("no such robot")
    if settings.act == "fail later":
        runtime.loop.call_soon(lambda: 1 // 0)
    if settings.act == "stop":
        runtime.loop.call_soon(lambda: runtime.stop(7))
    if settings.act == "slow build":
        print("building", flush=True)
        import time; time.sleep(0.3)
    runtime.context.socket(1)
    runtime.ready()
    runtime.loop.call_soon(lambda: print("running", flush=True))
    return App("app")

def prepare(settings):
    if settings.act == "say what prepare has":
        print("fifo" if os.sched_getscheduler(0) else "ordinary", flush=True)

if __name__ == "__main__":
    sys.exit(main(Settings, build, prepare))
"""


class Started:
    """The program above, in a process."""

    def __init__(self, folder):
        self.folder, self.run = folder, folder / "run"
        self.program = folder / "program.py"
        self.program.write_text(PROGRAM)
        self.child = None

    def start(self, act="wait", **process):
        settings = {"process": {"name": "testd", "run_dir": str(self.run)} | process, "act": act}
        path = self.folder / "testd.json"
        path.write_text(json.dumps(settings))
        self.start_with(str(path))

    def start_with(self, *arguments):
        self.child = subprocess.Popen(
            [sys.executable, str(self.program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.getcwd()},
        )

    def wait_for(self, line):
        assert self.child.stdout.readline() == f"{line}\n"

    def end(self):
        out, err = self.child.communicate(timeout=20)
        return self.child.returncode, out.splitlines(), err

    def board(self):
        return Board.attach(Mapping.open(self.run / "boards" / "testd.board").view)


@pytest.fixture
def program(tmp_path):
    started = Started(tmp_path)
    yield started
    if started.child is not None and started.child.poll() is None:
        started.child.kill()
        started.child.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_newest_first(program, number):
    program.start()
    program.wait_for("running")
    board = program.board()
    assert board.gauge("ready").value == 1
    assert board.counter("frames_total").value == 3
    assert (program.run / "boards" / "testd.board").stat().st_mode & 0o777 == 0o600
    program.child.send_signal(number)
    assert program.end() == (0, ["closed app", "closed second", "closed first"], "")
    assert board.gauge("ready").value == 0
    ring = FlightReader(Mapping.open(program.run / "flight" / "testd.sent.ring").view)
    assert [record[1] for record in ring.records()] == [42]


def test_a_signal_during_the_build_is_a_clean_end_too(program):
    program.start("slow build")
    program.wait_for("building")
    program.child.send_signal(signal.SIGTERM)
    assert program.end() == (0, ["closed app", "closed second", "closed first"], "")


def test_an_error_in_build_closes_what_was_made(program):
    program.start("fail in build")
    code, out, err = program.end()
    assert (code, out) == (1, ["closed second", "closed first"])
    assert "RuntimeError: no such robot" in err


def test_an_error_nobody_expected_ends_it_with_code_1(program):
    program.start("fail later")
    code, out, err = program.end()
    assert code == 1
    assert out[-3:] == ["closed app", "closed second", "closed first"]
    assert "ZeroDivisionError" in err


def test_a_process_may_choose_its_code(program):
    program.start("stop")
    assert program.end()[0] == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("{", "Input data was truncated"),
        ('{"\udcff": 1}', "codec can't decode"),
        ('{"process": {"name": "x", "run_dir": "r"}}', "missing required field `act`"),
        ('{"process": {"name": "x", "run_dir": "r", "fifo": "high"}, "act": ""}', "$.process.fifo"),
        ('{"process": {"name": "x", "run_dir": "r"}, "act": "", "spped": 1}', "field `spped`"),
    ],
)
def test_bad_settings_end_it_with_code_2_and_name_file_and_place(program, text, said):
    path = program.folder / "bad.json"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    program.start_with(str(path))
    code, out, err = program.end()
    assert (code, out) == (2, [])
    assert err.startswith(f"{path}: ")
    assert said in err
    assert err.count("\n") == 1


def test_it_wants_one_argument(program):
    program.start_with()
    code, _, err = program.end()
    assert code == 2
    assert "expected one argument" in err


def test_it_outlives_its_parent(program, tmp_path):
    program.start()
    program.wait_for("running")
    program.child.send_signal(signal.SIGTERM)
    program.end()
    parent = subprocess.run(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, "
            "stderr=subprocess.DEVNULL)\n"
            "print(child.pid)",
            sys.executable,
            str(program.program),
            str(tmp_path / "testd.json"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    orphan = int(parent.stdout)
    try:
        ends_at = time.monotonic() + 10
        while time.monotonic() < ends_at:
            if program.board().gauge("ready").value == 1:
                break
            time.sleep(0.01)
        os.kill(orphan, 0)
        assert program.board().gauge("ready").value == 1
    finally:
        os.kill(orphan, signal.SIGTERM)
        while os.path.exists(f"/proc/{orphan}") and time.monotonic() < ends_at:
            time.sleep(0.01)
    assert program.board().gauge("ready").value == 0


def test_what_takes_seconds_is_prepared_before_real_time_rights(program):
    program.start("say what prepare has", fifo=10)
    program.wait_for("ordinary")
    program.wait_for("running")
