"""The native console's hot process: a hand's commands out at their times, states in.

Nothing is drawn here. A screen is another process, which reads this one's board; and a keyboard is
read there, where the terminal is: its keys come by a board as well. What a person says about who
holds the robot comes by a local socket (0600).
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety import grant, handover
from safety.grant import Release
from safety.profile import LADDERS, MS, Profile
from safety.state import State
from teleop.console.hand import Device
from teleop.console.handover import ANSWER_NS_MAX as WORD_NS_MAX
from teleop.console.handover import NOT_HELD, NOTHING, WORDS, has_passed_on, in_words, said
from teleop.console.keyboard import KeyboardHand
from teleop.console.ledger import SLICES, Entry
from teleop.console.operator import Lost, Operator, Refused, Seen, Stood
from teleop.console.script import FEET, SCRIPTS, Person, foot_off
from teleop.settings import NativedSettings
from transport.io.dialogue import Caller
from transport.io.keys import KeyFault, Keyring
from transport.io.link import Link, open_link
from transport.io.mapping import Mapping
from transport.io.process import Runtime, main
from transport.io.seqpacket import SeqpacketServer
from transport.link.pacing import Pacer
from transport.telemetry.board import Board
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError
from transport.wire.messages import Attach
from transport.wire.messages import Refused as Said

#: Two minutes at 1 kHz: a bench reads it once, after the run.
FLIGHT = 1 << 17
#: The hand is where it was read at `t_sent_ns`.
FIELDS = ("t_intended_ns", "t_sent_ns", "arm", "seq", "clutch_id", "x_nm", "y_nm", "z_nm")
ACK_FIELDS = ("t_ns", "rtt_ns", *SLICES)

GAUGES = (
    "state",
    "cause",
    "granted",
    "refused",  #: the session service said no; the reason is on standard error
    "seq",
    "admitted",
    "merged",
    "late",
    "missed",  #: slots in which this process did not get to send
    "dropped",  #: commands that the link could not take at once
    "unverified",
    "error_um",  #: distance between setpoint and measured tip, newest
    "error_um2",  #: sum of its squares while moving
    "error_n",  #: number of those
    "rule",  #: `safety.clamp.Rule` that holds the arm back now, and its fixture
    "fixture",
    "link_rtt_ns",
    "holds",  #: times that the robot fell to HOLD or below while moving
    *(f'over_budget{{slice="{name}"}}' for name in SLICES),
)
HISTOGRAMS = ("rtt_ns", *(f'dwell_ns{{slice="{name}"}}' for name in SLICES))

#: A refused request is repeated after this, an unanswered one after that.
ASK_NS, ANSWER_NS_MAX = 250 * MS, 1000 * MS
EXIT_REFUSED = 3
#: Closing drops what ZeroMQ's thread has not sent yet: it gets this long for the release.
HANDOFF_S = 0.05
COUNT_NS = 100 * MS
#: The deadman is up for this long before the robot is given back.
LET_GO_NS = 50 * MS
#: After the last command, what is still under way may come back for this long.
SETTLE_NS = 300 * MS

_REGISTRY = Registry(grant.VOCABULARY, handover.VOCABULARY)


class Natived:
    """One hand at a native link."""

    def __init__(self, settings: NativedSettings, runtime: Runtime) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        board = runtime.open_board((), GAUGES, HISTOGRAMS)
        self._gauges = {name: board.gauge(name) for name in GAUGES}
        self._over = dict.fromkeys(SLICES, 0)
        self._rtt = board.histogram("rtt_ns")
        self._dwell = tuple(board.histogram(name) for name in HISTOGRAMS[1:])
        self._sent = runtime.flight("sent", FIELDS, FLIGHT)
        self._acks = runtime.flight("ack", ACK_FIELDS, FLIGHT)
        self._settings = settings
        self._keyring = keyring = Keyring.load(settings.link.keys)
        now_ns = self._clock.now_ns()
        self._operator = Operator(
            settings.operator,
            {name: _public(keyring, name) for name in settings.signers},
            self._open_device(settings, now_ns),
        )
        self._run_ns = int(settings.seconds * 1e9)
        self._end_ns = 0
        self._settled_ns: int | None = None
        self._released = False
        self._period_ns = 1_000_000_000 // settings.operator.rate_hz
        self._pacer = Pacer(self._period_ns, now_ns)
        self._ask_at_ns = 0
        self._replace = not settings.yields
        self._yields = settings.yields
        self._reason = ""  # of the newest refusal
        self._handed_over = False
        self._word_ns: int | None = None  # when a person's word was passed on
        self._patience_ns = int(settings.patience_s * 1e9)
        self._give_up_ns = now_ns + self._patience_ns
        self._errors = [0, 0]
        self._holds = 0
        ladder = LADDERS[Profile(settings.operator.profile or Profile.NATIVE)]
        attach = Attach(
            1,
            settings.operator.robot,
            ladder.hold_ns // 1000,
            ladder.max_loop_ns // 1000,
            False,
        )
        self._link: Link = runtime.keep(open_link(settings.link, attach, runtime, self._receive))
        self._session = runtime.keep(
            Caller(
                runtime,
                keyring.identity(settings.link.identity),
                keyring.server(settings.session_server),
                settings.session,
                self._ask,
                self._answered,
            )
        )
        self._person = runtime.keep(
            SeqpacketServer(
                runtime.loop, runtime.path(f"{settings.process.name}.sock"), self._told, newest=True
            )
        )
        self._alarm = runtime.loop.alarm(self._slot)
        runtime.loop.every(COUNT_NS, self._tick)
        runtime.ready()

    def _open_device(self, settings: NativedSettings, now_ns: int) -> Device:
        """Take the hand that is wanted: a script, or the keys of a terminal."""
        self._keyboard: KeyboardHand | None = None
        if not settings.keys:
            foot = FEET.get(settings.script, foot_off)
            return Person(SCRIPTS[settings.script], now_ns, foot)
        board = Board.attach(Mapping.open(Path(settings.keys)).view)
        self._keys = board.gauge("reads"), board.gauge("keys")
        self._keyboard = KeyboardHand(now_ns)
        return self._keyboard

    def close(self) -> None:
        """Give the robot back."""
        if self._operator.is_granted and not self._released:
            self._release()
            time.sleep(HANDOFF_S)
        self._count()

    def _ask(self) -> None:
        """Ask for the robot, unless we have it or have just asked."""
        now_ns = self._clock.now_ns()
        if self._operator.is_granted or self._released:
            return
        if now_ns >= self._ask_at_ns:
            self._ask_at_ns = now_ns + ANSWER_NS_MAX
            key = ec.generate_private_key(ec.SECP256R1())
            request = secrets.token_bytes(8)
            self._session.send(self._operator.request(request, key, replace=self._replace))

    def _answered(self, data: bytes) -> None:
        try:
            self._operator.answered(_REGISTRY.decode(data))
        except WireError:
            return
        self._drain()
        if self._operator.is_granted:
            now_ns = self._clock.now_ns()
            self._runtime.pm_qos.hold(True)
            if not self._end_ns:
                self._end_ns = now_ns + self._run_ns if self._run_ns else sys.maxsize
            self._pacer = Pacer(self._period_ns, now_ns + self._period_ns)
            self._alarm.set(self._pacer.next_ns)

    def _slot(self) -> None:
        """Send the command of the slot that has come."""
        now_ns, pacer = self._clock.now_ns(), self._pacer
        if now_ns >= self._end_ns:
            self._settle(now_ns)
            return
        if now_ns >= self._end_ns - LET_GO_NS:
            self._operator.let_go()
        intended_ns = pacer.next_ns
        if self._keyboard is not None:
            reads, keys = self._keys
            self._keyboard.feed(keys.value, reads.value, now_ns)
        data = self._operator.to_send(intended_ns, now_ns)
        if data is not None:
            self._link.send(data)
            self._note(intended_ns, now_ns)
        pacer.advance(now_ns)
        self._alarm.set(pacer.next_ns)

    def _note(self, intended_ns: int, now_ns: int) -> None:
        """Record the command that has just been sent."""
        hand, seq = self._operator.hand, self._operator.seq
        assert hand is not None
        x, y, z = (int(at * 1e9) for at in hand.setpoint[:3])
        self._sent.append(intended_ns, now_ns, 0, seq, hand.clutch_id, x, y, z)

    def _settle(self, now_ns: int) -> None:
        """Release after the last command, hear what is still under way, and end."""
        if self._settled_ns is None:
            self._settled_ns = now_ns + SETTLE_NS
            self._release()
            self._alarm.set(self._settled_ns)
        else:
            self._runtime.stop()

    def _release(self) -> None:
        release = self._operator.release()
        if release is not None and not self._released:
            self._released = self._session.send(release)

    def _receive(self) -> None:
        now_ns = self._clock.now_ns()
        for part in self._link.receive():
            self._operator.receive(part, now_ns)
        self._drain()

    def _drain(self) -> None:
        event = self._operator.next_event()
        while event is not None:
            if isinstance(event, Entry):
                self._account(event)
            elif isinstance(event, Seen):
                self._holds += event.was_moving and event.state <= State.HOLD
                self._gauges["state"].set(event.state)
                self._gauges["cause"].set(event.cause)
            elif isinstance(event, Lost) and self._handed_over and not self._yields:
                self._runtime.stop()
            elif isinstance(event, Lost) and not self._released:
                self._alarm.set(None)
                self._replace = not (self._yields or event.taken)
                self._ask_at_ns = 0
                self._reason = ""
                self._give_up_ns = self._clock.now_ns() + self._patience_ns
            elif isinstance(event, Refused):
                self._refused(event)
            elif isinstance(event, Stood):
                self._stood(event)
            event = self._operator.next_event()

    def _account(self, entry: Entry) -> None:
        self._rtt.record(entry.rtt_ns)
        for histogram, slice_ns in zip(self._dwell, entry[1:], strict=True):
            histogram.record(slice_ns)
        self._acks.append(self._clock.now_ns(), *entry)
        if entry.breaks_budget:
            self._over[entry.culprit] += 1
        if self._operator.state >= State.DEGRADED:
            error_um = round(self._operator.error_m * 1e6)
            self._errors[0] += error_um * error_um
            self._errors[1] += 1

    def _refused(self, event: Refused) -> None:
        self._reason = event.reason
        now_ns = self._clock.now_ns()
        if self._yields or now_ns < self._give_up_ns:
            self._ask_at_ns = now_ns + ASK_NS
            return
        sys.stderr.write(f"{event.reason}\n")
        self._gauges["refused"].set(1)
        self._runtime.stop(EXIT_REFUSED)

    # Who holds the robot ---------------------------------------------------------------------

    def _told(self, data: bytes) -> None:
        """Pass on what a person says at another terminal."""
        try:
            message = WORDS.decode(data)
        except WireError as error:
            self._answer(str(error))
            return
        if isinstance(message, Release):
            self._end_ns = min(self._end_ns, self._clock.now_ns() + LET_GO_NS)
            self._answer("the robot is given back" if self._operator.is_granted else NOT_HELD)
            return
        word = said(self._operator, message)
        if word is None:
            self._answer(NOT_HELD)
        elif self._session.send(word):
            self._word_ns = self._clock.now_ns()
        else:
            self._answer("the session service cannot be reached")

    def _answer(self, words: str) -> None:
        self._word_ns = None
        self._person.send(encode(Said(4, words[:200])))

    def _stood(self, event: Stood) -> None:
        """Tell people what has changed, and ask when it is our turn."""
        standing, console = event.standing, self._settings.operator.console
        sys.stderr.write(f"{in_words(standing)}\n")
        self._answer(in_words(standing))
        self._handed_over = has_passed_on(standing, console)
        if standing.to == console and not self._operator.is_granted:
            self._ask_at_ns = 0
            self._ask()

    # Keys --------------------------------------------------------------------------------------

    def _keys_changed(self) -> None:
        """Go over to new keys; the link does so by itself."""
        settings, keyring = self._settings, self._keyring
        try:
            self._operator.trust({name: _public(keyring, name) for name in settings.signers})
            identity = keyring.identity(settings.link.identity)
            self._session.rekey(identity, keyring.server(settings.session_server))
        except KeyFault as fault:  # revoked: whoever let us in will let us go
            sys.stderr.write(f"{fault}\n")

    def _tick(self) -> None:
        if self._keyring.refresh():
            self._keys_changed()
        if self._word_ns is not None and self._clock.now_ns() - self._word_ns >= WORD_NS_MAX:
            self._answer(NOTHING)
        self._ask()
        waits = not (self._operator.is_granted or self._released)
        if waits and self._clock.now_ns() >= self._give_up_ns:
            reason = self._reason or self._session.refusal
            self._refused(Refused(reason or "the session service does not answer"))
        self._count()

    def _count(self) -> None:
        operator, set_ = self._operator, self._gauges
        tally = operator.tally
        estimate = self._link.rtt.estimate(self._clock.now_ns())
        values = {
            "granted": int(operator.is_granted),
            "seq": tally.sent,
            "admitted": tally.admitted,
            "merged": tally.merged,
            "late": tally.late,
            "missed": self._pacer.missed,
            "dropped": self._link.stats.dropped_send,
            "unverified": operator.unverified,
            "error_um": round(operator.error_m * 1e6),
            "error_um2": self._errors[0],
            "error_n": self._errors[1],
            "rule": operator.rule,
            "fixture": operator.fixture,
            "link_rtt_ns": estimate.rtt_ns if estimate else 0,
            "holds": self._holds,
        }
        for name, value in values.items():
            set_[name].set(value)
        for name, count in self._over.items():
            set_[f'over_budget{{slice="{name}"}}'].set(count)


def _public(keyring: Keyring, name: str) -> Ed25519PublicKey:
    device = keyring.named(name)
    if device is None or not device.sign_public:
        raise KeyFault(f"signer {name!r} is not in {keyring.directory}, or cannot sign")
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(device.sign_public))


if __name__ == "__main__":
    sys.exit(main(NativedSettings, Natived))
