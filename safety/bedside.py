"""What the team at the robot says beyond reset and emergency stop, and what the robot answers.

All of it over the robot's local socket (0600): no network is involved, and none can delay it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from safety.grant import Pseudonym
from safety.handover import Nobody
from safety.messages import Bedside
from transport.wire.codec import U8, U32, U63, Message, Name, Text


class Token(Message, frozen=True):
    """A key at the bedside is held, 20 times a second; after 100 ms without one the robot stops.

    Parameters
    ----------
    motion : retract (the tip towards the remote centre) or release (open the jaw)
    arm : which instrument
    press : one number a press; a press that has ended moves nothing any more
    """

    KIND: ClassVar[int] = 21
    kind: Literal[21]
    motion: Literal["retract", "release"]
    arm: U8
    press: U32


class Bind(Message, frozen=True):
    """Where the robot stands and for whom; refused while a session means another bed.

    Parameters
    ----------
    bed, patient : pseudonyms, empty for none
    """

    KIND: ClassVar[int] = 22
    kind: Literal[22]
    bed: Pseudonym
    patient: Pseudonym


class Override(Message, frozen=True):
    """Give the robot to a console in its holder's stead: it holds, and a hand-over begins.

    Parameters
    ----------
    console : its device name
    """

    KIND: ClassVar[int] = 23
    kind: Literal[23]
    console: Name


class Report(Message, frozen=True):
    """The robot's answer to every word at the bedside: how it stands.

    Parameters
    ----------
    robot : its name
    state, cause : `safety.state.State`, `safety.state.Cause`
    local : the team at the robot has it
    moving : the motion that a held key causes; empty for none
    console, epoch, held_ms : who holds authority, under which grant, since when; empty for nobody
    bed, patient : as bound here
    why : why nothing came of what was said; empty when it was done
    """

    KIND: ClassVar[int] = 24
    BYTES_MAX: ClassVar[int] = 1152
    kind: Literal[24]
    robot: Name
    state: U8
    cause: U8
    local: bool
    moving: Literal["", "retract", "release"]
    console: Nobody
    epoch: U63
    held_ms: U63
    bed: Pseudonym
    patient: Pseudonym
    why: Text


#: What may be said to a robot.
WORDS: tuple[type[Message], ...] = (Bedside, Token, Bind, Override)
#: What this file adds.
VOCABULARY: tuple[type[Message], ...] = (Token, Bind, Override, Report)
