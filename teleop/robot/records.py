"""The kinds of records on a robot's tape (teleop.robot.tape), for who reads but does not replay.

Apart from the agent, so that a process that copies and shows tapes loads no kernel.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Kind(IntEnum):
    """What a record is. Numbers are in recordings: append, never renumber."""

    BOOT = 1
    SNAPSHOT = 2
    DRAIN = 3
    PART = 4  #: of a relay; its tag held, or was never asked for
    FORGED = 5  #: of a relay; its tag did not hold
    MEASURE = 6
    GONE = 7  #: the driver
    GRANT = 8
    GUARD = 9
    BEDSIDE = 10
    STORED = 11
    DEADLINE = 12
    REST = 13
    PIN = 14  #: a signer that is believed from now on, or no longer


class Drained(msgspec.Struct, frozen=True, array_like=True):
    """What came out of an agent that was drained.

    Parameters
    ----------
    looked_ns : when it was asked for its next deadline, after all else
    out : what it sent, each with where to (`teleop.robot.agent.To`)
    records : of the commands that it judged (`teleop.robot.agent.Judged`)
    """

    looked_ns: int
    out: list[tuple[int, bytes]]
    records: list[tuple[int, int, int, int, int, bool]]
