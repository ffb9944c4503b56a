"""The watchdog's process between real memory, descriptors and guards: what it sees, ends and says.

Watchdog, watched and robot share one loop, so a machine that stalls stalls them all alike. Bounds
of time are proven in virtual time (test_watchdog.py); here each story waits for what must happen.
"""

import runpy
import signal
import subprocess
import sys
import time

import pytest

from safety import watchdogd
from safety.messages import Ceiling
from safety.settings import WatchdogdSettings
from safety.state import State
from safety.watchdog import LATE_NS, Fault
from safety.watchdogd import FIELDS, Tally, Watchdogd
from safety.watched import GROWTH_BYTES, RELAXED, Flow, Watched
from transport.io import keys
from transport.io.curve import Doorman
from transport.io.dialogue import Listener
from transport.io.keys import Keyring, Role
from transport.io.living import identity_of
from transport.io.mapping import Mapping
from transport.io.process import EXIT_SETTINGS, ProcessSettings, Runtime
from transport.telemetry.board import Board
from transport.telemetry.flight import FlightReader
from transport.telemetry.pulse import Layout, Phase, Pulse
from transport.wire.codec import Registry

PATIENCE_S = 40.0
START_S = 2.0
BEAT_NS = 1_000_000
HANG_MS = 60
SAID = Registry((Ceiling,))
RELAY = Watched(name="relayd", hang_ms=HANG_MS, floor="hold")
WEB = Watched(name="webd", hang_ms=HANG_MS)
FORWARD = Flow(
    topic="forward", rate_hz=1000, source="relayd", sink="webd", sent="sent", arrived="came"
)
STATE = Flow(topic="state", rate_hz=250, source="webd", sink="relayd", sent="", arrived="came")

pytestmark = pytest.mark.timeout(300)


class Process:
    """A real process that sleeps; its pulse is written for it."""

    def __init__(self, run_dir, name, stages=(), command=("sleep", "600")):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE)
        identity = identity_of(self.child.pid)
        self.pid, self.start = identity
        layout = Layout(*identity, stages=stages)
        made = []
        path = run_dir / "pulse" / f"{name}.pulse"
        Mapping.create(path, Pulse.size(layout), lambda view: made.append(Pulse(view, layout)))
        self.pulse = made[0]
        self.beats = True
        self.pulse.enter(Phase.WORKING)

    def end(self):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()


class Node:
    """A watchdog, those whom it watches, and a robot whose guard hears it."""

    def __init__(self, folder, watched=(RELAY, WEB), flows=()):
        self.run_dir, self.keys = folder / "run", folder / "keys"
        (self.run_dir / "pulse").mkdir(parents=True)
        process = ProcessSettings(name="watchdogd", run_dir=str(self.run_dir))
        self.runtime = runtime = Runtime(process)
        for name, role in (("warden", Role.GUARD), ("psm1", Role.ROBOT)):
            keys.new(self.keys, name, role)
        self.keyring = Keyring.load(self.keys)
        self.heard, self.processes, self.living, self.flowing = [], [], {}, []
        doors = {"guard": frozenset({Role.GUARD})}
        runtime.keep(Doorman(runtime.loop, runtime.context, self.keyring, doors, lambda _: None))
        self.guard = runtime.keep(self._guard())
        runtime.keep(runtime.loop.every(BEAT_NS, self._beat))
        self.settings = WatchdogdSettings(
            process=process,
            keys=str(self.keys),
            identity="warden",
            robots={"psm1": self.guard.endpoint},
            processes=watched,
            flows=flows,
        )

    def watch(self):
        """Start the watchdog, and wait until it says that it works."""
        self.watchdog = self.runtime.keep(Watchdogd(self.settings, self.runtime))
        self.until(lambda: self.gauge("ready"))
        return self

    def start(self, name, **manner):
        """Start a process, and let it beat."""
        process = self.living[name] = Process(self.run_dir, name, **manner)
        self.processes.append(process)
        return process

    def board(self, name, *counters):
        """Make a process's board, as the process itself does."""
        made = []
        size = Board.size(counters, (), ())
        path = self.run_dir / "boards" / f"{name}.board"
        path.parent.mkdir(exist_ok=True)
        Mapping.create(path, size, lambda view: made.append(Board.create(view, counters, (), ())))
        return [made[0].counter(counter) for counter in counters]

    def until(self, so):
        """Run the loop until `so()` is true."""
        seen, ends_s = [], time.monotonic() + PATIENCE_S

        def look():
            if not seen and so():
                seen.append(True)
            if seen or time.monotonic() > ends_s:
                self.runtime.stop()

        ticks = self.runtime.loop.every(BEAT_NS, look)
        code = self.runtime.loop.run()
        ticks.close()
        assert code == 0, "a callback raised"
        assert seen, f"did not happen within {PATIENCE_S:g} s: {self.ring('notice')}"

    def ring(self, name):
        """Read what was written down."""
        path = self.run_dir / "flight" / f"watchdogd.{name}.ring"
        reader = FlightReader(Mapping.open(path).view)
        return [dict(zip(FIELDS, values, strict=True)) for values in reader.records()]

    def faults(self, row):
        return [line["fault"] for line in self.ring("notice") if line["row"] == row]

    def count(self, fault):
        name = f'watchdog_total{{fault="{fault.name.lower()}"}}'
        return self.runtime.board.counter(name).value

    def gauge(self, name):
        return self.runtime.board.gauge(name).value

    def says(self, state, cause=""):
        """Whether the robot heard this last, and whoever reads the board sees the same."""
        if not self.heard or self.gauge("ceiling") != state:
            return False
        said = self.heard[-1][1]
        return (said.max_state, said.cause) == (state, cause)

    def close(self):
        self.runtime.close()
        for process in self.processes:
            process.end()

    def _guard(self):
        return Listener(
            self.runtime,
            self.keyring,
            self.keyring.identity("psm1"),
            "guard",
            "tcp://127.0.0.1:*",
            lambda _: None,
            lambda device, data: self.heard.append((device, SAID.expect(data, Ceiling))),
            lambda _: None,
            rate_hz=10_000,
            burst=10_000,
        )

    def _beat(self):
        for process in self.living.values():
            if process.beats:
                process.pulse.beat()
        for counter in self.flowing:
            counter.add(1000)


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    node.close()


