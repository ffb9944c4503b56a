"""The monitor's process: a patient's signals go in by both doors, numbers come out by both."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq

from bench import readings
from bench.children import spawn, stop
from bench.ports import free_ports
from monitor.alarms.messages import Alive
from monitor.alarms.wishes import Limit
from monitor.messages import (
    VOCABULARY,
    Beat,
    Block,
    Metric,
    Numeric,
    Reading,
    Reason,
    Samples,
    Signal,
    pack,
)
from monitor.settings import MonitordSettings, sources, vitals
from monitor.vitals.events import Kind
from transport.io import keys
from transport.io.keys import Keyring, Role
from transport.io.process import ProcessSettings
from transport.wire.codec import Registry, encode

PATIENCE_S = 30.0
#: Its kernels are compiled first, where nobody has; on a busy machine that is minutes.
COMPILE_S = 240.0

pytestmark = pytest.mark.timeout(300)
BEDS = ("icu/1", "or/1")
DEVICES = {
    "monitor": Role.GUARD,
    "oximeter": Role.DEVICE,
    "screen": Role.ICU,
    "surgeon": Role.CONSOLE,
}
_REGISTRY = Registry(VOCABULARY)
#: A patient: 72 beats and 15 breaths a minute, 120 over 80 mmHg, a ratio of ratios of 0.6.
RATES = {Signal.PLETH: 125.0, Signal.RED: 125.0, Signal.ABP: 125.0, Signal.RESP: 62.5}


def signal(kind: Signal, t_s: np.ndarray) -> np.ndarray:
    phase = (t_s * 1.2) % 1.0
    pulse = np.minimum(1.0, phase * 8.0) * np.exp(-2.5 * np.maximum(0.0, phase - 0.125))
    return {
        Signal.PLETH: 10.0 + 0.2 * pulse,
        Signal.RED: 10.0 + 0.12 * pulse,
        Signal.ABP: 80.0 + 40.0 * pulse,
        Signal.RESP: np.sin(2 * np.pi * 0.25 * t_s),
    }[kind].astype(np.float32)


class Ward:
    """The process, and what can be said to it and heard of it."""

    def __init__(self) -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="trocar-ward-", dir="/dev/shm"))
        for name, role in DEVICES.items():
            keys.new(self.run_dir / "keys", name, role)
        self.keyring = Keyring.load(self.run_dir / "keys")
        listen, publish = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
        settings = MonitordSettings(
            process=ProcessSettings(name="monitord", run_dir=str(self.run_dir), skew_seed=7),
            keys=str(self.run_dir / "keys"),
            identity="monitor",
            listen=listen,
            publish=publish,
            beds=BEDS,
        )
        self.settings = settings
        path = self.run_dir / "monitord.json"
        path.write_bytes(msgspec.json.encode(settings))
        self.log = self.run_dir / "monitord.log"
        self.child = spawn(["-m", "monitor.monitord", str(path)], output=self.log)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.heard: list[Numeric | Beat] = []
        self.topics: set[str] = set()
        self.sent = self.seq = 0

    def opens(self) -> None:
        self.until(lambda: self.counted("monitor_messages_total") is not None, COMPILE_S)
        self.near = self._connect(zmq.SUB, vitals(self.run_dir))
        self.near.subscribe(b"vital/")
        self.near.subscribe(b"beat/")
        self.source = self._connect(zmq.PUSH, sources(self.run_dir))

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

    @contextmanager
    def both(self, device: str, screen: str, topic: str) -> Iterator[tuple[zmq.Socket[bytes], ...]]:
        """A device at its door, and a screen at the other one."""
        with (
            self.curve(zmq.DEALER, device, self.settings.listen) as speaks,
            self.curve(zmq.SUB, screen, self.settings.publish) as hears,
        ):
            hears.subscribe(topic.encode())
            yield speaks, hears

    def samples(self, device: str = "patient") -> Samples:
        """The next 40 ms of the patient."""
        blocks = []
        for kind, rate_hz in RATES.items():
            first, end = (int(rate_hz * 0.04 * k) for k in (self.sent, self.sent + 1))
            blocks.append(
                Block(kind, rate_hz, first, signal(kind, np.arange(first, end) / rate_hz))
            )
        self.sent += 1
        return pack("icu/1", device, 1, self.sent, 1000, blocks)

    def plays(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Send the patient as time goes by."""
        end = time.monotonic() + seconds
        due = time.monotonic()
        while due < end and not until():
            self.source.send(encode(self.samples()))
            due += 0.04
            self.listens(max(0.0, due - time.monotonic()))

    def listens(
        self,
        seconds: float,
        socket: zmq.Socket[bytes] | None = None,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        socket = socket or self.near
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not until():
            if socket.poll(left * 1000):
                topic, data = socket.recv_multipart()
                self.topics.add(topic.decode())
                message = _REGISTRY.decode(data)
                assert isinstance(message, Numeric | Beat)
                self.heard.append(message)

    def numerics(self) -> Iterator[Numeric]:
        """What was said of numbers, the newest first."""
        return (m for m in reversed(self.heard) if isinstance(m, Numeric))

    def newest(self, metric: Metric, bed: str = "icu/1") -> Numeric | None:
        return next((m for m in self.numerics() if (m.bed, m.metric) == (bed, metric)), None)

    def value(self, metric: Metric, bed: str = "icu/1") -> float | None:
        newest = self.newest(metric, bed)
        return newest.value if newest is not None else None

    def counted(self, name: str) -> int | None:
        board = readings.board(self.run_dir, "monitord")
        return board.counter(name).value if board and board.gauge("ready").value else None

    def until(self, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        end = time.monotonic() + patience_s
        while not condition():
            assert self.child.poll() is None, self.log.read_text()
            assert time.monotonic() < end, "it took too long"
            time.sleep(0.02)

    def closes(self) -> None:
        self.near.close()
        self.source.close()
        self.context.destroy(linger=0)
        stop([self.child])
        shutil.rmtree(self.run_dir)

    def _connect(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.connect(endpoint)
        return socket


@pytest.fixture(scope="module")
def ward() -> Iterator[Ward]:
    ward = Ward()
    try:
        ward.opens()
        yield ward
    finally:
        ward.closes()


def test_a_patient_s_signals_become_numbers_and_beats(ward):
    measured = (Metric.PR, Metric.SPO2, Metric.SYS, Metric.DIA, Metric.RR)
    ward.plays(PATIENCE_S, until=lambda: all(ward.value(metric) for metric in measured))
    assert ward.value(Metric.PR) == pytest.approx(72, abs=1)
    assert ward.value(Metric.SPO2) == pytest.approx(95, abs=1)
    assert ward.value(Metric.SYS) == pytest.approx(117, abs=4)
    assert ward.value(Metric.DIA) == pytest.approx(81, abs=3)
    assert ward.value(Metric.RR) == pytest.approx(15, abs=1)
    kinds = {m.source for m in ward.heard if isinstance(m, Beat)}
    assert {Kind.PULSE, Kind.ONSET, Kind.BREATH} <= kinds
    assert all(m.age_us < 2_000_000 for m in ward.heard if isinstance(m, Beat))
    assert {"vital/icu/1/pr", "beat/icu/1"} <= ward.topics


def test_what_nobody_measures_says_so_and_so_does_an_empty_bed(ward):
    everything = len(Metric) * len(BEDS)
    said = lambda: {(m.bed, m.metric) for m in ward.numerics()}  # noqa: E731
    ward.listens(PATIENCE_S, until=lambda: len(said()) == everything)
    assert ward.newest(Metric.HR).reason == Reason.NEVER
    assert ward.newest(Metric.TEMP).value is None
    assert {ward.newest(m, "or/1").reason for m in Metric} == {Reason.NEVER}


def test_a_feed_that_ends_is_told_within_three_seconds(ward):
    ward.plays(2.0)
    ward.listens(3.0, until=lambda: ward.newest(Metric.PR).reason == Reason.SILENT)
    assert ward.newest(Metric.PR).reason == Reason.SILENT
    assert ward.newest(Metric.PR).value is None


def test_no_message_is_said_that_is_not_heard(ward):
    ward.listens(1.0)
    for kind in (Numeric, Beat):
        said = [m.seq for m in ward.heard if isinstance(m, kind)]
        assert said == list(range(said[0], said[0] + len(said)))


def test_a_device_speaks_over_curve_in_its_own_name_only(ward):
    reading = Reading(65, "or/1", "oximeter", 1, 1, Metric.TEMP, 36.8, 0)
    with ward.curve(zmq.DEALER, "oximeter", ward.settings.listen) as socket:
        socket.send(encode(reading))
        socket.send(encode(msgspec.structs.replace(reading, device="other", seq=2, value=40.0)))
        socket.send(b"\x93\x01\x40")
        ward.until(lambda: ward.counted('monitor_refused_total{cause="wire"}') == 1)
        ward.until(lambda: ward.counted('monitor_refused_total{cause="identity"}') == 1)
    ward.listens(3.0, until=lambda: ward.value(Metric.TEMP, "or/1") is not None)
    assert ward.value(Metric.TEMP, "or/1") == pytest.approx(36.8)


def test_no_device_sets_what_is_judged(ward):
    name = 'monitor_refused_total{cause="wire"}'
    before = ward.counted(name)
    with ward.curve(zmq.DEALER, "oximeter", ward.settings.listen) as socket:
        socket.send(encode(Limit(76, 0, "icu/1", 7, 250.0, False)))
        ward.until(lambda: ward.counted(name) == before + 1)


def test_it_says_that_it_lives_and_how_much_it_has_said(ward):
    with ward.context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.subscribe(b"alive/")
        socket.connect(vitals(ward.run_dir))
        assert socket.poll(PATIENCE_S * 1000)
        topic, data = socket.recv_multipart()
    alive = Registry((Alive,)).expect(data, Alive)
    assert (topic, alive.source) == (b"alive/vitals", "vitals")
    assert alive.total >= len(ward.heard)


def test_a_console_s_key_opens_neither_door(ward):
    name = 'monitor_handshake_total{result="wrong_role"}'
    before = ward.counted(name)
    with (
        ward.curve(zmq.DEALER, "surgeon", ward.settings.listen),
        ward.curve(zmq.SUB, "surgeon", ward.settings.publish),
    ):
        ward.until(lambda: ward.counted(name) >= before + 2)


def test_a_screen_hears_over_curve_what_it_asked_for(ward):
    expected = {f"vital/or/1/{metric.name.lower()}" for metric in Metric}
    ward.topics.clear()
    with ward.curve(zmq.SUB, "screen", ward.settings.publish) as socket:
        socket.subscribe(b"vital/or/1/")
        ward.listens(PATIENCE_S, socket, until=lambda: ward.topics == expected)
    assert ward.topics == expected


def test_the_monitor_s_own_key_is_rotated_and_nobody_at_either_door_notices(ward):
    reading = Reading(65, "or/1", "oximeter", 2, 1, Metric.TEMP, 37.0, 0)
    told = iter(range(1, 1 << 20))

    def is_heard(device: zmq.Socket[bytes], screen: zmq.Socket[bytes]) -> None:
        """A temperature that is said at one door is told at the other."""
        value = 37.0 + next(told) / 100
        end = time.monotonic() + PATIENCE_S
        while ward.value(Metric.TEMP, "or/1") != pytest.approx(value):
            assert time.monotonic() < end
            message = msgspec.structs.replace(reading, seq=next(told), value=value)
            device.send(encode(message))
            ward.listens(0.2, screen)

    doors = partial(ward.both, "oximeter", "screen", "vital/or/1/temp")
    with doors() as (device, screen):
        is_heard(device, screen)
        before = ward.keyring.server("monitor")
        keys.rotate(ward.run_dir / "keys", "monitor", lambda *_: b"")
        assert ward.keyring.refresh()
        assert ward.keyring.server("monitor") != before
        with doors() as (new_device, new_screen):
            is_heard(new_device, new_screen)
            is_heard(device, screen)
            is_heard(device, new_screen)
            assert keys.retire(ward.run_dir / "keys", "monitor") == 1
            is_heard(new_device, new_screen)
            refused = ward.counted('monitor_refused_total{cause="handshake"}')
            ward.until(lambda: ward.counted('monitor_refused_total{cause="handshake"}') > refused)
            while screen.poll(0):
                screen.recv_multipart()
            is_heard(new_device, new_screen)
            assert not screen.poll(0), "whoever did not go over hears nothing more"
