"""The session service's process: consoles ask here, robots are told over their guards."""

from __future__ import annotations

import secrets
import sys
from functools import partial
from pathlib import Path

from safety.authority import Answer, Authority
from safety.grant import VOCABULARY, Acceptance, Boot, Release, Request
from safety.messages import Event
from safety.state import State
from safety.store.file import Record, RobotStore
from teleop.settings import SessiondSettings
from transport.io.curve import Doorman
from transport.io.dialogue import CAUSES as SOCKET_CAUSES
from transport.io.dialogue import Caller, Listener
from transport.io.keys import Device, Keyring, Role
from transport.io.process import Runtime, main
from transport.wire.codec import Registry
from transport.wire.errors import WireError

REFRESH_NS = 50_000_000
DOORS = {"session": frozenset({Role.CONSOLE, Role.SCRIPT})}
#: Why something was refused: by the socket, for its form, as not a console's word, by authority.
CAUSES = (*SOCKET_CAUSES, "wire", "unexpected", "denied")
HANDSHAKES = ("admitted", "unknown_key", "wrong_role", "unknown_domain", "not_curve")

_REGISTRY = Registry(VOCABULARY, (Event,))


class Sessiond:
    """The authority between its sockets."""

    def __init__(self, settings: SessiondSettings, runtime: Runtime) -> None:
        refused = {cause: f'session_refused_total{{cause="{cause}"}}' for cause in CAUSES}
        shaken = {name: f'session_handshake_total{{result="{name}"}}' for name in HANDSHAKES}
        board = runtime.open_board((*refused.values(), *shaken.values()), ("sessions",))
        self._refused = {cause: board.counter(name) for cause, name in refused.items()}
        self._shaken = {result: board.counter(name) for result, name in shaken.items()}
        self._sessions = board.gauge("sessions")
        self._clock = runtime.clock
        self._keyring = keyring = Keyring.load(settings.keys)
        self._store = RobotStore(Path(settings.store))
        self._store.create()
        epoch = self._store.read().epoch
        self._authority = Authority(settings.signer, keyring.signer(settings.signer), epoch)
        identity = keyring.identity(settings.identity)
        runtime.keep(
            Doorman(
                runtime.loop,
                runtime.context,
                keyring,
                DOORS,
                lambda result: self._shaken[result].add(),
            )
        )
        self._consoles = runtime.keep(
            Listener(
                runtime,
                keyring,
                identity,
                "session",
                settings.listen,
                lambda device: None,
                self._asked,
                lambda cause: self._refused[cause].add(),
            )
        )
        self._robots = {
            robot: runtime.keep(
                Caller(
                    runtime,
                    identity,
                    keyring.server(robot),
                    endpoint,
                    lambda: None,
                    partial(self._told, robot),
                )
            )
            for robot, endpoint in settings.robots.items()
        }
        runtime.loop.every(REFRESH_NS, self._tick)
        runtime.ready()

    def close(self) -> None:
        """Nothing is left to do: running sessions do not need this process."""

    def _asked(self, device: Device, data: bytes) -> None:
        try:
            message = _REGISTRY.decode(data)
        except WireError:
            self._refused["wire"].add()
            return
        if isinstance(message, Request):
            session = secrets.token_bytes(8)
            epoch = self._authority.epoch
            answers = self._authority.request(
                device.name, device.role, message, session, self._clock.now_ns()
            )
            if self._authority.epoch != epoch:
                self._store.write(Record(self._authority.epoch, State.BOOT))
            else:
                self._refused["denied"].add()
            self._deliver(answers)
        elif isinstance(message, Release):
            answers = self._authority.released(device.name, message, self._clock.now_ns())
            if not answers:
                self._refused["denied"].add()
            self._deliver(answers)
        else:
            self._refused["unexpected"].add()

    def _told(self, robot: str, data: bytes) -> None:
        try:
            message = _REGISTRY.decode(data)
        except WireError:
            self._refused["wire"].add()
            return
        if isinstance(message, Boot) and message.robot == robot:
            self._deliver(self._authority.introduced(message, self._clock.now_ns()))
        elif isinstance(message, Acceptance):
            self._deliver(self._authority.answered(robot, message, self._clock.now_ns()))

    def _tick(self) -> None:
        if self._keyring.refresh():
            for holder in self._authority.holders.values():
                if self._keyring.named(holder.console) is None:
                    self._deliver(self._authority.revoked(holder.console, self._clock.now_ns()))
        self._deliver(self._authority.handle_deadline(self._clock.now_ns()))
        self._sessions.set(len(self._authority.holders))

    def _deliver(self, answers: list[Answer]) -> None:
        for answer in answers:
            caller = self._robots.get(answer.to)
            if caller is not None:
                caller.send(answer.data)
            else:
                self._consoles.send(answer.to, answer.data)


if __name__ == "__main__":
    sys.exit(main(SessiondSettings, Sessiond))
