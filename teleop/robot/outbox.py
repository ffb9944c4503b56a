"""What an agent has to say, and what it has done, until its shell takes it: in order, bounded."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from safety.gate import Verdict
from safety.interlock import Transition
from safety.state import State
from transport.wire.codec import Message, encode

if TYPE_CHECKING:
    from teleop.robot.arm import Pending

#: Events that the shell has not drained are bounded; the oldest go first.
BACKLOG = 1024


class To(IntEnum):
    """Where an outgoing message belongs."""

    DRIVER = 0
    RELAYS = 1
    GUARD = 2


class Outgoing(NamedTuple):
    """A message to send."""

    to: To
    data: bytes


class Persist(NamedTuple):
    """An event: write this to the store, then call `persisted` with it."""

    epoch: int
    state: State


class Judged(NamedTuple):
    """The record of one command: when judged, which, the verdict, its loop, whether applied."""

    t_ns: int
    arm: int
    seq: int
    verdict: Verdict
    loop_ns: int
    applied: bool


class Outbox:
    """Everything that waits for the shell."""

    def __init__(self) -> None:
        self._out: list[Outgoing] = []
        self._events: deque[Transition | Persist] = deque(maxlen=BACKLOG)
        self._records: list[Judged] = []

    @property
    def has_output(self) -> bool:
        """Whether a message or an event waits."""
        return bool(self._out or self._events)

    def tell_driver(self, data: bytes) -> None:
        """Say something to the driver."""
        self._out.append(Outgoing(To.DRIVER, data))

    def tell_relays(self, data: bytes) -> None:
        """Say something to every relay."""
        self._out.append(Outgoing(To.RELAYS, data))

    def answer(self, message: Message) -> None:
        """Say something to the guards."""
        self._out.append(Outgoing(To.GUARD, encode(message)))

    def happened(self, event: Transition | Persist) -> None:
        """Note an event."""
        self._events.append(event)

    def judged(
        self, pending: Pending, verdict: Verdict, now_ns: int, *, applied: bool = False
    ) -> None:
        """Record what became of a command that was admitted."""
        command = pending.command
        self.record(Judged(now_ns, command.arm, command.seq, verdict, pending.loop_ns, applied))

    def record(self, judged: Judged) -> None:
        """Record what became of a command."""
        self._records.append(judged)

    def take(self) -> list[Outgoing]:
        """Take the messages."""
        out, self._out = self._out, []
        return out

    def take_records(self) -> list[Judged]:
        """Take the records."""
        records, self._records = self._records, []
        return records

    def next_event(self) -> Transition | Persist | None:
        """Take the oldest event."""
        return self._events.popleft() if self._events else None
