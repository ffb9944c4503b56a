"""The alarms' process: heard, answered, killed, and back; its judge is played by the test."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq

from bench import readings
from bench.children import REPOSITORY, spawn, stop
from bench.ports import free_ports
from docs.generate.story import IDLE_STATE
from monitor.alarms.alert import Presence, Refusal
from monitor.alarms.condition import Condition, Evidence
from monitor.alarms.desk import NOT_ICU
from monitor.alarms.holding import Teller
from monitor.alarms.listener import Listener
from monitor.alarms.messages import VOCABULARY
from monitor.alarms.wishes import Acknowledge, Done, Limit, Pause
from monitor.settings import AlarmdSettings, CoupledRobot, alarms, desk, evidence, sources
from safety.messages import Ceiling
from safety.state import State
from safety.store.journal import Journal
from teleop.node import alarm_desk
from teleop.node import alarms as node_alarms
from teleop.node.alarms import AlarmError
from teleop.node.sections import Alarms, Monitor, Node, NodeConfig
from teleop.node.watch import Wish
from transport.io import keys
from transport.io.keys import Keyring, Role
from transport.io.process import ProcessSettings
from transport.wire.codec import Message, Registry, encode
from transport.wire.messages import Clock

PATIENCE_S = 30.0
pytestmark = pytest.mark.timeout(300)
BEDS = ("icu/1", "icu/2", "or/1")
DEVICES = {
    "monitor": Role.GUARD,
    "node": Role.NODE,
    "desk": Role.ICU,
    "screen": Role.OBSERVER,
    "surgeon": Role.CONSOLE,
    "psm": Role.ROBOT,
}
C = Condition
REGISTRY = Registry(VOCABULARY)
GUARD = Registry((Clock, Ceiling))


class House:
    """The process, its judge, and a listener on this machine."""

    def __init__(self, store: str = "alarms.journal", *, is_judged_here: bool = True) -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="trocar-alarms-", dir="/dev/shm"))
        for name, role in DEVICES.items():
            keys.new(self.run_dir / "keys", name, role)
        self.keyring = Keyring.load(self.run_dir / "keys")
        publish, answers, guard = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
        self.settings = AlarmdSettings(
            process=ProcessSettings(name="alarmd", run_dir=str(self.run_dir), skew_seed=9),
            keys=str(self.run_dir / "keys"),
            identity="monitor",
            publish=publish,
            desk=answers,
            beds=BEDS,
            store=str(self.run_dir / store),
            audit=str(self.run_dir / "audit"),
            audit_head=str(self.run_dir / "audit-head"),
            signer="node",
            robot=CoupledRobot(
                name="psm", bed="or/1", guard=guard, state="state.1.ipc", policy="hold"
            ),
        )
        self.path = self.run_dir / "alarmd.json"
        self.path.write_bytes(msgspec.json.encode(self.settings))
        self.log = self.run_dir / "alarmd.log"
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.judge = self._connect(zmq.PUSH, evidence(self.run_dir))
        self.is_judged_here = is_judged_here
        if is_judged_here:
            self.told = self.context.socket(zmq.PULL)
            self.told.linger = 0
            self.told.bind(sources(self.run_dir))
        self.ear = self._connect(zmq.SUB, alarms(self.run_dir))
        self.ear.subscribe(b"")
        self.near = self._connect(zmq.DEALER, desk(self.run_dir))
        self.topics: list[str] = []
        self.heard: list[Message] = []
        self.holds: set[tuple[int, Condition]] = set()
        self.teller = Teller(BEDS, 1, -(1 << 40))  # it has judged for long
        self.starts()

    def starts(self) -> None:
        (self.run_dir / "boards" / "alarmd.board").unlink(missing_ok=True)
        self.child = spawn(["-m", "monitor.alarmd", str(self.path)], output=self.log)
        self.listener = Listener(time.monotonic_ns())
        self.until(lambda: readings.is_ready(self.run_dir, "alarmd"))

    def is_killed(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def holding(self, *at: tuple[int, Condition]) -> None:
        """Judge so from now on."""
        self.holds = set(at)

    def until(self, so: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Let judge and listener go on until it is so."""
        end = time.monotonic() + patience_s
        while not so():
            assert self.child.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"it took too long\n{self.log.read_text()}"
            now_ns = time.monotonic_ns()
            if self.is_judged_here:
                self.judges(now_ns)
            if (ask := self.listener.to_send(now_ns)) is not None:
                self.near.send(encode(ask))
            for socket in (self.ear, self.near):
                while socket.poll(5):
                    parts = socket.recv_multipart()
                    message = REGISTRY.decode(parts[-1])
                    self.topics += [parts[0].decode()] if len(parts) == 2 else []
                    self.heard.append(message)
                    self.listener.receive(message, time.monotonic_ns())

    def judges(self, now_ns: int) -> None:
        found = Evidence.of(len(BEDS))
        for each in self.holds:
            found.holds[each], found.onset_ns[each] = True, now_ns - 4_000_000_000
        for part in self.teller.tell(found, now_ns):
            self.judge.send(encode(part), zmq.NOBLOCK)

    def shows(self, *wanted: tuple[str, Condition, Presence]) -> bool:
        """Tell whether the listener knows of exactly these alerts."""
        found = {(a.bed, a.row.condition, a.row.presence) for a in self.listener.alerts()}
        return self.listener.is_whole and found == set(wanted)

    def alert_id(self, bed: str, condition: Condition) -> int:
        return self.listener.beds[bed].alerts[condition][0].id

    @contextmanager
    def curve(self, kind: int, name: str, endpoint: str) -> Iterator[zmq.Socket[bytes]]:
        identity = self.keyring.identity(name)
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.curve_serverkey = self.keyring.server("monitor")
        socket.curve_publickey, socket.curve_secretkey = identity.public_z85, identity.secret_z85
        socket.connect(endpoint)
        with socket:
            yield socket

    def wishes(self, name: str, wish: Message) -> str:
        """Say it at the desk; return the refusal."""
        with self.curve(zmq.DEALER, name, self.settings.desk) as socket:
            socket.send(encode(wish))
            assert socket.poll(PATIENCE_S * 1000)
            return REGISTRY.expect(socket.recv(), Done).refusal

    def keeps(self, bed: str, presence: Presence) -> bool:
        """Tell whether the disk has that, too: a kill a moment earlier may forget it."""
        found = Journal(Path(self.settings.store))
        found.read()
        return b'"presence":%d' % presence in found.records.get(bed, b"")

    def counted(self, name: str) -> int:
        board = readings.board(self.run_dir, "alarmd")
        assert board is not None
        return board.counter(name).value

    def is_judged(self) -> bool:
        alive = self.listener.alive
        return alive is not None and alive.unjudged_ms < 1000

    def trouble(self) -> str:
        return self.listener.alive.trouble if self.listener.alive else ""

    def closes(self) -> None:
        self.context.destroy(linger=0)
        stop([self.child])
        shutil.rmtree(self.run_dir)

    def _connect(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.connect(endpoint)
        return socket


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    try:
        yield house
    finally:
        house.closes()


def test_the_monitor_s_own_key_is_rotated_at_the_desk_and_for_who_listens(house):
    house.until(lambda: house.shows() and house.listener.alive is not None)

    def is_served() -> None:
        """Who comes now hears, and is answered."""
        assert house.wishes("desk", Pause(75, 1, "icu/1", 0)) == ""
        with house.curve(zmq.SUB, "screen", house.settings.publish) as socket:
            socket.subscribe(b"alive/")
            assert socket.poll(PATIENCE_S * 1000)

    is_served()
    before = house.keyring.server("monitor")
    keys.rotate(house.run_dir / "keys", "monitor", lambda *_: b"")
    assert house.keyring.refresh()
    assert house.keyring.server("monitor") != before
    is_served()
    assert keys.retire(house.run_dir / "keys", "monitor") == 1
    is_served()


def test_an_alarm_is_heard_answered_and_recorded(house):
    house.until(lambda: house.shows() and house.listener.alive is not None)
    house.holding((0, C.ASYSTOLE))
    house.until(lambda: house.shows(("icu/1", C.ASYSTOLE, Presence.ON)))
    assert "alarm/high/icu/1/asystole" in house.topics
    alert_id = house.alert_id("icu/1", C.ASYSTOLE)
    wish = Acknowledge(74, 5, "icu/1", alert_id, "by the window")
    assert house.wishes("screen", wish) == NOT_ICU
    assert house.wishes("desk", wish) == ""
    assert house.wishes("desk", wish) == Refusal.ACKNOWLEDGED
    house.until(lambda: house.shows(("icu/1", C.ASYSTOLE, Presence.ACK)))
    row, _ = house.listener.beds["icu/1"].alerts[C.ASYSTOLE]
    assert (row.by, row.where) == ("desk", "by the window")
    assert house.counted('alarms_refused_total{cause="role"}') == 1
    assert house.counted('alarms_refused_total{cause="acknowledged"}') == 1
    records = lambda: "".join(p.read_text() for p in house.run_dir.glob("audit/*.jsonl"))  # noqa: E731
    house.until(lambda: "Asystole" in records())
    record = json.loads(records().splitlines()[-1])
    assert (record["actor"], record["act"], record["target"]) == ("desk", "acknowledge", "icu/1")


def test_killed_it_comes_back_with_what_it_knew_and_raises_nothing_anew(house):
    house.holding((0, C.ASYSTOLE), (2, C.VT), (1, C.ECG_OFF))
    on = [("icu/1", C.ASYSTOLE), ("or/1", C.VT), ("icu/2", C.ECG_OFF)]
    house.until(lambda: house.shows(*((*at, Presence.ON) for at in on)))
    assert house.wishes("desk", Acknowledge(74, 1, "or/1", house.alert_id(*on[1]), "")) == ""
    house.holding((0, C.ASYSTOLE), (2, C.VT))
    house.until(lambda: house.shows((*on[0], Presence.ON), (*on[1], Presence.ACK)))
    house.holding((2, C.VT))  # asystole is over, and nobody has said that he saw it
    known = (*on[0], Presence.LATCH), (*on[1], Presence.ACK)
    house.until(lambda: house.shows(*known))
    house.until(lambda: house.keeps("icu/1", Presence.LATCH) and house.keeps("or/1", Presence.ACK))
    ids, seqs = (
        [house.alert_id(*at) for at in on[:2]],
        [b.seq for b in house.listener.beds.values()],
    )
    house.is_killed()
    house.heard.clear()
    house.holds = set()  # and its judge, too, was restarted: it knows nothing yet
    house.teller = Teller(BEDS, 2, time.monotonic_ns())
    house.starts()
    house.until(lambda: house.shows(*known))
    house.holding((2, C.VT))
    house.until(house.is_judged)
    assert house.shows(*known)
    assert [house.alert_id(*at) for at in on[:2]] == ids
    assert [bed.seq for bed in house.listener.beds.values()] == seqs, "nothing was said anew"
    row, _ = house.listener.beds["or/1"].alerts[C.VT]
    assert row.by == "desk"
    assert row.onset_us > 4_000_000


def test_what_was_acknowledged_by_a_word_is_so_after_the_next_kill(house):
    house.holding((0, C.VF))
    house.until(lambda: house.shows(("icu/1", C.VF, Presence.ON)))
    for presence in (Presence.ON, Presence.ACK):
        house.until(lambda kept=presence: house.keeps("icu/1", kept))
        house.is_killed()
        house.starts()
        house.until(lambda wanted=presence: house.shows(("icu/1", C.VF, wanted)))
        alert_id = house.alert_id("icu/1", C.VF)
        refusal = house.wishes("desk", Acknowledge(74, 1, "icu/1", alert_id, ""))
        assert refusal == ("" if presence is Presence.ON else Refusal.ACKNOWLEDGED)
        house.until(lambda: house.shows(("icu/1", C.VF, Presence.ACK)))


def test_a_damaged_journal_is_named_and_alarms_go_on(house):
    house.holding((0, C.VF), (1, C.VF))
    house.until(lambda: len(house.listener.alerts()) == 2)
    house.until(lambda: house.keeps("icu/1", Presence.ON) and house.keeps("icu/2", Presence.ON))
    house.is_killed()
    path = Path(house.settings.store)
    path.write_bytes(path.read_bytes()[:-30] + bytes(200))
    house.starts()
    house.until(lambda: "damaged" in house.trouble())
    house.until(lambda: len(house.listener.alerts()) == 2 and house.listener.is_whole)
    house.holding((0, C.VF), (1, C.VF), (2, C.VF))
    house.until(lambda: len(house.listener.alerts()) == 3)
    assert "damaged" in house.log.read_text()


def test_a_disk_that_takes_nothing_is_named_and_alarms_go_on(house):
    house.closes()
    house.__init__("alarmd.json/alarms.journal")  # a file where a folder should be
    house.holding((0, C.VF))
    house.until(lambda: house.shows(("icu/1", C.VF, Presence.ON)))
    house.until(lambda: "not remembered" in house.trouble())
    house.until(
        lambda: readings.board(house.run_dir, "alarmd").gauge("alarms_store_failures").value
    )


def test_what_is_set_reaches_the_judge_and_is_told_again(house):
    limit = Limit(76, 3, "icu/2", C.HR_HIGH, 140.0, True)
    assert house.wishes("desk", limit) == ""
    assert house.wishes("desk", Limit(76, 4, "icu/2", C.VF, None, False)) == Refusal.HIGH
    for _ in range(3):
        assert house.told.poll(PATIENCE_S * 1000)
        told = REGISTRY.expect(house.told.recv(), Limit)
        assert (told.bed, told.condition, told.limit) == ("icu/2", C.HR_HIGH, 140.0)
    assert house.wishes("desk", Pause(75, 5, "icu/2", 60)) == ""
    house.until(lambda: house.listener.is_whole and house.listener.beds["icu/2"].paused_until_ns)
    (setting,) = house.listener.beds["icu/2"].settings
    assert (setting.condition, setting.limit) == (C.HR_HIGH, 140.0)


def test_doors_open_for_those_who_may(house):
    name = 'alarms_handshake_total{result="wrong_role"}'
    with (
        house.curve(zmq.DEALER, "surgeon", house.settings.desk),
        house.curve(zmq.SUB, "surgeon", house.settings.publish),
    ):
        house.until(lambda: house.counted(name) >= 2)
    with house.curve(zmq.SUB, "screen", house.settings.publish) as socket:
        socket.subscribe(b"alarm/high/icu/")
        house.until(lambda: house.counted('alarms_handshake_total{result="admitted"}') >= 1)
        time.sleep(0.2)  # its subscription is under way
        house.holding((0, C.VF))
        house.until(lambda: socket.poll(0))
        topic, _ = socket.recv_multipart()
        assert topic == b"alarm/high/icu/1/vf"


def test_bytes_that_are_nothing_are_refused_by_name(house):
    house.near.send(b"\x93\x01\x40")
    house.near.send(b"x" * 5000)
    house.near.send_multipart([b"a", b"b"])
    house.judge.send(b"nonsense")
    house.until(lambda: house.counted('alarms_refused_total{cause="wire"}') == 1)
    house.until(lambda: house.counted('alarms_refused_total{cause="parts"}') == 2)
    house.until(lambda: house.counted('alarms_refused_total{cause="evidence"}') == 1)


def test_the_subscriber_of_the_docs_hears_an_alarm_and_a_silence(house, tmp_path):
    page = (REPOSITORY / "docs" / "alarms.md").read_text()
    program = page.partition("```python\n")[2].partition("```")[0]
    lines = [line for line in program.splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 12
    file = tmp_path / "subscriber.py"
    file.write_text(program)
    secret = house.run_dir / "keys" / "screen.secret"
    server = house.keyring.server("monitor").decode()
    said = tmp_path / "said"
    listening = spawn([str(file), str(secret), server, house.settings.publish], output=said)
    try:
        house.until(lambda: house.counted('alarms_handshake_total{result="admitted"}') >= 1)
        house.until(lambda: house.listener.alive is not None)
        flips = [{(0, C.VF)}, set()]

        def hears() -> bool:  # its subscription comes when it comes: the alarm goes on and off
            house.holds = flips[int(time.monotonic()) % 2]
            return "alarm/high/icu/1/vf ON" in said.read_text()

        house.until(hears)
        house.is_killed()
        end = time.monotonic() + PATIENCE_S
        while "FEED SILENT" not in said.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        stop([listening])


def test_a_terminal_shows_alarms_and_answers_them(house, capsys):
    config = config_of(house)
    house.holding((0, C.ASYSTOLE), (2, C.HR_HIGH))
    house.until(lambda: len(house.listener.alerts()) == 2)
    assert node_alarms.watch(config, Wish(seconds=0.2, json=True)) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines()[:2])
    assert (first["bed"], first["condition"], first["presence"]) == ("icu/1", "asystole", "On")
    assert second["priority"] == "Me"
    (line,) = alarm_desk.acknowledge(config, "icu/1", "", "", "here")
    assert "Asystole" in line
    assert [row["presence"] for row in node_alarms.listing(config)] == ["Ack", "On"]
    with pytest.raises(AlarmError, match="nothing to be acknowledged"):
        alarm_desk.acknowledge(config, "icu/1", "", "", "")
    with pytest.raises(AlarmError, match="no bed"):
        alarm_desk.acknowledge(config, "icu/9", "", "", "")
    alarm_desk.set_limit(config, "or/1", "hr_high", "140", "")
    alarm_desk.set_limit(config, "or/1", "hr_high", "off", "")
    rows = {row["condition"]: row for row in alarm_desk.limits(config, "or/1")}
    assert (rows["hr_high"]["limit"], rows["hr_high"]["judged"]) == ("> 140", "no")
    with pytest.raises(AlarmError, match="high priority"):
        alarm_desk.set_limit(config, "or/1", "asystole", "off", "")
    alarm_desk.pause(config, "or/1", 30, "")
    alarm_desk.change(config, "icu/1", "discharge", "")
    with pytest.raises(AlarmError, match="role icu"):
        alarm_desk.pause(config, "or/1", 30, "screen")


def test_an_alarm_holds_the_robot_at_that_bed_until_somebody_answers(house):
    robot = house.context.socket(zmq.ROUTER)
    robot.linger = 0
    robot.curve_server = True
    robot.curve_secretkey = house.keyring.identity("psm").secret_z85
    robot.bind(house.settings.robot.guard)
    ceilings: list[Ceiling] = []

    def lowered_to(state: State) -> bool:
        while robot.poll(0):
            route, data = robot.recv_multipart()
            message = GUARD.decode(data)
            if isinstance(message, Ceiling):
                ceilings.append(message)
            else:  # it asks whether it is heard
                robot.send_multipart([route, encode(Clock(3, message.t1, 1, 1))])
        return bool(ceilings) and ceilings[-1].max_state == state

    house.until(lambda: lowered_to(State.ENGAGED))
    house.holding((2, C.ASYSTOLE), (0, C.VF))
    house.until(lambda: lowered_to(State.HOLD))
    assert (ceilings[-1].source, ceilings[-1].robot) == ("monitor", "psm")
    house.until(lambda: len(house.listener.alerts()) == 2)
    alert_id = house.alert_id("or/1", C.ASYSTOLE)
    assert house.wishes("desk", Acknowledge(74, 1, "or/1", alert_id, "")) == ""
    house.until(lambda: lowered_to(State.ENGAGED))
    robot.close()


def test_a_robot_that_stops_is_an_alarm_of_its_bed(house):
    relay = house.context.socket(zmq.PUB)
    relay.linger = 0
    relay.bind(f"ipc://{house.run_dir}/state.1.ipc")
    alert = ("or/1", C.ROBOT_STOPPED, Presence.ON)

    def says(state: State, robot: str = "psm") -> Callable[[], bool]:
        wanted = [alert] if state is State.PROTECTIVE_STOP else []

        def so() -> bool:
            relay.send(encode(msgspec.structs.replace(IDLE_STATE, robot=robot, state=state)))
            return house.shows(*wanted)

        return so

    house.until(lambda: house.shows())
    house.until(says(State.PROTECTIVE_STOP))
    house.until(says(State.IDLE))
    relay.close()


def config_of(house: House) -> NodeConfig:
    node = Node(name="alarms", state_dir=str(house.run_dir), run_dir=str(house.run_dir))
    monitor = Monitor(identity="monitor", beds=BEDS)
    doors = Alarms(publish=house.settings.publish, desk=house.settings.desk)
    return NodeConfig(node=node, monitor=monitor, alarms=doors)