@pytest.fixture
def streams(tmp_path):
    node = Node(tmp_path, flows=(FORWARD, STATE))
    yield node
    node.close()


def both_work(node):
    relay, web = node.start("relayd"), node.start("webd")
    node.until(lambda: node.count(Fault.WORKS) == 2)
    return relay, web


# Before the start


def test_it_starves_a_pulse_of_its_own_before_it_says_that_it_works(node):
    node.runtime.keep(Watchdogd(node.settings, node.runtime))
    assert not node.gauge("ready")
    assert list((node.run_dir / "pulse").glob("*.rehearsal")) == [], "nobody else may find it"
    node.until(lambda: node.gauge("ready"))
    assert node.count(Fault.HUNG) == 0, "a rehearsal is nobody's fault"
    assert node.ring("fence") == []


def test_what_its_own_start_takes_is_nobodys_lateness(node):
    node.runtime.keep(Watchdogd(node.settings, node.runtime))
    time.sleep(START_S)
    node.until(lambda: node.gauge("ready"))
    looks = node.runtime.board.histogram("late_ns")
    node.until(lambda: looks.count)
    late = [line["age_ns"] for line in node.ring("notice") if line["fault"] == Fault.LATE]
    assert all(age_ns < START_S * 1e9 for age_ns in late)


class _Stopped:
    """A clock that stands still."""

    def now_ns(self):
        return 1_000_000_000


def test_one_that_cannot_notice_does_not_begin(node, capsys):
    node.runtime.clock = _Stopped()
    node.runtime.keep(Watchdogd(node.settings, node.runtime))
    patience = node.runtime.loop.every(int(PATIENCE_S * 1e9), lambda: node.runtime.stop(3))
    assert node.runtime.loop.run() == 1
    patience.close()
    assert "did not notice" in capsys.readouterr().err
    assert not node.gauge("ready")


# Who hangs, and who dies


def test_who_stops_beating_is_ended_nobody_else_is_and_the_robot_is_held(node):
    relay, web = both_work(node.watch())
    node.until(lambda: node.says(State.ENGAGED))
    relay.beats = False
    node.until(lambda: relay.child.poll() is not None)
    assert relay.child.returncode == -signal.SIGKILL
    (fence,) = node.ring("fence")
    assert (fence["pid"], fence["start"], fence["fault"]) == (relay.pid, relay.start, Fault.HUNG)
    assert fence["age_ns"] > HANG_MS * 1_000_000
    assert node.count(Fault.HUNG) == 1
    node.until(lambda: node.says(State.HOLD, "relayd is down"))
    node.until(lambda: node.watchdog._places[0].reader is None)
    assert node.count(Fault.DIED) == 0, "it was ended, and has not died by itself"
    assert web.child.poll() is None


def test_the_robot_is_held_until_who_must_work_does_and_after_it_has_died(node):
    node.watch().until(lambda: node.says(State.HOLD, "relayd is down"))
    relay, _ = both_work(node)
    node.until(lambda: node.says(State.ENGAGED))
    relay.child.kill()
    node.until(lambda: node.count(Fault.DIED))
    node.until(lambda: node.says(State.HOLD, "relayd is down"))
    assert node.faults(0) == [Fault.WORKS, Fault.DIED]
    assert node.ring("fence") == []


def test_a_successor_is_watched_as_the_one_before_was(node):
    first, _ = both_work(node.watch())
    first.child.kill()
    node.until(lambda: node.count(Fault.DIED))
    second = node.start("relayd")
    node.until(lambda: node.count(Fault.WORKS) == 3)
    second.beats = False
    node.until(lambda: node.ring("fence"))
    assert node.ring("fence")[0]["pid"] == second.pid


