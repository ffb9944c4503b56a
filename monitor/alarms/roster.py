"""All alerts of a ward: evidence and people's answers in, what is to be told out.

    judge(evidence)  acknowledge  pause  set  change  handle_deadline   ->   next_event()

Rules it keeps
--------------
- What holds, and did not, begins; what does not hold any more, ends. Nothing else moves an alert.
- A judge that has just started has not heard enough to know that something ended. So for
  `SETTLE_NS` its "does not hold" counts for nothing of what held before: an alarm may last too long
  by that, and none is lost, or begins anew, because the judge was restarted.
- A judge that is silent ends nothing. That it is silent is told to who listens.
- Pure: time is an argument. What it must remember is `monitor.alarms.memory`'s to write.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.alert import Bed, Presence, Refusal, Said, Verb
from monitor.alarms.condition import Condition, Evidence
from monitor.alarms.setting import Setting

MS: Final = 1_000_000
#: The longest delay of a condition (10 s), and what sensors need to learn a patient (about 10 s),
#: and as much again.
SETTLE_NS: Final = 30_000 * MS


class Roster:
    """The beds of a ward and their alerts.

    Parameters
    ----------
    names : the beds' places; their order is that of the evidence
    last_id : no alert has a greater id, nor ever had

    Attributes
    ----------
    beds : by place
    """

    def __init__(self, names: Sequence[str], last_id: int) -> None:
        self._last_id = last_id
        ids = self._ids()
        self.beds = {name: Bed(name, ids) for name in names}
        self._rows = list(self.beds.values())
        shape = len(names), len(Condition)
        self._holds = np.zeros(shape, np.bool_)
        self._tells = np.ones(shape, np.bool_)
        self._pausing: set[str] = set()
        self._events: deque[Said] = deque()

    @property
    def total(self) -> int:
        """Return how much was ever said: the sum of all beds' numbers."""
        return sum(bed.seq for bed in self._rows)

    def take_up(self, last_id: int) -> None:
        """Go on with what was restored into the beds, ids up to this one."""
        self._last_id = max(self._last_id, last_id)
        for patient, bed in enumerate(self._rows):
            self._look(patient, bed)
            for alert in bed.alerts.values():
                self._holds[patient, alert.condition] = alert.presence >= Presence.ACK
            self._note_pause(bed)

    def judge(self, evidence: Evidence, judged_ns: int, now_ns: int) -> None:
        """Hear what holds of every patient now.

        Parameters
        ----------
        evidence : onsets in our time
        judged_ns : for how long its judge has judged
        """
        holds = evidence.holds.copy()
        holds[:, _OTHERS] = self._holds[:, _OTHERS]
        if judged_ns < SETTLE_NS:
            holds |= self._holds
        holds &= self._tells
        for patient, column in np.argwhere(holds != self._holds).tolist():
            bed, condition = self._rows[patient], Condition(column)
            if holds[patient, column]:
                onset_ns = min(now_ns, int(evidence.onset_ns[patient, column]))
                value = _finite(evidence.value[patient, column])
                self._say(bed.begin(condition, onset_ns, value, now_ns))
                self._note_pause(bed)
            else:
                self._say(bed.end(condition))
        self._holds = holds

    def hear(self, place: str, condition: Condition, holds: bool, now_ns: int) -> None:
        """Hear of a condition that is not the judge's: whether it holds now."""
        assert condition in _OTHERS
        bed = self.beds[place]
        patient = self._rows.index(bed)
        holds = holds and bool(self._tells[patient, condition])
        if holds != self._holds[patient, condition]:
            self._holds[patient, condition] = holds
            self._say(bed.begin(condition, now_ns, None, now_ns) if holds else bed.end(condition))
            self._note_pause(bed)

    def acknowledge(self, place: str, alert_id: int, by: str, where: str, now_ns: int) -> Refusal:
        """Let a person answer an alert."""
        bed = self.beds.get(place)
        if bed is None:
            return Refusal.BED
        refusal, said = bed.acknowledge(alert_id, by, where, now_ns)
        self._say(said)
        return refusal

    def pause(self, place: str, seconds: int, by: str, now_ns: int) -> Refusal:
        """Silence a bed's sound; 0 ends that."""
        bed = self.beds.get(place)
        if bed is None:
            return Refusal.BED
        refusal, said = bed.pause(seconds, by, now_ns)
        self._say(said)
        self._note_pause(bed)
        return refusal

    def set(self, place: str, condition: int, setting: Setting, by: str) -> Refusal:
        """Change a limit of a bed, or whether something is judged there."""
        bed = self.beds.get(place)
        if bed is None:
            return Refusal.BED
        if condition not in _CONDITIONS:
            return Refusal.CONDITION
        refusal, said = bed.set(Condition(condition), setting, by)
        self._say(said)
        self._look(self._rows.index(bed), bed)
        return refusal

    def change(self, place: str, verb: str, by: str) -> Refusal:
        """Admit, associate or discharge a bed's patient: everything there begins anew."""
        bed = self.beds.get(place)
        if bed is None:
            return Refusal.BED
        if verb not in _VERBS:
            return Refusal.VERB
        self._say(bed.change(Verb(verb), by))
        patient = self._rows.index(bed)
        self._holds[patient] = False
        self._look(patient, bed)
        self._note_pause(bed)
        return Refusal.NONE

    def handle_deadline(self, now_ns: int) -> None:
        """End pauses that are over."""
        for name in list(self._pausing):
            self._say(self.beds[name].handle_deadline(now_ns))
            self._note_pause(self.beds[name])

    def next_event(self) -> Said | None:
        """Return what is to be told next."""
        return self._events.popleft() if self._events else None

    def _ids(self) -> Iterator[int]:
        while True:
            self._last_id += 1
            yield self._last_id

    def _say(self, said: Iterable[Said]) -> None:
        self._events.extend(said)

    def _note_pause(self, bed: Bed) -> None:
        (self._pausing.add if bed.paused_until_ns else self._pausing.discard)(bed.name)

    def _look(self, patient: int, bed: Bed) -> None:
        self._tells[patient] = _told(bed)


_CONDITIONS: Final = frozenset(Condition)
_VERBS: Final = frozenset(Verb)
#: Nothing that is seen of a patient: who else knows of them says so.
_OTHERS: Final = [Condition.ROBOT_STOPPED]


def _told(bed: Bed) -> NDArray[np.bool_]:
    return np.array([bed.tells(condition) for condition in Condition], np.bool_)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
