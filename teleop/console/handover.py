"""A person's words about who holds the robot: from another terminal to the console, and back.

The console's hot process has no terminal. `trocar session` says these words at its local socket;
whoever is at that console has the key that they need.
"""

from __future__ import annotations

from safety.grant import Release
from safety.handover import Confirm, Offer, Standing, Withdraw
from safety.seat import Phase
from teleop.console.operator import Operator
from transport.wire.codec import Message, Registry

#: What may be said; sessions are filled in here.
WORDS = Registry((Offer, Confirm, Withdraw, Release))
#: The session service answers a word that changed something; of others it says nothing.
ANSWER_NS_MAX = 500_000_000
NOTHING = "nothing changed: no hand-over waits for this console's word"
NOT_HELD = "this console does not hold the robot"


def said(operator: Operator, message: Message) -> bytes | None:
    """Put a person's word into the console's own; None when it has nothing to say it about."""
    if isinstance(message, Offer):
        return operator.offer(message.to)
    if isinstance(message, Confirm):
        return operator.confirm()
    if isinstance(message, Withdraw):
        return operator.withdraw()
    return None


def has_passed_on(standing: Standing, console: str) -> bool:
    """Tell whether the robot is another console's by a hand-over."""
    return standing.phase == Phase.GRANTED and standing.holder not in ("", console)


def in_words(standing: Standing) -> str:
    """Say what has just changed, and who has to confirm still."""
    if standing.phase != Phase.HANDOVER:
        return standing.why
    missing = sorted({standing.holder, standing.to} - set(standing.confirmed))
    waits = f"; waits for {' and '.join(missing)} to confirm" if missing else ""
    return f"{standing.why}; the robot holds{waits}"
