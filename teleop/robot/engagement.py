"""When a hand may move the robot, and when it may no longer: from commands, silence and time.

What raises permission, and on whose act (safety.interlock applies it):

state      act     on
IDLE       ARM     deadman up, hand aligned with the instrument
ARMED      ENGAGE  deadman pressed after it was seen up, on a stream of 50 frames without a gap
DEGRADED   STEADY  no gap over two periods for the profile's recovery time
HOLD       RESUME  not latched, the same press, deadman held in every frame, target near
HOLD       REARM   deadman up and aligned; after a latch also a clutch cycle

None of them above the ceiling that stands (`Interlock.ceiling`), and no motion while the hand's
device is silent. Everything else lowers. A HOLD is latched when silence reaches the ladder's
third rung, when another cause lasted as long, or when it was not resumed within a second. And a
press that has lasted for half an hour resumes nothing: its pedal may be stuck.

Commands that are lost one by one climb no rung; of the last second's more than 5 % are DEGRADED
until it is less than half of that. And DEGRADED is left at most once a second: a link on the edge
does not flicker.

The hand's silence is judged when a command arrives: before that it is the link's, which has a
ladder of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from safety.deadline import HandSilence, Rung, Silence
from safety.interlock import Act, Interlock, Transition
from safety.messages import DEADMAN, ESTOP, Command
from safety.profile import MS, Ladder
from safety.state import Cause, State
from safety.supervision import Share
from transport.wire.vector import Setpoint

#: So many frames without a gap make a stream fresh enough to engage.
FRESH_FRAMES = 50
#: An unlatched HOLD that nobody resumed for this long is latched.
RESUME_NS_MAX = 1000 * MS
#: A press that has lasted for so long may be a pedal that is stuck.
PRESS_NS_MAX = 1_800_000 * MS
#: DEGRADED is not left again before so long after it was left.
STEADY_NS_MIN = 1000 * MS
#: Holes in the last second's commands, as a share of them, that are too many.
LOSS_MAX = 0.05
_FRAMES_MIN = 40  # of a slow stream, so that a single hole is none


class Instrument(Protocol):
    """What is asked of the arm; both cost more than most judgements, and are asked last."""

    def is_aligned(self, hand: Setpoint) -> bool:
        """Tell whether hand and instrument are oriented alike."""

    def is_near(self, hand: Setpoint) -> bool:
        """Tell whether what the hand asks for is near the present setpoint."""


class Engagement:
    """The judgement over one session's hand.

    Parameters
    ----------
    interlock : the robot's
    note : takes every transition
    ladder, period_ns : from the grant
    """

    def __init__(
        self,
        interlock: Interlock,
        note: Callable[[Transition], None],
        ladder: Ladder,
        period_ns: int,
        now_ns: int,
    ) -> None:
        self._interlock = interlock
        self._note = note
        self._ladder = ladder.at_period(period_ns)
        self._silence = Silence(ladder, period_ns, now_ns)
        self._hand = HandSilence(now_ns)
        self._loss = _loss(period_ns)
        self._steadied_ns = now_ns - STEADY_NS_MIN
        self._frames = 0  # admitted without a gap
        self._late = False  # commands arrive, but too old
        self._seen_up = False  # the deadman, since ARMED
        self._press_id = -1
        self._pressed_ns = now_ns
        self._moving = False  # at the newest command
        self._hold_ns = 0
        self._clutches: dict[int, int] = {}  # arm -> clutch_id of its newest command
        self._hold_clutches: dict[int, int] = {}  # the same when HOLD began
        self._hand_is_silent = False
        self._unbroken = False  # the deadman, since HOLD
        self._is_local = False
        self.latched = False
        self.is_over = False

    def heard(
        self,
        command: Command,
        hand: Setpoint,
        instrument: Instrument,
        now_ns: int,
        *,
        hole: bool = False,
    ) -> None:
        """Judge an admitted command, `hand` its pose, beside the instrument of its arm.

        `hole` says that commands before it are missing.
        """
        self.handle(now_ns)  # a deadline between the last command and this one comes first
        if now_ns - self._silence.heard_ns >= self._ladder.degraded_ns:
            self._frames = 0
        self._frames += 1
        self._late = False
        self._silence.heard(now_ns)
        self._hand.heard(command.input_seq, command.input_age, now_ns)
        self._hand_is_silent = self._hand.next_deadline_ns() <= now_ns
        self._clutches[command.arm] = command.clutch_id
        if command.flags & ESTOP:
            self._lower(State.ESTOP, Cause.ESTOP_PRESSED, now_ns)
        held = bool(command.flags & DEADMAN)
        if self._loss.add(bad=hole):
            self._lower(State.DEGRADED, Cause.LOSS, now_ns)
        if self._hand_is_silent and self._interlock.state >= State.DEGRADED:
            self._lower(State.HOLD, Cause.HAND_SILENCE, now_ns)
        state = self._interlock.state
        if state >= State.DEGRADED:
            self._while_moving(command, held, now_ns)
        elif state is State.ARMED:
            aligned = held and instrument.is_aligned(hand)
            self._while_armed(command, held, aligned, now_ns)
        elif state is State.HOLD:
            self._while_held(command, held, hand, instrument, now_ns)
        elif state is State.IDLE:
            self._while_idle(held, hand, instrument, now_ns)
        self._moving = self._interlock.state >= State.DEGRADED

    def late(self) -> None:
        """Note that a command came too late: it breaks no silence, but names its cause."""
        self._late = True

    def hold(self, cause: Cause, now_ns: int) -> None:
        """Hold for another cause than the stream's (driver, ceiling, lag)."""
        self._lower(State.HOLD, cause, now_ns)

    def withhold(self, *, local: bool) -> None:
        """Let nothing resume of what was before: the hand needs a clutch cycle from now on.

        While the team at the robot has it (`local`), an end of silence leaves it its power.
        """
        self.latched = True
        self._is_local = local
        self._unbroken = self._moving = False
        self._hold_clutches = dict(self._clutches)

    def handle(self, now_ns: int) -> None:
        """Apply what silence has come to by now."""
        rung = self._silence.climb(now_ns)
        cause = Cause.LATE if self._late else Cause.SILENCE
        if rung is Rung.DEGRADED:
            self._lower(State.DEGRADED, Cause.LATE if self._late else Cause.GAP, now_ns)
        elif rung >= Rung.HOLD:
            self._lower(State.HOLD, cause, now_ns)
        if self._interlock.state is State.HOLD:
            self._latch(rung, now_ns)
        if rung is Rung.STOP:
            self._end_of_silence(now_ns)

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """When `handle` has something to do, unless a command comes first."""
        silence_ns = self._silence.next_deadline_ns()
        if self._interlock.state is State.HOLD and not self.latched:
            latch_ns = self._hold_ns + self._patience_ns(self._silence.rung(now_ns))
            return latch_ns if silence_ns is None else min(latch_ns, silence_ns)
        return silence_ns

    def _while_idle(self, held: bool, hand: Setpoint, instrument: Instrument, now_ns: int) -> None:
        if not self._interlock.permits(Act.ARM):
            return
        if held:
            self._interlock.explain(Cause.DEADMAN_STUCK)
        elif not instrument.is_aligned(hand):
            self._interlock.explain(Cause.MISALIGNED)
        else:
            self._act(Act.ARM, Cause.ALIGNED, now_ns)

    def _while_moving(self, command: Command, held: bool, now_ns: int) -> None:
        if not held or command.press_id != self._press_id:
            self._seen_up = not held
            self._lower(State.ARMED, Cause.RELEASED, now_ns)
        elif self._interlock.permits(Act.STEADY) and self._is_steady(now_ns):
            self._steadied_ns = now_ns
            self._act(Act.STEADY, Cause.STREAM_CLEAN, now_ns)

    def _while_armed(self, command: Command, held: bool, aligned: bool, now_ns: int) -> None:
        if not held:
            self._seen_up = True
        elif self._seen_up and aligned and self._is_fresh():
            slowly = self._loss.is_bad or not self._interlock.permits(Act.ENGAGE)
            act = Act.ENGAGE_SLOWLY if slowly else Act.ENGAGE
            if self._interlock.permits(act):
                self._seen_up = False
                self._press_id, self._pressed_ns = command.press_id, now_ns
                self._act(act, Cause.PRESSED, now_ns)

    def _while_held(
        self,
        command: Command,
        held: bool,
        hand: Setpoint,
        instrument: Instrument,
        now_ns: int,
    ) -> None:
        lasts = now_ns - self._pressed_ns >= PRESS_NS_MAX
        if not held or lasts or command.press_id != self._press_id:
            self._unbroken = False
        permits = self._interlock.permits
        began = self._hold_clutches.get(command.arm, command.clutch_id)
        cycled = command.clutch_id != began
        if not held:
            may_rearm = (cycled or not self.latched) and permits(Act.REARM)
            if may_rearm and instrument.is_aligned(hand):
                self._act(Act.REARM, Cause.ALIGNED, now_ns)
                self._seen_up = True
        elif self._may_resume() and permits(Act.RESUME) and instrument.is_near(hand):
            self._act(Act.RESUME, Cause.RESUMED, now_ns)

    def _is_steady(self, now_ns: int) -> bool:
        rested = now_ns - self._steadied_ns >= STEADY_NS_MIN
        return rested and not self._loss.is_bad and self._silence.is_steady(now_ns)

    def _is_fresh(self) -> bool:
        return self._frames >= FRESH_FRAMES and not self._hand_is_silent

    def _may_resume(self) -> bool:
        return self._unbroken and not self.latched and not self._hand_is_silent

    def _latch(self, rung: Rung, now_ns: int) -> None:
        if rung >= Rung.LATCHED or now_ns - self._hold_ns >= self._patience_ns(rung):
            if not self.latched:
                self._interlock.explain(Cause.LATCHED)
            self.latched = True

    def _patience_ns(self, rung: Rung) -> int:
        """How long a HOLD may last unlatched: longer once its cause is gone, to resume in."""
        ceiling_stands = self._interlock.ceiling <= State.HOLD
        lasts = rung is not Rung.CLEAN or self._hand_is_silent or ceiling_stands
        return self._ladder.latched_ns if lasts else RESUME_NS_MAX

    def _end_of_silence(self, now_ns: int) -> None:
        if self._moving:
            self._lower(State.PROTECTIVE_STOP, Cause.LONG_SILENCE, now_ns)
        elif not self._is_local:
            self._lower(State.IDLE, Cause.ENDED, now_ns)
        self.is_over = True

    def _act(self, act: Act, cause: Cause, now_ns: int) -> None:
        self.latched = False
        self._note(self._interlock.act(act, cause, now_ns))

    def _lower(self, ceiling: State, cause: Cause, now_ns: int) -> None:
        transition = self._interlock.lower(ceiling, cause, now_ns)
        if transition is None:
            return
        if transition.new is State.HOLD:
            self._hold_ns = now_ns
            self._hold_clutches = dict(self._clutches)
            self._unbroken = transition.old >= State.DEGRADED
            self.latched = False
        self._note(transition)


def _loss(period_ns: int) -> Share:
    """Make the share of holes in a second's commands of this period."""
    frames = max(_FRAMES_MIN, 1_000_000_000 // period_ns)
    enter = round(frames * LOSS_MAX)
    return Share(frames, enter, enter // 2)
