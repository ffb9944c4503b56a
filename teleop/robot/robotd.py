"""The robot's process: sockets around `teleop.robot.agent`, and the store behind it.

On the robot's own computer, or on the node for a controller that cannot run it. Links to the
relays carry commands in and states out; the guard carries grants and ceilings; the driver has
its own socket, and the team at the robot a local one (0600) without any network.
"""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path

import zmq
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety import bedside, driver, grant, messages
from safety.estop import TOKEN_NS
from safety.gate import Verdict
from safety.interlock import Transition
from safety.profile import LADDERS, MS, Profile
from safety.secret import Secret
from safety.signers import Succession
from safety.state import State
from safety.store.file import Record, RobotStore, StoreError
from safety.store.writer import Writer
from teleop.robot import shape
from teleop.robot.agent import Persist, To
from teleop.robot.board import RobotBoard
from teleop.robot.settings import RobotdSettings
from teleop.robot.tape import TAPE_BYTES, Fed, Kind, Taped
from transport.io.curve import Doorman
from transport.io.dialogue import Listener
from transport.io.driver import CAUSES as SOCKET_CAUSES
from transport.io.driver import open_driver
from transport.io.keys import Device, Identity, KeyFault, Keyring, Role
from transport.io.link import Link, open_link
from transport.io.process import Runtime, main
from transport.io.seqpacket import SeqpacketServer
from transport.link.bucket import TokenBucket
from transport.telemetry.tape import Tape
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError
from transport.wire.messages import Attach

#: A minute of one arm at 1 kHz, and what led to it still after ten seconds of a flood.
FLIGHT = 1 << 16
COMMAND_FIELDS = ("t_ns", "arm", "seq", "verdict", "age_ns", "t_called_ns")
EVENT_FIELDS = ("t_ns", "old", "new", "cause", "epoch")
TICK_NS = 50 * MS
#: An alarm that is due so soon is moved on, if the deadline is later.
NEAR_NS = 2 * MS
#: What a pass does, in order, for the watchdog.
STAGES = ("fed", "judged", "sent")
FED, JUDGED, SENT = range(3)
#: The tape has a portrait of the agent every half second.
PORTRAIT_TICKS = 10

#: Grants of one session service: a signature takes 150 us to judge, and commands wait for it.
GRANT_RATE_HZ, GRANT_BURST = 10, 10

#: A wired emergency stop says its token every 5 ms; twice that, and what waits after a pause.
ESTOP_RATE_HZ, ESTOP_BURST = 2000 * MS // TOKEN_NS, 40

DOORS = {
    "guard": frozenset({Role.SESSION, Role.GUARD, Role.RELAY}),
    "driver": frozenset({Role.DRIVER}),
}

_GUARD = Registry(grant.VOCABULARY, (Succession,), (messages.Ceiling,))
_BEDSIDE = Registry(bedside.WORDS)
#: Words of one client at the bedside; its emergency stop always passes.
BEDSIDE_RATE_HZ, BEDSIDE_BURST = 200, 100


