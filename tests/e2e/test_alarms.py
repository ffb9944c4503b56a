"""A heart stops: who listens hears of it, and goes on knowing it whatever is killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
import zmq

from bench import readings
from bench.children import spawn, stop
from bench.ports import free_ports
from monitor.alarms.alert import Presence
from monitor.alarms.condition import Condition
from monitor.alarms.wishes import Acknowledge, Limit
from monitor.feed.player import Player, tracks_of
from monitor.feed.readers import channels_of
from monitor.settings import MonitordSettings, sources
from monitor.sim.patient import Episode, Script, make
from tests.e2e.test_alarmd import BEDS, House
from transport.io.process import ProcessSettings
from transport.wire.codec import encode

#: Its kernels are compiled first, where nobody has; on a busy machine that is minutes.
COMPILE_S = 240.0
PATIENCE_S = 60.0
pytestmark = pytest.mark.timeout(600)
#: Long enough for every sensor to know the patient, then asystole.
SINUS_S = 20.0
DYING = Script((Episode("sinus", SINUS_S), Episode("asystole", 120.0)))
AT = "icu/1", Condition.ASYSTOLE


class Ward(House):
    """Both processes, and a patient."""

    def __init__(self) -> None:
        self.monitor: subprocess.Popen[bytes] | None = None
        self.player: Player | None = None
        super().__init__(is_judged_here=False)
        self.monitor_settings = MonitordSettings(
            process=ProcessSettings(name="monitord", run_dir=str(self.run_dir), skew_seed=7),
            keys=self.settings.keys,
            identity="monitor",
            listen=f"tcp://127.0.0.1:{free_ports(1)[0]}",
            beds=BEDS,
        )
        self.source = self.context.socket(zmq.PUSH)
        self.source.linger = 0
        self.source.connect(sources(self.run_dir))
        self.monitors()

    def monitors(self) -> None:
        path = self.run_dir / "monitord.json"
        path.write_bytes(msgspec.json.encode(self.monitor_settings))
        (self.run_dir / "boards" / "monitord.board").unlink(missing_ok=True)
        log = self.run_dir / "monitord.log"
        self.monitor = spawn(["-m", "monitor.monitord", str(path)], output=log)

    def dies(self) -> None:
        """Let the patient's heart beat, and then stop."""
        tracks = tracks_of(channels_of(make(DYING, 3)))
        self.player = Player(tracks, "icu/1", "feed", 1, time.monotonic_ns(), False)

    def until(self, so: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        def plays_and_so() -> object:
            assert self.monitor is None or self.monitor.poll() in (None, -signal.SIGKILL)
            if self.player is not None:
                for message in self.player.handle_deadline(time.monotonic_ns()):
                    if self.source.poll(0, zmq.POLLOUT):
                        self.source.send(encode(message))
            return so()

        super().until(plays_and_so, patience_s)

    def closes(self) -> None:
        stop([self.monitor])
        super().closes()


@pytest.fixture
def ward() -> Iterator[Ward]:
    ward = Ward()
    try:
        yield ward
    finally:
        ward.closes()


def test_a_heart_that_stops_is_told_and_stays_told_whatever_is_killed(ward):
    ward.until(lambda: readings.is_ready(ward.run_dir, "monitord"), COMPILE_S)
    ward.until(ward.is_judged)
    ward.dies()
    ward.until(lambda: AT[1] in ward.listener.beds["icu/1"].alerts, SINUS_S + PATIENCE_S)
    row, _ = ward.listener.beds["icu/1"].alerts[AT[1]]
    assert row.presence == Presence.ON
    assert "alarm/high/icu/1/asystole" in ward.topics
    assert row.onset_us >= 3_900_000, "a gap of four seconds is an asystole"
    first = row.id

    ward.monitor.send_signal(signal.SIGKILL)
    ward.monitor.wait()
    ward.until(lambda: ward.listener.is_unjudged(time.monotonic_ns()))
    assert ward.alert_id(*AT) == first, "nobody judges, and nothing has ended"
    ward.is_killed()
    ward.starts()
    ward.until(lambda: ward.listener.is_whole)
    assert ward.alert_id(*AT) == first
    refusal = ward.wishes("desk", Acknowledge(74, 1, "icu/1", first, "bed"))
    assert refusal == ""

    ward.monitors()
    ward.until(lambda: readings.is_ready(ward.run_dir, "monitord"), COMPILE_S)
    ward.until(ward.is_judged)
    seen = time.monotonic() + 8.0  # the judge finds it again
    ward.until(lambda: time.monotonic() > seen)
    row, _ = ward.listener.beds["icu/1"].alerts[AT[1]]
    assert (row.id, row.presence, row.by) == (first, Presence.ACK, "desk")
    assert not any(
        said.row.presence == Presence.ON and said.row.condition == AT[1]
        for said in ward.listener.newest
    )


def test_a_limit_that_somebody_sets_is_judged_by(ward):
    ward.until(lambda: readings.is_ready(ward.run_dir, "monitord"), COMPILE_S)
    ward.dies()
    narrow = Limit(76, 1, "icu/1", Condition.HR_HIGH, 40.0, True)
    assert ward.wishes("desk", narrow) == ""
    ward.until(lambda: Condition.HR_HIGH in ward.listener.beds["icu/1"].alerts)
    row, _ = ward.listener.beds["icu/1"].alerts[Condition.HR_HIGH]
    assert 40.0 < row.value < 120.0
