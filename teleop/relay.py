"""What a relay forwards: it judges frames by their leading fields, and changes none of them.

    consoles --command--> newest of each stream, not old, not late --same bytes + hop--> robot
    consoles <--same bytes + hop-- <state-- robot

Rules
-----
1. The original bytes go on; a hop record (path, incarnation, dwell) is appended behind them.
2. Newest wins: of what arrived together only the newest of each stream is forwarded.
3. Age is taken from the echoed tick, on the relay's own clock since that tick passed here.
4. A stream belongs to the peer that sends it: whoever forges another's session id moves nothing
   but windows of his own. The tag is the robot's to check; the relay does not hold the key.
5. A robot's state goes to every console attached to it, and once to the local publisher.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

import msgspec

from safety.messages import Command, CommandHead, RobotState, StateHead
from transport.link.age import EchoAge, Floor
from transport.link.age import judge as is_late
from transport.link.sequence import SequenceWindow
from transport.link.sequence import Verdict as Sequence
from transport.wire.codec import peek_kind
from transport.wire.errors import UnknownKind, WireError
from transport.wire.messages import encode_hop

#: A console has one stream per arm; two sessions may overlap while one replaces the other.
STREAMS_MAX = 16
#: Consoles that one robot's state is sent to; more are refused.
CONSOLES_MAX = 8

_COMMAND_BYTES_MAX = Command.BYTES_MAX
_COMMAND = msgspec.msgpack.Decoder(CommandHead)
_STATE = msgspec.msgpack.Decoder(StateHead)


class Verdict(IntEnum):
    """What became of a frame here. Numbers are in recordings: append, never renumber."""

    FORWARDED = 0
    MERGED = 1  #: superseded by a newer one before it was forwarded
    OVERSIZED = 2
    MALFORMED = 3
    VERSION = 4
    KIND = 5
    FIELD = 6
    ROBOT = 7  #: of another robot than the one attached to
    NO_ROBOT = 8  #: the robot is not attached here
    DUPLICATE = 9
    OLD = 10
    FAR_FUTURE = 11
    NEVER_SENT = 12
    LATE = 13
    STREAMS = 14  #: more streams than a console can have


_OF_WIRE = {verdict.name.lower(): verdict for verdict in Verdict}
_OF_SEQUENCE = {
    Sequence.DUPLICATE: Verdict.DUPLICATE,
    Sequence.OLD: Verdict.OLD,
    Sequence.FAR_FUTURE: Verdict.FAR_FUTURE,
}


# Looking up a member of an enum costs more than most of what is decided here.
_FORWARDED, _NEW = Verdict.FORWARDED, Sequence.NEW

P = TypeVar("P", bound=Hashable)


class Outgoing(NamedTuple, Generic[P]):
    """A part to send to a peer."""

    peer: P
    part: bytes


class Spoken(NamedTuple, Generic[P]):
    """A robot's state, and the consoles that it goes to."""

    robot: str
    part: bytes
    consoles: list[P]


class Judged(NamedTuple):
    """The record of one command."""

    t_ns: int
    arm: int
    seq: int
    verdict: Verdict


class _Stream:
    """One arm's commands from one console under one grant."""

    __slots__ = ("data", "floor", "key", "late", "merged", "robot", "seq", "since_ns", "window")

    def __init__(self, robot: str, key: tuple[bytes, int, int]) -> None:
        self.robot = robot
        self.key = key
        self.window = SequenceWindow()
        self.floor = Floor()
        self.data: bytes | None = None
        self.seq = 0
        self.since_ns = 0
        self.merged = self.late = 0


class _Console(Generic[P]):
    """An attached console and its streams."""

    __slots__ = ("hold_ns", "max_loop_ns", "newest", "peer", "robot", "streams")

    def __init__(self, peer: P, robot: str, hold_ns: int, max_loop_ns: int) -> None:
        self.peer = peer
        self.robot = robot
        self.hold_ns = hold_ns
        self.max_loop_ns = max_loop_ns
        self.streams: dict[tuple[bytes, int, int], _Stream] = {}
        self.newest: _Stream | None = None

    def stream(self, head: CommandHead) -> _Stream | None:
        """Find the stream of a command; None when it would be one too many."""
        key = (head.session, head.epoch, head.arm)
        newest = self.newest
        if newest is not None and newest.key == key:
            return newest
        stream = self.streams.get(key)
        if stream is None:
            self._forget_older(head)
            if len(self.streams) >= STREAMS_MAX:
                return None
            stream = self.streams[key] = _Stream(self.robot, key)
        self.newest = stream
        return stream

    def _forget_older(self, head: CommandHead) -> None:
        """Drop the streams of grants before the last; epochs only grow."""
        for key in [k for k in self.streams if k[1] < head.epoch - 1]:
            del self.streams[key]


class _Robot(Generic[P]):
    """An attached robot."""

    __slots__ = ("boot", "name", "peer", "state", "ticks", "window")

    def __init__(self, name: str, peer: P) -> None:
        self.name = name
        self.peer = peer
        self.boot = b""
        self.ticks = EchoAge()
        self.window = SequenceWindow()
        self.state: tuple[bytes, int] | None = None