def test_who_says_that_it_leaves_has_not_died(node):
    relay, _ = both_work(node.watch())
    relay.pulse.enter(Phase.LEAVING)
    relay.beats = False
    relay.child.kill()
    node.until(lambda: node.watchdog._places[0].reader is None)
    node.until(lambda: node.says(State.HOLD, "relayd is down"))
    assert node.faults(0) == [Fault.WORKS]


def test_who_leaves_out_a_part_of_its_work_is_ended_though_it_beats(node):
    web = node.watch().start("webd", stages=("fed", "sent"))
    node.until(lambda: node.count(Fault.WORKS))
    for _ in range(3):
        web.pulse.reach(0)
    node.until(lambda: web.child.poll() is not None)
    assert web.child.returncode == -signal.SIGKILL
    assert [line["fault"] for line in node.ring("fence")] == [Fault.DISORDER]


def test_a_process_whose_memory_grows_is_told_of_and_left_alone(node):
    eats = f"import sys; sys.stdin.read(1); eaten = b'x' * {2 * GROWTH_BYTES}; sys.stdin.read()"
    web = node.watch().start("webd", command=(sys.executable, "-S", "-c", eats))
    node.until(lambda: node.count(Fault.WORKS))
    seen = node.watchdog._rounds + 4  # twice over all
    node.until(lambda: node.watchdog._rounds >= seen)
    assert node.count(Fault.GROWS) == 0
    web.child.stdin.write(b"\n")
    web.child.stdin.flush()
    node.until(lambda: node.count(Fault.GROWS))
    assert node.ring("fence") == []


def test_when_it_was_late_itself_the_robot_is_held_for_a_moment(node):
    both_work(node.watch())
    node.until(lambda: node.says(State.ENGAGED))
    before = node.count(Fault.LATE)
    time.sleep(2 * RELAXED * LATE_NS * 1e-9)
    node.until(lambda: node.count(Fault.LATE) > before)
    node.until(lambda: any("itself was late" in said.cause for _, said in node.heard))
    node.until(lambda: node.says(State.ENGAGED))
    assert node.ring("fence") == [], "nobody is blamed for that"


def test_it_measures_how_late_its_own_looks_are(node):
    late = node.watch().runtime.board.histogram("late_ns")
    node.until(lambda: late.count > 10)


# Flows


def test_of_a_flow_too_little_arrives_and_then_enough_again(streams):
    node = streams
    sent, states = node.board("relayd", "sent", "came")
    one, two = node.board("webd", 'came{path="1"}', 'came{path="2"}')
    both_work(node.watch())
    node.flowing = [sent, one, two, states]
    node.until(lambda: node.says(State.ENGAGED))
    node.flowing = [sent, states]
    node.until(lambda: node.says(State.DEGRADED, "forward: too little arrives"))
    node.flowing = [sent, two, states]
    node.until(lambda: node.says(State.ENGAGED))
    node.flowing = [sent, two]
    node.until(lambda: node.says(State.DEGRADED, "state: too little arrives"))
    flows = len(node.settings.processes)
    assert node.faults(flows) == [Fault.STARVED, Fault.WORKS]
    assert node.faults(flows + 1) == [Fault.STARVED]


def test_a_tally_sums_a_family_on_whatever_board_is_there(node):
    tally = Tally(node.run_dir, "relayd", "came")
    assert tally.total() == 0, "there is no board yet"
    one, two, other = node.board("relayd", 'came{path="1"}', 'came{path="2"}', "sent")
    for counter, n in ((one, 3), (two, 4), (other, 100)):
        counter.add(n)
    assert tally.total() == 7
    one.add()
    assert tally.total() == 8
    (again,) = node.board("relayd", "came")
    again.add(2)
    assert tally.total() == 2, "the process has begun anew, and so has its board"
    (node.run_dir / "boards" / "relayd.board").unlink()
    (node.run_dir / "boards" / "relayd.board").write_bytes(b"no board" * 64)
    assert tally.total() == 0


# Keys


def test_it_speaks_with_its_new_key_when_that_was_rotated(node):
    node.watch().until(lambda: node.heard)
    fresh = keys.rotate(node.keys, "warden", lambda *_: b"")
    assert node.keyring.refresh()
    node.until(lambda: node.heard[-1][0].public_z85 == fresh.public_z85)


def test_keys_that_cannot_be_used_are_told_and_it_watches_on(node, capsys):
    relay, _ = both_work(node.watch())
    keys.revoke(node.keys, "warden")
    told = []
    node.until(lambda: told.append(capsys.readouterr().err) or "warden" in told[-1])
    assert told[-1].startswith("watchdogd: ")
    relay.beats = False
    node.until(lambda: relay.child.poll() is not None)


# The process


def test_without_settings_it_ends_and_says_what_it_wants(monkeypatch, capsys):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(sys, "argv", ["watchdogd"])
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(watchdogd.__file__, run_name="__main__")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended.value.code == EXIT_SETTINGS
    assert "settings (JSON)" in capsys.readouterr().err
