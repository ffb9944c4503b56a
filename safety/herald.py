"""What becomes of a change of authority: who is told, what is recorded, what must be stored.

The order is the rule here: a robot hears its ceiling before any console hears of the hand-over
that imposes it, and the ceiling is lifted before they hear that it is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from safety.messages import Ceiling
from safety.seat import CEILING_NS, Act, Phase, Seat
from safety.state import State
from transport.wire.codec import encode

#: A hand-over's ceiling lapses so long after us.
CEILING_TTL_MS = 1000
#: What `transport.wire.codec.Text` carries.
REASON_MAX = 200
#: Acts that nobody has taken yet are bounded; the oldest go first.
BACKLOG = 1024


class Answer(NamedTuple):
    """A message for a console (by device name) or a robot (by name).

    `waits` says that it may leave only when what `Authority.to_store` gave is on disk.
    """

    to: str
    data: bytes
    waits: bool = False


class Done(NamedTuple):
    """An act of authority, as the audit knows it (safety.audit)."""

    act: str
    actor: str
    target: str
    outcome: str
    detail: str


class Herald:
    """The voice of one authority.

    Parameters
    ----------
    source : the session service's device name: the source of a hand-over's ceiling
    duration_s : of every grant

    Attributes
    ----------
    acts : what is to be recorded
    changed : robots of which something is to be stored, and whether that claims a new epoch
    """

    def __init__(self, source: str, duration_s: int) -> None:
        self._source = source
        self.duration_s = duration_s
        self.acts: deque[Done] = deque(maxlen=BACKLOG)
        self.changed: dict[str, bool] = {}

    def note(
        self, act: str, actor: str, target: str, detail: str = "", outcome: str = "done"
    ) -> None:
        """Have an act recorded."""
        self.acts.append(Done(act, actor, target, outcome, detail))

    def touch(self, seat: Seat, *, claims: bool = False) -> None:
        """Have a seat stored as it is when it is asked for."""
        self.changed[seat.robot] = claims or self.changed.get(seat.robot, False)

    def tell(self, seat: Seat, devices: Iterable[str], why: str, now_ns: int) -> list[Answer]:
        """Say who holds a robot, and what has changed, to whom it concerns."""
        data = encode(seat.standing(why[:REASON_MAX], self.duration_s, now_ns))
        return [Answer(device, data) for device in devices]

    # A hand-over ------------------------------------------------------------------------------

    def begin(self, seat: Seat, why: str, now_ns: int) -> list[Answer]:
        """Impose the ceiling of a hand-over, before anybody is told of it."""
        self.touch(seat)
        return [self._ceiling(seat, State.HOLD), *self._tell_both(seat, why, now_ns)]

    def agree(self, seat: Seat, console: str, why: str, now_ns: int) -> list[Answer]:
        """Note a console's confirmation, and tell both."""
        seat.agree(console)
        return self._tell_both(seat, why, now_ns)

    def keep(self, seat: Seat, now_ns: int) -> list[Answer]:
        """Say a hand-over's ceiling again when it is due, or end one that nobody agreed upon."""
        handover = seat.handover
        if handover is None:
            return []
        if seat.phase is Phase.HANDOVER and handover.deadline_ns <= now_ns:
            return self.call_off(seat, self._source, "nobody agreed in time", now_ns)
        if now_ns < handover.said_ns + CEILING_NS:
            return []
        return self.hold(seat, now_ns)

    def hold(self, seat: Seat, now_ns: int) -> list[Answer]:
        """Say a hand-over's ceiling again, where there is one."""
        if seat.handover is None:
            return []
        seat.handover = seat.handover._replace(said_ns=now_ns)
        return [self._ceiling(seat, State.HOLD)]

    def call_off(self, seat: Seat, actor: str, why: str, now_ns: int) -> list[Answer]:
        """End a hand-over that came to nothing: the holder keeps the robot."""
        done = seat.act(Act.WITHDRAW)
        assert done, f"{seat.phase.name} has nothing to withdraw"
        self.note("withdraw", actor, seat.robot, why)
        return self.lift(seat, why, now_ns)

    def lift(self, seat: Seat, why: str, now_ns: int) -> list[Answer]:
        """End the hand-over, if there is one, and with it its ceiling."""
        self.touch(seat)
        handover, seat.handover = seat.handover, None
        if handover is None:
            return []
        concerned = (handover.holder, handover.to)
        return [self._ceiling(seat, State.ENGAGED), *self.tell(seat, concerned, why, now_ns)]

    def _ceiling(self, seat: Seat, state: State) -> Answer:
        ceiling = Ceiling(19, self._source, seat.robot, state, "hand-over", CEILING_TTL_MS)
        return Answer(seat.robot, encode(ceiling))

    def _tell_both(self, seat: Seat, why: str, now_ns: int) -> list[Answer]:
        assert seat.handover is not None
        return self.tell(seat, (seat.handover.holder, seat.handover.to), why, now_ns)
