"""A subscriber's knowledge of a ward's alarms: complete, or known not to be.

    receive(message, now_ns)   to_send(now_ns)   next_deadline_ns()   ->   beds, is_silent, ...

Rules it keeps
--------------
- Of a bed, what comes must be one more than what was known. A gap, another start of the service, or
  a sum of all numbers that is not ours (`Alive.total`): all beds are asked for, page by page, and
  what is shown meanwhile counts as incomplete.
- What is older than what is known is passed over: stream and pages overtake each other.
- Without a sign of life for a second the feed is silent: that is an alarm of this place, by itself
  (IEC 60601-1-8 asks it of a distributed alarm system). So is a judge that does not judge.
- Pure: the same core stands behind the terminal, and behind anybody's own screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from monitor.alarms.alert import Presence
from monitor.alarms.messages import Alert, AlertRow, Alive, BedRow, Page, Place, SettingRow
from monitor.alarms.wishes import Ask
from transport.wire.codec import Message

MS: Final = 1_000_000
#: Said twice as often.
SILENCE_NS: Final = 1_000 * MS
#: Judged much more often.
UNJUDGED_MS_MAX: Final = 2_000
RETRY_NS: Final = 1_000 * MS
SOURCE: Final = "alarms"


class View(NamedTuple):
    """A bed as it is known here.

    Parameters
    ----------
    seq : number of the last thing that is known
    paused_until_ns : its sound is silent until then, in our time
    alerts : by condition, each with the time at which it was heard
    """

    seq: int
    paused_until_ns: int
    occupied: bool
    settings: tuple[SettingRow, ...]
    alerts: dict[int, tuple[AlertRow, int]]


class Shown(NamedTuple):
    """An alert of a bed, as it is to be shown.

    Parameters
    ----------
    bed : where
    row : as it was said
    heard_ns : when that came, in our time
    """

    bed: str
    row: AlertRow
    heard_ns: int


class Listener:
    """What is known of a ward.

    Attributes
    ----------
    beds : by place
    is_whole : everything that was said is known
    gaps : how often something was missing
    newest : transitions since they were last taken from here, oldest first, NEWS_MAX at most
    """

    def __init__(self, now_ns: int) -> None:
        self.beds: dict[str, View] = {}
        self.is_whole = False
        self.gaps = 0
        self.alive: Alive | None = None
        self.newest: list[Shown] = []
        self._alive_ns = now_ns
        self._incarnation = -1
        self._first = self._request = 0
        self._ask_ns = now_ns
        self._coming: dict[str, View] = {}

    # In

    def receive(self, message: Message, now_ns: int) -> None:
        """Take what is said; what is not about alarms is passed over."""
        match message:
            case Alert():
                self._changed(message, now_ns)
            case Place():
                self._placed(message, now_ns)
            case Alive() if message.source == SOURCE:
                self._lives(message, now_ns)
            case Page():
                self._turned(message, now_ns)

    def to_send(self, now_ns: int) -> Ask | None:
        """Return the page to ask for now, if one is missing."""
        if self.is_whole or now_ns < self._ask_ns:
            return None
        self._ask_ns = now_ns + RETRY_NS
        self._request = (self._request + 1) & 0xFFFF_FFFF
        return Ask(72, self._request, self._first)

    def next_deadline_ns(self) -> int:
        """Return when something changes by itself: silence, or a question to be repeated."""
        silent_ns = self._alive_ns + SILENCE_NS
        return silent_ns if self.is_whole else min(silent_ns, self._ask_ns)

    # Out

    def is_silent(self, now_ns: int) -> bool:
        """Tell whether nobody has been heard for too long: nothing that is shown may be true."""
        return now_ns - self._alive_ns >= SILENCE_NS

    def is_unjudged(self, now_ns: int) -> bool:
        """Tell whether alarms live, and nobody judges the patients."""
        return self.alive is not None and (
            self.alive.unjudged_ms + (now_ns - self._alive_ns) // MS > UNJUDGED_MS_MAX
        )

    def alerts(self) -> list[Shown]:
        """Return every alert, the most urgent first: priority, then presence, then the newest."""
        found = [
            Shown(bed, row, heard_ns)
            for bed, view in self.beds.items()
            for row, heard_ns in view.alerts.values()
        ]
        return sorted(found, key=_urgency)

    # How it is known

    def _changed(self, message: Alert, now_ns: int) -> None:
        row = message.alert
        is_news = self._follow(message.bed, message.incarnation, message.seq, _with(row, now_ns))
        if is_news:
            self.newest = [*self.newest[1 - NEWS_MAX :], Shown(message.bed, row, now_ns)]

    def _placed(self, message: Place, now_ns: int) -> None:
        view = _view(message.state, now_ns)
        self._follow(
            message.state.bed,
            message.incarnation,
            view.seq,
            lambda known: view._replace(alerts=known.alerts),
        )

    def _follow(self, bed: str, incarnation: int, seq: int, change: Callable[[View], View]) -> bool:
        """Change a bed if this is what comes next; ask for everything if something is missing."""
        if incarnation != self._incarnation:
            self._miss(incarnation)
            return False
        is_next = False
        for beds in (self.beds, self._coming):
            view = beds.get(bed)
            if view is None or seq <= view.seq:
                continue
            if seq > view.seq + 1:
                self._miss(incarnation)
                return False
            beds[bed] = change(view)._replace(seq=seq)
            is_next = True
        return is_next

    def _lives(self, message: Alive, now_ns: int) -> None:
        self.alive = message
        self._alive_ns = now_ns
        known = sum(view.seq for view in self.beds.values())
        is_behind = self.is_whole and known < message.total
        if message.incarnation != self._incarnation or is_behind:
            self._miss(message.incarnation)

    def _miss(self, incarnation: int) -> None:
        """Ask for everything, from the beginning."""
        self.gaps += self.is_whole
        self.is_whole = False
        self._incarnation = incarnation
        self._first, self._coming = 0, {}
        self._ask_ns = 0

    def _turned(self, page: Page, now_ns: int) -> None:
        if page.request != self._request or page.first != self._first or self.is_whole:
            return
        if page.incarnation != self._incarnation:
            self._miss(page.incarnation)
            if page.first:
                return
        self._coming |= {row.bed: _view(row, now_ns) for row in page.beds}
        self._first += len(page.beds)
        self._ask_ns = 0 if page.beds else self._ask_ns
        if self._first >= page.total:
            self.beds, self._coming = self._coming, {}
            self._first, self.is_whole = 0, True


#: Transitions that may wait to be taken.
NEWS_MAX: Final = 1024


def _view(row: BedRow, now_ns: int) -> View:
    paused_ns = now_ns + row.paused_ms * MS if row.paused_ms else 0
    alerts = {alert.condition: (alert, now_ns) for alert in row.alerts}
    return View(row.seq, paused_ns, row.occupied, row.settings, alerts)


def _with(row: AlertRow, now_ns: int) -> Callable[[View], View]:
    def change(view: View) -> View:
        alerts = dict(view.alerts)
        alerts.pop(row.condition, None)
        if row.presence != Presence.OFF:
            alerts[row.condition] = row, now_ns
        return view._replace(alerts=alerts)

    return change


def _urgency(shown: Shown) -> tuple[int, int, int]:
    row = shown.row
    onset_ns = shown.heard_ns - row.onset_us * 1000
    return -row.priority, -row.presence, -onset_ns
