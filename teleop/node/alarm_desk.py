"""Answers the running node's alarms as somebody with a key of role icu, and shows what is set.

What is acknowledged is what was just seen, by its id. The desk proves the key, and records the act.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import zmq

from monitor.alarms.alert import Presence
from monitor.alarms.condition import CONDITIONS, Condition
from monitor.alarms.listener import Listener, Shown, View
from monitor.alarms.setting import Setting, limit_of, range_of
from monitor.alarms.wishes import Acknowledge, Done, Limit, Patient, Pause
from teleop.node import alarm_screen
from teleop.node.alarms import PATIENCE_NS, TUNING, AlarmError, Line
from teleop.node.sections import NodeConfig
from teleop.node.slices import reachable
from transport.io import curve
from transport.io.keys import Identity, KeyFault, Keyring, Role
from transport.io.zmq import Context
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError

_DONE: Final = Registry((Done,))


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
