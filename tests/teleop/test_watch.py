"""An observer's command: what it makes of states, of silence, of a relay that comes and goes."""

import json
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
import zmq
from rich.console import Console as Terminal

from safety.clamp import Rule
from safety.state import Cause, State
from teleop import cli
from teleop.node.look import (
    ROBOTS_MAX,
    SILENCE_NS,
    UNVERIFIED,
    Look,
    Watcher,
    in_json,
    in_lines,
    on_screen,
)
from teleop.node.watch import PATIENCE_NS, Ear, WatchError, Wish, looks
from tests.teleop import states
from transport.wire.codec import encode
from transport.wire.messages import encode_hop

MS = 1_000_000
PATIENCE_MS, LOOK_MS = 10_000, 5


def part(robot: str = "robot", tick: int = 1, **changes: object) -> bytes:
    """Give a state as a relay publishes it: with a hop record behind it."""
    state = states.robot(robot=robot, tick=tick, **changes)
    return encode(state) + encode_hop(1, 7, 40_000)


def heard(*parts: bytes, robot: str | None = None) -> Look:
    watcher = Watcher(robot)
    for said in parts:
        watcher.receive(said, 0)
    return watcher.look(0)


# What is known -----------------------------------------------------------------------------


def test_the_newest_state_of_each_robot_is_what_counts():
    look = heard(part("a", 1), part("b", 9), part("a", 2))
    assert {name: state.tick for name, state in look.newest.items()} == {"a": 2, "b": 9}
    assert look.news == ("a", "b")


def test_what_was_looked_at_is_news_no_longer():
    watcher = Watcher()
    watcher.receive(part("a"), 0)
    watcher.receive(part("b"), 0)
    watcher.look(0)
    watcher.receive(part("b", 2), 4 * MS)
    look = watcher.look(4 * MS)
    assert look.news == ("b",)
    assert set(look.newest) == {"a", "b"}


def test_a_robot_that_was_not_asked_for_is_passed_over():
    assert set(heard(part("a"), part("b"), robot="b").newest) == {"b"}


def test_what_is_no_state_is_counted_and_changes_nothing():
    watcher = Watcher()
    for junk in (b"", b"\xc1", part()[:-9], part()[:40], b"\x93\x01\x22\x01"):
        watcher.receive(junk, 0)
    assert watcher.refused == 5
    assert watcher.look(0) == Look({}, (), {}, ())


def test_there_is_a_limit_to_the_robots():
    watcher = Watcher()
    for number in range(ROBOTS_MAX + 3):
        watcher.receive(part(f"r{number}"), 0)
    watcher.receive(part("r0", 2), 0)
    assert len(watcher.look(0).newest) == ROBOTS_MAX
    assert watcher.refused == 3


def test_silence_is_said_once_and_ends_with_the_next_state():
    watcher = Watcher()
    watcher.receive(part(state=State.ENGAGED), 0)
    assert watcher.look(SILENCE_NS).silent == {}

    look = watcher.look(SILENCE_NS + 1)
    assert look.silent == {"robot": SILENCE_NS + 1}
    (line,) = in_lines(look)
    assert line.startswith("robot  SILENT  nothing heard for 0.5 s; the last was ENGAGED")
    assert in_lines(watcher.look(SILENCE_NS + 200 * MS)) == []

    watcher.receive(part(tick=2), SILENCE_NS + 300 * MS)
    assert watcher.look(SILENCE_NS + 300 * MS).silent == {}
    assert watcher.look(2 * SILENCE_NS + 301 * MS).hushed == ("robot",)


# In words ----------------------------------------------------------------------------------


def test_a_line_has_the_state_why_and_what_holds_the_arm_back():
    (line,) = in_lines(heard(part(state=State.ENGAGED, cause=Cause.PRESSED)))
    words = ("robot", "ENGAGED", "deadman pressed", "arm 0", "following", "x   +10.0", "mm")
    for word in (*words, "jaw  29°", "at a virtual fixture (2)"):
        assert word in line
    assert "\n" not in line


def test_two_arms_are_one_line_and_two_objects():
    second = states.arm(arm=1, following=False, rule=Rule.NONE, fixture=0)
    look = heard(part(arms=(states.arm(), second), state=State.ENGAGED))
    (line,) = in_lines(look)
    assert line.index("arm 0  following") < line.index("arm 1  clutched")
    assert line.count("virtual fixture") == 1
    objects = [json.loads(said) for said in in_json(look)]
    assert [(said["arm"], said["clutched"]) for said in objects] == [(0, False), (1, True)]


def test_an_object_has_crtks_names():
    (said,) = (json.loads(line) for line in in_json(heard(part())))
    names = {"operating_state", "measured_cp", "measured_cv", "measured_js", "setpoint_cp"}
    assert names | {"setpoint_cv", "jaw", "following", "clutched"} <= set(said)
    assert said["trocar"]["rule"] == "FIXTURE"


def test_a_robot_without_a_driver_has_no_place():
    (line,) = in_lines(heard(part(driver=0)))
    assert "not measured: no driver" in line
    assert "mm" not in line


