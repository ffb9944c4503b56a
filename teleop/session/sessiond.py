"""The session service's process: consoles ask here, robots are told over their guards.

What it decides is `safety.authority`'s; what it must remember is written by a thread of its own. A
grant leaves when it is in the store. A store that fails denies new grants, in words, and stops
nothing that runs; nor does the end of this process.
"""

from __future__ import annotations

import secrets
import sys
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from safety import grant, handover
from safety.audit import Outcome
from safety.authority import Authority
from safety.grant import Acceptance, Boot, Release, Request
from safety.handover import Confirm, Observe, Offer, Vouch, Withdraw
from safety.herald import Answer
from safety.incident import incident
from safety.messages import Event
from safety.signers import Succession
from safety.store.audit import AuditLog
from safety.store.authority import Kept
from safety.store.file import StoreError
from safety.store.registrar import Failed, Registrar
from safety.store.scribe import Scribe
from safety.store.sqlite import SqliteStore
from teleop.settings import SessiondSettings
from transport.io.curve import Doorman
from transport.io.dialogue import CAUSES as SOCKET_CAUSES
from transport.io.dialogue import Caller, Listener
from transport.io.keys import Device, KeyFault, Keyring, Role
from transport.io.process import Runtime, main
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError

REFRESH_NS = 50_000_000
#: What a store did not take is written again after this, if nothing else is before.
RETRY_NS = 500_000_000
DOORS = {"session": frozenset({Role.CONSOLE, Role.SCRIPT, Role.OBSERVER})}
#: Why something was refused: by the socket, for its form, as not a console's word, by authority,
#: by the store.
CAUSES = (*SOCKET_CAUSES, "wire", "unexpected", "denied", "store")
HANDSHAKES = ("admitted", "unknown_key", "wrong_role", "unknown_domain", "not_curve")

_REGISTRY = Registry(grant.VOCABULARY, handover.VOCABULARY, (Event,))


