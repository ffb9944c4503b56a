"""Tells the judge what is set at the beds, again and again: it may have been restarted.

Each condition that was ever set since we started is told in its turn, and told that it is the usual
one when it is that again: so a setting of somebody who has gone does not stay because a message was
lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from monitor.alarms.alert import Bed
from monitor.alarms.condition import Condition
from monitor.alarms.wishes import Limit

#: A turn's; a ward's worth of settings is then told within seconds, and costs the judge little.
EACH: Final = 32


class Reminder:
    """The settings of some beds."""

    def __init__(self, beds: Mapping[str, Bed]) -> None:
        self._beds = beds
        self._known: dict[tuple[str, Condition], None] = {}
        self._turn = 0
        for place in beds:
            self._learn(place)

    def about(self, place: str) -> Iterator[Limit]:
        """Yield what is set at a bed where something has changed."""
        self._learn(place)
        return (self._limit(*key) for key in list(self._known) if key[0] == place)

    def turn(self) -> Iterator[Limit]:
        """Yield what is to be told again now."""
        known, first = tuple(self._known), self._turn
        if known:
            self._turn = (first + EACH) % len(known)
        for k in range(min(len(known), EACH)):
            yield self._limit(*known[(first + k) % len(known)])

    def _learn(self, place: str) -> None:
        self._known |= {(place, condition): None for condition, _ in self._beds[place].settings}

    def _limit(self, place: str, condition: Condition) -> Limit:
        setting = self._beds[place].settings[condition]
        return Limit(76, 0, place, condition, setting.limit, setting.enabled)