def drawn(look: Look, tmp_path: Path) -> str:
    with (tmp_path / "terminal").open("w") as file:
        terminal = Terminal(width=160, record=True, file=file)
        terminal.print(on_screen(look))
        return terminal.export_text()


def test_the_screen_says_that_nothing_was_verified(tmp_path: Path):
    text = drawn(heard(part(state=State.HOLD, cause=Cause.SILENCE)), tmp_path)
    for word in ("PAUSED", "HOLD", "no command in time", UNVERIFIED):
        assert word in text


def test_the_screen_never_shows_a_silent_robots_state_as_its_present_one(tmp_path: Path):
    watcher = Watcher()
    watcher.receive(part(state=State.ENGAGED), 0)
    text = drawn(watcher.look(3_000 * MS), tmp_path)
    assert "SILENT for 3.0 s" in text
    assert "ENABLED" not in text
    assert "ENGAGED" not in text


@pytest.mark.parametrize("number", [*State, 9, 255])
def test_every_state_has_a_look_even_one_without_a_name(number: int, tmp_path: Path):
    text = drawn(heard(part(state=number)), tmp_path)
    assert (State(number).name if number in set(State) else f"STATE {number}") in text


def test_a_name_is_no_markup(tmp_path: Path):
    assert "[red]psm" in drawn(heard(part("[red]psm")), tmp_path)


# On time -----------------------------------------------------------------------------------


class Afternoon:
    """Virtual time: each wait takes as long as it asks for, and then somebody speaks."""

    def __init__(self, says: Callable[[int], list[bytes]], until_ns: int) -> None:
        self.now_ns = 1_000_000 * MS
        self._began_ns = self.now_ns
        self._says = says
        self._until_ns = until_ns

    @property
    def passed_ns(self) -> int:
        return self.now_ns - self._began_ns

    def wait(self, seconds: float) -> bool:
        self.now_ns += round(seconds * 1e9)
        return self.passed_ns > self._until_ns

    def watch(self, wish: Wish) -> Iterator[Look]:
        watcher = Watcher(wish.robot)
        return looks(
            watcher, lambda: self._says(self.passed_ns), wish, self.wait, lambda: self.now_ns
        )


