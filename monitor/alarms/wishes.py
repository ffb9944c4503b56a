"""What is asked for at the alarms' desk, and what somebody answers there.

Every wish is answered with `Done`, and every one that is done is an act for the audit.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from monitor.messages import Value
from transport.wire.codec import U8, U16, U32, U63, Message, Name, Text

#: Words that are printed elsewhere: one line of ASCII.
Words = Annotated[str, msgspec.Meta(max_length=32, pattern=r"^[ -~]*$")]


class Ask(Message, frozen=True):
    """Ask for beds as they are now, as many as fit into an answer.

    Parameters
    ----------
    request : number that the answer repeats
    first : number of the first bed, from 0
    """

    KIND: ClassVar[int] = 72
    BYTES_MAX: ClassVar[int] = 32
    kind: Literal[72]
    request: U32
    first: U16


class Acknowledge(Message, frozen=True):
    """Answer an alert.

    Parameters
    ----------
    request : number that the answer repeats
    bed : where the patient lies, "unit/bed"
    id : of the alert that was seen
    where : the place from which it is answered
    """

    KIND: ClassVar[int] = 74
    BYTES_MAX: ClassVar[int] = 256
    kind: Literal[74]
    request: U32
    bed: Name
    id: U63
    where: Words


class Pause(Message, frozen=True):
    """Silence a bed's sound.

    Parameters
    ----------
    request : number that the answer repeats
    bed : where the patient lies, "unit/bed"
    seconds : s, at most 120; 0 ends the pause
    """

    KIND: ClassVar[int] = 75
    BYTES_MAX: ClassVar[int] = 256
    kind: Literal[75]
    request: U32
    bed: Name
    seconds: U8


class Limit(Message, frozen=True):
    """Set a condition's limit at a bed, or switch it off; the alarms tell the judge so as well.

    Parameters
    ----------
    request : number that the answer repeats
    bed : where the patient lies, "unit/bed"
    condition : which (`Condition`)
    limit : in the metric's unit; nil = the usual one
    enabled : whether it is judged at all
    """

    KIND: ClassVar[int] = 76
    BYTES_MAX: ClassVar[int] = 256
    kind: Literal[76]
    request: U32
    bed: Name
    condition: U8
    limit: Value | None
    enabled: bool


class Patient(Message, frozen=True):
    """Another patient, or none: the bed's alerts are reset.

    Parameters
    ----------
    request : number that the answer repeats
    bed : where the patient lies, "unit/bed"
    verb : "admit", "associate" (settings stay) or "discharge"
    """

    KIND: ClassVar[int] = 77
    BYTES_MAX: ClassVar[int] = 256
    kind: Literal[77]
    request: U32
    bed: Name
    verb: Name


class Done(Message, frozen=True):
    """What became of a wish.

    Parameters
    ----------
    request : number of the wish
    refusal : why nothing came of it, "" when it was done
    """

    KIND: ClassVar[int] = 78
    BYTES_MAX: ClassVar[int] = 256
    kind: Literal[78]
    request: U32
    refusal: Text


WISHES: Final[tuple[type[Message], ...]] = (Acknowledge, Pause, Limit, Patient)
