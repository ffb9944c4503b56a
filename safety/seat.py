"""One robot's place: who sits there, who shall sit there next, who waits; and what may follow.

Two rules
---------
1. Whatever changes who holds the robot stands in `TABLE`, and only `Seat.act` applies it. An act
   without a row in the present phase changes nothing.
2. There is one holder, or none, in every phase: a hand-over changes who that is at one moment,
   the robot's yes to the next grant.

Nobody is told anything here; that is `safety.authority`'s.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from safety.grant import Boot, Request, Role
from safety.handover import LISTED_MAX, Standing
from safety.messages import NO_SESSION
from safety.profile import MS, Profile
from safety.state import Cause

#: A robot that has not answered a grant for this long is not there.
ANSWER_NS_MAX = 2_000 * MS
#: A hand-over that was not agreed upon by then is off.
HANDOVER_NS_MAX = 60_000 * MS
#: The hand-over's ceiling is said so often.
CEILING_NS = 200 * MS
#: Who has not asked, or looked, for so long does so no more.
PRESENCE_NS = 5_000 * MS

#: The device role (transport.io.keys) that each session role needs.
DEVICE_ROLE = {Role.SURGEON: "console", Role.SCRIPT: "script"}


class Phase(IntEnum):
    """Who has a robot. Numbers are on the wire and in stores: append, never renumber."""

    FREE = 0  #: nobody
    REQUESTED = 1  #: nobody yet: a grant is with the robot
    GRANTED = 2  #: one console, under one epoch
    HANDOVER = 3  #: still that one, in a HOLD, until both have confirmed
    PASSING = 4  #: still that one, until the robot accepts the next grant


class Act(IntEnum):
    """What changes it."""

    ASK = 0  #: a request that nothing speaks against: its grant goes to the robot
    YES = 1  #: the robot accepted the grant
    NO = 2  #: it refused, did not answer, or the grant could not be stored
    OFFER = 3  #: the holder, or the bedside in its stead, offers the robot to another console
    WITHDRAW = 4  #: a hand-over is called off, or was not agreed upon in time
    END = 5  #: the holder's session is over: released, revoked, or the robot ended it


# fmt: off
TABLE: dict[Phase, dict[Act, Phase]] = {
    Phase.FREE:      {Act.ASK: Phase.REQUESTED},
    Phase.REQUESTED: {Act.YES: Phase.GRANTED, Act.NO: Phase.FREE},
    Phase.GRANTED:   {Act.ASK: Phase.PASSING, Act.OFFER: Phase.HANDOVER, Act.END: Phase.FREE},
    Phase.HANDOVER:  {Act.ASK: Phase.PASSING, Act.OFFER: Phase.HANDOVER,
                      Act.WITHDRAW: Phase.GRANTED, Act.END: Phase.FREE},
    Phase.PASSING:   {Act.YES: Phase.GRANTED, Act.NO: Phase.GRANTED, Act.END: Phase.REQUESTED},
}
# fmt: on


class Holder(NamedTuple):
    """Who holds a robot, or is being granted it."""

    console: str
    session: bytes
    role: Role
    epoch: int
    since_ns: int = 0


class Asked(NamedTuple):
    """A grant that its robot has not answered yet."""

    holder: Holder
    request: bytes
    grant: bytes
    deadline_ns: int


class Handover(NamedTuple):
    """A hand-over that stands; `said_ns` is when its ceiling was said last."""

    holder: str
    to: str
    confirmed: frozenset[str]
    deadline_ns: int
    said_ns: int


class Row(NamedTuple):
    """What must be remembered of one robot.

    Parameters
    ----------
    epoch : the highest that was ever granted here
    next : whose grant is with the robot
    claims : `epoch` is new, and belongs to `next`: nobody else may have taken it
    """

    robot: str
    phase: Phase
    epoch: int
    holder: Holder | None = None
    next: Holder | None = None
    to: str = ""
    bed: str = ""
    waiting: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    claims: bool = False


class _Presence(NamedTuple):
    heard_ns: int
    words: str


class Seat:
    """One robot's place.

    Attributes
    ----------
    phase, holder, asked, handover : as it stands
    boot : how the robot introduced itself; None before it did
    cause : of the robot's newest transition
    """

    def __init__(self, robot: str, remembered: Row | None = None) -> None:
        self.robot = robot
        self.phase = Phase.FREE
        self.holder: Holder | None = None
        self.asked: Asked | None = None
        self.handover: Handover | None = None
        self.boot: Boot | None = None
        self.cause = Cause.NONE
        self._waiting: dict[str, _Presence] = {}
        self._looking: dict[str, _Presence] = {}
        known = (remembered.holder, remembered.next) if remembered else ()
        self._remembered = tuple(holder for holder in known if holder)

    def act(self, act: Act) -> bool:
        """Apply an act; False when it has no row in the present phase, and nothing changed."""
        after = TABLE[self.phase].get(act)
        if after is None:
            return False
        self.phase = after
        return True

    @property
    def to(self) -> str:
        """The console that shall have the robot next; empty when none."""
        if self.handover is not None:
            return self.handover.to
        return self.asked.holder.console if self.asked else ""

    # Who may --------------------------------------------------------------------------------

    def objection(self, console: str, request: Request) -> str:
        """Why this console may not have the robot now; empty when there is no reason."""
        boot, robot = self.boot, self.robot
        if boot is None:
            return f"robot {robot!r} is not connected to this node"
        if request.bed != boot.bed:
            stands = f"at bed {boot.bed!r}" if boot.bed else "at no bed"
            meant = f"bed {request.bed!r}" if request.bed else "no bed"
            return f"{robot} stands {stands}, and {meant} was asked for"
        if self.asked is not None:
            return f"{robot} is being granted to {self.asked.holder.console}"
        if self.holder is None:
            still = boot.session != NO_SESSION
            return f"{robot} still serves a session of before" if still else ""
        if self.handover is not None:
            return self._not_yet(console, self.handover)
        gives_way = self.holder.console == console or self.holder.role is Role.SCRIPT
        return "" if gives_way and request.replace else f"{robot} is held by {self.holder.console}"

    def _not_yet(self, console: str, handover: Handover) -> str:
        if console != handover.to:
            return f"{self.robot} is being handed over to {handover.to}"
        missing = {handover.holder, console} - handover.confirmed
        return f"{min(missing)} has not confirmed the hand-over" if missing else ""

    def concerns(self, console: str) -> bool:
        """Tell whether a hand-over waits for words, and for this console's among them."""
        handover = self.handover
        waits = self.phase is Phase.HANDOVER and handover is not None
        return waits and handover is not None and console in (handover.holder, handover.to)

    # What becomes of it ---------------------------------------------------------------------

    def introduce(self, boot: Boot, now_ns: int) -> bool:
        """Take what the robot says of itself; True when it no longer has its holder's session."""
        self.boot = boot
        for holder in self._remembered:
            if holder.session == boot.session:
                self.phase, self.holder = Phase.GRANTED, holder._replace(since_ns=now_ns)
        self._remembered = ()
        return self.holder is not None and self.holder.session != boot.session

    def ask(self, asked: Asked) -> None:
        """Have a grant with the robot."""
        self.asked = asked
        done = self.act(Act.ASK)
        assert done, f"{self.phase.name} was objected to"

    def accept(self, now_ns: int) -> Holder:
        """Seat whom the robot said yes to."""
        asked = self.asked
        assert asked is not None
        self.asked = None
        self.act(Act.YES)
        self.holder = asked.holder._replace(since_ns=now_ns)
        self._waiting.pop(asked.holder.console, None)
        return self.holder

    def refuse(self) -> Asked:
        """Take back a grant that did not come about."""
        asked = self.asked
        assert asked is not None
        self.asked = None
        self.act(Act.NO)
        return asked

    def end(self) -> Holder:
        """Free the place."""
        holder = self.holder
        assert holder is not None
        self.act(Act.END)
        self.holder = None
        return holder

    def offer(self, to: str, now_ns: int, confirmed: frozenset[str] = frozenset()) -> bool:
        """Begin a hand-over, or begin it anew for another; False when the phase has no row."""
        if self.holder is None or self.holder.console == to or not self.act(Act.OFFER):
            return False
        holder, until_ns = self.holder.console, now_ns + HANDOVER_NS_MAX
        self.handover = Handover(holder, to, confirmed, until_ns, now_ns)
        return True

    def agree(self, console: str) -> None:
        """Note that a console has confirmed."""
        assert self.handover is not None
        confirmed = self.handover.confirmed | {console}
        self.handover = self.handover._replace(confirmed=confirmed)

    # Who waits, who looks on ----------------------------------------------------------------

    def wait(self, console: str, reason: str, now_ns: int) -> bool:
        """List who was refused and may ask again; True when it is told something new."""
        known = self._waiting.get(console)
        if known is not None or len(self._waiting) < LISTED_MAX:
            self._waiting[console] = _Presence(now_ns, reason)
        return known is None or known.words != reason

    def look(self, device: str, now_ns: int) -> bool:
        """List who looks on; True when it is new there."""
        is_new = device not in self._looking
        self._looking[device] = _Presence(now_ns, "")
        return is_new

    def forget(self, now_ns: int) -> bool:
        """Drop who has not been heard for long; True when somebody was."""
        gone = False
        for present in (self._waiting, self._looking):
            for name in [n for n, was in present.items() if was.heard_ns + PRESENCE_NS <= now_ns]:
                del present[name]
                gone = True
        return gone

    # What can be told of it -----------------------------------------------------------------

    def next_deadline_ns(self) -> int | None:
        """When the robot counts as absent, or the hand-over has something to say."""
        times = [self.asked.deadline_ns] if self.asked else []
        if self.handover is not None:
            times += (self.handover.said_ns + CEILING_NS, self.handover.deadline_ns)
        return min(times, default=None)

    def row(self, epoch: int, *, claims: bool) -> Row:
        """Write down what must be remembered."""
        return Row(
            robot=self.robot,
            phase=self.phase,
            epoch=epoch,
            holder=self.holder,
            next=self.asked.holder if self.asked else None,
            to=self.to,
            bed=self.boot.bed if self.boot else "",
            waiting=tuple(self._waiting),
            observers=tuple(self._looking),
            claims=claims and self.asked is not None,
        )

    def standing(self, why: str, duration_s: int, now_ns: int) -> Standing:
        """Say it to whom it concerns."""
        holder = self.holder
        held_ns = max(0, now_ns - holder.since_ns) if holder else 0
        return Standing(
            kind=59,
            robot=self.robot,
            phase=self.phase,
            holder=holder.console if holder else "",
            epoch=holder.epoch if holder else 0,
            held_ms=held_ns // MS,
            left_s=max(0, duration_s - held_ns // (1000 * MS)) if holder else 0,
            to=self.to,
            confirmed=tuple(sorted(self.handover.confirmed)) if self.handover else (),
            waiting=tuple(self._waiting),
            observers=tuple(self._looking)[:LISTED_MAX],
            why=why,
        )


def unfit(console: str, device_role: str, request: Request) -> str:
    """Why this device may not ask so of any robot; empty when there is no reason."""
    if request.role not in DEVICE_ROLE:
        return f"role {request.role} is unknown"
    needed = DEVICE_ROLE[Role(request.role)]
    if device_role != needed:
        return f"{console} has the key of a {device_role}, this role needs a {needed}"
    if request.profile not in list(Profile):
        return f"profile {request.profile} is unknown"
    return ""
