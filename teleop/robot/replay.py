"""Does again what stands on a robot's tape (transport.telemetry.replay).

Compared are what the driver was told, the states that were said (but for their tag: no key is
here), what the guards were told, the fate of every command, and every portrait.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec

from safety import driver, grant, messages
from safety.gate import Verdict
from safety.handover import Vouch
from safety.interlock import Transition
from safety.messages import TAG_BYTES, Command
from safety.secret import Recalled
from teleop.robot.agent import Agent, To
from teleop.robot.tape import SECRETS, Boot, Drained, Fed, Kind, wake
from transport.telemetry.portrait import portrait, unlike
from transport.telemetry.replay import Replay
from transport.telemetry.tape import Entry
from transport.wire.codec import Message, Registry, split
from transport.wire.errors import WireError
from transport.wire.vector import SETPOINT_BYTES, unpack_setpoint

_BOOT = msgspec.msgpack.Decoder(Boot)
_DRAINED = msgspec.msgpack.Decoder(Drained)
_SAID = Registry(driver.VOCABULARY, messages.VOCABULARY, grant.VOCABULARY, (Vouch,))
#: A state under a session ends with its tag, as MessagePack writes 16 bytes.
_TAGGED: Final = bytes((0xC4, TAG_BYTES))
_WERE_TOLD: Final[dict[int, str]] = {
    To.DRIVER: "the driver was told",
    To.RELAYS: "the relays were told",
    To.GUARD: "the guards were told",
}


class RobotReplay(Replay):
    """An agent that lives through a tape again."""

    def __init__(self) -> None:
        super().__init__()
        self._seals = Recalled(b"")
        self._agent: Agent

    def can_begin(self, entry: Entry) -> bool:
        """Tell whether this is a beginning: the boot, or a moment when nobody held the robot."""
        return entry.number == 1 or entry.kind == Kind.REST

    def begin(self, entry: Entry) -> None:
        """Make the agent."""
        if entry.kind == Kind.REST:
            self._agent = wake(entry.data, self._seals)
            return
        boot = _BOOT.decode(entry.data)
        self._seals.point = boot.point
        self._agent = boot.make(self._seals)

    def do(self, entry: Entry) -> None:
        """Feed or drain the agent, and compare."""
        if entry.kind == Kind.DRAIN:
            self._drain(self._agent, entry)
        elif entry.kind == Kind.SNAPSHOT:
            self._compare_portraits(self._agent, entry)
        elif entry.kind not in (Kind.BOOT, Kind.REST):
            self._feed(self._agent, entry)

    def _feed(self, agent: Agent, entry: Entry) -> None:
        fed = Fed.of(entry.kind, entry.t_ns, entry.data)
        self.fed(entry, in_words(fed))
        self._seals.held = fed.kind is not Kind.FORGED
        fed.to(agent)

    def _drain(self, agent: Agent, entry: Entry) -> None:
        recorded = _DRAINED.decode(entry.data)
        out = agent.to_send(entry.t_ns)
        records = [tuple(record) for record in agent.take_records()]
        while (event := agent.next_event()) is not None:
            self.transitions += isinstance(event, Transition)
        agent.next_deadline_ns(recorded.looked_ns)
        for then, now in zip_longest(recorded.out, out):
            if then is None or now is None or not _same(then, now):
                return self.differ(entry, _said_otherwise(then, now))
        for judged, again in zip_longest(recorded.records, records):
            if judged != again:
                return self.differ(entry, _judged_otherwise(judged, again))
        return None

    def _compare_portraits(self, agent: Agent, entry: Entry) -> None:
        self.portraits += 1
        found = unlike(entry.data, portrait(agent, SECRETS))
        if found is not None:
            was, comes = self.shortly(found.here), self.shortly(found.there)
            self.differ(entry, f"{found.name} was {was}, and is {comes} when done again")


def in_words(fed: Fed) -> str:
    """Name an input."""
    if fed.kind in (Kind.PART, Kind.FORGED):
        forged = "forged " if fed.kind is Kind.FORGED else ""
        try:
            command = _SAID.expect(split(fed.data)[0], Command)
        except WireError as error:
            return f"a part that is no command ({error})"
        return f"{forged}command {command.seq} of arm {command.arm}"
    if fed.kind is Kind.MEASURE:
        return f"a measurement{_fields(fed.data, ('arm', 'driver_tick'))}"
    if fed.kind is Kind.GUARD:
        return f"{_name(fed.data)} of {fed.source}"
    return fed.kind.name.lower()


def _same(then: tuple[int, bytes], now: tuple[int, bytes]) -> bool:
    if then == now:
        return True
    (to, data), (to_now, data_now) = then, now
    tagged = data[-TAG_BYTES - 2 : -TAG_BYTES] == _TAGGED
    return to == to_now == To.RELAYS and tagged and data[:-TAG_BYTES] == data_now[:-TAG_BYTES]


def _said_otherwise(then: tuple[int, bytes] | None, now: tuple[int, bytes] | None) -> str:
    if then is None or now is None or then[0] != now[0] or _name(then[1]) != _name(now[1]):
        return f"{_told(then)}; done again, {_told(now)}"
    field, was, comes = _unlike(_message(then[1]), _message(now[1]))
    return f"{_told(then)} with {field} = {was}; done again, {field} = {comes}"


def _told(said: tuple[int, bytes] | None) -> str:
    return "nothing was said" if said is None else f"{_WERE_TOLD[said[0]]} {_name(said[1])}"


def _judged_otherwise(then: Sequence[int] | None, now: Sequence[int] | None) -> str:
    return f"a command was judged {_judged(then)}; done again, {_judged(now)}"


def _judged(record: Sequence[int] | None) -> str:
    if record is None:
        return "not at all"
    _, arm, seq, verdict, loop_ns, applied = record
    applied_too = " and applied" if applied else ""
    name = Verdict(verdict).name
    return f"{name}{applied_too} (command {seq} of arm {arm}, loop {loop_ns / 1e6:.3f} ms)"


def _message(data: bytes) -> Message | None:
    try:
        return _SAID.decode(data)
    except WireError:
        return None


def _name(data: bytes) -> str:
    message = _message(data)
    return type(message).__name__ if message is not None else f"{len(data)} bytes of no message"


def _fields(data: bytes, names: Sequence[str]) -> str:
    message = _message(data)
    return "".join(f", {name} {getattr(message, name, '?')}" for name in names)


def _unlike(then: Any, now: Any, name: str = "") -> tuple[str, object, object]:
    """Find the first field that differs: its name and both values."""
    if isinstance(then, msgspec.Struct) and type(then) is type(now):
        for field in then.__struct_fields__:
            a, b = getattr(then, field), getattr(now, field)
            if a != b and field != "tag":
                return _unlike(a, b, f"{name}.{field}" if name else field)
    if isinstance(then, tuple) and isinstance(now, tuple) and len(then) == len(now):
        for number, (a, b) in enumerate(zip(then, now, strict=True)):
            if a != b:
                return _unlike(a, b, f"{name}[{number}]")
    return name, _readable(then), _readable(now)


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        if len(value) == SETPOINT_BYTES:
            return "(" + " ".join(f"{number!r}" for number in unpack_setpoint(value)) + ")"
        return value.hex()
    return value