def steadily(passed_ns: int) -> list[bytes]:
    return [part(tick=passed_ns // (4 * MS))]


@pytest.mark.parametrize(("rate_hz", "count"), [(1.0, 10), (10.0, 100), (100.0, 1000)])
def test_it_looks_as_often_as_asked(rate_hz: float, count: int):
    afternoon = Afternoon(steadily, until_ns=10_000 * MS)
    seen = list(afternoon.watch(Wish(rate_hz=rate_hz)))
    assert len(seen) == pytest.approx(count, abs=1)
    ticks = [look.newest["robot"].tick for look in seen]
    assert ticks == sorted(set(ticks)), "each look is a newer one"


def test_the_socket_is_emptied_although_nobody_looks():
    asked: list[int] = []

    def says(passed_ns: int) -> list[bytes]:
        asked.append(passed_ns)
        return steadily(passed_ns)

    list(Afternoon(says, until_ns=10_000 * MS).watch(Wish(rate_hz=0.1)))
    assert max(late - early for early, late in pairwise(asked)) <= 50 * MS


def test_the_seconds_count_from_the_first_state():
    afternoon = Afternoon(lambda ns: steadily(ns) if ns > 3_000 * MS else [], until_ns=60_000 * MS)
    seen = list(afternoon.watch(Wish(seconds=2.0)))
    assert afternoon.passed_ns == pytest.approx(5_000 * MS, abs=101 * MS)
    assert len(seen) == pytest.approx(20, abs=2)


def test_a_moment_is_long_enough_for_one_look():
    seen = list(Afternoon(steadily, until_ns=60_000 * MS).watch(Wish(seconds=1e-9)))
    assert [look.news for look in seen] == [("robot",)] * len(seen)
    assert 1 <= len(seen) <= 2


def test_whoever_hears_nobody_says_so():
    afternoon = Afternoon(lambda _: [], until_ns=60_000 * MS)
    with pytest.raises(WatchError, match="nothing was heard of any robot for 5 s; does the node"):
        list(afternoon.watch(Wish()))
    assert PATIENCE_NS < afternoon.passed_ns < PATIENCE_NS + 200 * MS


def test_whoever_asks_for_a_robot_that_is_not_there_hears_who_is():
    afternoon = Afternoon(steadily, until_ns=60_000 * MS)
    with pytest.raises(WatchError, match="nothing was heard of psm9 for 5 s; only of robot"):
        list(afternoon.watch(Wish(robot="psm9")))


def test_silence_is_said_while_nothing_comes():
    afternoon = Afternoon(lambda ns: steadily(ns) if ns < 1_000 * MS else [], until_ns=4_000 * MS)
    lines = [line for look in afternoon.watch(Wish()) for line in in_lines(look)]
    assert [("SILENT" in line) for line in lines] == [False] * (len(lines) - 1) + [True]


# Over a socket -----------------------------------------------------------------------------


class Relay:
    """A relay's publisher, and nothing else of it."""

    def __init__(self, run_dir: Path, path_id: int = 1) -> None:
        self._endpoint = f"ipc://{run_dir}/state.{path_id}.ipc"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.open()

    def open(self) -> None:
        self._socket = self._context.socket(zmq.XPUB)  # says when somebody subscribes
        self._socket.linger = 0
        self._socket.bind(self._endpoint)

    def has_a_subscriber(self, reads: Callable[[], object] = lambda: None) -> bool:
        """Wait for one, who reads meanwhile."""
        for _ in range(PATIENCE_MS // LOOK_MS):
            reads()
            if self._socket.poll(LOOK_MS):
                return self._socket.recv() == b"\x01"
        return False

    def say(self, *parts: bytes) -> None:
        for said in parts:
            self._socket.send(said)

    def hang_up(self) -> None:
        self._socket.close()

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A short path: a local socket's has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="trocar-") as name:
        yield Path(name)


@pytest.fixture
def relay(run_dir: Path) -> Iterator[Relay]:
    made = Relay(run_dir)
    yield made
    made.close()


def next_part(ear: Ear) -> bytes:
    assert ear.socket.poll(PATIENCE_MS), "nothing came"
    return next(iter(ear.drain()))


def test_an_ear_takes_all_that_waits(relay: Relay, run_dir: Path):
    with Ear(run_dir / "state.1.ipc") as ear:
        assert relay.has_a_subscriber(lambda: list(ear.drain()))
        relay.say(part(tick=1), part(tick=2), part(tick=3))
        taken: list[bytes] = []
        while len(taken) < 3:
            taken.append(next_part(ear))
            taken += ear.drain()
        assert taken == [part(tick=1), part(tick=2), part(tick=3)]
        assert list(ear.drain()) == []


def test_an_ear_that_was_there_first_hears_a_relay_that_comes(run_dir: Path):
    with Ear(run_dir / "state.1.ipc") as ear:
        relay = Relay(run_dir)
        assert relay.has_a_subscriber(lambda: list(ear.drain()))
        relay.say(part())
        assert next_part(ear) == part()
        relay.close()


def test_an_ear_outlives_its_relay(relay: Relay, run_dir: Path):
    with Ear(run_dir / "state.1.ipc") as ear:
        assert relay.has_a_subscriber(lambda: list(ear.drain()))
        relay.hang_up()
        relay.open()
        assert relay.has_a_subscriber(lambda: list(ear.drain()))
        relay.say(part(tick=2))
        assert next_part(ear) == part(tick=2)


def test_what_has_several_parts_is_no_state(relay: Relay, run_dir: Path):
    with Ear(run_dir / "state.1.ipc") as ear:
        assert relay.has_a_subscriber(lambda: list(ear.drain()))
        relay._socket.send_multipart([part(), part()])
        assert next_part(ear) == b""


# The command -------------------------------------------------------------------------------


@pytest.fixture
def config(run_dir: Path) -> Path:
    path = run_dir / "node.toml"
    path.write_text(f"[node]\nname = 'watched'\nrun_dir = '{run_dir}'\n[relay]\npath_id = 7\n")
    return path


def watch(config: Path, *arguments: str, says: list[bytes]) -> int:
    """Run the command against a relay that says this as soon as it is there."""
    relay = Relay(config.parent, path_id=7)

    def speak() -> None:
        if relay.has_a_subscriber():
            relay.say(*says)

    speaker = Thread(target=speak)
    speaker.start()
    try:
        return cli.main(["watch", "--config", str(config), *arguments])
    finally:
        speaker.join()
        relay.close()


MOMENT = ("--seconds", "0.000001", "--rate", "100")


def test_a_program_reads_objects(config: Path, capsys: pytest.CaptureFixture[str]):
    assert watch(config, "--json", *MOMENT, says=[part(tick=41)]) == 0
    (line,) = set(capsys.readouterr().out.splitlines())
    said = json.loads(line)
    assert (said["robot"], said["tick"]) == ("robot", 41)
    assert said["operating_state"]["state"] == "ENABLED"


def test_a_person_reads_lines(config: Path, capsys: pytest.CaptureFixture[str]):
    assert watch(config, "--robot", "psm2", *MOMENT, says=[part("psm1"), part("psm2")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("psm2  ENGAGED")
    assert "psm1" not in out


@pytest.mark.parametrize("arguments", [("--rate", "0"), ("--rate", "nan"), ("--seconds", "inf")])
def test_numbers_have_bounds(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exited:
        cli.main(["watch", *arguments])
    assert exited.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_help_says_what_an_observer_cannot_know(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        cli.main(["watch", "--help"])
    assert UNVERIFIED in " ".join(capsys.readouterr().out.split())


def test_without_a_node_it_says_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("teleop.node.console.keeper_of", lambda _: None)
    assert cli.main(["watch"]) == 2
    assert "`trocar up` or `trocar demo`" in capsys.readouterr().err
