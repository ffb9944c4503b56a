"""A wired emergency stop: what its box says to the robots, and what its silence means there.

A hard-wired chain stays outside software; this is its shadow in it. The box says a token every
5 ms: a `Ceiling` that lifts, good for 20 ms. Its absence is a PROTECTIVE_STOP: a cut cable, a dead
box and a pulled plug are one. Pressed, it says ESTOP instead, as a latch: again and again until
the robot says that it has latched too, and the button is up. One lost message loses no stop.

At the robot such a source is an ordinary one of `safety.ceiling`, with the policy below, its time
to live cut to 20 ms, and the rule that nothing arms before it was heard for the first time.
"""

from __future__ import annotations

from safety.messages import Ceiling
from safety.profile import MS
from safety.state import State

#: How often a box says its token, and how long one is good for.
TOKEN_NS = 5 * MS
TOKEN_NS_MAX = 20 * MS
#: What a wired source's silence imposes.
SILENCE = State.PROTECTIVE_STOP


class Button:
    """One box and one robot.

    Parameters
    ----------
    source, robot : names, as in the robot's settings
    """

    def __init__(self, source: str, robot: str) -> None:
        self._source = source
        self._robot = robot
        self._is_down = False
        self._is_owed = False  # a press that the robot has not acknowledged
        self._said_ns: int | None = None

    @property
    def is_pressed(self) -> bool:
        """Whether the box says ESTOP: while it is down, and until that was acknowledged."""
        return self._is_down or self._is_owed

    def read(self, *, down: bool) -> None:
        """Take the level of the button."""
        if down and not self._is_down:
            self._is_owed = True
            self._said_ns = None  # at once
        self._is_down = down

    def acknowledged(self, state: State) -> None:
        """Hear the robot's state: ESTOP is the acknowledgement."""
        if state is State.ESTOP:
            self._is_owed = False

    def next_deadline_ns(self) -> int:
        """When the next token is due."""
        return 0 if self._said_ns is None else self._said_ns + TOKEN_NS

    def to_send(self, now_ns: int) -> Ceiling | None:
        """Give the message that is due, if one is."""
        if now_ns < self.next_deadline_ns():
            return None
        self._said_ns = now_ns
        state = State.ESTOP if self.is_pressed else State.ENGAGED
        cause = "pressed" if self.is_pressed else ""
        return Ceiling(19, self._source, self._robot, state, cause, TOKEN_NS_MAX // MS)