class Sessiond:
    """The authority between its sockets and its store."""

    def __init__(self, settings: SessiondSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._clock = runtime.clock
        self._open_board(runtime)
        self._keyring = keyring = Keyring.load(settings.keys)
        self._heard: dict[str, str] = {}  # console -> the key that it was heard with last
        self._authority = self._remember(settings, keyring)
        signs = keyring.signer(settings.signer)
        log = AuditLog(Path(settings.audit), Path(settings.audit_head), settings.signer, signs)
        self._scribe = runtime.keep(Scribe(log, settings.identity))
        self._audit("open", settings.identity, "audit", Outcome.DONE)
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
                self._greeted,
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
                    partial(self._succeeded, robot),
                    partial(self._told, robot),
                )
            )
            for robot, endpoint in settings.robots.items()
        }
        authority = self._authority
        self._words: dict[type[Message], Callable[[str, Any, int], list[Answer]]] = {
            Release: authority.released,
            Offer: authority.offered,
            Confirm: authority.confirmed,
            Withdraw: authority.withdrawn,
            Observe: authority.observed,
        }
        runtime.loop.every(REFRESH_NS, self._tick)
        runtime.ready()

    def close(self) -> None:
        """Write what waits: running sessions do not need this process."""
        self._audit("close", self._settings.identity, "audit", Outcome.DONE)
        self._registrar.close()

    # In -------------------------------------------------------------------------------------

    def _greeted(self, device: Device) -> None:
        self._heard[device.name] = device.public_z85

    def _asked(self, device: Device, data: bytes) -> None:
        """Take a console's word."""
        try:
            message = _REGISTRY.decode(data)
        except WireError:
            self._refused["wire"].add()
            return
        now_ns, say = self._clock.now_ns(), self._words.get(type(message))
        if isinstance(message, Request):
            session = secrets.token_bytes(8)
            answers = self._authority.request(device.name, device.role, message, session, now_ns)
            is_denied = not any(answer.waits for answer in answers)
        elif say is not None:
            answers = say(device.name, message, now_ns)
            is_denied = not answers
        else:
            self._refused["unexpected"].add()
            return
        if is_denied:
            self._refused["denied"].add()
        self._drain(answers)

    def _told(self, robot: str, data: bytes) -> None:
        """Take a robot's word; it speaks for itself alone."""
        try:
            message = _REGISTRY.decode(data)
        except WireError:
            self._refused["wire"].add()
            return
        authority, now_ns = self._authority, self._clock.now_ns()
        answers: list[Answer] = []
        if isinstance(message, Boot) and message.robot == robot:
            answers = authority.introduced(message, now_ns)
        elif isinstance(message, Acceptance):
            answers = authority.answered(robot, message, now_ns)
        elif isinstance(message, Vouch) and message.robot == robot:
            answers = authority.vouched(robot, message, now_ns)
        elif isinstance(message, Event) and message.robot == robot:
            authority.heard(message)
            self._happened(message)
        self._drain(answers)

    def _tick(self) -> None:
        now_ns = self._clock.now_ns()
        answers = self._authority.handle_deadline(now_ns)
        if self._keyring.refresh():
            answers += self._keys_changed(now_ns)
        while self._answered:
            answers += self._written(*self._answered.popleft(), now_ns)
        self._drain(answers)
        self._sessions.set(len(self._authority.holders))
        self._see_to_audit()

    # Keys -----------------------------------------------------------------------------------

    def _keys_changed(self, now_ns: int) -> list[Answer]:
        """End what revoked keys hold; take up our own new ones."""
        answers = []
        self._consoles.forget_revoked()
        for console in self._authority.consoles:
            key = self._heard.get(console)
            is_live = self._keyring.device(key) if key else self._keyring.named(console)
            if is_live is None:
                answers += self._authority.revoked(console, now_ns)
        try:
            self._authority.sign_with(self._keyring.signer(self._settings.signer))
            identity = self._keyring.identity(self._settings.identity)
            servers = {robot: self._keyring.server(robot) for robot in self._robots}
        except KeyFault as fault:  # half-written, or revoked: what we have is used until we end
            sys.stderr.write(f"sessiond: {fault}\n")
            return answers
        self._consoles.rekey(identity)
        for robot, caller in self._robots.items():
            caller.rekey(identity, servers[robot])
            self._succeeded(robot)
        return answers

    def _succeeded(self, robot: str) -> None:
        """Tell a robot which keys have followed the one that it may still have pinned."""
        signer = self._settings.signer
        for old, new, proof in self._keyring.successions(signer):
            self._robots[robot].send(encode(Succession(62, signer, old, new, proof)))

    # Out ------------------------------------------------------------------------------------

    def _drain(self, answers: Iterable[Answer]) -> None:
        """Send what may leave, and have the rest wait for the store."""
        waiting = []
        for answer in answers:
            if answer.waits:
                waiting.append(answer)
            else:
                self._send(answer)
        if waiting or (not self._pending and self._clock.now_ns() >= self._store_at_ns):
            rows = self._authority.to_store()
            if rows:
                self._number += 1
                self._pending[self._number] = waiting
                self._registrar.put(self._number, rows)
        while (done := self._authority.next_event()) is not None:
            self._audit(*done)

    def _send(self, answer: Answer) -> None:
        caller = self._robots.get(answer.to)
        if caller is not None:
            caller.send(answer.data)
        else:
            self._consoles.send(answer.to, answer.data)

    def _written(self, number: int, failed: list[Failed], now_ns: int) -> list[Answer]:
        """Send what waited for these rows; deny what is not in the store."""
        answers, authority = [], self._authority
        for row, why, epoch in failed:
            self._refused["store"].add()
            self._store_at_ns = now_ns + RETRY_NS
            authority.epoch = max(authority.epoch, epoch)
            answers += authority.not_stored(row, why, now_ns)
        for answer in self._pending.pop(number):
            for leaving in authority.due(answer, now_ns):
                self._send(leaving)
        return answers

    def _audit(self, act: str, actor: str, target: str, outcome: str, detail: str = "") -> None:
        """Record an act of authority."""
        self._scribe.put(act, actor, target, Outcome(outcome), detail)

    def _happened(self, event: Event) -> None:
        """Record what befell a robot, if anybody will ask about it."""
        holder = self._authority.holders.get(event.robot)
        found = incident(event, holder.console if holder else "")
        if found is not None:
            self._audit(found.act, found.actor, event.robot, Outcome.DONE, found.detail)

    def _see_to_audit(self) -> None:
        """Grant nothing that could not be recorded; what runs goes on."""
        trouble = self._scribe.trouble
        self._authority.trouble = f"nothing can be recorded: {trouble}" if trouble else ""
        self._audit_trouble.set(int(bool(trouble)))
        self._audit_lost.set(self._scribe.lost)
        self._audit_head_lost.set(int(not self._scribe.head_is_kept))

    # At the start ---------------------------------------------------------------------------

    def _open_board(self, runtime: Runtime) -> None:
        refused = {cause: f'session_refused_total{{cause="{cause}"}}' for cause in CAUSES}
        shaken = {name: f'session_handshake_total{{result="{name}"}}' for name in HANDSHAKES}
        gauges = ("sessions", "audit_trouble", "audit_lost", "audit_head_lost")
        board = runtime.open_board((*refused.values(), *shaken.values()), gauges)
        self._refused = {cause: board.counter(name) for cause, name in refused.items()}
        self._shaken = {result: board.counter(name) for result, name in shaken.items()}
        self._sessions, self._audit_trouble, self._audit_lost, self._audit_head_lost = (
            board.gauge(name) for name in gauges
        )

    def _remember(self, settings: SessiondSettings, keyring: Keyring) -> Authority:
        """Take up what the store knows; without it nobody is granted anything, and robots go on."""
        store = SqliteStore(Path(settings.store))
        try:
            kept = store.read()
        except StoreError as error:
            sys.stderr.write(f"sessiond: {error}; nobody is granted anything until it is mended\n")
            kept = Kept(0, ())
        store.close()
        self._number, self._store_at_ns = 0, 0
        self._pending: dict[int, list[Answer]] = {}
        self._answered: deque[tuple[int, list[Failed]]] = deque()
        self._registrar = Registrar(store, settings.duration_s, self._on_disk)
        return Authority(
            settings.signer,
            keyring.signer(settings.signer),
            kept.epoch,
            settings.identity,
            (listed.row for listed in kept.robots),
            settings.duration_s,
        )

    def _on_disk(self, number: int, failed: list[Failed]) -> None:
        """Hear, in the registrar's thread, what became of rows."""
        self._answered.append((number, failed))
        self._runtime.loop.call_from_thread(self._tick)


if __name__ == "__main__":
    sys.exit(main(SessiondSettings, Sessiond))
