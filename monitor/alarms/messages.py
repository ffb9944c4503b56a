"""What is said of alarms: by the judge, and to who listens.

    alarm/<priority>/<unit>/<bed>/<condition>   Alert     a transition, as it happens
    bed/<unit>/<bed>                            Place     pause, settings, another patient
    alive/<source>                              Alive     each half second

Whoever joins late, or missed something, asks for pages at the desk, and there answers alarms
(`monitor.alarms.wishes`). Times are ages when they were sent. Of a bed
everything has a number (`seq`) that grows by one; `Alive.total` is the sum of all beds' numbers.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec
import numpy as np

from monitor.alarms.wishes import WISHES, Ask, Done, Words
from monitor.messages import Value
from transport.wire.codec import U8, U16, U32, U63, Message, Name, Text

#: A row of the table of a `Holding`, little endian.
HELD: Final = np.dtype(
    [
        ("patient", "<u2"),
        ("condition", "u1"),
        ("spare", "u1"),
        ("value", "<f4"),
        ("age_us", "<i8"),
    ]
)
HELD_MAX: Final = 248  # so that the message stays below 4096 bytes


class Holding(Message, frozen=True):
    """Everything that holds of all patients now, from the judge; in parts, if it is much.

    Parameters
    ----------
    beds : CRC-32 of the beds' names, each with a line's end
    incarnation : another after each start of the judge
    tick : number of the judgement
    judged_ms : ms, for how long it has judged
    part, parts : number of this part of the judgement, from 0, and how many there are
    table : a row of 16 bytes a patient and condition, little endian: number of the bed (u16),
        `Condition` (u8), 0 (u8), the value that decided (f32, NaN = none), age of the onset in µs
        (i64)
    """

    KIND: ClassVar[int] = 68
    BYTES_MAX: ClassVar[int] = 4096
    kind: Literal[68]
    beds: U32
    incarnation: U32
    tick: U63
    judged_ms: U63
    part: U16
    parts: U16
    table: Annotated[bytes, msgspec.Meta(max_length=16 * HELD_MAX)]


class AlertRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An alert as it is now, as SDC has it: condition, presence, who acknowledged.

    Parameters
    ----------
    condition : which (`Condition`)
    presence : how it is shown (`Presence`)
    priority : how soon somebody must come (`Priority`)
    id : of this alert, never given twice
    value : the number that decided, in its metric's unit, or nil
    onset_us : µs ago it began in the signal, when this was said
    detected_us : µs ago it was known to hold, its delay over
    by : device that acknowledged it, "" when none did
    where : the place that it named
    acknowledged_us : µs ago
    """

    condition: U8
    presence: U8
    priority: U8
    id: U63
    value: Value | None
    onset_us: U63
    detected_us: U63
    by: Words = ""
    where: Words = ""
    acknowledged_us: U63 = 0


class Alert(Message, frozen=True):
    """An alert that changed.

    Parameters
    ----------
    bed : where the patient lies, "unit/bed"
    incarnation : another after each start of the alarms' service
    seq : the bed's number for it, one more than the last
    alert : after the change; presence 0 = it is over
    """

    KIND: ClassVar[int] = 69
    BYTES_MAX: ClassVar[int] = 512
    kind: Literal[69]
    bed: Name
    incarnation: U63
    seq: U63
    alert: AlertRow


class SettingRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What somebody has set of a condition, at one bed.

    Parameters
    ----------
    condition : which (`Condition`)
    limit : instead of the usual one, or nil
    enabled : whether it is judged at all
    """

    condition: U8
    limit: Value | None
    enabled: bool


class BedRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A bed as it is now.

    Parameters
    ----------
    bed : where the patient lies, "unit/bed"
    seq : number of the last thing that was said of it
    paused_ms : for how many ms its sound is silent still
    occupied : somebody lies there: technical conditions are told as well
    settings : those that are not the usual ones
    alerts : those that are not over
    """

    bed: Name
    seq: U63
    paused_ms: U32
    occupied: bool
    settings: tuple[SettingRow, ...]
    alerts: tuple[AlertRow, ...]


class Place(Message, frozen=True):
    """A bed's pause, settings or patient changed.

    Parameters
    ----------
    incarnation : another after each start of the alarms' service
    by : device of the person behind it, "" when nobody was
    state : after the change; its alerts are left out
    """

    KIND: ClassVar[int] = 70
    BYTES_MAX: ClassVar[int] = 1024
    kind: Literal[70]
    incarnation: U63
    by: Words
    state: BedRow


class Alive(Message, frozen=True):
    """A publisher lives, and has said so much; who hears none for a second hears nothing.

    Parameters
    ----------
    source : "alarms", or "vitals"
    incarnation : another after each start of the publisher
    total : the sum of all beds' numbers; or how much was said since the start
    unjudged_ms : ms since anything was judged; alarms of a judge that is silent stay as they were
    trouble : what keeps alarms from being remembered, "" when nothing does
    """

    KIND: ClassVar[int] = 71
    BYTES_MAX: ClassVar[int] = 1024
    kind: Literal[71]
    source: Name
    incarnation: U63
    total: U63
    unjudged_ms: U63
    trouble: Text


class Page(Message, frozen=True):
    """Some beds, as they are now.

    Parameters
    ----------
    request, first : of the question; who wants the rest asks from `first` + beds on
    total : how many beds there are
    incarnation : another after each start of the alarms' service
    beds : each complete, with everything that was said of it up to its number
    """

    KIND: ClassVar[int] = 73
    BYTES_MAX: ClassVar[int] = 4096
    kind: Literal[73]
    request: U32
    first: U16
    total: U16
    incarnation: U63
    beds: tuple[BedRow, ...]


STREAM: Final[tuple[type[Message], ...]] = (Alert, Place, Alive)
VOCABULARY: Final[tuple[type[Message], ...]] = (Holding, *STREAM, Ask, Page, *WISHES, Done)
