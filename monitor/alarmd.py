"""The alarms' process: what holds comes in from the judge, what is told and answered is here.

It is beside the monitor, and not in it, for three reasons. It starts within a second, without
numba, so that alarms which were up when it was killed are back before the monitor could be. When
the monitor is killed no alarm goes away. And disk, audit and whoever asks never stand in the way
of a tick.

Alarms leave on a PUB socket in the run directory, and over CURVE; questions and answers come to a
desk, over CURVE (role icu; observers may only ask), and on this machine without a key (ask only).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import zmq

from monitor.alarms import memory, report
from monitor.alarms.alert import Bed, Presence, Said
from monitor.alarms.condition import Condition
from monitor.alarms.desk import CAUSES, Desk
from monitor.alarms.holding import Judged
from monitor.alarms.messages import Alive, Holding
from monitor.alarms.reminder import Reminder
from monitor.alarms.roster import Roster
from monitor.alarms.tally import Tally
from monitor.alarms.wishes import Limit
from monitor.robotline import RobotLine
from monitor.settings import AlarmdSettings, alarms, desk, evidence, sources
from safety.audit import Outcome
from safety.store.audit import AuditLog
from safety.store.journal import Journal, Keeper
from safety.store.scribe import Scribe
from transport.io.curve import Doorman
from transport.io.dialogue import CAUSES as SOCKET_CAUSES
from transport.io.dialogue import Listener
from transport.io.keys import Device, Identity, KeyFault, Keyring, Role
from transport.io.process import Runtime, main
from transport.io.publisher import Publisher
from transport.io.zmq import Port, Tuning, tune
from transport.wire.codec import MESSAGE_BYTES_MAX, Registry, encode
from transport.wire.errors import WireError

LISTENERS, DESK = "monitor.alarms", "monitor.desk"
DOORS: Final = {
    LISTENERS: frozenset({Role.ICU, Role.OBSERVER}),
    DESK: frozenset({Role.ICU, Role.OBSERVER}),
}
#: Why something was refused: by the socket, as evidence, by the desk.
REFUSED: Final = (*SOCKET_CAUSES, "evidence", *CAUSES)
#: What one device may ask and answer: a page each 2 ms while it catches up.
RATE_HZ, BURST = 500, 64
CALLERS_MAX: Final = 256
ALIVE_NS: Final = 500_000_000
TICK_NS: Final = 50_000_000
TUNING: Final = Tuning(hwm=8192)
_EVIDENCE: Final = Registry((Holding,))
_MS: Final = 1_000_000
#: An id is the wall clock's millisecond of the start, and a number; so it is nobody else's.
_ID_BITS: Final = 20


class Alarmd:
    """The roster between its sockets and its journal."""

    def __init__(self, settings: AlarmdSettings, runtime: Runtime) -> None:
        self._runtime, self._clock = runtime, runtime.clock
        self._tally = Tally(runtime, REFUSED)
        self._keyring = keyring = Keyring.load(settings.keys)
        self._incarnation = time.time_ns() // _MS
        self._roster = self._remember(settings)
        self._desk = Desk(self._roster, self._incarnation)
        self._judged = Judged(settings.beds)
        self._began_ns = runtime.clock.now_ns()
        self._reminder = Reminder(self._roster.beds)
        self._scribe = self._open_audit(settings)
        self._name = settings.identity
        identity = keyring.identity(self._name)
        shaken = self._tally.shaken
        runtime.keep(Doorman(runtime.loop, runtime.context, keyring, DOORS, lambda r: shaken[r]()))
        near = tune(runtime.context.socket(zmq.PUB), TUNING)
        near.bind(alarms(runtime.settings.run_dir))
        self._listeners = runtime.keep(Port(runtime.loop, near, lambda _: None))
        self._far: Publisher | None = None
        if settings.publish:
            self._far = runtime.keep(
                Publisher(runtime, keyring, identity, LISTENERS, settings.publish, TUNING)
            )
        self._open_desk(settings, runtime, identity)
        pull = tune(runtime.context.socket(zmq.PULL))
        pull.bind(evidence(runtime.settings.run_dir))
        runtime.keep(Port(runtime.loop, pull, self._told))
        judge = tune(runtime.context.socket(zmq.PUSH), Tuning(hwm=256))
        judge.connect(sources(runtime.settings.run_dir))
        self._judge = runtime.keep(Port(runtime.loop, judge, lambda _: None))
        self._robot = None
        if settings.robot is not None:
            self._robot = runtime.keep(RobotLine(runtime, keyring, identity, settings.robot))
        runtime.loop.every(ALIVE_NS, self._live)
        runtime.loop.every(TICK_NS, self._tick)
        self._live()
        runtime.ready()

    def close(self) -> None:
        """Write what waits."""
        self._tally.look(self._roster.beds.values(), self._keeper.failures)
        self._keeper.close()
        if self._scribe is not None:
            self._scribe.close()

    # In ---------------------------------------------------------------------------------------

    def _told(self, frames: list[zmq.Frame]) -> None:
        """Take what the judge says of everybody."""
        now_ns = self._clock.now_ns()
        try:
            part = _EVIDENCE.expect(frames[0].bytes, Holding)
        except WireError:
            return self._tally.refuse("evidence")
        refused = self._judged.refused
        found = self._judged.receive(part, now_ns)
        if self._judged.refused > refused:
            self._tally.refuse("evidence")
        if found is not None:
            self._roster.judge(found, part.judged_ms * _MS, now_ns)
            self._drain()
        return None

    def _asked(self, device: Device, data: bytes) -> None:
        """Take a device's question or wish."""
        now_ns = self._clock.now_ns()
        answer = self._desk.receive(device.name, device.role is Role.ICU, data, now_ns)
        if answer is not None:
            self._callers.send(device.name, answer)
        while self._desk.refused:
            self._tally.refuse(self._desk.refused.popleft())
        while (act := self._desk.next_event()) is not None:
            if self._scribe is not None:
                self._scribe.put(act.act, act.actor, act.target, Outcome.DONE, act.detail)
            if act.act in ("limits", "patient"):
                self._tell_judge(self._reminder.about(act.target))
        self._drain()

    def _asked_here(self, frames: list[zmq.Frame]) -> None:
        """Let whoever is on this machine ask."""
        if len(frames) != 2 or len(frames[1]) > MESSAGE_BYTES_MAX:
            return self._tally.refuse("parts")
        now_ns, data = self._clock.now_ns(), frames[1].bytes
        answer = self._desk.receive("", False, data, now_ns)
        if answer is not None:
            self._near.send_to(frames[0].bytes, answer)
        while self._desk.refused:
            self._tally.refuse(self._desk.refused.popleft())
        return None

    # Out --------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Tell what is new; what a bed must remember is written by another thread."""
        now_ns = self._clock.now_ns()
        changed: dict[str, Bed] = {}
        while (said := self._roster.next_event()) is not None:
            bed = self._roster.beds[said.bed]
            changed[said.bed] = bed
            self._say(said, bed, now_ns)
        for name, bed in changed.items():
            self._keeper.put(name, memory.write(bed, time.time_ns() - now_ns))
        if self._robot is not None:
            self._robot.tell(self._roster.beds[self._robot.bed], now_ns)

    def _say(self, said: Said, bed: Bed, now_ns: int) -> None:
        if said.alert is not None:
            self._tally.say(said.alert.priority)
            if said.alert.presence is Presence.ON:
                self._tally.took.record(max(0, now_ns - said.alert.detected_ns))
        message = report.message(said, bed, self._incarnation, now_ns)
        self._publish_all(report.topic(said), encode(message))

    def _publish_all(self, topic: bytes, data: bytes) -> None:
        self._listeners.send_to(topic, data)
        if self._far is not None:
            self._far.send_to(topic, data)

    def _live(self) -> None:
        now_ns = self._clock.now_ns()
        heard_ns = self._judged.heard_ns
        unjudged_ms = (now_ns - (self._began_ns if heard_ns is None else heard_ns)) // _MS
        alive = Alive(
            71,
            "alarms",
            self._incarnation,
            self._roster.total,
            unjudged_ms,
            self._trouble()[:200],
        )
        self._publish_all(b"alive/alarms", encode(alive))

    def _trouble(self) -> str:
        """Say what keeps something from being remembered."""
        if self._keeper.trouble:
            return f"alarms are not remembered: {self._keeper.trouble}"
        if self._scribe is None:
            return "who answers alarms is not recorded: no signer"
        if self._scribe.trouble:
            return f"who answers alarms is not recorded: {self._scribe.trouble}"
        return self._damage

    def _tell_judge(self, limits: Iterable[Limit]) -> None:
        for limit in limits:
            self._judge.send(encode(limit))

    def _tick(self) -> None:
        if self._keyring.refresh():
            self._keys_changed()
        self._roster.handle_deadline(self._clock.now_ns())
        if self._robot is not None and (stopped := self._robot.has_stopped()) is not None:
            now_ns = self._clock.now_ns()
            self._roster.hear(self._robot.bed, Condition.ROBOT_STOPPED, stopped, now_ns)
        self._drain()
        self._tell_judge(self._reminder.turn())
        self._tally.look(self._roster.beds.values(), self._keeper.failures)

    def _keys_changed(self) -> None:
        """Let go of who came by a revoked key; take up a new one of ours."""
        doors = [door for door in (self._callers, self._far) if door is not None]
        for door in doors:
            door.forget_revoked()
        try:
            identity = self._keyring.identity(self._name)
            for door in doors:
                door.rekey(identity)
            if self._robot is not None:
                self._robot.rekey(identity)
        except (KeyFault, zmq.ZMQError) as fault:  # what is in force goes on
            sys.stderr.write(f"alarmd: {fault}\n")

    # At the start -----------------------------------------------------------------------------

    def _remember(self, settings: AlarmdSettings) -> Roster:
        """Take up what was known; what cannot be read is named, and alarms go on without it."""
        journal = Journal(Path(settings.store))
        roster = Roster(settings.beds, self._incarnation << _ID_BITS)
        self._damage = ""
        try:
            journal.read()
        except OSError as error:
            self._damage = f"what was known of alarms could not be read: {error.strerror}"
        now_ns = self._clock.now_ns()
        ahead_ns = time.time_ns() - now_ns
        last_id, lost = memory.read_all(roster.beds, journal.records, ahead_ns, now_ns)
        lost += journal.damaged
        if lost:
            self._damage = f"{lost} records of alarms were damaged, and are not known"
        self._tally.damage(lost)
        roster.take_up(last_id)
        if self._damage:
            sys.stderr.write(f"alarmd: {settings.store}: {self._damage}\n")
        self._keeper = Keeper(journal)
        return roster

    def _open_audit(self, settings: AlarmdSettings) -> Scribe | None:
        """Record who answers alarms where everybody's acts are; None when nobody signs there."""
        try:
            signs = self._keyring.signer(settings.signer)
        except KeyFault as fault:
            sys.stderr.write(f"alarmd: {fault}; who answers alarms is not recorded\n")
            return None
        log = AuditLog(Path(settings.audit), Path(settings.audit_head), settings.signer, signs)
        return Scribe(log, settings.identity)

    def _open_desk(self, settings: AlarmdSettings, runtime: Runtime, identity: Identity) -> None:
        self._callers = runtime.keep(
            Listener(
                runtime,
                self._keyring,
                identity,
                DESK,
                settings.desk,
                lambda device: None,
                self._asked,
                self._tally.refuse,
                rate_hz=RATE_HZ,
                burst=BURST,
                callers_max=CALLERS_MAX,
            )
        )
        near = tune(runtime.context.socket(zmq.ROUTER), Tuning(hwm=64))
        near.bind(desk(runtime.settings.run_dir))
        self._near = runtime.keep(
            Port(
                runtime.loop,
                near,
                self._asked_here,
                limit=16,
                on_surplus=lambda: self._tally.refuse("parts"),
            )
        )


if __name__ == "__main__":
    sys.exit(main(AlarmdSettings, Alarmd))
