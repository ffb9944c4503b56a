"""Answers who comes to the alarms' desk: beds as they are now, and people's wishes.

Rules
-----
- Everybody who is let in may ask for beds. Only a key of role icu may wish for anything.
- Every wish is answered, and every one that was done is an act for the audit.
- What is no question and no wish is refused by its name.
- Pure: who lets in, and with which role, is the shell's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from monitor.alarms import report
from monitor.alarms.alert import Bed, Refusal
from monitor.alarms.condition import CONDITIONS, Condition
from monitor.alarms.roster import Roster
from monitor.alarms.setting import Setting
from monitor.alarms.wishes import WISHES, Acknowledge, Ask, Done, Limit, Patient, Pause
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError

#: Why something was refused: for its form, its role, or for what stands in `Refusal`.
CAUSES: Final = ("wire", "role", *(refusal.name.lower() for refusal in Refusal if refusal))
NOT_ICU: Final = "only a key of role icu may answer alarms"

_REGISTRY: Final = Registry((Ask, *WISHES))


class Act(NamedTuple):
    """Something that a person did, for the audit.

    Parameters
    ----------
    act, actor, target : a name of `safety.audit.ACTS`, device, bed
    detail : in words
    """

    act: str
    actor: str
    target: str
    detail: str


class Desk:
    """The desk of a ward.

    Attributes
    ----------
    refused : the causes of refusals, oldest first, for the shell to count
    """

    def __init__(self, roster: Roster, incarnation: int) -> None:
        self._roster = roster
        self._beds: Sequence[Bed] = tuple(roster.beds.values())
        self._incarnation = incarnation
        self._acts: deque[Act] = deque()
        self.refused: deque[str] = deque(maxlen=64)

    def receive(self, device: str, is_icu: bool, data: bytes, now_ns: int) -> bytes | None:
        """Take what a device says; return the answer."""
        try:
            message = _REGISTRY.decode(data)
        except WireError:
            self.refused.append("wire")
            return None
        if isinstance(message, Ask):
            return encode(
                report.page(self._beds, message.request, message.first, self._incarnation, now_ns)
            )
        assert isinstance(message, Acknowledge | Pause | Limit | Patient)
        if not is_icu:
            self.refused.append("role")
            return encode(Done(78, message.request, NOT_ICU))
        name, detail = self._words(message)
        refusal = self._do(device, message, now_ns)
        if refusal:
            self.refused.append(refusal.name.lower())
        else:
            self._acts.append(Act(name, device, message.bed, detail))
        return encode(Done(78, message.request, refusal))

    def next_event(self) -> Act | None:
        """Return an act to be recorded."""
        return self._acts.popleft() if self._acts else None

    def _do(self, by: str, wish: Message, now_ns: int) -> Refusal:
        roster = self._roster
        match wish:
            case Acknowledge():
                return roster.acknowledge(wish.bed, wish.id, by, wish.where, now_ns)
            case Pause():
                return roster.pause(wish.bed, wish.seconds, by, now_ns)
            case Limit():
                return roster.set(wish.bed, wish.condition, Setting(wish.limit, wish.enabled), by)
            case Patient():
                return roster.change(wish.bed, wish.verb, by)
        raise AssertionError(wish)

    def _words(self, wish: Message) -> tuple[str, str]:
        """Name the act, and say what it is about, before it is done."""
        match wish:
            case Acknowledge():
                where = f" at {wish.where}" if wish.where else ""
                return "acknowledge", f"{self._alert(wish.bed, wish.id)}{where}"
            case Pause():
                return "pause", f"{wish.seconds} s" if wish.seconds else "ended"
            case Limit():
                return "limits", _setting(wish)
            case Patient():
                return "patient", wish.verb
        raise AssertionError(wish)

    def _alert(self, place: str, alert_id: int) -> str:
        bed = self._roster.beds.get(place)
        alerts = bed.alerts.values() if bed else ()
        found = [CONDITIONS[a.condition].words for a in alerts if a.id == alert_id]
        return f"{''.join(found)} ({alert_id})"


def _setting(wish: Limit) -> str:
    known = wish.condition in frozenset(Condition)
    words = CONDITIONS[Condition(wish.condition)].words if known else str(wish.condition)
    limit = "usual limit" if wish.limit is None else f"limit {wish.limit:g}"
    return f"{words}: {limit}" if wish.enabled else f"{words}: not judged"
