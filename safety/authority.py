"""Who is granted which robot: one console at a time, with an epoch above every earlier one.

Rules
-----
1. Who holds a robot changes by the table of `safety.seat`, and by nothing else.
2. A robot that is held is not granted again, except to its holder who asks to replace, to whom a
   hand-over gives it, and, where a script holds it, to any console that asks to replace: a script
   moves a simulated robot, and needs it for nobody. A robot that says it serves a session is held,
   also when we have forgotten (or never knew) whose.
3. epoch = max(own store, what the robot says) + 1. The robot refuses anything not above its own.
4. A grant leaves when it is in the store, and reaches the console when the robot has accepted it.
5. A hand-over begins with a ceiling: the robot is told HOLD before it is told anything else, on the
   same ordered line. Both consoles confirm; the new one asks; the robot itself wants it aligned.
6. The bedside stands for the holder, at any time; it cannot stand for whoever shall hold next.
7. What removes permission waits for nothing: revocations and ceilings leave at once.
8. What a device may ask for is its key's role: a `console` is a surgeon, a `script` a script.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.grant import (
    Acceptance,
    Boot,
    Denied,
    Grant,
    Granted,
    Release,
    Request,
    Revoke,
    Role,
    sign,
)
from safety.handover import Confirm, Observe, Offer, Vouch, Withdraw
from safety.herald import REASON_MAX, Answer, Done, Herald
from safety.messages import NO_SESSION, Event
from safety.profile import LADDERS, MS, Profile
from safety.seat import ANSWER_NS_MAX, Asked, Holder, Row, Seat, unfit
from safety.state import WORDS, Cause
from transport.wire.codec import Message, encode

#: How long a grant lasts, on the robot's clock: longer than any operation.
DURATION_S = 24 * 3600

_CAUSES = frozenset(Cause)


class Authority:
    """The authority over every robot that introduced itself.

    Parameters
    ----------
    signer, key : the node whose key signs
    epoch : highest epoch ever granted here, from the store
    source : this service's device name: the source of a hand-over's ceiling
    rows : what the store remembers of each robot
    duration_s : of every grant

    Attributes
    ----------
    trouble : why nobody is granted anything for now, "" when there is no reason
    """

    def __init__(
        self,
        signer: str,
        key: Ed25519PrivateKey,
        epoch: int,
        source: str = "session",
        rows: Iterable[Row] = (),
        duration_s: int = DURATION_S,
    ) -> None:
        self._signer = signer
        self._key = key
        self._herald = Herald(source, duration_s)
        self.epoch = epoch
        self.trouble = ""
        self._seats = {row.robot: Seat(row.robot, row) for row in rows}

    @property
    def holders(self) -> dict[str, Holder]:
        """Who holds which robot."""
        return {robot: seat.holder for robot, seat in self._seats.items() if seat.holder}

    @property
    def consoles(self) -> set[str]:
        """Who holds a robot, is being granted one, or is part of a hand-over."""
        found = {holder.console for holder in self.holders.values()}
        return found | {seat.to for seat in self._seats.values() if seat.to}

    def sign_with(self, key: Ed25519PrivateKey) -> None:
        """Sign with another key from now on."""
        self._key = key

    # A robot's words ------------------------------------------------------------------------

    def introduced(self, boot: Boot, now_ns: int) -> list[Answer]:
        """Take what a robot says of itself; it ends our idea of a session that it no longer has."""
        seat = self._seats.get(boot.robot)
        if seat is None:
            seat = self._seats[boot.robot] = Seat(boot.robot)
        bed = seat.boot.bed if seat.boot else ""
        has_lost = seat.introduce(boot, now_ns)
        self._herald.touch(seat)
        if boot.bed != bed:
            self._herald.note("bind", f"bedside of {boot.robot}", boot.robot, boot.bed or "no bed")
        if not has_lost:
            return []
        if seat.asked is None:
            assert seat.holder is not None
            act = "expire" if seat.cause is Cause.EXPIRED else "revoke"
            self._herald.note(act, seat.holder.console, boot.robot, WORDS[seat.cause])
        return self._end(seat, f"{boot.robot} has ended the session", now_ns)

    def heard(self, event: Event) -> None:
        """Take a robot's transition: why it ends a session, if it does."""
        seat = self._seats.get(event.robot)
        if seat is not None and event.cause in _CAUSES:
            seat.cause = Cause(event.cause)

    def answered(self, robot: str, acceptance: Acceptance, now_ns: int) -> list[Answer]:
        """Take a robot's answer to a grant."""
        seat = self._seats.get(robot)
        if seat is None or seat.asked is None:
            return []
        # A robot that could not even read a grant refuses it without the session's name.
        nameless = not acceptance.accepted and acceptance.session == NO_SESSION
        if acceptance.session != seat.asked.holder.session and not nameless:
            return []
        if not acceptance.accepted:
            return self._refused(seat, f"{robot} refused: {acceptance.reason}", now_ns)
        asked = seat.asked
        holder = seat.accept(now_ns)
        self._herald.touch(seat)
        self._herald.note("grant", holder.console, robot, f"epoch {holder.epoch}")
        granted = Answer(holder.console, encode(Granted(51, asked.request, asked.grant)))
        if seat.handover is None:
            return [granted]
        self._herald.note("handover", seat.handover.holder, robot, f"to {holder.console}")
        return [granted, *self._herald.lift(seat, f"{holder.console} has {robot} now", now_ns)]

    def vouched(self, robot: str, vouch: Vouch, now_ns: int) -> list[Answer]:
        """Take the bedside's word, which stands for the holder's offer and confirmation."""
        seat, bedside = self._seats.get(robot), f"bedside of {robot}"
        if seat is None or seat.boot is None or seat.boot.boot != vouch.boot:
            return []
        if seat.concerns(vouch.console) and seat.handover and seat.handover.to == vouch.console:
            self._herald.note("confirm", bedside, robot, f"for {seat.handover.holder}")
            return self._herald.agree(seat, seat.handover.holder, "the bedside confirms", now_ns)
        holder = seat.holder
        agreed = frozenset({holder.console}) if holder else frozenset[str]()
        if not seat.offer(vouch.console, now_ns, agreed):
            self._herald.note("break_glass", bedside, robot, f"for {vouch.console}", "refused")
            return []
        self._herald.note("break_glass", bedside, robot, f"for {vouch.console}")
        return self._herald.begin(seat, f"the bedside gives {robot} to {vouch.console}", now_ns)

    # A console's words ----------------------------------------------------------------------

    def request(
        self, console: str, device_role: str, request: Request, session: bytes, now_ns: int
    ) -> list[Answer]:
        """Judge a console's request.

        Parameters
        ----------
        console, device_role : the name and role bound to the connection's key
        session : eight random bytes, the id of the session if it comes about
        """
        robot = request.robot
        seat = self._seats.get(robot) or Seat(robot)
        reason = unfit(console, device_role, request) or self.trouble
        reason = reason or seat.objection(console, request)
        if reason:
            if seat.wait(console, reason, now_ns):
                self._herald.note("deny", console, robot, reason, "refused")
                if robot in self._seats:
                    self._herald.touch(seat)
            return [Answer(console, encode(Denied(52, request.request, reason[:REASON_MAX])))]
        assert seat.boot is not None
        self.epoch = max(self.epoch, seat.boot.epoch_max) + 1
        holder = Holder(console, session, Role(request.role), self.epoch, now_ns)
        data = self._sign(holder, request, seat.boot)
        seat.ask(Asked(holder, request.request, data, now_ns + ANSWER_NS_MAX))
        self._herald.touch(seat, claims=True)
        self._herald.note("request", console, robot)
        return [Answer(robot, data, waits=True)]

    def offered(self, console: str, offer: Offer, now_ns: int) -> list[Answer]:
        """Begin a hand-over: the robot holds from here on."""
        seat = self._held_by(console, offer.session)
        if seat is None or seat.handover is not None or not seat.offer(offer.to, now_ns):
            return []
        self._herald.note("offer", console, seat.robot, f"to {offer.to}")
        return self._herald.begin(seat, f"{console} offers {seat.robot} to {offer.to}", now_ns)

    def confirmed(self, console: str, confirm: Confirm, now_ns: int) -> list[Answer]:
        """Take one console's confirmation; after both the new one's request holds."""
        seat = self._seats.get(confirm.robot)
        if seat is None or not seat.concerns(console):
            return []
        self._herald.note("confirm", console, seat.robot)
        return self._herald.agree(seat, console, f"{console} confirms", now_ns)

    def withdrawn(self, console: str, withdraw: Withdraw, now_ns: int) -> list[Answer]:
        """Call a hand-over off, by either console's word."""
        seat = self._seats.get(withdraw.robot)
        if seat is None or not seat.concerns(console):
            return []
        return self._herald.call_off(seat, console, f"{console} withdraws", now_ns)

    def observed(self, device: str, observe: Observe, now_ns: int) -> list[Answer]:
        """List who looks on, and tell it who holds the robot."""
        seat = self._seats.get(observe.robot)
        if seat is None:
            return []
        if seat.look(device, now_ns):
            self._herald.note("observe", device, seat.robot)
            self._herald.touch(seat)
        return self._herald.tell(seat, (device,), "", now_ns)

    def released(self, console: str, release: Release, now_ns: int) -> list[Answer]:
        """End the session that this console gives back; others' sessions it cannot end."""
        seat = self._held_by(console, release.session)
        if seat is None:
            return []
        self._herald.note("release", console, seat.robot)
        return self._revoke(seat, "released", now_ns)

    def revoked(self, console: str, now_ns: int) -> list[Answer]:
        """End every session of a console whose key is no longer valid, and its hand-overs."""
        out = []
        for seat in self._seats.values():
            if seat.holder is not None and seat.holder.console == console:
                self._herald.note("revoke", console, seat.robot, "key revoked")
                out += self._revoke(seat, "key revoked", now_ns)
            if seat.asked is not None and seat.asked.holder.console == console:
                out += self._take_back(seat, "key revoked", now_ns)
            elif seat.handover is not None and seat.handover.to == console:
                out += self._herald.call_off(seat, console, f"{console} has no valid key", now_ns)
        return out

    # The store and the clock ----------------------------------------------------------------

    def to_store(self) -> list[Row]:
        """Give what has changed since the last call; answers that wait, wait for this."""
        seats = self._seats
        changed, self._herald.changed = self._herald.changed, {}
        return [seats[robot].row(self.epoch, claims=new) for robot, new in changed.items()]

    def not_stored(self, row: Row, why: str, now_ns: int) -> list[Answer]:
        """Note that a row is not on disk: what it would have granted is denied."""
        seat = self._seats[row.robot]
        self._herald.touch(seat)  # what is so now is written with the next that can be
        if not row.claims or seat.asked is None or seat.asked.holder != row.next:
            return []
        return self._refused(seat, why, now_ns)

    def due(self, answer: Answer, now_ns: int) -> list[Answer]:
        """Give what leaves, now that a grant need not wait any longer: nothing if it is not meant.

        A hand-over's ceiling goes before it, on the same line: it may have lapsed meanwhile, or
        been on a line that broke.
        """
        seat = self._seats.get(answer.to)
        if seat is None or seat.asked is None or seat.asked.grant != answer.data:
            return []
        return [*self._herald.hold(seat, now_ns), answer]

    def next_event(self) -> Done | None:
        """Take the oldest event."""
        return self._herald.acts.popleft() if self._herald.acts else None

    def next_deadline_ns(self) -> int | None:
        """When a robot counts as absent, or a hand-over has something to say."""
        times = (seat.next_deadline_ns() for seat in self._seats.values())
        return min((t for t in times if t is not None), default=None)

    def handle_deadline(self, now_ns: int) -> list[Answer]:
        """Deny what a robot did not answer, keep and end hand-overs, forget who went away."""
        out = []
        for seat in self._seats.values():
            if seat.asked is not None and seat.asked.deadline_ns <= now_ns:
                out += self._take_back(seat, f"{seat.robot} did not answer", now_ns)
            out += self._herald.keep(seat, now_ns)
            if seat.forget(now_ns):
                self._herald.touch(seat)
        return out

    # Inside ---------------------------------------------------------------------------------

    def _sign(self, holder: Holder, request: Request, boot: Boot) -> bytes:
        profile = Profile(request.profile)
        if profile is Profile.AUTO:
            profile = Profile.NATIVE
        grant = Grant(
            kind=50,
            session=holder.session,
            robot=boot.robot,
            boot=boot.boot,
            robot_key=boot.robot_key,
            console=holder.console,
            console_key=request.console_key,
            role=holder.role,
            epoch=holder.epoch,
            limits=boot.limits,
            profile=profile,
            period_us=request.period_us,
            max_loop_ms=LADDERS[profile].max_loop_ns // MS,
            scale=request.scale,
            video_gate=False,
            bed=boot.bed,
            duration_s=self._herald.duration_s,
            signer=self._signer,
            signature=bytes(64),
        )
        return sign(grant, self._key)

    def _refused(self, seat: Seat, reason: str, now_ns: int) -> list[Answer]:
        """Deny what was asked after all; a hand-over falls with it."""
        asked = seat.refuse()
        console, reason = asked.holder.console, reason[:REASON_MAX]
        self._herald.note("deny", console, seat.robot, reason, "refused")
        denied = Answer(console, encode(Denied(52, asked.request, reason)))
        return [denied, *self._herald.lift(seat, reason, now_ns)]

    def _take_back(self, seat: Seat, reason: str, now_ns: int) -> list[Answer]:
        """Deny a grant that the robot may have accepted by now: it is told that it is void."""
        assert seat.asked is not None
        message: Message = Revoke(55, seat.asked.holder.session, reason)
        return [Answer(seat.robot, encode(message)), *self._refused(seat, reason, now_ns)]

    def _revoke(self, seat: Seat, reason: str, now_ns: int) -> list[Answer]:
        assert seat.holder is not None
        message: Message = Revoke(55, seat.holder.session, reason)
        return [Answer(seat.robot, encode(message)), *self._end(seat, reason, now_ns)]

    def _end(self, seat: Seat, why: str, now_ns: int) -> list[Answer]:
        """Free the place; a hand-over whose grant is with the robot goes on without its holder."""
        seat.end()
        self._herald.touch(seat)
        return self._herald.lift(seat, why, now_ns) if seat.asked is None else []

    def _held_by(self, console: str, session: bytes) -> Seat | None:
        """Find the robot that this console holds under this session."""
        for seat in self._seats.values():
            holder = seat.holder
            if holder is not None and (holder.console, holder.session) == (console, session):
                return seat
        return None
