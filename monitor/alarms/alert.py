"""What becomes of a condition that holds: who is told, until somebody answered.

Names are those of IEEE 11073 SDC. An alert's presence goes by one table:

    Off ──holds──▶ On ──acknowledged──▶ Ack ──ends──▶ Off
                   │                                   ▲
                   └──ends──▶ Off, or, of a latching condition,
                              Latch ──acknowledged─────┘      (Latch ──holds──▶ On, a new alert)

Rules it keeps
--------------
- Each time that a condition begins it is a new alert with an id of its own, and an acknowledgement
  names that id: nobody acknowledges what he has not seen.
- An acknowledgement is for one alert; whatever begins later is On.
- A pause is for sound alone, 120 s at most, and changes no alert. A HIGH alert that begins ends it
  (Mindray's "audio pause" would not; of two practices this is the one that is heard).
- Whatever is said of a bed has the bed's next number, without a gap, across restarts.
- HIGH conditions cannot be switched off.
- Admit, associate and discharge end a bed's alerts, each with a word of its own. What still holds
  begins anew.
- Pure: time is an argument, ids come from an iterator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from monitor.alarms.condition import CONDITIONS, Condition, Kind, Priority
from monitor.alarms.setting import Setting, Settings

#: IEC 60601-1-8 leaves it to the maker; common in intensive care.
PAUSE_S_MAX: Final = 120
_S: Final = 1_000_000_000


class Presence(IntEnum):
    """Whether an alert is shown (SDC: AlertSignalPresence); a higher one calls louder."""

    OFF = 0  #: the condition does not hold, or it was acknowledged after it ended
    LATCH = 1  #: it does not hold any more, and nobody has acknowledged that it did
    ACK = 2  #: it holds, and somebody has acknowledged it
    ON = 3  #: it holds, and nobody has answered


class Edge(IntEnum):
    """What happens to an alert."""

    HOLDS = 0
    ENDS = 1
    ACKNOWLEDGE = 2
    RESET = 3


_OFF, _LATCH, _ACK, _ON = Presence

# fmt: off
#: The presence that follows: of a condition that does not latch, and of one that does.
TABLE: Final[dict[tuple[Presence, Edge], tuple[Presence, Presence]]] = {
    (_OFF,   Edge.HOLDS):       (_ON,  _ON),
    (_LATCH, Edge.HOLDS):       (_ON,  _ON),
    (_ON,    Edge.ENDS):        (_OFF, _LATCH),
    (_ACK,   Edge.ENDS):        (_OFF, _OFF),
    (_ON,    Edge.ACKNOWLEDGE): (_ACK, _ACK),
    (_LATCH, Edge.ACKNOWLEDGE): (_OFF, _OFF),
    (_ON,    Edge.RESET):       (_OFF, _OFF),
    (_ACK,   Edge.RESET):       (_OFF, _OFF),
    (_LATCH, Edge.RESET):       (_OFF, _OFF),
}
# fmt: on


class Refusal(StrEnum):
    """Why nothing came of what a person asked for."""

    NONE = ""
    BED = "this monitor has no such bed"
    ALERT = "the bed has no such alert, or no longer"
    ACKNOWLEDGED = "it is acknowledged already"
    CONDITION = "there is no such condition"
    HIGH = "a condition of high priority cannot be switched off"
    NO_LIMIT = "the condition has no limit"
    RANGE = "the limit is out of its range"
    PAUSE = f"a pause lasts {PAUSE_S_MAX} s at most"
    VERB = "expected admit, associate or discharge"


class Verb(StrEnum):
    """What may befall the patient of a bed (SDC: patient context association)."""

    ADMIT = "admit"
    ASSOCIATE = "associate"
    DISCHARGE = "discharge"


class After(NamedTuple):
    """What is so after a verb.

    Parameters
    ----------
    occupied : somebody lies there: technical conditions are told as well
    keeps : the settings stay
    """

    occupied: bool
    keeps: bool


VERBS: Final[dict[Verb, After]] = {
    Verb.ADMIT: After(occupied=True, keeps=False),
    Verb.ASSOCIATE: After(occupied=True, keeps=True),
    Verb.DISCHARGE: After(occupied=False, keeps=False),
}


class Alert(NamedTuple):
    """One alert as it is now.

    Parameters
    ----------
    condition, presence : see there
    id : nobody else's, ever
    onset_ns : when it began in the signal
    detected_ns : when it was known to hold
    value : the number that decided, None where there is none
    by, where : device that acknowledged it, and the place it named; "" when nobody did
    acknowledged_ns : when
    """

    condition: Condition
    presence: Presence
    id: int
    onset_ns: int
    detected_ns: int
    value: float | None = None
    by: str = ""
    where: str = ""
    acknowledged_ns: int = 0

    @property
    def priority(self) -> Priority:
        """How soon somebody must come."""
        return CONDITIONS[self.condition].priority


class Said(NamedTuple):
    """What is to be told of a bed: its alert, or, without one, all else that is set there.

    Parameters
    ----------
    bed, seq : whose, and the bed's number for it
    alert : after the transition, None when it is about the bed
    by : device of the person behind it, "" when nobody was
    """

    bed: str
    seq: int
    alert: Alert | None
    by: str = ""


def step(presence: Presence, edge: Edge, condition: Condition) -> Presence | None:
    """Return the presence that follows, None where the table has no row."""
    found = TABLE.get((presence, edge))
    return None if found is None else found[CONDITIONS[condition].latching]


class Bed:
    """The alerts of one bed.

    Parameters
    ----------
    ids : where new alerts take their ids from

    Attributes
    ----------
    seq : number of the last thing said
    alerts : those that are not Off
    settings : what somebody has set
    occupied : see `After`
    paused_until_ns : sound is silent until then
    """

    def __init__(self, name: str, ids: Iterator[int]) -> None:
        self.name = name
        self.seq = 0
        self.alerts: dict[Condition, Alert] = {}
        self.settings = Settings()
        self.occupied = True
        self.paused_until_ns = 0
        self._ids = ids

    def begin(
        self, condition: Condition, onset_ns: int, value: float | None, now_ns: int
    ) -> list[Said]:
        """Hear that a condition holds from now on."""
        fresh = Alert(condition, _OFF, next(self._ids), onset_ns, now_ns, value)
        there = self.alerts.get(condition)
        presence = step(there.presence if there else _OFF, Edge.HOLDS, condition)
        assert presence is not None, f"{condition!r} began twice"
        said = [self._put(fresh._replace(presence=presence))]
        if fresh.priority is Priority.HIGH and self.paused_until_ns > now_ns:
            said.append(self._pause_until(0))
        return said

    def end(self, condition: Condition) -> list[Said]:
        """Hear that a condition does not hold any more."""
        there = self.alerts[condition]
        presence = step(there.presence, Edge.ENDS, condition)
        assert presence is not None, f"{condition!r} ended twice"
        return [self._put(there._replace(presence=presence))]

    def acknowledge(
        self, alert_id: int, by: str, where: str, now_ns: int
    ) -> tuple[Refusal, list[Said]]:
        """Let a person answer an alert."""
        there = next((alert for alert in self.alerts.values() if alert.id == alert_id), None)
        if there is None:
            return Refusal.ALERT, []
        presence = step(there.presence, Edge.ACKNOWLEDGE, there.condition)
        if presence is None:
            return Refusal.ACKNOWLEDGED, []
        answered = there._replace(presence=presence, by=by, where=where, acknowledged_ns=now_ns)
        return Refusal.NONE, [self._put(answered, by)]

    def pause(self, seconds: int, by: str, now_ns: int) -> tuple[Refusal, list[Said]]:
        """Silence the bed's sound for so long; 0 ends that."""
        if not 0 <= seconds <= PAUSE_S_MAX:
            return Refusal.PAUSE, []
        return Refusal.NONE, [self._pause_until(now_ns + seconds * _S if seconds else 0, by)]

    def set(self, condition: Condition, setting: Setting, by: str) -> tuple[Refusal, list[Said]]:
        """Change a condition's limit, or whether it is judged at all."""
        row = CONDITIONS[condition]
        if not setting.enabled and row.priority is Priority.HIGH:
            return Refusal.HIGH, []
        if setting.limit is not None and row.metric is None:
            return Refusal.NO_LIMIT, []
        if not self.settings.set(condition, setting):
            return Refusal.RANGE, []
        return Refusal.NONE, [self._say(None, by)]

    def change(self, verb: Verb, by: str) -> list[Said]:
        """Reset everything: another patient, or none."""
        said = []
        for there in list(self.alerts.values()):
            presence = step(there.presence, Edge.RESET, there.condition)
            assert presence is not None
            said.append(self._put(there._replace(presence=presence), by))
        after = VERBS[verb]
        if not after.keeps:
            self.settings = Settings()
        self.occupied = after.occupied
        self.paused_until_ns = 0
        return [*said, self._say(None, by)]

    def handle_deadline(self, now_ns: int) -> list[Said]:
        """End a pause that is over."""
        if 0 < self.paused_until_ns <= now_ns:
            return [self._pause_until(0)]
        return []

    def tells(self, condition: Condition) -> bool:
        """Tell whether the condition is an alert here when it holds."""
        row = CONDITIONS[condition]
        is_judged = self.settings[condition].enabled
        return is_judged and (
            self.occupied or row.kind is Kind.PHY or row.priority is Priority.HIGH
        )

    def restore(self, seq: int, alerts: Iterable[Alert]) -> None:
        """Take up what was known before a restart."""
        self.seq = seq
        self.alerts = {alert.condition: alert for alert in alerts}

    def _put(self, alert: Alert, by: str = "") -> Said:
        if alert.presence is _OFF:
            self.alerts.pop(alert.condition, None)
        else:
            self.alerts[alert.condition] = alert
        return self._say(alert, by)

    def _pause_until(self, until_ns: int, by: str = "") -> Said:
        self.paused_until_ns = until_ns
        return self._say(None, by)

    def _say(self, alert: Alert | None, by: str) -> Said:
        self.seq += 1
        return Said(self.name, self.seq, alert, by)
