"""What of a robot's transitions is worth a record: stops, what resets them, and attacks.

Who holds a robot is recorded where it is decided (safety.authority). Of the many transitions of a
session only those are kept for ever that a person, or a court, will ask about.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from safety.messages import Event
from safety.state import WORDS, Cause, State


class Incident(NamedTuple):
    """A record of the audit: act (safety.audit.ACTS), who, and what befell the robot."""

    act: str
    actor: str
    detail: str


#: Causes that are somebody's act: the act, and whether it was the bedside's or the holder's.
_ACTS: Final = {
    Cause.ESTOP_PRESSED: ("estop", False),
    Cause.BEDSIDE_ESTOP: ("estop", True),
    Cause.BEDSIDE_RESET: ("reset", True),
    Cause.LOCAL: ("take", True),
    Cause.GIVEN_BACK: ("give", True),
    Cause.RETRACTING: ("retract", True),
    Cause.RELEASING: ("retract", True),
}
_CAUSES: Final = frozenset(Cause)
_STATES: Final = frozenset(State)


def incident(event: Event, holder: str) -> Incident | None:
    """Judge a transition; None when it is one of every day.

    Parameters
    ----------
    holder : who holds the robot, "" when nobody does
    """
    if event.cause not in _CAUSES or event.new not in _STATES or event.old not in _STATES:
        return None
    cause, old, new = Cause(event.cause), State(event.old), State(event.new)
    detail = f"{old.name} to {new.name}, epoch {event.epoch}, command {event.seq}: {WORDS[cause]}"
    if cause in _ACTS:
        act, at_bedside = _ACTS[cause]
        return Incident(act, f"bedside of {event.robot}" if at_bedside else holder, detail)
    if cause is Cause.FORGERY:
        return Incident("alarm", event.robot, detail)
    if new <= State.PROTECTIVE_STOP and new < old:
        return Incident("stop", event.robot, detail)
    return None
