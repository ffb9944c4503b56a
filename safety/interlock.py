"""What motion is permitted: the ordered states, and the only acts that raise them.

Two rules
---------
1. Everything that raises permission stands in `RAISES`, and only `Interlock.act` applies it. An
   act without a row in the present state, or whose row lies above the ceiling that stands, is an
   error and changes nothing.
2. Everything else is a ceiling: `Interlock.lower` takes `min(state, ceiling)`. No fault, no
   message and no silence can raise permission, by construction.

The acts are judged elsewhere (safety.gate, teleop.robot.agent: alignment, deadman, freshness);
this file only knows which act may follow which state. RESUME is the one act without a person:
an unlatched HOLD whose cause was brief, under a deadman that was held throughout.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from safety.state import Cause, State


class Act(IntEnum):
    """What may raise permission."""

    BOOT = 0  #: self-test passed, store read
    ARM = 1  #: a granted hand is aligned, its deadman is up
    ENGAGE = 2  #: the deadman was pressed on a fresh stream
    RESUME = 3  #: a brief, unlatched HOLD is over
    STEADY = 4  #: the stream was clean for the profile's recovery time
    REARM = 5  #: the hand left HOLD on purpose: deadman up, and after a latch a clutch cycle
    RESET = 6  #: the bedside resets a latched stop
    ENGAGE_SLOWLY = 7  #: the same press under a ceiling that permits no more than DEGRADED
    TAKE = 8  #: a key is held at the bedside, which has the robot: power, to be moved out by it


class Transition(NamedTuple):
    """One change of state; `t_ns` is the robot's monotonic clock."""

    old: State
    new: State
    cause: Cause
    t_ns: int


RAISES: dict[State, dict[Act, State]] = {
    State.ESTOP: {Act.RESET: State.IDLE},
    State.PROTECTIVE_STOP: {Act.RESET: State.IDLE},
    State.BOOT: {Act.BOOT: State.IDLE},
    State.IDLE: {Act.ARM: State.ARMED, Act.TAKE: State.HOLD},
    State.HOLD: {Act.RESUME: State.DEGRADED, Act.REARM: State.ARMED},
    State.ARMED: {Act.ENGAGE: State.ENGAGED, Act.ENGAGE_SLOWLY: State.DEGRADED},
    State.DEGRADED: {Act.STEADY: State.ENGAGED},
    State.ENGAGED: {},
}


class ForbiddenActError(ValueError):
    """An act that the present state does not allow: a programming error; nothing changed."""


class Interlock:
    """The state of one robot. It boots below IDLE, at or below what was stored.

    Attributes
    ----------
    state, cause : what is permitted, and why no more
    ceiling : what no act may exceed for now; whoever judges the sources keeps it, and lowers
    """

    def __init__(self, stored: State = State.BOOT) -> None:
        self.state = min(State.BOOT, stored)
        self.cause = Cause.NONE
        self.ceiling = State.ENGAGED

    def permits(self, act: Act) -> bool:
        """Tell whether this act has a row in the present state, at or below the ceiling."""
        new = RAISES[self.state].get(act)
        return new is not None and new <= self.ceiling

    def act(self, act: Act, cause: Cause, now_ns: int) -> Transition:
        """Raise the state by an act.

        Raises
        ------
        ForbiddenActError : the act has no row in the present state, or one above the ceiling
        """
        if not self.permits(act):
            raise ForbiddenActError(
                f"{act.name} in {self.state.name} under a ceiling of {self.ceiling.name}"
            )
        return self._move(RAISES[self.state][act], cause, now_ns)

    def lower(self, ceiling: State, cause: Cause, now_ns: int) -> Transition | None:
        """Apply a ceiling; return the transition when it lowered the state."""
        if ceiling >= self.state:
            return None
        return self._move(ceiling, cause, now_ns)

    def explain(self, cause: Cause) -> None:
        """Say why no act follows, or none without more; the state stays as it is."""
        self.cause = cause

    def _move(self, new: State, cause: Cause, now_ns: int) -> Transition:
        transition = Transition(self.state, new, cause, now_ns)
        self.state, self.cause = new, cause
        return transition
