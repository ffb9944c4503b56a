"""Couples a bed with the robot that stands there: an alarm may lower what the robot may do.

Rules
-----
- A policy says how far: `none` (the usual), `degrade`, or `hold`. It never raises anything.
- What counts is a HIGH alert of the patient (Phy) that nobody has answered. Whoever acknowledges it
  has taken notice, and the surgeon may go on; technical alerts hold nobody's hand.
- The ceiling is said when it changes and each half second, and lives for two: the robot's own
  policy for this source says what its silence means.
- The other way round, a robot that has stopped is an alert of the bed, from its own word. That it
  is not heard is not that it has stopped.
- Pure: messages and `now_ns` come in, messages go out.
"""

from __future__ import annotations

from typing import Final, Literal

from monitor.alarms.alert import Bed, Presence
from monitor.alarms.condition import CONDITIONS, Kind, Priority
from safety.messages import Ceiling
from safety.state import State

Policy = Literal["none", "degrade", "hold"]

CEILINGS: Final[dict[Policy, State]] = {
    "none": State.ENGAGED,
    "degrade": State.DEGRADED,
    "hold": State.HOLD,
}
SAY_NS: Final = 500_000_000
TTL_MS: Final = 2_000


class Coupling:
    """One bed and its robot.

    Parameters
    ----------
    source : device that speaks at the robot's guard
    robot, policy : see there
    """

    def __init__(self, source: str, robot: str, policy: Policy) -> None:
        self._source = source
        self._robot = robot
        self._lowest = CEILINGS[policy]
        self._said = State.ENGAGED
        self._due_ns = 0

    def to_send(self, bed: Bed, now_ns: int) -> Ceiling | None:
        """Return the ceiling that is to be said now, if one is."""
        cause = _cause(bed)
        state = self._lowest if cause else State.ENGAGED
        if state is self._said and now_ns < self._due_ns:
            return None
        self._said, self._due_ns = state, now_ns + SAY_NS
        cause = cause if state < State.ENGAGED else ""
        return Ceiling(19, self._source, self._robot, state, cause, TTL_MS)


def has_stopped(state: int) -> bool:
    """Tell whether a robot that says so has stopped, and stays so until somebody resets it."""
    return state <= State.PROTECTIVE_STOP


def _cause(bed: Bed) -> str:
    """Say which alert of the patient lowers the ceiling, "" when none does."""
    for condition, alert in bed.alerts.items():
        row = CONDITIONS[condition]
        is_grave = row.kind is Kind.PHY and row.priority is Priority.HIGH
        if is_grave and alert.presence is Presence.ON:
            return f"patient: {row.words}"
    return ""
