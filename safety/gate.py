"""Whether a command may move the robot: default deny, at the robot, behind every relay.

The order of the checks, cheap and unforgeable first; each refusal is counted by its name:

1. size and form         OVERSIZED MALFORMED VERSION KIND FIELD ROBOT ARM
2. (session, epoch)      UNKNOWN_SESSION (also every session of an earlier boot: its key is gone)
3. the tag               TAG
4. the epoch is on disk  NOT_PERSISTED
5. the sequence          DUPLICATE OLD FAR_FUTURE
6. the age               NEVER_SENT LATE
7. the numbers           MODE NOT_FINITE NOT_UNIT

Nothing before the tag changes any state, so a forger can neither move the window of sequences
nor the floor of the age. What passes all is ADMITTED; whether it moves anything is the
interlock's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from safety.grant import SessionKeys
from safety.messages import Command
from safety.profile import Ladder
from safety.seal import Envelope, is_sealed
from transport.link.age import EchoAge, Floor
from transport.link.age import judge as is_late
from transport.link.sequence import SequenceWindow
from transport.link.sequence import Verdict as Sequence
from transport.wire.errors import WireError
from transport.wire.vector import Setpoint, is_finite, is_unit, unpack_setpoint

_COMMANDS = Envelope(Command)
#: The one mode that is understood: under any other the numbers would mean something else.
POSE = 0


class Verdict(IntEnum):
    """What became of a command. Numbers are in recordings: append, never renumber."""

    ADMITTED = 0
    MERGED = 1  #: superseded by a newer one before it was used
    OVERSIZED = 2
    MALFORMED = 3
    VERSION = 4
    KIND = 5
    FIELD = 6
    ROBOT = 7
    ARM = 8
    UNKNOWN_SESSION = 9
    TAG = 10
    NOT_PERSISTED = 11
    DUPLICATE = 12
    OLD = 13
    FAR_FUTURE = 14
    NEVER_SENT = 15
    LATE = 16
    NOT_FINITE = 17
    NOT_UNIT = 18
    MODE = 19


# Looking up a member of an enum costs as much as a check.
_ADMITTED, _NEW = Verdict.ADMITTED, Sequence.NEW
_OF_WIRE = {verdict.name.lower(): verdict for verdict in Verdict}
_OF_SEQUENCE = {
    Sequence.DUPLICATE: Verdict.DUPLICATE,
    Sequence.OLD: Verdict.OLD,
    Sequence.FAR_FUTURE: Verdict.FAR_FUTURE,
}


class Admission(NamedTuple):
    """What the gate says of one part: with a verdict other than ADMITTED nothing may be used.

    `command` is present as soon as the form was right, for the record; `loop_ns` once known.
    """

    verdict: Verdict
    command: Command | None = None
    setpoint: Setpoint | None = None
    hops: bytes = b""
    loop_ns: int = 0


class Session:
    """A grant in force at this robot: its keys, and what was heard under it."""

    def __init__(
        self, session: bytes, epoch: int, keys: SessionKeys, ladder: Ladder, arms: int
    ) -> None:
        self.id = session
        self.epoch = epoch
        self.keys = keys
        self.ladder = ladder
        self.persisted = False
        self.floor = Floor()
        self.windows = tuple(SequenceWindow() for _ in range(arms))


class Gate:
    """Admit commands for one robot.

    Parameters
    ----------
    robot : its name
    arms : its number of arms
    ticks : the ticks that this robot has sent; the gate takes a command's age from its echo
    holds : tells whether a tag holds under a key; a replay has none, and says what was said
    """

    def __init__(
        self,
        robot: str,
        arms: int,
        ticks: EchoAge,
        holds: Callable[[bytes, bytes], bool] = is_sealed,
    ) -> None:
        self._robot = robot
        self._arms = arms
        self._ticks = ticks
        self._holds = holds
        self.session: Session | None = None
        self.counts = [0] * len(Verdict)

    def admit(self, part: bytes, now_ns: int) -> Admission:
        """Judge one part as it came from the network: a command with hop records behind it."""
        admission = self._judge(part, now_ns)
        self.counts[admission.verdict] += 1
        return admission

    def _judge(self, part: bytes, now_ns: int) -> Admission:
        try:
            command, sealed, hops = _COMMANDS.take_apart(part)
        except WireError as error:
            return Admission(_OF_WIRE[error.cause])
        if command.robot != self._robot:
            return Admission(Verdict.ROBOT, command)
        if command.arm >= self._arms:
            return Admission(Verdict.ARM, command)
        session = self.session
        if session is None or command.session != session.id or command.epoch != session.epoch:
            return Admission(Verdict.UNKNOWN_SESSION, command)
        if not self._holds(sealed, session.keys.to_robot):
            return Admission(Verdict.TAG, command)
        if not session.persisted:
            return Admission(Verdict.NOT_PERSISTED, command)
        history = (command.previous is not None) + (command.earlier is not None)
        sequence = session.windows[command.arm].accept(command.seq, history)
        if sequence is not _NEW:
            return Admission(_OF_SEQUENCE[sequence], command)
        return self._judge_content(session, command, hops, now_ns)

    def _judge_content(
        self, session: Session, command: Command, hops: bytes, now_ns: int
    ) -> Admission:
        loop_ns = self._ticks.loop_ns(command.tick_echo, now_ns)
        if loop_ns is None:
            return Admission(Verdict.NEVER_SENT, command)
        floor_ns = session.floor.add(loop_ns, now_ns)
        ladder = session.ladder
        if is_late(loop_ns, floor_ns, ladder.hold_ns, ladder.max_loop_ns):
            return Admission(Verdict.LATE, command, loop_ns=loop_ns)
        if command.mode != POSE:
            return Admission(Verdict.MODE, command, loop_ns=loop_ns)
        setpoint = unpack_setpoint(command.setpoint)
        if not is_finite(setpoint):
            return Admission(Verdict.NOT_FINITE, command, loop_ns=loop_ns)
        if not is_unit(setpoint):
            return Admission(Verdict.NOT_UNIT, command, loop_ns=loop_ns)
        return Admission(_ADMITTED, command, setpoint, hops, loop_ns)