class Robotd:
    """One robot between its sockets."""

    def __init__(self, settings: RobotdSettings, runtime: Runtime) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        relays = [link.server for link in settings.links]
        self._board = board = RobotBoard(runtime.open_board, relays, SOCKET_CAUSES)
        self._refuse = board.refuse
        self._pulse = runtime.open_pulse(STAGES)
        self._commands = runtime.flight("command", COMMAND_FIELDS, FLIGHT)
        self._events = runtime.flight("event", EVENT_FIELDS, 1024)
        self._store = RobotStore(Path(settings.store))
        self._signers = settings.signers
        self._wired = frozenset(settings.robot.estops)
        self._keyring = keyring = Keyring.load(settings.keys)
        self._name = settings.identity
        tape = runtime.tape(TAPE_BYTES) if settings.tape else None
        self._taped = self._boot(settings, keyring, tape)
        self._agent = self._taped.agent
        self._ticks = 0
        self._begin_bedside()
        self._grants: dict[str, TokenBucket] = {}
        self._written: deque[Persist] = deque()
        self._writer: Writer[Persist] = Writer(
            self._store,
            lambda event: Record(event.epoch, event.state),
            self._on_disk,
            lambda: runtime.loop.call_from_thread(lambda: self._refuse("store")),
        )
        self._open_doors(settings, runtime, keyring.identity(settings.identity))
        self._links = self._open_links(settings, runtime)
        self._alarm = runtime.loop.alarm(self._time)
        self._due_ns = self._deadline_ns = 0
        runtime.loop.every(TICK_NS, self._tick)
        self._drain()
        runtime.ready()

    def close(self) -> None:
        """Stop the robot: a clean end of this process is no reason to wait for the drive's."""
        self._driver.send(encode(driver.Stop(34, 1)))

    # In ----------------------------------------------------------------------------------

    def _receive_commands(self) -> None:
        """Take all that waits on every link, then act on the newest."""
        self._take_commands()
        self._drain()

    def _take_commands(self) -> None:
        # A token that waits in its socket has come: a pause of this process loses no wired stop.
        if self._wired:
            self._guard.poll()
        counts = self._agent.gate.counts
        for link, forged in zip(self._links, self._board.forged, strict=True):
            before = counts[Verdict.TAG]
            for part in link.receive():
                self._feed(Kind.PART, part)
            if counts[Verdict.TAG] != before:
                forged.add(counts[Verdict.TAG] - before)

    def _measured(self, data: bytes) -> None:
        try:
            self._feed(Kind.MEASURE, data)
        except WireError:
            self._refuse("wire")
            return
        if self._agent.has_output:
            self._drain()

    def _driver_gone(self) -> None:
        self._feed(Kind.GONE)
        self._drain()

    def _greet(self, device: Device) -> None:
        if device.role is Role.SESSION:
            self._guard.send(device.name, encode(self._agent.introduction()))

    def _guarded(self, device: Device, data: bytes) -> None:
        now_ns = self._clock.now_ns()
        try:
            message = _GUARD.decode(data)
        except WireError:
            return self._refuse("wire")
        if isinstance(message, messages.Ceiling):
            if not self._feed(Kind.GUARD, data, device.name):
                self._refuse("forbidden")
            elif message.max_state == State.ESTOP and device.name in self._wired:
                # A stop that was latched before it was pressed here is acknowledged too.
                self._guard.send(device.name, encode(self._agent.standing(now_ns)))
        elif device.role is not Role.SESSION:
            self._refuse("forbidden")
        elif isinstance(message, grant.Grant):
            self._granted(device, message, data, now_ns)
        elif isinstance(message, Succession):
            self._feed(Kind.GUARD, data, device.name)  # an old one that is said again does no harm
        elif not self._feed(Kind.GUARD, data, device.name):
            self._refuse("session" if isinstance(message, grant.Revoke) else "forbidden")
        return self._drain()

    def _granted(self, device: Device, message: grant.Grant, data: bytes, now_ns: int) -> None:
        bucket = self._grants.setdefault(device.name, TokenBucket(GRANT_RATE_HZ, GRANT_BURST))
        if not bucket.take(now_ns):
            self._refuse("rate")
            epoch, why = self._agent.epoch_max, "too many grants at once"
            answer = grant.Acceptance(53, message.session, epoch, False, why)
            self._guard.send(device.name, encode(answer))
        elif not self._feed(Kind.GRANT, data):
            self._refuse("grant")

    def _begin_bedside(self) -> None:
        """Let whoever comes speak, however much was said before."""
        self._said = TokenBucket(BEDSIDE_RATE_HZ, BEDSIDE_BURST)

    def _at_bedside(self, data: bytes) -> None:
        now_ns = self._clock.now_ns()
        try:
            message = _BEDSIDE.decode(data)
        except WireError:
            self._refuse("wire")
            return
        verb = message.verb if isinstance(message, messages.Bedside) else type(message).__name__
        if not self._said.take(now_ns) and verb != "estop":
            self._refuse("rate")
            return
        # Who only looks changes nothing: there is no need to do it again in a replay.
        done = verb == "status" or self._feed(Kind.BEDSIDE, data)
        why = "" if done else self._agent.why_not(verb.lower(), now_ns)
        self._bedside.send(encode(self._agent.report(why, now_ns)))
        self._drain()

    def _feed(self, kind: Kind, data: bytes = b"", source: str = "") -> bool:
        return self._taped.feed(Fed(kind, self._clock.now_ns(), data, source))

    # Out ---------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Send what the agent has to say, note what it did, and set the next deadline."""
        agent, clock, reach = self._agent, self._clock, self._pulse.reach
        reach(FED)
        called_ns, sent_ns = 0, clock.now_ns()
        out = agent.to_send(sent_ns)
        reach(JUDGED)
        for to, data in out:
            if to is To.DRIVER:
                self._driver.send(data)
                called_ns = clock.now_ns()
            elif to is To.RELAYS:
                for link in self._links:
                    link.send(data)
            else:
                self._guard.broadcast(data)
        reach(SENT)
        records = agent.take_records()
        for t_ns, arm, seq, verdict, loop_ns, applied in records:
            t_called_ns = called_ns if applied else 0
            self._commands.append(t_ns, arm, seq, verdict, loop_ns, t_called_ns)
        event = agent.next_event()
        while event is not None:
            self._handle(event)
            event = agent.next_event()
        # Re-armed when it moves forward, or is near: a command every millisecond pushes it back,
        # and to be woken too early costs as much as many settings.
        now_ns = clock.now_ns()
        self._deadline_ns = deadline_ns = agent.next_deadline_ns(now_ns)
        self._taped.drained(sent_ns, out, records, now_ns)
        if deadline_ns < self._due_ns or self._due_ns <= now_ns + NEAR_NS:
            self._due_ns = deadline_ns
            self._alarm.set(deadline_ns)

    def _time(self) -> None:
        now_ns = self._clock.now_ns()
        self._board.late.record(max(0, now_ns - self._due_ns))
        if now_ns < self._deadline_ns:
            self._due_ns = self._deadline_ns
            self._alarm.set(self._due_ns)
            return
        self._due_ns = 0
        # What waits in a socket arrived before this deadline was looked at: hear it first, or a
        # pause of this process would be taken for a silence of the console.
        self._take_commands()
        self._feed(Kind.DEADLINE)
        self._drain()

    def _tick(self) -> None:
        if self._keyring.refresh():
            self._keys_changed()
        self._take_commands()
        self._feed(Kind.DEADLINE)
        self._runtime.pm_qos.hold(self._agent.gate.session is not None)
        dropped = sum(link.stats.dropped_send for link in self._links)
        self._board.count(self._agent, dropped)
        self._drain()
        self._ticks += 1
        if self._ticks % PORTRAIT_TICKS == 0:
            self._taped.describe(self._clock.now_ns())

    def _keys_changed(self) -> None:
        """Say nothing to revoked callers, believe no revoked signer, follow who rotates."""
        self._guard.forget_revoked()
        for name in self._signers:
            if self._keyring.named(name) is None:
                self._taped.feed(Fed.pin(name, None, self._clock.now_ns()))
            for old, new, proof in self._keyring.successions(name):
                word = Succession(62, name, old, new, proof)
                self._feed(Kind.GUARD, encode(word), name)
        try:
            identity = self._keyring.identity(self._name)
            self._guard.rekey(identity)
            self._driver.rekey(identity)
        except (KeyFault, zmq.ZMQError) as fault:  # what is in force goes on
            sys.stderr.write(f"robotd: {fault}\n")

    def _handle(self, event: Transition | Persist) -> None:
        if isinstance(event, Persist):
            self._writer.put(event)
            return
        self._events.append(event.t_ns, event.old, event.new, event.cause, self._agent.epoch_max)
        self._board.note(event)

    def _on_disk(self, event: Persist) -> None:
        """Note, in the writer's thread, that a record is on disk."""
        self._written.append(event)
        self._runtime.loop.call_from_thread(self._drain_written)

    def _drain_written(self) -> None:
        while self._written:
            self._taped.feed(Fed.stored(self._written.popleft(), self._clock.now_ns()))
        self._drain()

    # Start -------------------------------------------------------------------------------

    def _open_doors(self, settings: RobotdSettings, runtime: Runtime, identity: Identity) -> None:
        """Open the guard, the driver's socket and the bedside's."""
        runtime.keep(
            Doorman(
                runtime.loop,
                runtime.context,
                self._keyring,
                DOORS,
                self._board.shake,
            )
        )
        self._guard = runtime.keep(
            Listener(
                runtime,
                self._keyring,
                identity,
                "guard",
                settings.guard,
                self._greet,
                self._guarded,
                self._refuse,
                limits=dict.fromkeys(self._wired, (ESTOP_RATE_HZ, ESTOP_BURST)),
            )
        )
        self._driver = runtime.keep(
            open_driver(
                settings.driver,
                runtime,
                self._keyring,
                identity,
                settings.robot.name,
                self._measured,
                self._driver_gone,
                self._refuse,
            )
        )
        self._bedside = runtime.keep(
            SeqpacketServer(
                runtime.loop,
                runtime.path(f"bedside-{settings.robot.name}.sock"),
                self._at_bedside,
                on_connect=self._begin_bedside,
                on_refused=self._refuse,
                newest=True,
            )
        )

    def _open_links(self, settings: RobotdSettings, runtime: Runtime) -> list[Link]:
        """Attach to every relay."""
        ladder = LADDERS[Profile.NATIVE]
        attach = Attach(
            1, settings.robot.name, ladder.hold_ns // 1000, ladder.max_loop_ns // 1000, False
        )
        return [
            runtime.keep(open_link(link, attach, runtime, self._receive_commands))
            for link in settings.links
        ]

    def _boot(self, settings: RobotdSettings, keyring: Keyring, tape: Tape | None) -> Taped:
        try:
            record = self._store.read()
        except StoreError as error:
            sys.stderr.write(f"robotd: {error}; starting in PROTECTIVE_STOP\n")
            record = Record(0, State.PROTECTIVE_STOP)
        signers = {name: _public(keyring, name) for name in settings.signers}
        return Taped(
            tape,
            settings.robot,
            Secret(ec.generate_private_key(ec.SECP256R1())),
            signers,
            record.epoch,
            State(record.state),
            self._clock.now_ns(),
        )


def _public(keyring: Keyring, name: str) -> Ed25519PublicKey:
    device = keyring.named(name)
    if device is None or not device.sign_public:
        raise SystemExit(f"robotd: signer {name!r} is not in {keyring.directory}, or cannot sign")
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(device.sign_public))


def prepare(_: RobotdSettings) -> None:
    """Compile the shaping, before the process takes its rights."""
    shape.warm()


if __name__ == "__main__":
    sys.exit(main(RobotdSettings, Robotd, prepare))