class Relay(Generic[P]):
    """One path between consoles and robots.

    Parameters
    ----------
    path : this path's number
    incarnation : differs after each start
    """

    def __init__(self, path: int, incarnation: int) -> None:
        self._path = path
        self._incarnation = incarnation
        self._consoles: dict[P, _Console[P]] = {}
        self._robots: dict[str, _Robot[P]] = {}
        self._robot_of: dict[P, str] = {}
        self._fresh: list[_Stream] = []  # what `to_send` and `states` have to look at
        self._spoken: list[_Robot[P]] = []
        self._records: list[tuple[int, int, int, Verdict]] = []
        self.counts = [0] * len(Verdict)

    def attach_console(self, peer: P, robot: str, hold_ns: int, max_loop_ns: int) -> bool:
        """Carry this console's commands to `robot`; False when it has too many consoles."""
        if peer not in self._consoles:
            crowd = sum(console.robot == robot for console in self._consoles.values())
            if crowd >= CONSOLES_MAX:
                return False
        self._consoles[peer] = _Console(peer, robot, hold_ns, max_loop_ns)
        return True

    def attach_robot(self, peer: P, robot: str) -> None:
        """Carry this robot's states; a robot's newer attachment replaces its older one."""
        old = self._robots.get(robot)
        if old is not None and old.peer != peer:
            self._robot_of.pop(old.peer, None)
            old.peer = peer
        elif old is None:
            self._robots[robot] = _Robot(robot, peer)
        self._robot_of[peer] = robot

    def detach(self, peer: P) -> None:
        """Forget a peer."""
        self._consoles.pop(peer, None)
        robot = self._robot_of.pop(peer, None)
        if robot is not None:
            del self._robots[robot]

    def receive(self, peer: P, part: bytes, now_ns: int) -> Verdict:
        """Take one part of an attached peer."""
        console = self._consoles.get(peer)
        try:
            if console is None:
                verdict = self._receive_state(peer, part, now_ns)
            elif len(part) > _COMMAND_BYTES_MAX:
                verdict = Verdict.OVERSIZED
            else:
                head = _COMMAND.decode(part)
                verdict = self._judge(console, head, part, now_ns)
                self._records.append((now_ns, head.arm, head.seq, verdict))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            verdict = _why(part, Command if console is not None else RobotState, error)
        self.counts[verdict] += 1
        return verdict

    def to_send(self, now_ns: int) -> list[Outgoing[P]]:
        """Give what goes on now: the newest command of each stream, each robot's newest state."""
        out: list[Outgoing[P]] = []
        for stream in self._fresh:
            robot, data = self._robots.get(stream.robot), stream.data
            if robot is not None and data is not None:
                hop = self._hop(now_ns - stream.since_ns, stream.merged, stream.late)
                out.append(Outgoing(robot.peer, data + hop))
            stream.data = None
        self._fresh.clear()
        return out

    def states(self, now_ns: int) -> list[Spoken[P]]:
        """Give each robot's newest state, with its hop record."""
        out: list[Spoken[P]] = []
        for robot in self._spoken:
            if robot.state is None or self._robots.get(robot.name) is not robot:
                continue
            data, since_ns = robot.state
            robot.state = None
            peers = [c.peer for c in self._consoles.values() if c.robot == robot.name]
            out.append(Spoken(robot.name, data + self._hop(now_ns - since_ns), peers))
        self._spoken.clear()
        return out

    @property
    def is_busy(self) -> bool:
        """Whether any console is attached."""
        return bool(self._consoles)

    def take_records(self) -> list[Judged]:
        """Take the records of the commands judged since the last call."""
        records, self._records = self._records, []
        return [Judged(*record) for record in records]

    def _judge(self, console: _Console[P], head: CommandHead, part: bytes, now_ns: int) -> Verdict:
        if head.robot != console.robot:
            return Verdict.ROBOT
        robot = self._robots.get(head.robot)
        if robot is None:
            return Verdict.NO_ROBOT
        stream = console.stream(head)
        if stream is None:
            return Verdict.STREAMS
        sequence = stream.window.accept(head.seq)
        if sequence is not _NEW:
            return _OF_SEQUENCE[sequence]
        loop_ns = robot.ticks.loop_ns(head.tick_echo, now_ns)
        if loop_ns is None:
            return Verdict.NEVER_SENT
        floor_ns = stream.floor.add(loop_ns, now_ns)
        if is_late(loop_ns, floor_ns, console.hold_ns, console.max_loop_ns):
            stream.late += 1
            return Verdict.LATE
        if stream.data is None:
            self._fresh.append(stream)
        else:
            stream.merged += 1
            self.counts[Verdict.MERGED] += 1
            self._records.append((now_ns, head.arm, stream.seq, Verdict.MERGED))
        stream.data, stream.seq, stream.since_ns = part, head.seq, now_ns
        return _FORWARDED

    def _receive_state(self, peer: P, part: bytes, now_ns: int) -> Verdict:
        if len(part) > RobotState.BYTES_MAX:
            return Verdict.OVERSIZED
        head = _STATE.decode(part)
        if head.robot != self._robot_of.get(peer):
            return Verdict.ROBOT
        robot = self._robots[head.robot]
        if head.boot != robot.boot:
            robot.boot = head.boot
            robot.ticks, robot.window = EchoAge(), SequenceWindow()
        sequence = robot.window.accept(head.tick)
        if sequence is not Sequence.NEW:
            return _OF_SEQUENCE[sequence]
        merged = robot.state is not None
        if not merged:
            self._spoken.append(robot)
        robot.state = (part, now_ns)
        robot.ticks.sent(head.tick, now_ns)
        return Verdict.MERGED if merged else _FORWARDED

    def _hop(self, dwell_ns: int, merged: int = 0, late: int = 0) -> bytes:
        return encode_hop(self._path, self._incarnation, dwell_ns, merged, late)


def _why(part: bytes, message: type[Command] | type[RobotState], error: Exception) -> Verdict:
    """Name what was wrong with a part that did not decode."""
    try:
        kind = peek_kind(part)
        if kind != message.KIND:
            raise UnknownKind(kind)
    except WireError as known:
        return _OF_WIRE[known.cause]
    return Verdict.FIELD if isinstance(error, msgspec.ValidationError) else Verdict.MALFORMED
