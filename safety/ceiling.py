"""Who holds permission down: the newest ceiling of every source, and what its silence means.

A source's newer ceiling replaces its older one; ENGAGED lifts it. When its time to live has
passed without a newer one, the source counts as silent, and its policy takes the ceiling's place.
"""

from __future__ import annotations

from typing import NamedTuple

from safety.state import State

#: What a source's silence imposes, by the word that `node.toml` uses.
SILENCE_POLICY: dict[str, State] = {
    "none": State.ENGAGED,
    "degraded": State.DEGRADED,
    "hold": State.HOLD,
}


class _Held(NamedTuple):
    max_state: State
    cause: str
    expires_ns: int


class Ceilings:
    """The ceilings of one robot.

    Parameters
    ----------
    policies : source name -> what its silence imposes; only these sources may send
    """

    def __init__(self, policies: dict[str, State]) -> None:
        self._policies = policies
        self._held: dict[str, _Held] = {}

    def allows(self, source: str) -> bool:
        """Tell whether this source may lower this robot's ceiling at all."""
        return source in self._policies

    def set(self, source: str, max_state: State, cause: str, expires_ns: int) -> None:
        """Take a source's newest ceiling; the caller has checked `allows`."""
        self._held[source] = _Held(max_state, cause, expires_ns)

    def lowest(self, now_ns: int) -> tuple[State, str]:
        """Find the lowest ceiling in force, and its cause in words."""
        lowest, cause = State.ENGAGED, ""
        for source, held in self._held.items():
            if now_ns < held.expires_ns:
                state, why = held.max_state, f"{source}: {held.cause}"
            else:
                state, why = self._policies[source], f"{source} is silent"
            if state < lowest:
                lowest, cause = state, why
        return lowest, cause

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """When the next ceiling expires."""
        return min(
            (h.expires_ns for h in self._held.values() if h.expires_ns > now_ns), default=None
        )
