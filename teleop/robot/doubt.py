"""What a robot doubts: the hand that leaps, the console that sends no poses, strangers, itself.

A single oddity is refused where it is seen; so many within a second are more than chance.
"""

from __future__ import annotations

from safety.gate import Verdict
from safety.profile import MS
from safety.supervision import Burst

#: A deadline of one's own that is served later than this, while something may move, is a hold.
SELF_LATE_NS = 10 * MS
#: So many leaps, or commands that are no pose, within a second are a PROTECTIVE_STOP.
ERRORS_MAX, ERRORS_NS = 3, 1000 * MS
#: So many forged commands within a second are told, once a second.
FORGERIES_MAX, FORGERIES_NS = 10, 1000 * MS
NEVER_NS = (1 << 63) - 1

#: Refused behind the tag and the sequence: nothing to follow, but its person's. A stop that such
#: a command carries counts: a bad path may be why it was pressed.
UNFIT = frozenset(
    {Verdict.NEVER_SENT, Verdict.LATE, Verdict.MODE, Verdict.NOT_FINITE, Verdict.NOT_UNIT}
)
_NO_POSE = frozenset({Verdict.NOT_FINITE, Verdict.NOT_UNIT})


class Doubt:
    """The doubts of one robot. Each method takes what happened, and tells whether it is too much.

    Attributes
    ----------
    due_ns : the deadline that the shell was told last
    """

    def __init__(self, now_ns: int) -> None:
        self.due_ns = NEVER_NS
        self._leaps = Burst(ERRORS_MAX, ERRORS_NS)
        self._no_poses = Burst(ERRORS_MAX, ERRORS_NS)
        self._forgeries = Burst(FORGERIES_MAX, FORGERIES_NS)
        self._alarmed_ns = now_ns - FORGERIES_NS

    def is_late(self, now_ns: int) -> bool:
        """Tell, once, whether the deadline told last should have been served long ago."""
        late = now_ns - self.due_ns > SELF_LATE_NS
        if late:
            self.due_ns = NEVER_NS
        return late

    def leapt(self, now_ns: int) -> bool:
        """Take a leap."""
        return self._leaps.add(now_ns)

    def refused(self, verdict: Verdict, now_ns: int) -> bool:
        """Take what the gate refused."""
        return verdict in _NO_POSE and self._no_poses.add(now_ns)

    def forged(self, now_ns: int) -> bool:
        """Take a command whose tag is wrong; true at most once a second."""
        alarms = self._forgeries.add(now_ns) and now_ns - self._alarmed_ns >= FORGERIES_NS
        if alarms:
            self._alarmed_ns = now_ns
        return alarms
