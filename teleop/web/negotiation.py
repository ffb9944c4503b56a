"""Decides how many connections to cameras may be under way, so that nobody can take them all.

An answer makes the camera's process open ports and wait. Whether the browser then comes is seen
there, not here; so here each negotiation counts for as long as that process waits.

Rules
-----
- A ticket is used once; it is remembered until it would have ended by itself.
- One visit has a part of what there is, and cannot keep the others out.
"""

from __future__ import annotations

from typing import Final

from teleop.web.refusal import Cause, Refused
from teleop.web.token import S, Ticket

#: From a ticket's making to its use a page needs milliseconds.
TICKET_NS: Final = 30 * S
#: As long as a camera's process waits for who does not come.
HALF_OPEN_NS: Final = 5 * S
UNDER_WAY_MAX: Final = 12
EACH_MAX: Final = 4


class Negotiations:
    """What is under way, of all visits."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._begun: list[tuple[int, str]] = []

    def begin(self, ticket: Ticket, fingerprint: str, now_ns: int) -> None:
        """Use a ticket for an offer whose certificate has this fingerprint.

        Raises
        ------
        Refused : FINGERPRINT, REUSED, or BUSY, which leaves the ticket good
        """
        self._used = {name: until for name, until in self._used.items() if now_ns < until}
        self._begun = [one for one in self._begun if now_ns - one[0] < HALF_OPEN_NS]
        if ticket.fingerprint != fingerprint:
            raise Refused(Cause.FINGERPRINT)
        if ticket.name in self._used:
            raise Refused(Cause.REUSED)
        its = sum(visit == ticket.visit for _, visit in self._begun)
        if its >= EACH_MAX or len(self._begun) >= UNDER_WAY_MAX:
            raise Refused(Cause.BUSY)
        self._used[ticket.name] = ticket.until_ns
        self._begun.append((now_ns, ticket.visit))
