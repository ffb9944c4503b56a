"""The monitor's process: what devices say comes in, what the engine makes of it goes out.

Devices reach it over CURVE (a device speaks in its own name only), sources of this machine over a
socket in the run directory. Numbers and beats leave on a PUB socket there, and over CURVE.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import zmq

from monitor import bulletin, ingest
from monitor.alarms import judge
from monitor.alarms.condition import CONDITIONS, Condition
from monitor.alarms.holding import Teller
from monitor.alarms.judge import Judge
from monitor.alarms.messages import Alive
from monitor.alarms.wishes import Limit
from monitor.bulletin import Bulletin
from monitor.engine import TICK_NS, Engine, Found, warm
from monitor.messages import Metric, Reading, Samples
from monitor.settings import MonitordSettings, evidence, sources, vitals
from monitor.vitals import numerics
from monitor.vitals.seam import Options
from transport.io.curve import Doorman
from transport.io.dialogue import CAUSES as SOCKET_CAUSES
from transport.io.dialogue import Listener
from transport.io.keys import Device, KeyFault, Keyring, Role
from transport.io.process import Runtime, main
from transport.io.publisher import Publisher
from transport.io.zmq import Port, Tuning, tune
from transport.wire.codec import MESSAGE_BYTES_MAX, Message, Registry, encode
from transport.wire.errors import WireError

DEVICES, LISTENERS = "monitor.devices", "monitor.vitals"
DOORS: Final = {
    DEVICES: frozenset({Role.DEVICE}),
    LISTENERS: frozenset({Role.ICU, Role.OBSERVER}),
}
HANDSHAKES: Final = ("admitted", "unknown_key", "wrong_role", "unknown_domain", "not_curve")
#: Why something was refused before the engine saw it.
DOOR: Final = (*SOCKET_CAUSES, "wire", "identity", "unknown_bed")
#: What a bed's device may send: five messages each 40 ms, and what waited half a second.
RATE_HZ, BURST = 125, 64
CALLERS_MAX: Final = 4096
REFRESH_NS: Final = 50_000_000
#: Beats that one tick may say; the rest are counted.
BEATS_MAX: Final = 512
#: A tick's worth of numbers and beats may wait for a slow subscriber, and some ticks more.
TUNING: Final = Tuning(hwm=8192)
#: Everything that holds of the largest ward may wait for the alarms, twice.
EVIDENCE: Final = Tuning(hwm=1024)
ALIVE_NS: Final = 500_000_000
_REGISTRY: Final = Registry((Samples, Reading))
_LOCAL: Final = Registry((Samples, Reading, Limit))
_CONDITIONS: Final = frozenset(Condition)


class Monitord:
    """The engine between its sockets."""

    def __init__(self, settings: MonitordSettings, runtime: Runtime) -> None:
        self._open_board(runtime)
        self._clock = runtime.clock
        self._keyring = keyring = Keyring.load(settings.keys)
        options = Options(settings.leads, settings.spo2_curve)
        now_ns = runtime.clock.now_ns()
        self._engine = Engine(settings.beds, now_ns, settings.sensors, options)
        self._bulletin = Bulletin(len(settings.beds))
        self._vital = [
            [f"vital/{b}/{m.name.lower()}".encode() for m in Metric] for b in settings.beds
        ]
        self._beat = [f"beat/{bed}".encode() for bed in settings.beds]
        self._said = self._told = 0
        self._incarnation = now_ns & 0xFFFF_FFFF
        self._judge = Judge(len(settings.beds), settings.leads)
        self._patients = {bed: patient for patient, bed in enumerate(settings.beds)}
        self._teller = Teller(settings.beds, self._incarnation, now_ns)
        self._name = settings.identity
        identity = keyring.identity(self._name)
        count_handshake = self._handshakes.__getitem__
        runtime.keep(
            Doorman(runtime.loop, runtime.context, keyring, DOORS, lambda r: count_handshake(r)())
        )
        self._devices = runtime.keep(
            Listener(
                runtime,
                keyring,
                identity,
                DEVICES,
                settings.listen,
                lambda device: None,
                self._heard,
                self._refuse,
                rate_hz=RATE_HZ,
                burst=BURST,
                callers_max=CALLERS_MAX,
            )
        )
        local = tune(runtime.context.socket(zmq.PULL))
        local.bind(sources(runtime.settings.run_dir))
        self._local = runtime.keep(
            Port(runtime.loop, local, self._pushed, on_surplus=lambda: self._refuse("parts"))
        )
        near = tune(runtime.context.socket(zmq.PUB), TUNING)
        near.bind(vitals(runtime.settings.run_dir))
        self._near = runtime.keep(Port(runtime.loop, near, lambda _: None))
        self._far: Publisher | None = None
        if settings.publish:
            self._far = runtime.keep(
                Publisher(runtime, keyring, identity, LISTENERS, settings.publish, TUNING)
            )
        told = tune(runtime.context.socket(zmq.PUSH), EVIDENCE)
        told.connect(evidence(runtime.settings.run_dir))
        self._alarms = runtime.keep(Port(runtime.loop, told, lambda _: None))
        runtime.loop.every(REFRESH_NS, self._keep_house)
        runtime.loop.every(ALIVE_NS, self._live)
        self._alarm = runtime.loop.alarm(self._tick)
        runtime.keep(self._alarm)
        self._alarm.set(self._engine.next_deadline_ns())
        runtime.ready()

    def close(self) -> None:
        """Count for the last time."""
        self._count()

    # In

    def _heard(self, device: Device, data: bytes) -> None:
        """Take what a device says over CURVE: in its own name, or not at all."""
        message = self._decode(data)
        if message is None:
            return
        assert isinstance(message, Samples | Reading)
        if message.device != device.name:
            self._refuse("identity")
        else:
            self._take(message)

    def _pushed(self, frames: list[zmq.Frame]) -> None:
        """Take what a source of this machine says."""
        if len(frames) != 1:
            self._refuse("parts")
        elif len(frames[0]) > MESSAGE_BYTES_MAX:
            self._refuse("oversized")
        elif (message := self._decode(frames[0].bytes, _LOCAL)) is not None:
            self._take(message)

    def _decode(self, data: bytes, registry: Registry = _REGISTRY) -> Message | None:
        try:
            return registry.decode(data)
        except WireError:
            self._refuse("wire")
            return None

    def _take(self, message: Message) -> None:
        if isinstance(message, Limit):
            self._set(message)
            return
        assert isinstance(message, Samples | Reading)
        self._received()
        self._engine.receive(message, self._clock.now_ns())

    def _refuse(self, cause: str) -> None:
        self._refused[cause].add()

    # Out

    def _tick(self) -> None:
        """Make every tick that is due: first what has come, then what it means."""
        engine = self._engine
        self._local.poll()
        begin_ns = self._clock.now_ns()
        while engine.handle_deadline(begin_ns):
            self._late.record(max(0, begin_ns - (engine.next_deadline_ns() - TICK_NS)))
            tick_ns = self._clock.now_ns()
            self._say_evidence(engine.next_deadline_ns() - TICK_NS, tick_ns)
            for found in engine.found:
                self._say_beats(found)
            self._say_numbers(tick_ns)
            self._took.record(self._clock.now_ns() - begin_ns)
        self._alarm.set(engine.next_deadline_ns())

    def _say_evidence(self, end_ns: int, now_ns: int) -> None:
        """Judge the tick that ended then, and tell the alarms what holds: they come first."""
        for part in self._teller.tell(self._judge.tick(self._engine, end_ns), now_ns):
            self._alarms.send(encode(part))

    def _set(self, limit: Limit) -> None:
        """Judge a patient by what somebody has set there."""
        patient = self._patients.get(limit.bed)
        if patient is None or limit.condition not in _CONDITIONS:
            self._engine.unknown += 1
            return
        condition = Condition(limit.condition)
        usual = CONDITIONS[condition].limit
        limits = self._judge.limits
        limits.limit[patient, condition] = usual if limit.limit is None else limit.limit
        limits.enabled[patient, condition] = limit.enabled

    def _live(self) -> None:
        said = self._said + self._told
        self._publish(b"alive/vitals", encode(Alive(71, "vitals", self._incarnation, said, 0, "")))

    def _say_numbers(self, now_ns: int) -> None:
        engine = self._engine
        for patient, metric in self._bulletin.due(engine.numerics, now_ns):
            self._said += 1
            message = bulletin.numeric(engine, patient, metric, self._said)
            self._publish(self._vital[patient][metric], encode(message))

    def _say_beats(self, found: Found) -> None:
        """Say what one sensor found in this tick."""
        self._unsaid.add(max(0, len(found.events) - BEATS_MAX))
        for patient, message in bulletin.beats(self._engine, found, self._told, BEATS_MAX):
            self._told += 1
            self._publish(self._beat[patient], encode(message))

    def _publish(self, topic: bytes, data: bytes) -> None:
        self._near.send_to(topic, data)
        if self._far is not None:
            self._far.send_to(topic, data)

    # The house

    def _keep_house(self) -> None:
        if self._keyring.refresh():
            self._keys_changed()
        self._count()

    def _keys_changed(self) -> None:
        """Let go of who came by a revoked key; take up a new one of ours."""
        doors = [door for door in (self._devices, self._far) if door is not None]
        for door in doors:
            door.forget_revoked()
        try:
            identity = self._keyring.identity(self._name)
            for door in doors:
                door.rekey(identity)
        except (KeyFault, zmq.ZMQError) as fault:  # what is in force goes on
            sys.stderr.write(f"monitord: {fault}\n")

    def _open_board(self, runtime: Runtime) -> None:
        names = {cause: f'monitor_refused_total{{cause="{cause}"}}' for cause in DOOR}
        shaken = {name: f'monitor_handshake_total{{result="{name}"}}' for name in HANDSHAKES}
        inside = {cause: f'monitor_samples_total{{cause="{cause}"}}' for cause in ingest.CAUSES}
        plain = {cause: f'monitor_readings_total{{cause="{cause}"}}' for cause in numerics.CAUSES}
        board = runtime.open_board(
            (
                *(name for group in (names, shaken, inside, plain) for name in group.values()),
                "monitor_messages_total",
                "monitor_said_total",
                "monitor_events_lost_total",
                "monitor_ticks_skipped_total",
            ),
            ("monitor_beds", "monitor_rows_playing"),
            ("tick_ns", "tick_late_ns"),
        )
        self._refused = {cause: board.counter(name) for cause, name in names.items()}
        self._handshakes: dict[str, Callable[[], None]] = {
            result: board.counter(name).add for result, name in shaken.items()
        }
        self._inside = {cause: board.counter(name) for cause, name in inside.items()}
        self._plain = {cause: board.counter(name) for cause, name in plain.items()}
        self._received = board.counter("monitor_messages_total").add
        self._spoken = board.counter("monitor_said_total")
        self._unsaid = board.counter("monitor_events_lost_total")
        self._skipped = board.counter("monitor_ticks_skipped_total")
        self._beds = board.gauge("monitor_beds")
        self._playing = board.gauge("monitor_rows_playing")
        self._took = board.histogram("tick_ns")
        self._late = board.histogram("tick_late_ns")

    def _count(self) -> None:
        """Show what the cores have counted."""
        engine = self._engine
        for cause, total in engine.ingest.counted().items():
            self._inside[cause].add(total - self._inside[cause].value)
        for cause, total in engine.plain.refused.items():
            self._plain[cause].add(total - self._plain[cause].value)
        unknown = self._refused["unknown_bed"]
        unknown.add(engine.unknown - unknown.value)
        self._spoken.add(self._said + self._told - self._spoken.value)
        self._skipped.add(engine.skipped - self._skipped.value)
        self._beds.set(len(engine.beds))
        self._playing.set(int(engine.ingest.rows["proven"].sum()))


def prepare(settings: MonitordSettings) -> None:
    """Compile before any right is taken: this is seconds of a core."""
    warm(settings.sensors)
    judge.warm(settings.leads)


if __name__ == "__main__":
    sys.exit(main(MonitordSettings, Monitord, prepare))
