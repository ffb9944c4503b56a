"""A box reads its loop and says its token: what a robot permits while the loop is what it is."""

from types import SimpleNamespace

import pytest

from safety.ceiling import Ceilings
from safety.estop import TOKEN_NS
from safety.messages import Ceiling, Event
from safety.profile import MS
from safety.state import Cause, State
from teleop.robot import estopd
from teleop.robot.estopd import REOPEN_NS, Box
from transport.io.button import ButtonFault, ButtonSettings
from transport.wire.codec import Registry, encode

SETTINGS = ButtonSettings(module="tests.none", device="loop")
BOOT = bytes(8)


class Loop:
    """A loop: closed, open, or an error."""

    def __init__(self) -> None:
        self.is_closed = True
        self.error = ""
        self.is_held = False
        self.opened = 0

    def open(self, *_):
        if self.error:
            raise ButtonFault(self.error)
        self.is_held = True
        self.opened += 1
        return self

    def closed(self):
        if self.error:
            raise OSError(self.error)
        return self.is_closed

    def close(self):
        self.is_held = False


class Story:
    """A box, its loop, and what the robot makes of its word."""

    def __init__(self, monkeypatch) -> None:
        self.loop, self.now_ns = Loop(), 0
        runtime = SimpleNamespace(clock=SimpleNamespace(now_ns=lambda: self.now_ns))
        monkeypatch.setattr(estopd, "open_button", self.loop.open)
        self.box = Box("pillar", "psm", SETTINGS, runtime)
        self.ceilings = Ceilings({}, wired=("pillar",))
        self.latched = False
        self.said: list[State] = []

    def run(self, ms: int, *, answers: bool = True) -> State:
        """Let time pass; give the lowest state that was permitted."""
        found = State.ENGAGED
        for _ in range(ms):
            if self.now_ns >= self.box.next_deadline_ns():
                self._say(self.box.word(self.now_ns), answers=answers)
            found = min(found, self.ceilings.lowest(self.now_ns).state)
            self.now_ns += MS
        return found

    def hear(self, state: State, robot: str = "psm") -> None:
        self.box.hear(encode(Event(18, robot, BOOT, 1, self.now_ns, state, state, Cause.NONE, 0)))

    @property
    def permitted(self) -> State:
        return self.ceilings.lowest(self.now_ns).state

    def _say(self, word, *, answers):
        if word is None:
            return
        message = Registry((Ceiling,)).expect(word, Ceiling)
        state = State(message.max_state)
        self.said.append(state)
        self.ceilings.set("pillar", state, message.cause, message.ttl_ms * MS, self.now_ns)
        if answers and state is State.ESTOP:
            self.hear(State.ESTOP)


@pytest.fixture
def story(monkeypatch):
    return Story(monkeypatch)


def test_a_closed_loop_lifts_and_goes_on_lifting(story):
    assert story.permitted is State.IDLE, "before it was heard"
    story.run(1)
    assert story.permitted is State.ENGAGED
    assert story.run(200) is State.ENGAGED
    assert len(story.said) == 41
    assert set(story.said) == {State.ENGAGED}


def test_an_open_loop_is_an_estop_with_the_next_word(story):
    story.run(20)
    story.loop.is_closed = False
    story.run(TOKEN_NS // MS)
    assert story.permitted is State.ESTOP
    story.run(500)
    assert story.permitted is State.ESTOP, "as long as it is open"
    story.loop.is_closed = True
    story.run(10)
    assert story.permitted is State.ENGAGED, "the robot has latched it: the rest is the bedside's"
    assert story.box.pressed == 1


def test_a_short_press_is_said_until_this_robot_has_latched_it(story):
    story.run(20)
    story.loop.is_closed = False
    story.run(5, answers=False)
    story.loop.is_closed = True
    story.run(50, answers=False)
    assert story.said[-1] is State.ESTOP
    story.hear(State.PROTECTIVE_STOP)
    story.hear(State.ESTOP, robot="another")
    story.box.hear(b"\x00")
    story.run(10, answers=False)
    assert story.said[-1] is State.ESTOP
    story.hear(State.ESTOP)
    story.run(10, answers=False)
    assert story.said[-1] is State.ENGAGED


def test_a_loop_that_nobody_can_read_is_a_silence_and_read_again_later(story, capsys):
    story.run(20)
    story.loop.error = "unplugged"
    story.run(30)
    assert story.permitted is State.PROTECTIVE_STOP
    assert not story.loop.is_held
    said = len(story.said)
    story.run(3 * REOPEN_NS // MS)
    assert len(story.said) == said
    story.loop.error = ""
    story.run(REOPEN_NS // MS + 10)
    assert story.permitted is State.ENGAGED
    assert story.loop.opened == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "pillar" in line]
    assert [line.rpartition(": ")[2] for line in told] == [
        "is read",
        "unplugged",
        "unplugged",
        "is read",
    ]


def test_a_loop_that_was_never_read_lets_nothing_arm(story):
    story.loop.error = "no such port"
    story.run(100)
    assert story.permitted is State.IDLE
    assert story.said == []


def test_a_press_that_is_owed_is_said_though_the_loop_is_lost_meanwhile(story):
    story.run(20)
    story.loop.is_closed = False
    story.run(5, answers=False)
    story.loop.error = "unplugged"
    story.run(100, answers=False)
    assert story.permitted is State.ESTOP
    story.hear(State.ESTOP)
    story.run(100)
    assert story.permitted is State.ESTOP, "it was down when it was last seen"


def test_an_error_that_nobody_expected_ends_the_process(story):
    story.run(20)
    story.loop.closed = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        story.run(10)
