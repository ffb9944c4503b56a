"""Who holds permission down: the newest ceiling of every source, and what its silence means.

A source's newer ceiling replaces its older one; ENGAGED lifts it. When its time to live has
passed without a newer one, the source counts as silent, and its policy takes the ceiling's place.
A wired emergency stop (safety.estop) is such a source too, with a policy of its own: its token
lives for 20 ms at most, whatever it says, and until it was heard once nothing arms. So is a
watchdog: while it is silent, and until it was heard once, what moves goes on slowly and nothing
arms anew.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import NamedTuple

from safety import estop
from safety.state import State

#: What a source's silence imposes, by the word that `node.toml` uses.
SILENCE_POLICY: dict[str, State] = {
    "none": State.ENGAGED,
    "degraded": State.DEGRADED,
    "hold": State.HOLD,
}
#: What a watchdog's silence imposes on what moves already.
UNWATCHED = State.DEGRADED
#: In ns nearly three centuries: no clock of a robot comes so far.
_NEVER = sys.maxsize


class Lowest(NamedTuple):
    """The lowest ceiling in force.

    Parameters
    ----------
    words : its source and cause, for people
    is_lost : it is the silence of a wired emergency stop
    arms : whether what is not armed may arm under it
    """

    state: State
    words: str
    is_lost: bool = False
    arms: bool = True


class _Held(NamedTuple):
    max_state: State
    cause: str
    expires_ns: int


_LIFTED = Lowest(State.ENGAGED, "")


class Ceilings:
    """The ceilings of one robot.

    Parameters
    ----------
    policies : source name -> what its silence imposes
    wired : names of the wired emergency stops
    watchdogs : names of the watchdogs; only these, the wired and those of `policies` may send
    """

    def __init__(
        self,
        policies: Mapping[str, State],
        wired: Collection[str] = (),
        watchdogs: Collection[str] = (),
    ) -> None:
        self._policies = {
            **policies,
            **dict.fromkeys(watchdogs, UNWATCHED),
            **dict.fromkeys(wired, estop.SILENCE),
        }
        self._wired = frozenset(wired)
        self._watchdogs = frozenset(watchdogs)
        unheard = _Held(State.IDLE, "not heard yet", _NEVER)
        silent = _Held(State.ENGAGED, "", 0)
        self._held: dict[str, _Held] = {
            **dict.fromkeys(wired, unheard),
            **dict.fromkeys(watchdogs, silent),
        }

    def allows(self, source: str) -> bool:
        """Tell whether this source may lower this robot's ceiling at all."""
        return source in self._policies

    def set(self, source: str, max_state: State, cause: str, ttl_ns: int, now_ns: int) -> None:
        """Take a source's newest ceiling; the caller has checked `allows`."""
        if source in self._wired:
            ttl_ns = min(ttl_ns, estop.TOKEN_NS_MAX)
        self._held[source] = _Held(max_state, cause, now_ns + ttl_ns)

    @property
    def is_pressed(self) -> bool:
        """Whether a wired emergency stop was down when it was heard last."""
        return any(self._held[source].max_state is State.ESTOP for source in self._wired)

    def lowest(self, now_ns: int) -> Lowest:
        """Find the lowest ceiling in force."""
        lowest, arms = _LIFTED, True
        for source, held in self._held.items():
            is_silent = now_ns >= held.expires_ns
            arms = arms and not (is_silent and source in self._watchdogs)
            state = self._policies[source] if is_silent else held.max_state
            if state < lowest.state:
                words = f"{source} is silent" if is_silent else f"{source}: {held.cause}"
                lowest = Lowest(state, words, is_silent and source in self._wired)
        return lowest if arms else lowest._replace(arms=False)

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """When the next ceiling expires."""
        next_ns = _NEVER
        for held in self._held.values():
            if now_ns < held.expires_ns < next_ns:
                next_ns = held.expires_ns
        return None if next_ns == _NEVER else next_ns
