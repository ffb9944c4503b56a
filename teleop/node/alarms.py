"""Listens to the running node's alarms, and answers them as somebody with a key.

Rules
-----
- Listening needs no key here: the sockets are in the run directory, which is its user's alone.
- Whoever answers has a key of role icu, and the desk proves it.
- What is acknowledged is what was just seen, by its id.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import zmq
from rich.console import Console as Terminal
from rich.live import Live

from monitor.alarms.alert import Presence
from monitor.alarms.condition import CONDITIONS, Condition
from monitor.alarms.listener import Listener, Shown, View
from monitor.alarms.messages import STREAM, Acknowledge, Done, Limit, Page, Patient, Pause
from monitor.alarms.setting import Setting, limit_of, range_of
from monitor.settings import alarms, desk
from teleop.node import alarm_screen
from teleop.node.config import NodeConfig
from teleop.node.errors import NodeError
from teleop.node.signals import Signals
from teleop.node.slices import reachable
from teleop.node.watch import DRAIN_S_MAX, Wish
from transport.io import curve
from transport.io.keys import Identity, KeyFault, Keyring, Role
from transport.io.zmq import Context, Socket, Tuning, tune
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError

#: A node that runs has answered by then.
PATIENCE_NS: Final = 5_000_000_000
DRAIN_PARTS_MAX: Final = 2048
TUNING: Final = Tuning(hwm=64)
_HEARD: Final = Registry((*STREAM, Page))
_DONE: Final = Registry((Done,))


class AlarmError(NodeError):
    """Nobody is heard, or nobody may answer; the text says what to do."""


class Line:
    """A subscription on this machine, with its desk; what is missing is asked for."""

    def __init__(self, run_dir: Path) -> None:
        self.listener = Listener(time.monotonic_ns())
        self._context: Context = zmq.Context(1)
        self._ear = tune(self._context.socket(zmq.SUB), TUNING)
        self._ear.subscribe(b"")
        self._ear.connect(alarms(run_dir))
        self._desk = tune(self._context.socket(zmq.DEALER), TUNING)
        self._desk.connect(desk(run_dir))

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def listen(self, now_ns: int) -> None:
        """Take what waits, and ask for what is missing."""
        ask = self.listener.to_send(now_ns)
        if ask is not None:
            with contextlib.suppress(zmq.Again):  # not connected yet: it is asked again
                self._desk.send(encode(ask), zmq.NOBLOCK)
        for socket in (self._ear, self._desk):
            for message in _drain(socket):
                self.listener.receive(message, now_ns)

    def catches_up(self) -> Listener:
        """Wait until everything is known.

        Raises
        ------
        AlarmError : it is not, in time
        """
        began_ns = time.monotonic_ns()
        while not self.listener.is_whole:
            now_ns = time.monotonic_ns()
            if now_ns - began_ns > PATIENCE_NS:
                raise AlarmError(_nobody())
            self.listen(now_ns)
            time.sleep(0.005)
        return self.listener


def watch(config: NodeConfig, wish: Wish) -> int:
    """Show alarms until told to stop, or for the seconds wished.

    Raises
    ------
    AlarmError : nobody was heard in time
    """
    terminal, live = Terminal(), None
    if terminal.is_terminal and not wish.json:
        live = Live(console=terminal, auto_refresh=False)
    with Signals() as signals, Line(config.run_dir) as line, live or contextlib.nullcontext():
        listener = line.catches_up()
        first_ns = due_ns = time.monotonic_ns()
        news, said = listener.alerts(), ""
        while True:
            now_ns = time.monotonic_ns()
            line.listen(now_ns)
            if live is None:
                news += listener.newest
                listener.newest = []
                said = _tell(listener, news, said, now_ns, as_json=wish.json)
                news = []
            elif now_ns >= due_ns:
                due_ns = now_ns + round(1e9 / wish.rate_hz)
                live.update(alarm_screen.on_screen(listener, now_ns), refresh=True)
            if wish.seconds and now_ns - first_ns >= wish.seconds * 1e9:
                return 0
            if signals.wait(min(1 / wish.rate_hz, DRAIN_S_MAX)):
                return 0


def listing(config: NodeConfig) -> list[dict[str, object]]:
    """Return every alert that is not over.

    Raises
    ------
    AlarmError
    """
    with Line(config.run_dir) as line:
        found, now_ns = line.catches_up().alerts(), time.monotonic_ns()
        return [alarm_screen.in_facts(shown, now_ns) for shown in found]


def acknowledge(config: NodeConfig, bed: str, condition: str, name: str, where: str) -> list[str]:
    """Answer a bed's alerts, or one; return what was answered, in words.

    Raises
    ------
    AlarmError
    """
    with Line(config.run_dir) as line:
        view, now_ns = _bed(line.catches_up(), bed), time.monotonic_ns()
    wanted = None if not condition else _condition(condition)
    seen = [
        Shown(bed, row, heard_ns)
        for row, heard_ns in view.alerts.values()
        if wanted in (None, row.condition) and row.presence != Presence.ACK
    ]
    if not seen:
        raise AlarmError(f"{bed}: there is nothing to be acknowledged")
    wishes = [Acknowledge(74, n, bed, each.row.id, where) for n, each in enumerate(seen)]
    _say(config, name, wishes)
    return [alarm_screen.in_line(each, now_ns) for each in seen]


def pause(config: NodeConfig, bed: str, seconds: int, name: str) -> None:
    """Silence a bed's sound; 0 ends that.

    Raises
    ------
    AlarmError
    """
    _say(config, name, [Pause(75, 0, bed, seconds)])


def change(config: NodeConfig, bed: str, verb: str, name: str) -> None:
    """Admit, associate or discharge a bed's patient.

    Raises
    ------
    AlarmError
    """
    _say(config, name, [Patient(77, 0, bed, verb)])


def limits(config: NodeConfig, bed: str) -> list[dict[str, object]]:
    """Return what is set at a bed, a row a condition.

    Raises
    ------
    AlarmError
    """
    with Line(config.run_dir) as line:
        view = _bed(line.catches_up(), bed)
    settings = {row.condition: Setting(row.limit, row.enabled) for row in view.settings}
    found: list[dict[str, object]] = []
    for condition, row in CONDITIONS.items():
        setting, span = settings.get(condition, Setting()), range_of(condition)
        limit = limit_of(row, setting)
        found.append(
            {
                "condition": condition.name.lower(),
                "limit": "" if limit is None else f"{'>' if row.is_upper else '<'} {limit:g}",
                "range": "" if span is None else f"{span[0]:g} to {span[1]:g}",
                "judged": "yes" if setting.enabled else "no",
                "priority": row.priority.name,
            }
        )
    return found


def set_limit(config: NodeConfig, bed: str, condition: str, to: str, name: str) -> None:
    """Set a condition at a bed: a number, "usual", "off", or "on".

    Raises
    ------
    AlarmError
    """
    number = _condition(condition)
    with Line(config.run_dir) as line:
        view = _bed(line.catches_up(), bed)
    known = next((row.limit for row in view.settings if row.condition == number), None)
    words = {"usual": (None, True), "off": (known, False), "on": (known, True)}
    try:
        limit, enabled = words[to] if to in words else (float(to), True)
    except ValueError:
        raise AlarmError(f"expected a number, usual, on or off, found {to!r}") from None
    _say(config, name, [Limit(76, 0, bed, number, limit, enabled)])


def answerer(config: NodeConfig, name: str) -> tuple[Identity, bytes]:
    """Find whom to answer as, and the key of the desk.

    Raises
    ------
    AlarmError
    """
    make = "`trocar keys new NAME --role icu` makes one, `--as NAME` names it"
    try:
        keyring = Keyring.load(config.keys_dir)
        here = [
            device.name
            for device in keyring.live.values()
            if device.is_current
            and device.role is Role.ICU
            and (config.keys_dir / f"{device.name}.secret").exists()
        ]
        if not name and len(here) != 1:
            found = f"several: {', '.join(sorted(here))}" if here else "none"
            raise AlarmError(f"expected one key of role icu here, found {found}; {make}")
        return keyring.identity(name or here[0]), keyring.server(config.monitor.identity)
    except KeyFault as fault:
        raise AlarmError(f"{fault}; {make}") from fault


def _say(config: NodeConfig, name: str, wishes: Sequence[Message]) -> None:
    """Say wishes at the desk, one after the other.

    Raises
    ------
    AlarmError : one was refused, or nobody answers
    """
    identity, server = answerer(config, name)
    context: Context = zmq.Context(1)
    try:
        endpoint = reachable(config.alarms.desk)
        socket = curve.client_socket(context, zmq.DEALER, identity, server, endpoint, TUNING)
        for wish in wishes:
            if not socket.poll(PATIENCE_NS // 1_000_000, zmq.POLLOUT):
                raise AlarmError(f"nobody lets {identity.name} in at {endpoint}")
            socket.send(encode(wish), zmq.NOBLOCK)
            if not socket.poll(PATIENCE_NS // 1_000_000):
                raise AlarmError(f"the desk at {endpoint} does not answer {identity.name}")
            refusal = _DONE.expect(socket.recv(), Done).refusal
            if refusal:
                raise AlarmError(refusal)
    except WireError as error:
        raise AlarmError(f"the desk said what is no answer: {error}") from error
    finally:
        context.destroy(linger=0)


def _tell(
    listener: Listener, news: Iterable[Shown], said: str, now_ns: int, *, as_json: bool
) -> str:
    """Say a line for each transition, and one when this place has an alarm of its own."""
    for shown in news:
        facts = alarm_screen.in_facts(shown, now_ns)
        sys.stdout.write(
            f"{msgspec.json.encode(facts).decode()}\n"
            if as_json
            else f"{alarm_screen.in_line(shown, now_ns)}\n"
        )
    words = "; ".join(alarm_screen.local(listener, now_ns))
    if words != said:
        local = {"local": words, "presence": "On" if words else "Off", "kind": "Tec"}
        sys.stdout.write(
            f"{msgspec.json.encode(local).decode()}\n" if as_json else f"{words or 'heard again'}\n"
        )
    sys.stdout.flush()
    return words


def _drain(socket: Socket) -> Iterator[Message]:
    for _ in range(DRAIN_PARTS_MAX):
        try:
            parts = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        with contextlib.suppress(WireError):
            yield _HEARD.decode(parts[-1])


def _bed(listener: Listener, bed: str) -> View:
    found = listener.beds.get(bed)
    if found is None:
        raise AlarmError(f"there is no bed {bed!r}: expected one of {', '.join(listener.beds)}")
    return found


def _condition(name: str) -> Condition:
    found = {condition.name.lower(): condition for condition in Condition}.get(name.lower())
    if found is None:
        names = ", ".join(condition.name.lower() for condition in Condition)
        raise AlarmError(f"there is no condition {name!r}: expected one of {names}")
    return found


def _nobody() -> str:
    return (
        f"nothing was heard of alarms for {PATIENCE_NS // 1_000_000_000} s: does the node run, and "
        "does its node.toml name beds?"
    )
